import type { ConfirmChannel, Options } from 'amqplib';
import type { Clock, Logger } from '../../adapters/contract/index.js';
import { NotPublished, type OutgoingMessage } from '../broker.js';
import { describe } from '../errors.js';
import type { BrokerConnection, Session } from './connection.js';
import { toAmqp } from './headers.js';
import { abortable, aborted, backOff, interrupted, within } from './waiting.js';

/** Measured knee of the curve; more unconfirmed messages make it slower. */
const WINDOW = 256;
const CONFIRM_MS = 30_000;
/** After this a channel on which publishes are refused is replaced; twice as long each time that does not help. */
const RENEW_MS = 500;
const LONGEST_RENEW_MS = 30_000;
/** How long a channel that is replaced may take to answer what is in flight. */
const RENEW_DRAIN_MS = 2_000;
/** How long a publish waits for a connection, or for the end of an alarm, before it was sent. */
const PATIENCE_MS = 5_000;

export interface Outgoing {
  readonly to: Address;
  readonly message: OutgoingMessage;
  /** Called once: without a problem when it is stored. */
  readonly settled: (problem: NotPublished | undefined) => void;
  /** Monotonic time at which it was given, and later at which it was sent. */
  since: number;
}

/** Where a message goes: channel is its name in errors. */
export interface Address {
  readonly channel: string;
  readonly exchange: string;
  readonly key: string;
}

/** One confirm channel with a window. A publish counts only when it was confirmed and not returned: the broker confirms unroutable messages too. */
export class Publisher {
  readonly #connection: BrokerConnection;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #waiting: Outgoing[] = [];
  readonly #inFlight = new Set<Outgoing>();
  /** Returned and not confirmed yet, by destination and id. */
  readonly #returned = new Map<string, number>();
  /** Destinations that refused their last message. */
  readonly #refused = new Set<string>();
  /** When the channel of now may be replaced, and when it was decided to. */
  #renewFrom = 0;
  #renewWait = RENEW_MS;
  #renewing: number | undefined;
  #session: Session | undefined;
  #channel: ConfirmChannel | undefined;
  #idle = Promise.withResolvers<void>();
  #running: Promise<unknown> | undefined;

  constructor(connection: BrokerConnection, clock: Clock, log: Logger) {
    this.#connection = connection;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#running = Promise.all([this.#run(), this.#sweep()]);
  }

