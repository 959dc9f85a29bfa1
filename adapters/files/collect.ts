import { randomBytes } from 'node:crypto';
import { reached } from '../../bus/failpoint.js';
import { codecOf, formatOf } from '../codecs/format.js';
import {
  type Clock,
  type Delivery,
  describe,
  type EndpointContext,
  failureOf,
  InvalidMessage,
  type Logger,
  Misconfigured,
  type Outbound,
  type Receipt,
  TryAgain,
} from '../contract/index.js';
import { batchName } from './batch-name.js';
import { type Batch, Batches } from './batches.js';
import type { CollectOptions } from './collect-options.js';
import type { WriteOptions } from './options.js';
import { markerName, place } from './place.js';
import { openFolder } from './publish.js';
import { type FileSpace, joinPath, splitPath } from './space.js';

/** A process that did not say for so long that it lives has left what it collected to others. */
const LEFT_MS = 180_000;
const BEAT_MS = 45_000;
const LONGEST_WAIT_MS = 60_000;
/** Whoever was not told that a message was accepted asks again within this time after its file was written: then the notes of it go. */
const REPEATS_MS = 86_400_000;
const FORGET_EVERY_MS = 3_600_000;

/** The file that takes messages now. */
interface Collecting {
  batch: Batch;
  count: number;
  bytes: number;
  isClosed: boolean;
  readonly adding: Set<Promise<number>>;
}

export interface CollectServices {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Many messages in one file (Aggregator). A message is accepted when it is durable in the endpoint's notes; the file is written when it is large or old enough, under a name
 * and with a content that follow from the notes alone, so that a crash at any point ends in one file with each message once.
 */
export class Collect implements Outbound {
  private readonly codec;
  private readonly format;
  private readonly batches: Batches;
  private readonly folder: string;
  private readonly pattern: string;
  /** Copies of one delivery may come at the same time. */
  private readonly accepting = new Map<string, Promise<Receipt>>();
  /** By the clock that only grows. */
  private forgotAt = Number.NEGATIVE_INFINITY;
  /** The same after a restart: what was left then is written at once. */
  private readonly owner: string;
  private current: Promise<Collecting> | undefined;
  private running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  private isWoken = false;
  private readonly wakeLater = (): void => {
    this.isWoken = true;
  };
  private wake = this.wakeLater;
  private trouble: unknown;
  private isRead = false;

  constructor(
    private readonly space: FileSpace,
    private readonly options: WriteOptions,
    private readonly collect: CollectOptions,
    context: EndpointContext,
    private readonly services: CollectServices,
  ) {
    this.codec = codecOf(options);
    this.format = formatOf(options);
    this.batches = new Batches(context.state);
    this.owner = context.node ?? randomBytes(6).toString('hex');
    ({ folder: this.folder, name: this.pattern } = splitPath(options.path));
  }

  async open(signal: AbortSignal): Promise<void> {
    await openFolder(this.space, this.codec, this.folder, signal);
    if (!this.isRead) {
      const closed = { since: this.now(), owner: this.owner, seen: this.now(), closed: true, written: false };
      await this.batches.rehome(() => this.batches.open({ ...closed, id: randomBytes(6).toString('hex') }));
      this.isRead = true;
    }
    this.trouble = undefined;
    if (this.running) return;
    const stop = new AbortController();
    this.running = { stop, ended: this.run(stop.signal) };
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    signal.throwIfAborted();
    for (let other = this.accepting.get(delivery.id); other; other = this.accepting.get(delivery.id)) await other.catch(() => undefined);
    const accepted = this.accept(delivery);
    this.accepting.set(delivery.id, accepted);
    return accepted.finally(() => this.accepting.delete(delivery.id));
  }

  private async accept(delivery: Delivery): Promise<Receipt> {
    // Also by a node that died before it could say so.
    if (await this.batches.has(delivery.id)) return { detail: 'it waits for its file already, or is in it', duplicate: true };
    // Of what was accepted nobody would hear: it would wait in the notes.
    if (failureOf(this.trouble) instanceof Misconfigured) throw this.trouble;
    // What no file can hold must not spoil the others.
    await this.format.encode([delivery.payload]);
    const current = await this.collecting();
    if (this.isFull(current)) {
      this.wake();
      throw this.trouble ?? new TryAgain('E486', 'the file that is full is not written yet', { afterMs: 1_000 });
    }
    const position = current.count++;
    const adding = this.batches.add(current.batch.id, position, delivery.id, delivery.payload);
    current.adding.add(adding);
    try {
      current.bytes += await adding;
    } finally {
      current.adding.delete(adding);
    }
    reached('collect.added');
    if (this.isFull(current)) this.wake();
    return { detail: `collected for ${this.name(current.batch)}, as number ${position + 1}` };
  }

