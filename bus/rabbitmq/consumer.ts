import type { Clock, Logger } from '../../adapters/contract/index.js';
import type { Consumer, Received } from '../broker.js';
import { describe } from '../errors.js';
import type { BrokerConnection } from './connection.js';
import { Subscription } from './subscription.js';
import type { Topology } from './topology.js';
import { interrupted } from './waiting.js';

export interface ConsumerOptions {
  readonly connection: BrokerConnection;
  readonly topology: Topology;
  readonly clock: Clock;
  readonly log: Logger;
  readonly channel: string;
  readonly prefetch: number;
  readonly onMessage: (received: Received) => void;
  /** Called when a queue is not there any more. */
  readonly onMissing: () => void;
  /** Called when the consumer has given up its place. */
  readonly onClosed: (consumer: ChannelConsumer) => void;
}

const DRAIN_POLL_MS = 200;

/**
 * Consumes all generations of one channel: the newest only after the older ones are empty and nothing of them is unsettled here, so
 * that the switch keeps the order. The older ones stay subscribed, because delayed copies still return to them.
 */
export class ChannelConsumer implements Consumer {
  readonly #options: ConsumerOptions;
  readonly #subscriptions: Subscription[] = [];
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #paused = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
  }

  get channel(): string {
    return this.#options.channel;
  }

  get unsettled(): number {
    return this.#subscriptions.reduce((sum, { unsettled }) => sum + unsettled, 0);
  }

  async start(generation: number): Promise<void> {
    const { topology, channel } = this.#options;
    for (let older = 1; older < generation; older++) {
      const queue = topology.queue(channel, older);
      if (await topology.exists(queue)) await this.#subscribe(queue);
    }
    if (this.#subscriptions.length === 0) await this.#subscribe(topology.queue(channel, generation));
    else this.follow(generation);
  }

  /** A newer generation was declared. */
  follow(generation: number): void {
    const queue = this.#options.topology.queue(this.channel, generation);
    this.#following = this.#following.then(async () => {
      if (this.#subscriptions.some((subscription) => subscription.queue === queue)) return;
      if (await this.#olderAreDone()) await this.#subscribe(queue);
    });
  }

  /** The queue is another one of the same name. */
  async renew(queue: string): Promise<void> {
    await this.#subscriptions.find((subscription) => subscription.queue === queue)?.renew();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    for (const subscription of this.#subscriptions) subscription.pause();
  }

  async resume(): Promise<void> {
    this.#paused = false;
    for (const subscription of this.#subscriptions) subscription.resume();
  }

  async close(signal?: AbortSignal): Promise<void> {
    this.#stop.abort();
    await this.#following;
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close(signal)));
    this.#options.onClosed(this);
  }

  async #subscribe(queue: string): Promise<void> {
    const { connection, clock, log, prefetch, onMessage, onMissing } = this.#options;
    const subscription = new Subscription({ connection, clock, log, queue, prefetch, hand: onMessage, missing: onMissing });
    this.#subscriptions.push(subscription);
    if (this.#paused) subscription.pause();
    await subscription.start();
  }

  async #olderAreDone(): Promise<boolean> {
    const { topology, clock, log, channel } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        const counts = await Promise.all(this.#subscriptions.map(({ queue }) => topology.count(queue)));
        // While a queue has no leader the broker says 0 for everything: our own consumer must be among what it counts.
        if (this.unsettled === 0 && counts.every((count) => count === undefined || (count.ready === 0 && count.consumers > 0))) return true;
      } catch (error) {
        log.debug('broker.consume', `${channel}: ${describe(error)}`); // not connected: ask again
      }
      if (await interrupted(clock, DRAIN_POLL_MS, this.#stop.signal)) return false;
    }
    return false;
  }
}
