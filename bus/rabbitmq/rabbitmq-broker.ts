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
  LADDER_MS,
  ladderStep,
  NotPublished,
  type OutgoingMessage,
  type Received,
  type Settled,
} from '../broker.js';
import type { DiagnoseOptions, Diagnosis } from '../diagnosis.js';
import { describe, Misconfigured, NotConnected } from '../errors.js';
import { BrokerConnection, type ConnectionOptions } from './connection.js';
import { ChannelConsumer } from './consumer.js';
import { Control } from './control.js';
import { examine } from './examination.js';
import { LengthLimit } from './length-limit.js';
import { Nodes } from './nodes.js';
import { type Address, type Outgoing, Publisher } from './publisher.js';
import { Topology } from './topology.js';
import { aborted, interrupted } from './waiting.js';

export interface RabbitmqOptions extends ConnectionOptions {
  /** First part of every name on the broker. Default `sb`. */
  readonly prefix?: string;
  /** URL of the management API, for `diagnose` alone. */
  readonly management?: string;
  /** How long a queue must rest after its creation before the first publish, on brokers that need it. Default 2 s; 0 in tests. */
  readonly settleMs?: number;
}

interface Declared {
  readonly spec: ChannelSpec;
  readonly generation: number;
  readonly queue: string;
  readonly address: Address;
  readonly limit: LengthLimit | undefined;
  /** Monotonic time from which on publishes count. */
  settled: number;
}

const NO_ROUTE_MS = 5_000;
const SETTLE_MS = 2_000;

/** The broker on RabbitMQ 3.10 and later. Publishing and consuming have a connection each: a blocked publisher must not stop acks. */
export class RabbitmqBroker implements Broker {
  readonly kind = 'rabbitmq';
  readonly #options: RabbitmqOptions;
  readonly #nodes: Nodes;
  readonly #publishing: BrokerConnection;
  readonly #consuming: BrokerConnection;
  readonly #topology: Topology;
  readonly #publisher: Publisher;
  readonly #stop = new AbortController();
  readonly #declared = new Map<string, Declared>();
  readonly #consumers = new Set<ChannelConsumer>();
  #ladderSettled = 0;
  /** Settled when a queue that was declared is not there: somebody deleted it. */
  #lacking = Promise.withResolvers<void>();
  #redeclaring: Promise<unknown> | undefined;

