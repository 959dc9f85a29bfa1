import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '../../adapters/contract/index.js';
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
  ladderStep,
  NotPublished,
  type OutgoingMessage,
  type Received,
  type Settled,
} from '../broker.js';
import type { DiagnoseOptions, Diagnosis } from '../diagnosis.js';
import { describe, failureOf, Misconfigured, NotConnected } from '../errors.js';
import { diagnoseFile } from '../sqlite/inspection.js';
import { WorkerDatabase } from '../sqlite/worker-database.js';
import { type ChannelServices, EmbeddedChannel } from './channel.js';
import { DiskSpace } from './disk-space.js';
import type { BusOperations } from './operations.js';
import { Outbox, type Place } from './outbox.js';
import { MIGRATIONS } from './schema.js';
import { Settler } from './settler.js';
import type { BusFile } from './worker.js';

export interface EmbeddedOptions {
  /** Where `bus.db` is; made when it is missing. Local disk only: SQLite's locks do not work on network file systems. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Above this size of the file publishes are rejected. Default: until the disk is full. */
  readonly maxBytes?: number;
  /** Below this much free space on the volume nothing new is accepted. Default: see DiskSpace. */
  readonly minFree?: number;
}

const RETRY_MS = 1_000;
const LONGEST_SLEEP_MS = 60_000;

/** The broker in one SQLite file: a thread owns the file and commits in groups; who gets which message is decided here. */
export class EmbeddedBroker implements Broker {
  readonly kind = 'embedded';
  readonly #options: EmbeddedOptions;
  readonly #stop = new AbortController();
  readonly #channels = new Map<string, EmbeddedChannel>();
  readonly #dirty = new Set<EmbeddedChannel>();
  readonly #outbox: Outbox;
  readonly #settler: Settler;
  readonly #services: ChannelServices;
  readonly #space: DiskSpace;
  #database: WorkerDatabase<BusOperations> | undefined;
  #problem: string | undefined = 'not open';
  #promoting: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  #reopening: Promise<void> | undefined;
  #sleeping = new AbortController();
  #nextDue = Number.POSITIVE_INFINITY;
  #scheduled = false;