  /** What was collected waits for the next start. */
  async close(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    running?.stop.abort(new Error('closed'));
    await running?.ended;
  }

  /** Writes what is due, until it is closed. */
  private async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let wait = BEAT_MS;
      try {
        wait = await this.step(signal);
        failures = 0;
        this.trouble = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.trouble = failureOf(error) instanceof InvalidMessage ? new Misconfigured('E487', describe(error), { cause: error }) : error;
        wait = Math.min(1_000 * 2 ** failures++, LONGEST_WAIT_MS);
        this.services.logger.warn('collect.postponed', `a collected file could not be written, it is tried again in ${Math.round(wait / 1000)} s: ${describe(error)}`);
      }
      const timer = new AbortController();
      this.wake = () => {
        if (failures === 0) timer.abort();
      };
      if (this.isWoken && failures === 0) timer.abort();
      this.isWoken = false;
      await this.services.clock.sleep(wait, AbortSignal.any([signal, timer.signal])).catch(() => undefined); // woken, or closed
      this.wake = this.wakeLater;
    }
  }

  private async collecting(): Promise<Collecting> {
    for (;;) {
      this.current ??= this.begin();
      const current = await this.current;
      if (!current.isClosed) return current;
    }
  }

  private async begin(): Promise<Collecting> {
    const now = this.now();
    try {
      const batch = await this.batches.open({ id: randomBytes(6).toString('hex'), since: now, owner: this.owner, seen: now, closed: false, written: false });
      this.wake();
      return { batch, count: 0, bytes: 0, isClosed: false, adding: new Set() };
    } catch (error) {
      this.current = undefined;
      throw error;
    }
  }

  /** @returns milliseconds until something is due */
  private async step(signal: AbortSignal): Promise<number> {
    const now = this.now();
    const mine = await this.current?.catch(() => undefined);
    if (mine && (this.isFull(mine) || now >= this.dueAt(mine.batch))) {
      this.current = undefined;
      mine.isClosed = true;
      await Promise.allSettled(mine.adding);
      await this.batches.put({ ...mine.batch, closed: true });
      reached('collect.closed');
    } else if (mine && now - mine.batch.seen >= BEAT_MS / 2) {
      mine.batch = { ...mine.batch, seen: now };
      await this.batches.put(mine.batch);
    }
    const open = (await this.current?.catch(() => undefined))?.batch;
    for (const batch of await this.batches.list()) {
      if (batch.id === open?.id) continue;
      if (batch.owner !== this.owner && !batch.closed && now - batch.seen < LEFT_MS) continue;
      await this.write(batch, signal);
    }
    if (this.services.clock.monotonic() - this.forgotAt >= FORGET_EVERY_MS) {
      await this.batches.forgetPast(now - REPEATS_MS);
      this.forgotAt = this.services.clock.monotonic();
    }
    return open ? Math.max(10, Math.min(BEAT_MS, this.dueAt(open) - this.now())) : BEAT_MS;
  }

  private async write(batch: Batch, signal: AbortSignal): Promise<void> {
    if (!batch.written) {
      const items = await this.batches.items(batch.id);
      const name = this.name(batch);
      if (items.length > 0) {
        const bytes = await this.codec.encode(items.map(({ payload }) => payload));
        const isOwnName = this.codec.repeatable === false && this.pattern.includes('{batch.id}');
        await place(
          this.space,
          { folder: this.folder, name, bytes, token: batch.id, exists: this.options.exists, isOwnName, marker: markerName(this.options.marker, name) },
          signal,
        );
        reached('collect.placed');
        this.services.logger.info('collect.written', `${joinPath(this.folder, name)}: ${items.length} messages, ${bytes.length} B`);
      }
    }
    await this.batches.forget(batch, this.now());
    reached('collect.forgotten');
  }

  private name(batch: Batch): string {
    return batchName(this.pattern, batch, this.collect.zone);
  }

  private dueAt({ since }: Batch): number {
    return since + this.collect.for;
  }

  private isFull({ count, bytes }: { readonly count: number; readonly bytes: number }): boolean {
    return count >= this.collect.messages || bytes >= this.collect.bytes;
  }

  private now(): number {
    return this.services.clock.now().getTime();
  }
}