  /** @throws NotPublished */
  send(to: Address, message: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.sendAll([{ to, message, settled: (problem) => (problem ? reject(problem) : resolve()), since: this.#clock.monotonic() }]);
    });
  }

  sendAll(messages: readonly Outgoing[]): void {
    for (const message of messages) {
      if (this.#stop.signal.aborted) message.settled(new NotPublished('rejected', message.to.channel, 'the broker is closed'));
      else this.#waiting.push(message);
    }
    this.#pump();
  }

  /** What is sent from now on goes through another channel; what was sent is answered first (bounded). */
  renew(): void {
    if (!this.#channel) return;
    this.#renewing ??= this.#clock.monotonic();
    if (this.#inFlight.size === 0) this.#replace();
  }

  /** Waits for what was sent (bounded), refuses the rest. */
  async close(): Promise<void> {
    if (this.#inFlight.size + this.#waiting.length > 0 && this.#session && this.#session.blocked === undefined) {
      const cut = new AbortController();
      await Promise.race([this.#idle.promise, interrupted(this.#clock, PATIENCE_MS, cut.signal)]);
      cut.abort();
    }
    this.#stop.abort();
    for (const out of this.#waiting.splice(0)) out.settled(new NotPublished('rejected', out.to.channel, 'the broker is closed'));
    this.#lose('the broker was closed before the confirm');
    await this.#running;
  }

  async #run(): Promise<void> {
    const stop = this.#stop.signal;
    for (let attempt = 0; !stop.aborted; attempt++) {
      try {
        const session = await this.#connection.ready(stop);
        const { ended } = await this.#open(session);
        attempt = 0;
        await abortable(ended, stop);
      } catch (error) {
        if (stop.aborted) return;
        this.#log.debug('broker.publisher', describe(error));
      }
      if (await interrupted(this.#clock, backOff(attempt), stop)) return;
    }
  }

  async #open(session: Session): Promise<{ readonly ended: Promise<void> }> {
    const channel = await within(this.#clock, CONFIRM_MS, 'opening a channel', session.model.createConfirmChannel());
    const ended = new AbortController();
    channel.on('error', (error) => this.#log.warn('broker.publisher', `RabbitMQ closed the publishing channel: ${describe(error)}`));
    channel.on('handler-error', (error) => this.#log.error('broker.publisher', describe(error)));
    channel.on('return', ({ fields, properties }) => {
      const name = `${fields.exchange} ${fields.routingKey} ${String(properties.messageId)}`;
      this.#returned.set(name, (this.#returned.get(name) ?? 0) + 1);
    });
    // Before the library's own listener, which tells every unconfirmed publish the same as a nack.
    channel.prependListener('close', () => {
      ended.abort();
      if (this.#channel === channel) this.#lose('the channel was lost before the confirm');
    });
    if (session.lost.aborted) ended.abort();
    if (!ended.signal.aborted) {
      this.#session = session;
      this.#channel = channel;
      this.#renewing = undefined;
      this.#renewFrom = this.#clock.monotonic() + this.#renewWait;
      this.#pump();
    }
    return { ended: aborted(ended.signal) };
  }

  #pump(): void {
    const now = this.#clock.monotonic();
    while (this.#channel && this.#renewing === undefined && this.#session?.blocked === undefined && this.#inFlight.size < WINDOW) {
      const out = this.#waiting.shift();
      if (!out) break;
      out.since = now;
      this.#inFlight.add(out);
      this.#session?.gather();
      const { to, message } = out;
      const { buffer, byteOffset, byteLength } = message.body;
      try {
        const options: Options.Publish = { messageId: message.id, persistent: true, mandatory: true, headers: toAmqp(message.headers) };
        this.#channel.publish(to.exchange, to.key, Buffer.from(buffer, byteOffset, byteLength), options, (error: unknown) => this.#answered(out, error));
      } catch (error) {
        // Headers that do not fit a frame are refused before anything is written; anything else means the channel is closing.
        const reason = error instanceof RangeError || error instanceof TypeError ? 'too-large' : 'unknown';
        this.#settle(out, new NotPublished(reason, to.channel, describe(error), error));
      }
    }
    if (this.#inFlight.size + this.#waiting.length === 0) {
      this.#idle.resolve();
      this.#idle = Promise.withResolvers();
    }
  }

  #answered(out: Outgoing, error: unknown): void {
    if (!this.#inFlight.has(out)) return;
    if (error !== null) {
      this.#settle(out, new NotPublished('rejected', out.to.channel, 'RabbitMQ refused the message', error));
      this.#refused.add(out.to.key);
      if (this.#renewing === undefined && this.#clock.monotonic() >= this.#renewFrom) this.#renewing = this.#clock.monotonic();
    } else {
      if (this.#takeReturn(out)) this.#settle(out, new NotPublished('no-route', out.to.channel, `there is no queue for ${out.to.key}`));
      else this.#settle(out);
      if (this.#refused.delete(out.to.key) && this.#refused.size === 0) this.#renewWait = RENEW_MS;
    }
    if (this.#renewing !== undefined && this.#inFlight.size === 0) this.#replace();
    this.#pump();
  }

  /**
   * A channel that was opened while a quorum queue had no leader may hold on to the leader that is gone: it refuses every message for that queue
   * until the dead node is back (seen on 3.10.8, three nodes, leader killed). A new channel asks anew.
   */
  #replace(): void {
    const channel = this.#channel;
    if (!channel) return;
    this.#log.debug('broker.publisher', `another channel${this.#refused.size > 0 ? `, messages are refused: ${[...this.#refused].join(', ')}` : ''}`);
    this.#renewWait = Math.min(this.#renewWait * 2, LONGEST_RENEW_MS);
    // What it has not answered yet may be stored or not, so that is published again.
    this.#lose('the channel was replaced before the confirm');
    channel.close().catch((error: unknown) => this.#log.debug('broker.publisher', describe(error))); // it ended by itself
  }

  #takeReturn(out: Outgoing): boolean {
    if (this.#returned.size === 0) return false;
    const name = `${out.to.exchange} ${out.to.key} ${out.message.id}`;
    const count = this.#returned.get(name);
    if (count === undefined) return false;
    if (count === 1) this.#returned.delete(name);
    else this.#returned.set(name, count - 1);
    return true;
  }

  #settle(out: Outgoing, problem?: NotPublished): void {
    this.#inFlight.delete(out);
    out.settled(problem);
  }

  #lose(why: string): void {
    this.#channel = undefined;
    this.#session = undefined;
    this.#returned.clear();
    for (const out of this.#inFlight) this.#settle(out, new NotPublished('unknown', out.to.channel, why));
  }

  /** Ends what waits too long: unsent messages are known not to be stored, sent ones may be. */
  async #sweep(): Promise<void> {
    while (!(await interrupted(this.#clock, 500, this.#stop.signal))) {
      const now = this.#clock.monotonic();
      const blocked = this.#session?.blocked;
      if (!this.#channel || blocked !== undefined) {
        const why = blocked ?? this.#connection.problem ?? 'not connected';
        while (this.#waiting[0] && now - this.#waiting[0].since > PATIENCE_MS) {
          const out = this.#waiting.shift();
          out?.settled(new NotPublished('rejected', out.to.channel, `not sent: ${why}`));
        }
      }
      if (this.#renewing !== undefined && now - this.#renewing > RENEW_DRAIN_MS) this.#replace();
      const late = [...this.#inFlight].filter((out) => now - out.since > CONFIRM_MS);
      for (const out of late) this.#settle(out, new NotPublished('unknown', out.to.channel, `no confirm within ${CONFIRM_MS / 1000} s`));
      // During an alarm the broker reads again by itself; without one a silent channel is broken.
      if (late.length > 0 && blocked === undefined) this.#connection.drop();
      this.#pump();
    }
  }
}
