import {
  type Addressed,
  type Broker,
  type BrokerHealth,
  type ChannelDepth,
  type ChannelSpec,
  type ConsumeOptions,
  type Consumer,
  checkChannel,
  checkOutgoing,
  NotPublished,
  type NotPublishedReason,
  type OutgoingMessage,
  type Received,
  type Settled,
} from '../../bus/broker.js';
import { Misconfigured, NotConnected } from '../../bus/errors.js';
import { deadline } from '../../bus/runtime/deadline.js';
import type { BrokerServer, Place, ServerChannel, ServerSession, Stored } from './broker.js';
import type { VirtualClock } from './clock.js';
import { type Context, Wire } from './context.js';
import type { Life } from './scheduler.js';

/** After so long without a confirm nobody knows whether it was stored, as on RabbitMQ. */
export const CONFIRM_MS = 30_000;
const PATIENCE_MS = 5_000;

/** One connection as the client sees it. */
class ClientSession implements ServerSession {
  isOpen = true;
  /** The client has not noticed an end yet. */
  isTrusted = true;
  readonly up: Wire;
  readonly down: Wire;
  readonly ended = new Set<() => void>();

  constructor(
    readonly context: Context,
    readonly lost: () => void,
  ) {
    this.up = new Wire(context);
    this.down = new Wire(context);
  }
}

/** A node's connections to the simulated broker: one for publishing, one for consuming, opened again by themselves. */
export class SimulatedBroker implements Broker {
  readonly kind = 'rabbitmq';
  readonly #declared = new Set<string>();
  readonly #consumers = new Set<SimulatedConsumer>();
  readonly #unconfirmed = new Set<(reason: NotPublishedReason, why: string) => void>();
  #publishing: ClientSession | undefined;
  #consuming: ClientSession | undefined;
  #isClosed = false;
  /** Cut off from the broker until then. */
  cutUntil = 0;

  constructor(
    private readonly context: Context,
    private readonly server: BrokerServer,
    private readonly life: Life,
    private readonly clock: VirtualClock,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    await this.clock.sleep(this.context.latency(), signal);
    if (!this.#isReachable) throw new NotConnected('E510', 'the simulated broker is away');
    this.#connect('publishing');
    this.#connect('consuming');
  }

  async declare(channel: ChannelSpec): Promise<void> {
    checkChannel(channel.name);
    await this.#ask(() => this.server.declare(channel.name, channel.singleActiveConsumer ?? false));
    this.#declared.add(channel.name);
  }

  publish(channel: string, message: OutgoingMessage): Promise<void> {
    return this.#send(channel, message, 0);
  }

  publishAll(messages: readonly Addressed[], settled: Settled): void {
    publishEach({ publish: (channel, message) => this.publish(channel, message) }, messages, settled);
  }

  publishLater(channel: string, message: OutgoingMessage, delayMs: number): Promise<void> {
    return this.#send(channel, message, delayMs);
  }

  async consume(channel: string, { prefetch }: ConsumeOptions, onMessage: (received: Received) => void): Promise<Consumer> {
    if (!this.#declared.has(channel)) throw new Misconfigured('E514', `channel ${channel} was not declared`);
    const consumer = new SimulatedConsumer(this.context, this.server, this.life, this.clock, channel, prefetch, onMessage, (left) => this.#consumers.delete(left));
    this.#consumers.add(consumer);
    await this.clock.sleep(this.context.latency());
    consumer.join(this.#consuming);
    return consumer;
  }

  async depth(channel: string): Promise<ChannelDepth> {
    return this.#ask(() => {
      const { ready, unsettled, delayed, places } = this.#channel(channel);
      return { ready: ready.length, unsettled, delayed: delayed.size, oldestMs: undefined, consumers: places.length };
    });
  }

  async remove(channel: string): Promise<boolean> {
    return this.#ask(() => {
      const { ready, unsettled, delayed, places } = this.#channel(channel);
      return ready.length + unsettled + delayed.size + places.length === 0 && this.server.channels.delete(channel);
    });
  }