  constructor(options: RabbitmqOptions) {
    this.#options = options;
    this.#nodes = new Nodes(options.urls, options.clock, options.log);
    this.#publishing = new BrokerConnection(options, 'publishing', this.#nodes);
    this.#consuming = new BrokerConnection(options, 'consuming', this.#nodes);
    this.#topology = new Topology(options.prefix ?? 'sb', new Control(this.#consuming, options.clock));
    this.#publisher = new Publisher(this.#publishing, options.clock, options.log);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#consuming.open(signal);
    await this.#publishing.open(signal);
    if (await this.#topology.declareLadder()) this.#ladderSettled = this.#settledAt();
    if (this.#redeclaring) return;
    this.#publisher.start();
    this.#redeclaring = Promise.all([this.#redeclare(), this.#nodes.watch(this.#stop.signal)]);
  }

  async declare(spec: ChannelSpec): Promise<void> {
    checkChannel(spec.name);
    const generation = spec.generation ?? 1;
    const known = this.#declared.get(spec.name);
    const created = await this.#topology.declare(spec);
    const before = this.#declared.get(spec.name);
    if (before && before.generation > generation) return;
    const queue = this.#topology.queue(spec.name, generation);
    const { maxMessages } = spec;
    const count = async (): Promise<number> => (await this.#topology.count(queue))?.ready ?? 0;
    this.#declared.set(spec.name, {
      spec,
      generation,
      queue,
      address: { channel: spec.name, exchange: '', key: queue },
      limit: maxMessages === undefined ? undefined : new LengthLimit(maxMessages, this.#options.clock, count),
      settled: created ? this.#settledAt() : before?.generation === generation ? before.settled : 0,
    });
    if (created && known?.generation === generation) await this.#meetAgain(spec.name, queue);
    if (before && before.generation < generation) for (const consumer of this.#consumers) if (consumer.channel === spec.name) consumer.follow(generation);
  }

  /**
   * A queue that was deleted and made again is a stranger of the same name to the channels that knew the one before: what they publish or consume may be
   * taken for repetitions by it, and is never seen again (3.10.8). New channels know nothing of the old one.
   */
  async #meetAgain(channel: string, queue: string): Promise<void> {
    this.#publisher.renew();
    await Promise.all([...this.#consumers].filter((consumer) => consumer.channel === channel).map((consumer) => consumer.renew(queue)));
  }

  async publish(channel: string, message: OutgoingMessage): Promise<void> {
    const declared = this.#target(channel, message);
    if (declared.settled > 0) await this.#settle(channel, declared.settled);
    if (declared.limit) await this.#takeRoom(channel, declared.limit);
    await this.#send(declared.address, message);
  }

  publishAll(messages: readonly Addressed[], settled: Settled): void {
    const since = this.#options.clock.monotonic();
    const direct: Outgoing[] = [];
    for (const [place, { channel, message }] of messages.entries()) {
      const alone = (): void => {
        this.publish(channel, message).then(
          () => settled(place, undefined),
          (error: Error) => settled(place, error),
        );
      };
      const declared = this.#declared.get(channel);
      // What may have to wait, and what is refused, goes its own way.
      if (!declared || declared.settled > since || declared.limit || !fits(channel, message)) alone();
      else direct.push({ to: declared.address, message, since, settled: (problem) => (problem?.reason === 'no-route' ? alone() : settled(place, problem)) });
    }
    this.#publisher.sendAll(direct);
  }

  async publishLater(channel: string, message: OutgoingMessage, delayMs: number): Promise<void> {
    const declared = this.#target(channel, message);
    const settled = Math.max(declared.settled, this.#ladderSettled);
    if (settled > 0) await this.#settle(channel, settled);
    await this.#send({ channel, exchange: this.#topology.delayExchange(LADDER_MS.indexOf(ladderStep(delayMs)) + 1), key: declared.queue }, message);
  }

  async consume(channel: string, options: ConsumeOptions, onMessage: (received: Received) => void): Promise<Consumer> {
    const { generation } = this.#known(channel);
    const { clock, log } = this.#options;
    const consumer = new ChannelConsumer({
      connection: this.#consuming,
      topology: this.#topology,
      clock,
      log,
      channel,
      prefetch: options.prefetch,
      onMessage: (received) => {
        try {
          onMessage(received);
        } catch (error) {
          log.error('broker.consume', `the consumer of ${channel} threw; the message stays unsettled: ${describe(error)}`);
        }
      },
      onMissing: () => this.#lacking.resolve(),
      onClosed: (closed) => this.#consumers.delete(closed),
    });
    await consumer.start(generation);
    this.#consumers.add(consumer);
    return consumer;
  }

  async depth(channel: string): Promise<ChannelDepth> {
    const counts = await this.#generations(channel, (queue) => this.#topology.count(queue));
    const unsettled = [...this.#consumers].reduce((sum, consumer) => sum + (consumer.channel === channel ? consumer.unsettled : 0), 0);
    const total = (pick: 'ready' | 'consumers'): number => counts.reduce((sum, count) => sum + (count?.[pick] ?? 0), 0);
    return { ready: total('ready'), unsettled, delayed: undefined, oldestMs: undefined, consumers: total('consumers') };
  }

  /** Between the look and the removal another node could still publish: take a channel out of the configuration of all nodes first. */
  async remove(channel: string): Promise<boolean> {
    const removed = await this.#generations(channel, (queue) => this.#topology.remove(queue));
    if (!removed.every(Boolean)) return false;
    this.#declared.delete(channel);
    return true;
  }

  get health(): BrokerHealth {
    const connected = this.#publishing.session !== undefined && this.#consuming.session !== undefined;
    return { connected, detail: this.#publishing.problem ?? this.#consuming.problem ?? this.#nodes.problem, ...(this.#nodes.several ? { nodes: this.#nodes.all } : {}) };
  }

  diagnose(channels: readonly ChannelSpec[], how: DiagnoseOptions): Promise<readonly Diagnosis[]> {
    const { prefix = 'sb', management } = this.#options;
    return examine(channels, { ...this.#options, prefix, management, declared: this.#redeclaring !== undefined }, how);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#publisher.close();
    const now = AbortSignal.abort();
    await Promise.all([...this.#consumers].map((consumer) => consumer.close(now)));
    await Promise.all([this.#publishing.close(), this.#consuming.close(), this.#redeclaring]);
  }

  #known(channel: string): Declared {
    const declared = this.#declared.get(channel);
    if (!declared) throw new Misconfigured('E514', `channel ${channel} was not declared`);
    return declared;
  }

  #target(channel: string, message: OutgoingMessage): Declared {
    checkOutgoing(channel, message);
    const declared = this.#declared.get(channel);
    if (!declared) throw new NotPublished('no-route', channel, 'the channel was not declared');
    return declared;
  }

  async #send(to: Address, message: OutgoingMessage): Promise<void> {
    const { clock } = this.#options;
    const { channel } = to;
    const until = clock.monotonic() + NO_ROUTE_MS;
    for (;;) {
      try {
        return await this.#publisher.send(to, message);
      } catch (error) {
        // After a declaration, other nodes of the cluster may not route to the queue yet.
        const again = error instanceof NotPublished && error.reason === 'no-route' && clock.monotonic() < until;
        if (again) this.#lacking.resolve();
        if (!again || (await interrupted(clock, 250, this.#stop.signal))) throw error;
        await this.#settle(channel, this.#declared.get(channel)?.settled ?? 0);
      }
    }
  }

  async #takeRoom(channel: string, limit: LengthLimit): Promise<void> {
    let free: boolean;
    try {
      free = await limit.take();
    } catch (error) {
      throw new NotPublished('rejected', channel, `not sent: ${describe(error)}`, error);
    }
    if (!free) throw new NotPublished('rejected', channel, 'the channel is full');
  }

  async #settle(channel: string, settled: number): Promise<void> {
    const wait = settled - this.#options.clock.monotonic();
    if (wait > 0 && (await interrupted(this.#options.clock, wait, this.#stop.signal))) throw new NotPublished('rejected', channel, 'the broker is closed');
  }

  /** Before 3.13 a quorum queue loses everything when its node is killed within about half a second of the queue's creation. */
  #settledAt(): number {
    const [major = 0, minor = 0] = (this.#consuming.session?.version ?? '0.0').split('.').map(Number);
    return major > 3 || (major === 3 && minor >= 13) ? 0 : this.#options.clock.monotonic() + (this.#options.settleMs ?? SETTLE_MS);
  }

  async #generations<T>(channel: string, work: (queue: string) => Promise<T>): Promise<T[]> {
    const { generation } = this.#known(channel);
    const queues = Array.from({ length: generation }, (_, index) => this.#topology.queue(channel, index + 1));
    return Promise.all(queues.map(work));
  }

  /** What was lost with the broker (a wiped node, another vhost) or deleted by somebody is created again. */
  async #redeclare(): Promise<void> {
    const stop = this.#stop.signal;
    for (let wanted = false; !stop.aborted; ) {
      const session = this.#consuming.session;
      if (!wanted && session) await Promise.race([aborted(session.lost), aborted(stop), this.#lacking.promise]);
      if (stop.aborted) return;
      this.#lacking = Promise.withResolvers();
      try {
        await this.#consuming.ready(stop);
        await this.#topology.declareLadder();
        const specs = Array.from(this.#declared.values(), ({ spec }) => spec);
        for (const spec of specs) await this.declare(spec);
        wanted = false;
      } catch (error) {
        if (stop.aborted) return;
        this.#options.log.warn('broker.declare', describe(error));
        wanted = error instanceof NotConnected;
        if (await interrupted(this.#options.clock, 500, stop)) return;
      }
    }
  }
}

function fits(channel: string, message: OutgoingMessage): boolean {
  try {
    checkOutgoing(channel, message);
    return true;
  } catch {
    return false; // publishing it alone says why
  }
}
