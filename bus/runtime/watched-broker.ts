// A broker whose consumers can be looked at and made anew; to whoever consumes it is any broker.
import type { Clock } from '../../adapters/contract/services.js';
import type { Addressed, Broker, ChannelDepth, ChannelSpec, ConsumeOptions, Consumer, OutgoingMessage, Received, Settled } from '../broker.js';
import { deadline } from './deadline.js';
import { settledWithin } from './settled-within.js';

/** What a consumer has done so far. */
export interface Pulse {
  /** It has room for more, and nothing is expected of it while it has not. */
  readonly hasRoom: boolean;
  readonly received: number;
  readonly settled: number;
  readonly unsettled: number;
  /** How long the oldest unsettled message has been in hand. */
  readonly oldestMs: number | undefined;
}

const DRAIN_MS = 10_000;
/** For a broker that does not answer. */
const CLOSE_MS = 5_000;

export class WatchedBroker implements Broker {
  readonly kind: Broker['kind'];
  private readonly single = new Set<string>();
  private readonly consumers = new Set<WatchedConsumer>();
  /** By channel: what this process has published and not got back, as far as it knows. */
  private readonly outstanding = new Map<string, Outstanding>();

  constructor(
    private readonly broker: Broker,
    private readonly clock: Clock,
  ) {
    this.kind = broker.kind;
  }

  /** Consumers that were not closed. */
  get consuming(): readonly WatchedConsumer[] {
    return [...this.consumers];
  }

  get health(): Broker['health'] {
    return this.broker.health;
  }

  open(signal: AbortSignal): Promise<void> {
    return this.broker.open(signal);
  }

  async declare(channel: ChannelSpec): Promise<void> {
    if (channel.singleActiveConsumer) this.single.add(channel.name);
    await this.broker.declare(channel);
  }

  async publish(channel: string, message: OutgoingMessage): Promise<void> {
    const count = this.begin(channel);
    try {
      await this.broker.publish(channel, message);
      count.end(true);
    } catch (error) {
      count.end(false);
      throw error;
    }
  }

  publishAll(messages: readonly Addressed[], settled: Settled): void {
    const counts = messages.map(({ channel }) => this.begin(channel));
    this.broker.publishAll(messages, (place, problem) => {
      counts[place]?.end(problem === undefined);
      settled(place, problem);
    });
  }

  /** Before it is sent: it may be handed out before it is confirmed. */
  private begin(channel: string): Outstanding {
    let count = this.outstanding.get(channel);
    if (!count) {
      count = new Outstanding();
      this.outstanding.set(channel, count);
    }
    count.messages++;
    count.inFlight++;
    return count;
  }

  /** Messages this process has published and that have not come back to it; 0 while one is being published. */
  owed(channel: string): number {
    const { inFlight = 0, messages = 0 } = this.outstanding.get(channel) ?? {};
    return inFlight > 0 ? 0 : messages;
  }

  /** Others have them, or nobody knows. */
  forgive(channel: string): void {
    const count = this.outstanding.get(channel);
    if (count) count.messages = 0;
  }

  publishLater(channel: string, message: OutgoingMessage, delayMs: number): Promise<void> {
    return this.broker.publishLater(channel, message, delayMs);
  }

  async consume(channel: string, options: ConsumeOptions, onMessage: (received: Received) => void): Promise<Consumer> {
    const take = (received: Received): void => {
      const count = this.outstanding.get(channel);
      if (count) count.messages = Math.max(0, count.messages - 1);
      onMessage(received);
    };
    const consumer = new WatchedConsumer(channel, this.single.has(channel), this.clock, options, take, (closed) => this.consumers.delete(closed));
    await consumer.start(this.broker);
    this.consumers.add(consumer);
    return consumer;
  }

  depth(channel: string): Promise<ChannelDepth> {
    return this.broker.depth(channel);
  }

  remove(channel: string): Promise<boolean> {
    return this.broker.remove(channel);
  }

  close(): Promise<void> {
    return this.broker.close();
  }
}

/** What this process has published to one channel. */
class Outstanding {
  inFlight = 0;
  messages = 0;

  end(isStored: boolean): void {
    this.inFlight--;
    if (!isStored) this.messages = Math.max(0, this.messages - 1);
  }
}

export class WatchedConsumer implements Consumer {
  private broker: Broker | undefined;
  private inner: Consumer | undefined;
  /** When each unsettled message was taken, oldest first. */
  private readonly held = new Map<object, number>();
  private received = 0;
  private settled = 0;
  private isPaused = false;
  private isClosed = false;
  private renewing: Promise<void> | undefined;

  /** @param isSingle one of several consumers is served at a time, so to be handed nothing may be right */
  constructor(
    readonly channel: string,
    readonly isSingle: boolean,
    private readonly clock: Clock,
    private readonly options: ConsumeOptions,
    private readonly onMessage: (received: Received) => void,
    private readonly onClosed: (consumer: WatchedConsumer) => void,
  ) {}

  async start(broker: Broker): Promise<void> {
    this.broker = broker;
    this.inner = await broker.consume(this.channel, this.options, (received) => this.take(received));
  }

  get unsettled(): number {
    return this.inner?.unsettled ?? 0;
  }

  /** Undefined while nothing is expected of it: it is paused or closed. */
  get pulse(): Pulse | undefined {
    if (this.isPaused || this.isClosed) return undefined;
    const [oldest] = this.held.values();
    return {
      hasRoom: this.unsettled < this.options.prefetch,
      received: this.received,
      settled: this.settled,
      unsettled: this.held.size,
      oldestMs: oldest === undefined ? undefined : this.clock.monotonic() - oldest,
    };
  }

  // Without a renewal under way the inner consumer is told before anything else runs: its owner relies on being handed nothing from then on.

  async pause(): Promise<void> {
    this.isPaused = true;
    if (this.renewing) await this.renewing;
    await this.inner?.pause();
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    if (this.renewing) await this.renewing;
    if (this.inner) await this.inner.resume();
    else if (this.broker) await this.start(this.broker);
  }

  async close(signal?: AbortSignal): Promise<void> {
    this.isClosed = true;
    if (this.renewing) await this.renewing;
    await this.inner?.close(signal);
    this.onClosed(this);
  }

  /** Leaves the channel, after what is under way has had a moment, and consumes it again: what was unsettled is handed out anew. @throws NotConnected */
  async renew(): Promise<void> {
    if (this.renewing || !this.pulse) return;
    const renewing = this.renewNow();
    this.renewing = renewing.catch(() => undefined); // the caller gets the error
    try {
      await renewing;
    } finally {
      this.renewing = undefined;
    }
  }

  private async renewNow(): Promise<void> {
    using drained = deadline(this.clock, DRAIN_MS);
    // One that does not even close is left behind: the broker gives its messages to the next when its session ends.
    if (this.inner) await settledWithin(DRAIN_MS + CLOSE_MS, this.inner.close(drained.signal), this.clock);
    this.inner = undefined;
    if (this.broker && !this.isPaused && !this.isClosed) await this.start(this.broker);
  }

  private take(received: Received): void {
    // Handed out while it began to consume anew, and was paused or closed meanwhile.
    if (this.renewing && (this.isPaused || this.isClosed)) {
      received.requeue();
      return;
    }
    const token = {};
    this.received++;
    this.held.set(token, this.clock.monotonic());
    const settle = (how: () => void) => (): void => {
      if (this.held.delete(token)) this.settled++;
      how();
    };
    this.onMessage({ ...received, ack: settle(() => received.ack()), requeue: settle(() => received.requeue()) });
  }
}