  get health(): BrokerHealth {
    const connected = this.#publishing !== undefined && this.#consuming !== undefined;
    return { connected, detail: connected ? undefined : 'connection lost' };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close(AbortSignal.abort())));
    for (const session of [this.#publishing, this.#consuming]) if (session) this.server.end(session);
    this.#lose('publishing', 'the broker was closed');
    this.#lose('consuming', 'the broker was closed');
  }

  /** The connection is lost: the broker may find out first, or the client. */
  drop(which: 'publishing' | 'consuming', noticedAfterMs: number): void {
    const session = which === 'publishing' ? this.#publishing : this.#consuming;
    if (!session) return;
    this.context.note(`${this.life.name} loses its ${which} connection`);
    this.server.end(session);
    this.context.scheduler.after(noticedAfterMs, this.life, () => this.#noticed(which, session));
  }

  /** The process is gone or stopped; the broker notices when the socket closes, or when heartbeats stay away. */
  abandon(noticedAfterMs: number): void {
    for (const session of [this.#publishing, this.#consuming]) {
      if (session) this.context.scheduler.after(noticedAfterMs, undefined, () => this.server.end(session));
    }
  }

  get #isReachable(): boolean {
    return this.server.isUp && this.cutUntil <= this.context.scheduler.now;
  }

  #connect(which: 'publishing' | 'consuming'): void {
    if (this.#isClosed) return;
    if (!this.#isReachable) {
      this.context.scheduler.after(this.context.random.between(200, 1_500), this.life, () => this.#connect(which));
      return;
    }
    const session: ClientSession = new ClientSession(this.context, () => {
      // Usually the broker's end of it is seen soon.
      this.context.scheduler.after(this.context.random.skewed(1, 20_000), this.life, () => this.#noticed(which, session));
    });
    this.server.sessions.add(session);
    if (which === 'publishing') this.#publishing = session;
    else {
      this.#consuming = session;
      for (const consumer of this.#consumers) consumer.join(session);
    }
  }

  #noticed(which: 'publishing' | 'consuming', session: ClientSession): void {
    if ((which === 'publishing' ? this.#publishing : this.#consuming) !== session) return;
    this.#lose(which, 'the connection was lost before the confirm');
    this.context.scheduler.after(this.context.random.between(50, 1_000), this.life, () => this.#connect(which));
  }

  #lose(which: 'publishing' | 'consuming', why: string): void {
    if (which === 'publishing') {
      if (this.#publishing) this.#publishing.isTrusted = false;
      this.#publishing = undefined;
      for (const refuse of [...this.#unconfirmed]) refuse('unknown', why);
    } else {
      if (this.#consuming) this.#consuming.isTrusted = false;
      this.#consuming = undefined;
      for (const consumer of this.#consumers) consumer.forget();
    }
  }

  async #send(channel: string, message: OutgoingMessage, delayMs: number): Promise<void> {
    checkOutgoing(channel, message);
    if (!this.#declared.has(channel)) throw new NotPublished('no-route', channel, 'the channel was not declared');
    for (let waited = 0; !this.#publishing || this.server.isBlocked; waited += 250) {
      if (this.#isClosed || waited >= PATIENCE_MS) throw new NotPublished('rejected', channel, 'not sent: no connection');
      await this.clock.sleep(250);
    }
    await this.#confirmed(this.#publishing, channel, message, delayMs);
  }

  #confirmed(session: ClientSession, channel: string, message: OutgoingMessage, delayMs: number): Promise<void> {
    const { context, life, server } = this;
    return new Promise((resolve, reject) => {
      const refuse = (reason: NotPublishedReason, why: string): void => {
        if (!this.#unconfirmed.delete(refuse)) return;
        late();
        context.note(`${life.name} publish ${channel} ${message.id.slice(0, 6)} ${reason}`);
        reject(new NotPublished(reason, channel, why));
      };
      this.#unconfirmed.add(refuse);
      const late = context.scheduler.after(CONFIRM_MS, life, () => {
        refuse('unknown', 'no confirm in time');
        if (!server.isBlocked && this.#publishing === session) this.drop('publishing', 0);
      });
      session.up.send(undefined, () => {
        // What was in the socket when the connection ended is read to its end, or it is not.
        if (!(session.isOpen || context.random.chance(0.3)) || !context.arrives(life)) return;
        server.take(channel, message, delayMs, (refused) => {
          session.down.send(life, () => {
            if (!session.isOpen) return; // the answer is lost with the connection
            if (refused) refuse(refused, `the broker said ${refused}`);
            else if (this.#unconfirmed.delete(refuse)) {
              late();
              resolve();
            }
          });
        });
      });
    });
  }

  async #ask<T>(answer: () => T): Promise<T> {
    await this.clock.sleep(this.context.latency());
    if (!this.#consuming?.isOpen || !this.server.isUp) throw new NotConnected('E510', 'the simulated broker is away');
    return answer();
  }

  #channel(name: string): ServerChannel {
    const channel = this.server.channels.get(name);
    if (!channel) throw new Misconfigured('E514', `channel ${name} was not declared`);
    return channel;
  }
}

/** One consumer of one node; takes its place again with each new connection. */
class SimulatedConsumer implements Consumer {
  readonly #out = new Set<number>();
  readonly #drained = new Set<() => void>();
  #place: Place | undefined;
  /** Aborted with the stay at the broker. */
  #stay = new AbortController();
  #session: ClientSession | undefined;
  #isHolding = false;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly context: Context,
    private readonly server: BrokerServer,
    private readonly life: Life,
    private readonly clock: VirtualClock,
    private readonly channel: string,
    private readonly prefetch: number,
    private readonly onMessage: (received: Received) => void,
    private readonly onLeft: (consumer: SimulatedConsumer) => void,
  ) {}

  get unsettled(): number {
    return this.#out.size;
  }

  join(session: ClientSession | undefined): void {
    if (!session || this.#closing || this.#session === session) return;
    this.#session = session;
    this.#stay = new AbortController();
    const place: Place = {
      session,
      prefetch: this.prefetch,
      out: new Map(),
      isHeld: this.#isHolding,
      hand: (message) => session.down.send(this.life, () => this.#arrived(place, message)),
    };
    this.#place = place;
    session.up.send(undefined, () => {
      if (session.isOpen && this.context.arrives(this.life) && this.#place === place) this.server.join(this.channel, place);
    });
  }

  forget(): void {
    this.#place = undefined;
    this.#session = undefined;
    this.#stay.abort(new Error('the connection was lost'));
    this.#out.clear();
    this.#checkDrained();
  }

  async pause(): Promise<void> {
    this.#isHolding = true;
    this.#hold(true);
  }

  async resume(): Promise<void> {
    this.#isHolding = false;
    this.#hold(false);
  }

  close(signal?: AbortSignal): Promise<void> {
    this.#closing ??= this.#leave(signal);
    return this.#closing;
  }

  async #leave(given: AbortSignal | undefined): Promise<void> {
    using limit = deadline(this.clock, 30_000);
    const signal = given ?? limit.signal;
    this.#isHolding = true;
    this.#hold(true);
    if (this.#out.size > 0 && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#drained.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
    const place = this.#place;
    this.forget();
    if (place) await new Promise<void>((resolve) => this.#tell(place, (channel) => this.server.leave(channel, place), resolve));
    this.onLeft(this);
  }

  #arrived(place: Place, { position, id, headers, body, count }: Stored): void {
    if (this.#place !== place) return; // of a connection that is given up
    if (this.#isHolding) {
      this.#tell(place, (channel) => this.server.requeue(channel, place, position));
      return;
    }
    this.#out.add(position);
    const settle = (tell: (channel: ServerChannel) => void) => (): void => {
      if (this.#place !== place || !this.#out.delete(position)) return;
      this.#tell(place, tell);
      this.#checkDrained();
    };
    this.context.note(`${this.life.name} got ${this.channel} ${id.slice(0, 6)} count ${count}`);
    this.onMessage({
      id,
      headers,
      body,
      redelivered: count > 0,
      deliveryCount: count,
      session: this.#stay.signal,
      ack: settle((channel) => this.server.ack(channel, place, position)),
      requeue: settle((channel) => this.server.requeue(channel, place, position)),
    });
  }

  #hold(isHeld: boolean): void {
    const place = this.#place;
    if (!place) return;
    this.#tell(place, (channel) => {
      place.isHeld = isHeld;
      this.server.pump(channel);
    });
  }

  #tell(place: Place, what: (channel: ServerChannel) => void, then?: () => void): void {
    const session = place.session as ClientSession;
    session.up.send(undefined, () => {
      const channel = this.server.channels.get(this.channel);
      if (channel && this.context.arrives(this.life)) what(channel);
      if (then) this.context.scheduler.after(0.1, this.life, then);
    });
  }

  #checkDrained(): void {
    if (this.#out.size > 0) return;
    for (const resolve of this.#drained) resolve();
    this.#drained.clear();
  }
}

/** One after the other what a broker can do together. */
export function publishEach({ publish }: Pick<Broker, 'publish'>, messages: readonly Addressed[], settled: Settled): void {
  for (const [place, { channel, message }] of messages.entries()) {
    publish(channel, message).then(
      () => settled(place, undefined),
      (error: Error) => settled(place, error),
    );
  }
}