  constructor(options: EmbeddedOptions) {
    this.#options = options;
    this.#space = new DiskSpace({ directory: options.directory, minFree: options.minFree, clock: options.clock, log: options.log });
    this.#outbox = new Outbox(
      async (batch) => this.#open.write('enqueue', batch),
      () => options.clock.now().getTime(),
      (queues) => this.#wake(queues),
    );
    this.#settler = new Settler(
      async (settled) => this.#open.write('settle', settled),
      (error) => this.#later(error, () => this.#turn()),
    );
    this.#services = {
      take: async (queue, count) => this.#open.write('take', { queue, count }),
      settle: (seq, how) => this.#settler.add(how, seq),
      written: () => this.#settler.flush(),
      schedule: (channel) => this.#schedule(channel),
      failed: (channel, error) => this.#later(error, () => channel.wake()),
    };
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#start(signal);
    await this.#space.check();
    this.#watching = this.#space.watch(this.#stop.signal);
    this.#promoting = this.#promote();
  }

  async declare(spec: ChannelSpec): Promise<void> {
    checkChannel(spec.name);
    const queue = await this.#create(spec.name);
    const known = this.#channels.get(spec.name);
    if (!known) this.#channels.set(spec.name, new EmbeddedChannel(spec, queue, this.#services));
    // All generations share one queue: the older messages simply come first.
    else if ((known.spec.generation ?? 1) <= (spec.generation ?? 1)) known.spec = spec;
  }

  async publish(channel: string, message: OutgoingMessage): Promise<void> {
    await this.#add(this.#placeNow(channel, message), message);
  }

  publishAll(messages: readonly Addressed[], settled: Settled): void {
    for (const [place, { channel, message }] of messages.entries()) {
      try {
        this.#outbox.add(this.#placeNow(channel, message), message, (problem) => settled(place, problem));
      } catch (error) {
        settled(place, error as Error);
      }
    }
  }

  async publishLater(channel: string, message: OutgoingMessage, delayMs: number): Promise<void> {
    checkOutgoing(channel, message);
    const { queue } = this.#target(channel);
    const due = this.#options.clock.now().getTime() + ladderStep(delayMs);
    await this.#add({ channel, queue, limit: undefined, due }, message);
    if (due < this.#nextDue) this.#sleeping.abort();
  }

  async consume(channel: string, options: ConsumeOptions, onMessage: (received: Received) => void): Promise<Consumer> {
    return this.#known(channel).join(options.prefetch, (received) => {
      try {
        onMessage(received);
      } catch (error) {
        this.#options.log.error('broker.consume', `the consumer of ${channel} threw; the message stays unsettled: ${describe(error)}`);
      }
    });
  }

  async depth(channel: string): Promise<ChannelDepth> {
    const known = this.#known(channel);
    const stored = await this.#open.read('depth', { queue: known.queue, now: this.#options.clock.now().getTime() });
    return { ...stored, unsettled: known.unsettled, consumers: known.consumers.length };
  }

  async remove(channel: string): Promise<boolean> {
    const known = this.#known(channel);
    if (known.consumers.length > 0 || !(await this.#open.write('drop', known.queue))) return false;
    this.#channels.delete(channel);
    return true;
  }

  get health(): BrokerHealth {
    return { connected: this.#problem === undefined, detail: this.#problem ?? this.#space.alarm };
  }

  diagnose(_channels: readonly ChannelSpec[], how: DiagnoseOptions): Promise<readonly Diagnosis[]> {
    const database = this.#database;
    const ask = database && ((integrity: boolean) => database.read('inspect', integrity));
    return diagnoseFile({ what: 'bus', path: join(this.#options.directory, 'bus.db'), schema: MIGRATIONS.length, ask }, how);
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#sleeping.abort();
    this.#outbox.flush();
    const now = AbortSignal.abort();
    for (const { consumers } of this.#channels.values()) await Promise.all([...consumers].map((consumer) => consumer.close(now)));
    await Promise.all([this.#promoting, this.#watching, this.#reopening]);
    await this.#database?.close();
    if (this.#database) rmSync(this.#pidFile, { force: true });
    this.#database = undefined;
    this.#problem = 'closed';
  }

  get #open(): WorkerDatabase<BusOperations> {
    if (!this.#database) throw new NotConnected('E516', `the embedded bus is ${this.#problem ?? 'closed'}`);
    return this.#database;
  }

  get #pidFile(): string {
    return join(this.#options.directory, 'bus.pid');
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { directory, maxBytes } = this.#options;
    mkdirSync(directory, { recursive: true });
    const data: BusFile = { path: join(directory, 'bus.db'), maxBytes };
    const onBroken = (reason: Error): void => {
      this.#problem = describe(reason);
      this.#database = undefined;
      this.#options.log.error('broker.broken', `the embedded bus stopped: ${this.#problem}`);
      for (const channel of this.#channels.values()) channel.reset();
      this.#reopening ??= this.#reopen();
    };
    try {
      this.#database = await WorkerDatabase.start<BusOperations>(new URL('./worker.js', import.meta.url), data, signal, { onBroken });
    } catch (error) {
      if (failureOf(error)?.code === 'E531') throw new Misconfigured('E515', `${directory} is in use by process ${this.#owner()}`, { cause: error });
      throw error;
    }
    writeFileSync(this.#pidFile, `${process.pid}\n`);
    this.#problem = undefined;
  }

  #owner(): string {
    try {
      return readFileSync(this.#pidFile, 'utf8').trim();
    } catch {
      return 'unknown'; // it has the lock, but has not written its number yet
    }
  }

  /** Only opening anew tells what is on the disk after a failed write. */
  async #reopen(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        await clock.sleep(RETRY_MS, this.#stop.signal);
        if (!this.#database) await this.#start(this.#stop.signal);
        // Settlements of the thread that ended must not meet the messages that come again.
        this.#settler.forget();
        for (const [name, channel] of this.#channels) {
          channel.queue = await this.#create(name);
          channel.wake();
        }
        this.#reopening = undefined;
        return;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        log.warn('broker.reopen', describe(error));
      }
    }
  }

  async #create(name: string): Promise<number> {
    const queue = await this.#open.write('declare', name);
    if (queue === undefined) throw new Misconfigured('E514', `no room for channel ${name}: the embedded bus holds at most 8191`);
    return queue;
  }

  #known(channel: string): EmbeddedChannel {
    const known = this.#channels.get(channel);
    if (!known) throw new Misconfigured('E514', `channel ${channel} was not declared`);
    return known;
  }

  /** @throws NotPublished */
  #placeNow(channel: string, message: OutgoingMessage): Place {
    checkOutgoing(channel, message);
    const { queue, spec } = this.#target(channel);
    const { alarm } = this.#space;
    if (alarm !== undefined) throw new NotPublished('rejected', channel, alarm);
    return { channel, queue, limit: spec.maxMessages, due: 0 };
  }

  /** @throws NotPublished */
  #add(place: Place, message: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => this.#outbox.add(place, message, (problem) => (problem ? reject(problem) : resolve())));
  }

  #target(channel: string): EmbeddedChannel {
    const known = this.#channels.get(channel);
    if (!known) throw new NotPublished('no-route', channel, 'the channel was not declared');
    if (!this.#database || this.#stop.signal.aborted) throw new NotPublished('rejected', channel, `the embedded bus is ${this.#problem ?? 'closing'}`);
    return known;
  }

  #wake(queues: ReadonlySet<number> | readonly number[]): void {
    const wanted = new Set(queues);
    for (const channel of this.#channels.values()) if (wanted.has(channel.queue)) channel.wake();
  }

  #schedule(channel: EmbeddedChannel): void {
    this.#dirty.add(channel);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  /** What was settled in a turn goes to the file before what is taken after it. */
  #turn(): void {
    this.#scheduled = false;
    if (!this.#database) return;
    this.#settler.flush().catch((error: unknown) => this.#later(error, () => undefined));
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const channel of dirty) channel.pump();
  }

  #later(error: unknown, work: () => void): void {
    const { clock, log } = this.#options;
    if (!this.#database || this.#stop.signal.aborted) return; // everything starts anew
    log.warn('broker.write', describe(error));
    clock.sleep(RETRY_MS, this.#stop.signal).then(work, (reason: unknown) => log.debug('broker.write', describe(reason)));
  }

  async #promote(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#stop.signal.aborted) {
      this.#sleeping = new AbortController();
      let wait = RETRY_MS;
      try {
        wait = await this.#promoteDue();
      } catch (error) {
        log.warn('broker.promote', describe(error));
      }
      await clock.sleep(wait, this.#sleeping.signal).catch((reason: unknown) => log.debug('broker.promote', describe(reason)));
    }
  }

  /** @returns how long nothing becomes due */
  async #promoteDue(): Promise<number> {
    if (!this.#database) return RETRY_MS;
    const now = this.#options.clock.now().getTime();
    const { queues, nextDue } = await this.#database.write('promote', now);
    this.#nextDue = nextDue ?? Number.POSITIVE_INFINITY;
    this.#wake(queues);
    return Math.min(Math.max(0, this.#nextDue - now), LONGEST_SLEEP_MS);
  }
}
