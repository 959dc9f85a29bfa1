import type { Logger } from '../../adapters/contract/services.js';
import type { Broker, ChannelSpec } from '../broker.js';
import { describe, failureOf, kindOf } from '../errors.js';
import type { RouteOrder } from '../handler.js';
import type { EndpointStates } from '../store/contract.js';
import { orderedSpecs } from './channels.js';
import { channelOf, fence } from './envelope.js';
import { LayoutBook } from './layout-book.js';
import { DEFAULT_PARTITIONS, type Layout } from './layouts.js';
import type { DurablePublisher } from './publisher.js';

const FENCE_PATIENCE_MS = 5_000;

/**
 * The channels of ordered deliveries, over all endpoints. A new layout is written down and declared before anything is published to it. When nobody
 * publishes to the older ones any more, a fence ends each of their channels: who has delivered all before it opens the way to the next layout.
 */
export class OrderedChannels {
  readonly book: LayoutBook;
  private stopping = new AbortController();
  private readonly fencing = new Set<Promise<void>>();
  private isChanging = false;

  constructor(
    private readonly broker: Broker,
    private readonly publisher: DurablePublisher,
    states: EndpointStates,
    private readonly log: Logger,
  ) {
    this.book = new LayoutBook(states);
  }

  /** @returns what is to be called at the moment the new routes begin to publish */
  async prepare(targets: readonly { readonly name: string; readonly partitions?: number }[], ordered: ReadonlyMap<string, RouteOrder>): Promise<() => void> {
    this.isChanging = true;
    if (this.stopping.signal.aborted) this.stopping = new AbortController();
    const all = new Map<string, readonly Layout[]>();
    try {
      for (const { name, partitions = DEFAULT_PARTITIONS } of targets) {
        const layouts = await this.book.prepare(name, partitions, ordered);
        for (const layout of layouts) await this.declare(name, layout);
        if (layouts.length > 0) all.set(name, layouts);
      }
    } catch (error) {
      this.isChanging = false;
      throw error;
    }
    return () => {
      this.isChanging = false;
      const newest = new Map([...all].flatMap(([name, layouts]) => layouts.slice(-1).map((layout) => [name, layout] as const)));
      const ended = this.publisher.layouts.change(newest);
      for (const [name, layouts] of all) for (const layout of layouts.slice(0, -1)) this.end(name, layout, ended);
    };
  }

  /** This process publishes to no older layout any more. */
  get isSettled(): boolean {
    return !this.isChanging && this.publisher.layouts.isSettled;
  }

  /** Another node runs a configuration with a newer layout: this one publishes to it too, and to no older one when it `isSettled`. */
  async follow(endpoint: string, newest: Layout): Promise<void> {
    const own = this.publisher.layouts.get(endpoint);
    if (this.isChanging || !own || own.generation >= newest.generation) return;
    await this.declare(endpoint, newest);
    // Not waited for: what is still published to the older ones needs somebody who serves them.
    void this.publisher.layouts.adopt(endpoint, newest);
  }

  /** Every channel the endpoint has, the unordered one first. */
  async channels(endpoint: string): Promise<readonly ChannelSpec[]> {
    const layouts = await this.book.read(endpoint);
    return [{ name: channelOf(endpoint) }, ...layouts.flatMap((layout) => orderedSpecs(endpoint, layout))];
  }

  /** For an endpoint that is configured no more. */
  async declareAll(endpoint: string): Promise<void> {
    await this.broker.declare({ name: channelOf(endpoint) });
    for (const layout of await this.book.read(endpoint)) await this.declare(endpoint, layout);
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await Promise.all(this.fencing);
  }

  async declare(endpoint: string, layout: Layout): Promise<void> {
    await Promise.all(orderedSpecs(endpoint, layout).map((spec) => this.broker.declare(spec)));
  }

  /**
   * Declares the channels of a layout that was in the book a moment ago.
   * @returns whether it still is: a process that stood still may come after another one has ended the layout and removed its channels, and then nobody would ever look at them
   */
  async declareKnown(endpoint: string, layout: Layout): Promise<boolean> {
    await this.declare(endpoint, layout);
    return (await this.book.read(endpoint)).some(({ generation }) => generation === layout.generation);
  }

  private end(endpoint: string, layout: Layout, ended: Promise<void>): void {
    const work = this.fence(endpoint, layout, ended).catch((error: unknown) => {
      // A start does it again; until then the newer layout waits.
      if (!this.stopping.signal.aborted) this.log.error('fence-failed', `the older channels of ${endpoint} could not be ended: ${describe(error)}`, { endpoint });
    });
    this.fencing.add(work);
    void work.then(() => this.fencing.delete(work));
  }

  private async fence(endpoint: string, layout: Layout, ended: Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    await Promise.race([ended, new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }))]);
    for (const channel of await this.book.unfinished(endpoint, layout)) await this.close(endpoint, layout, channel, signal);
  }

  /** Another node may have closed it meanwhile, and removed it: a fence then would lie there for ever. */
  private async close(endpoint: string, layout: Layout, channel: string, signal: AbortSignal): Promise<void> {
    while ((await this.book.unfinished(endpoint, layout)).includes(channel)) {
      try {
        return await this.publisher.publish(channel, fence(layout.generation), FENCE_PATIENCE_MS, signal);
      } catch (error) {
        const failure = failureOf(error);
        if (!failure || kindOf(failure) !== 'try-again') throw error;
      }
    }
  }
}
