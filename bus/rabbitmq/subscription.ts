import type { Clock, Logger } from '../../adapters/contract/index.js';
import type { Received } from '../broker.js';
import { describe } from '../errors.js';
import type { BrokerConnection, Session } from './connection.js';
import { Place } from './place.js';
import { replyCode } from './topology.js';
import { abortable, aborted, backOff, interrupted, within } from './waiting.js';

/** Quorum queues take no more. */
const MAX_PREFETCH = 2_000;
const ANSWER_MS = 30_000;

export interface SubscriptionOptions {
  readonly connection: BrokerConnection;
  readonly clock: Clock;
  readonly log: Logger;
  readonly queue: string;
  readonly prefetch: number;
  readonly hand: (received: Received) => void;
  /** The broker does not know the queue. */
  readonly missing: () => void;
}

/** One queue, consumed until closed: subscribes again, with back-off, after every end of its channel. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  readonly #stop = new AbortController();
  readonly #tried = Promise.withResolvers<void>();
  #place: Place | undefined;
  #paused: PromiseWithResolvers<void> | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  get queue(): string {
    return this.#options.queue;
  }

  get unsettled(): number {
    return this.#place?.unsettled ?? 0;
  }

  /** Resolves after the first attempt, whether it succeeded or not. */
  async start(): Promise<void> {
    this.#running = this.#run();
    await this.#tried.promise;
  }

  /** Nothing is handed out from now on. When what is out has been settled, the channel is closed, so that other consumers get the rest. */
  pause(): void {
    if (this.#paused) return;
    this.#paused = Promise.withResolvers();
    const place = this.#place;
    if (!place) return;
    place.hold();
    this.#leaveWhenDrained(place).catch((error: unknown) => this.#note(error));
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
    this.#place?.release();
  }

  /** Subscribes anew; what is out comes again. */
  async renew(): Promise<void> {
    await this.#leave(this.#place);
  }

  /**
   * Stop, finish, settle, close the channel. Never `basic.cancel`: the broker would make the next single active consumer active
   * while messages of this one are still in work.
   */
  async close(signal?: AbortSignal): Promise<void> {
    const place = this.#place;
    place?.hold();
    if (place && place.unsettled > 0) {
      const until = signal ?? AbortSignal.timeout(ANSWER_MS);
      await Promise.race([place.drained(), aborted(until)]);
    }
    this.#stop.abort();
    await this.#leave(place);
    await this.#running;
  }

  async #leaveWhenDrained(place: Place): Promise<void> {
    await place.drained();
    if (this.#paused && this.#place === place) await this.#leave(place);
  }

  async #leave(place: Place | undefined): Promise<void> {
    if (!place) return;
    try {
      await within(this.#options.clock, ANSWER_MS, `closing the consumer of ${this.queue}`, place.leave());
    } catch (error) {
      this.#note(error); // the channel ended by itself: the broker has taken everything back
    }
  }

  async #run(): Promise<void> {
    const { clock, connection, log } = this.#options;
    const stop = this.#stop.signal;
    for (let attempt = 0; !stop.aborted; attempt++) {
      try {
        if (this.#paused) {
          this.#tried.resolve();
          await abortable(this.#paused.promise, stop);
        }
        const session = await connection.ready(stop);
        const place = await this.#subscribe(session);
        attempt = 0;
        this.#tried.resolve();
        await place.ended;
        this.#place = undefined;
        if (this.#paused) continue;
      } catch (error) {
        if (replyCode(error) === 404) this.#options.missing();
        if (!stop.aborted && attempt === 0) log.warn('broker.consume', `${this.queue}: ${describe(error)}`);
      }
      this.#tried.resolve();
      if (await interrupted(clock, backOff(attempt), stop)) return;
    }
    this.#tried.resolve();
  }

  async #subscribe(session: Session): Promise<Place> {
    const { clock, log, queue, prefetch, hand } = this.#options;
    const channel = await within(clock, ANSWER_MS, `a channel for ${queue}`, session.model.createChannel());
    const place = new Place(channel, hand, this.#paused !== undefined);
    channel.on('error', (error) => log.warn('broker.consume', `RabbitMQ closed the consumer of ${queue}: ${describe(error)}`));
    channel.on('handler-error', (error, event) => log.error('broker.consume', `${event} of ${queue}: ${describe(error)}`));
    const close = (): void => void place.leave().catch((error: unknown) => this.#note(error));
    await within(clock, ANSWER_MS, `prefetch of ${queue}`, channel.prefetch(Math.min(prefetch, MAX_PREFETCH)));
    this.#place = place;
    const taken = channel.consume(queue, (message) => {
      // Null: the broker has cancelled the consumer, because the queue was deleted or moved.
      if (message) place.deliver(message);
      else close();
    });
    await within(clock, ANSWER_MS, `consuming ${queue}`, taken);
    if (this.#stop.signal.aborted) close();
    else if (this.#paused) this.#leaveWhenDrained(place).catch((error: unknown) => this.#note(error));
    return place;
  }

  #note(error: unknown): void {
    this.#options.log.debug('broker.consume', `${this.queue}: ${describe(error)}`);
  }
}
