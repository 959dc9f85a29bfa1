import { channelOf } from './envelope.js';

/** How the ordered deliveries of one endpoint are spread over channels. A change makes a new generation, never a change of channels in use. */
export interface Layout {
  readonly generation: number;
  readonly partitions: number;
}

export const DEFAULT_PARTITIONS = 8;
/** Before it, as the first, comes the unordered channel: what lay there goes first. */
export const FIRST_LAYOUT = 2;

/** FNV-1a, 32 bits, over the UTF-8 of the key (draft-eastlake-fnv): the same on every node and in every version, because it decides the order. */
export function partitionOf(key: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % partitions;
}

/** `target.erp.orders.o2.p3of8`: the third of eight partitions of the second generation. */
export function partitionChannel(endpoint: string, { generation, partitions }: Layout, partition: number): string {
  return `${channelOf(endpoint)}.o${generation}.p${partition + 1}of${partitions}`;
}

/** All channels of a layout; one without partitions stands for the channel of what is not ordered. */
export function layoutChannels(endpoint: string, layout: Layout): readonly string[] {
  if (layout.partitions === 0) return [channelOf(endpoint)];
  return Array.from({ length: layout.partitions }, (_, partition) => partitionChannel(endpoint, layout, partition));
}

/** The layouts of one time. What was begun under it is published to its channels, also when the next has begun. */
export class Era {
  private users = 0;
  private isOver = false;
  private readonly left = Promise.withResolvers<void>();

  constructor(readonly layouts: ReadonlyMap<string, Layout>) {}

  /** @throws nothing: an endpoint without a layout takes ordered deliveries like any other */
  channelOf(endpoint: string, orderKey: string | undefined): string {
    const layout = orderKey === undefined ? undefined : this.layouts.get(endpoint);
    return layout && orderKey !== undefined ? partitionChannel(endpoint, layout, partitionOf(orderKey, layout.partitions)) : channelOf(endpoint);
  }

  enter(): this {
    this.users++;
    return this;
  }

  leave(): void {
    this.users--;
    this.settle();
  }

  /** Resolves when nothing is published under it any more. */
  end(): Promise<void> {
    this.isOver = true;
    this.settle();
    return this.left.promise;
  }

  private settle(): void {
    if (this.isOver && this.users === 0) this.left.resolve();
  }
}

/** Where deliveries go now: every publisher of the process asks here. */
export class Layouts {
  private now = new Era(new Map());
  private before: Promise<unknown> = Promise.resolve();
  private changes = 0;

  /** `work` begins at once, and publishes to the channels of now until it ends. */
  async during<T>(work: (era: Era) => Promise<T>): Promise<T> {
    const era = this.now.enter();
    try {
      return await work(era);
    } finally {
      era.leave();
    }
  }

  /** Nothing is published in a layout before the one of now. */
  get isSettled(): boolean {
    return this.changes === 0;
  }

  get(endpoint: string): Layout | undefined {
    return this.now.layouts.get(endpoint);
  }

  /** The layout of one endpoint, as another node has begun it. @returns when nothing is published in any layout before it */
  adopt(endpoint: string, layout: Layout): Promise<void> {
    return this.change(new Map([...this.now.layouts, [endpoint, layout]]));
  }

  /** From now on. @returns when nothing is published in any layout before it */
  change(layouts: ReadonlyMap<string, Layout>): Promise<void> {
    const ended = Promise.all([this.before, this.now.end()]).then(() => undefined);
    this.before = ended;
    this.now = new Era(layouts);
    this.changes++;
    void ended.then(() => this.changes--);
    return ended;
  }
}
