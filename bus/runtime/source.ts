import type { Accepted, Batch, PollingInbound } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import { describe, failureOf, kindOf, Misconfigured, NotConnected } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Store } from '../store/contract.js';
import { Attention, Stalled } from './attention.js';
import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import { Gate } from './gate.js';
import { type Intake, Reading, settlementOf } from './intake.js';
import { Lease, LeaseLost } from './lease.js';
import { reopenDelay } from './retry.js';
import { type Schedule, untilNext } from './schedule.js';
import { settledWithin } from './settled-within.js';
import { systemOf, type Telemetry } from './telemetry.js';
import type { Nodes } from './tokens.js';

export interface SourceServices {
  readonly intake: Intake;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly nodes: Nodes;
}

export interface SourceConfig {
  readonly name: string;
  readonly schedule: Schedule;
  readonly maxRecords: number;
  /** A poll without progress for so long has hung; 5 min when absent. */
  readonly pollTimeoutMs?: number;
  readonly expect: { readonly atLeast: number; readonly everyMs: number } | undefined;
}

/** A running inbound endpoint, polled or listening. */
export interface Source {
  readonly report: EndpointReport;
  start(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Stops reading; a batch under way is finished, or read again later. Does not throw. */
  stop(): Promise<void>;
  /** Its next poll begins without a checkpoint, on whatever node that is. Absent where there is none. */
  reset?(by: string): Promise<void>;
  /** It did not stop: whatever it still does when it wakes up must have no effect. */
  abandon?(): void;
}

/** Notes of what a person asked for: the endpoint is to be read from its beginning. */
export const RESETS = 'signalbox.resets';
/** Wrong credentials are not tried again and again: many systems lock the account. */
export const MISCONFIGURED_RETRY_MS = 300_000;
const POLL_TIMEOUT_MS = 300_000;
/** An adapter's `close` has 5 s by its contract. */
const CLOSE_MS = 6_000;

type When = Parameters<typeof untilNext>[2];

/** One poll. */
interface Turn {
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly fence: () => void;
  readonly attention: Attention;
  readonly reading: Reading;
}

/**
 * Polls one endpoint: lease, schedule, open, poll, publish, checkpoint, settle. A failure of any step closes the endpoint and starts over from the
 * last durable checkpoint, on this node or on another: the lease is given back. Between polls it is kept.
 */
export class PolledSource implements Source {
  private readonly health: EndpointHealth;
  private readonly gate = new Gate();
  private readonly log: Logger;
  private readonly abandoned = new AbortController();
  private stopping = new AbortController();
  private running: Promise<void> | undefined;
  private wake = new AbortController();
  private lease: Lease | undefined;
  private isStandby = false;
  private isOpen = false;
  private when: When = 'first';

  /** @param remake another endpoint in place of one that hangs for ever */
  constructor(
    private inbound: PollingInbound,
    private readonly config: SourceConfig,
    private readonly services: SourceServices,
    private readonly remake: () => PollingInbound | undefined = () => undefined,
  ) {
    this.health = new EndpointHealth(config.name, 'inbound', services.clock.now().getTime(), config.expect);
    this.log = services.log.with({ endpoint: config.name });
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
  }

  /** This process may read it now. */
  get isHeld(): boolean {
    return this.lease !== undefined && !this.lease.isOver;
  }

  async start(): Promise<void> {
    this.stopping = new AbortController();
    this.running = this.loop(this.stopping.signal);
  }

  async pause(): Promise<void> {
    this.gate.close();
    this.health.setPaused(true);
  }

  async resume(): Promise<void> {
    this.health.setPaused(false);
    this.gate.open();
    this.wake.abort();
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.running;
  }

  /** Only noted: a poll under way, here or on another node, still saves its checkpoint. */
  async reset(by: string): Promise<void> {
    await this.services.store.endpointState.put(RESETS, new Map([[this.config.name, by]]));
    this.wake.abort();
  }

  abandon(): void {
    this.abandoned.abort(new Error('left behind'));
    this.lease?.lose('it was left behind');
  }

  private async loop(signal: AbortSignal): Promise<void> {
    const { clock, intake } = this.services;
    while (!signal.aborted) {
      try {
        await this.gate.pass(signal);
        if (!intake.takes(this.config.name)) throw new Misconfigured('E507', `no route reads ${this.config.name}`);
        const lease = await this.hold(signal);
        if (!lease) continue;
        await this.rest(untilNext(this.config.schedule, clock.now(), this.when), AbortSignal.any([signal, lease.signal]));
        if (!this.gate.isOpen) continue;
        this.when = 'next';
        this.succeeded(await this.poll(lease, signal));
      } catch (error) {
        if (signal.aborted) break;
        this.when = 'again';
        const failure = error instanceof Stalled ? await this.recycle(error) : error;
        await this.close();
        if (this.lease?.isOver) {
          this.lost(this.lease);
          continue;
        }
        const wait = this.failed(failure);
        await this.giveBack();
        await this.rest(wait, signal).catch(() => undefined); // aborted: the loop ends
      }
    }
    await this.close();
    await this.giveBack();
  }

  /** The lease, after waiting a little when another node has it. */
  private async hold(signal: AbortSignal): Promise<Lease | undefined> {
    if (this.isHeld) return this.lease;
    this.lease = undefined;
    const { clock, nodes, store } = this.services;
    const { name } = this.config;
    this.lease = await Lease.acquire(`source:${name}`, { leases: store.leases, clock, holder: nodes.holder, timing: nodes.timing });
    if (this.lease) {
      reached('source.lease.held');
      if (this.isStandby) {
        this.health.takesOver(clock.now().getTime());
        this.log.info('source-taken-over', `${name} is read by this node now`);
      }
      this.isStandby = false;
      return this.lease;
    }
    const reader = nodes.readerOf(name);
    this.health.standsBy(`read by ${reader ?? 'another node'}`);
    if (!this.isStandby) this.log.info('source-standby', `${name} is read by ${reader ?? 'another node'}, this one stands by`);
    this.isStandby = true;
    this.when = 'first';
    await this.rest(nodes.timing.renewMs, signal);
    return undefined;
  }

  /** @returns records taken */
  private async poll(lease: Lease, stop: AbortSignal): Promise<number> {
    const { clock, store } = this.services;
    const { name, maxRecords, pollTimeoutMs = POLL_TIMEOUT_MS } = this.config;
    const attention = new Attention(clock, pollTimeoutMs, this.abandoned.signal);
    const signal = AbortSignal.any([stop, attention.signal, lease.signal]);
    const fence = (): void => {
      signal.throwIfAborted();
      lease.check();
    };
    await this.forgetCheckpoint(lease);
    if (!this.isOpen) await attention.during('opening', this.inbound.open(signal));
    this.isOpen = true;
    const checkpoint = await store.checkpoints.get(name);
    const batches = this.inbound.poll({ checkpoint, maxRecords, signal, fence, progress: attention.progress })[Symbol.asyncIterator]();
    const turn: Turn = { lease, signal, fence, attention, reading: new Reading() };
    const read = (): Promise<IteratorResult<Batch>> => noted(attention.during('reading', batches.next()));
    let next = read();
    /** The records of the batch that is being stored. */
    let storing = Promise.resolve(0);
    let count = 0;
    try {
      while (this.gate.isOpen) {
        const step = await next;
        if (step.done) break;
        const { ahead = false } = step.value;
        if (ahead) next = read();
        const before = storing;
        const taking = this.take(step.value, before, turn);
        storing = noted(taking.stored);
        await taking.routed;
        count += await before;
        if (ahead) continue;
        count += await storing;
        storing = Promise.resolve(0);
        if (this.gate.isOpen) next = read();
      }
      count += await storing;
    } catch (error) {
      // Nothing of it may go on while the source is read anew.
      await storing.catch(() => undefined);
      throw (await this.end(batches, attention)) ?? error;
    }
    const stalled = await this.end(batches, attention);
    if (stalled) throw stalled;
    return count;
  }

  /** When a person asked for it. Done again when it is cut off. */
  private async forgetCheckpoint(lease: Lease): Promise<void> {
    const { store } = this.services;
    const { name } = this.config;
    const by = await store.endpointState.get(RESETS, name);
    if (by === undefined) return;
    // What the endpoint keeps in memory is about the position that it had.
    if (this.isOpen) await this.close();
    lease.check();
    await store.checkpoints.delete(name);
    await store.endpointState.put(RESETS, new Map([[name, undefined]]));
    this.log.info('checkpoint-reset', `${name} is read from its beginning, asked for by ${by}`);
  }

  /** Lets the poll clean up after itself. @returns why that did not end */
  private async end(batches: AsyncIterator<Batch>, attention: Attention): Promise<Stalled | undefined> {
    // Behind a call that is still under way it would wait for ever.
    if (attention.signal.aborted) return undefined;
    try {
      await attention.during<unknown>('reading', batches.return?.() ?? Promise.resolve());
    } catch (error) {
      if (error instanceof Stalled) return error;
      this.log.debug('poll-end-failed', `ending the poll of ${this.config.name} failed: ${describe(error)}`);
    }
    return undefined;
  }

  /** Routes a batch, and stores it behind the one before. */
  private take(batch: Batch, before: Promise<unknown>, turn: Turn): { readonly routed: Promise<void>; readonly stored: Promise<number> } {
    const { signal, fence, reading } = turn;
    const routed = Promise.withResolvers<void>();
    const options = { patienceMs: Number.POSITIVE_INFINITY, signal, fence, reading, onRouted: routed.resolve };
    const accepted = this.services.intake.accept(this.config.name, batch.records, options);
    accepted.catch(routed.reject);
    return { routed: routed.promise, stored: this.store(batch, accepted, before, turn) };
  }

  private async store(batch: Batch, accepted: Promise<readonly Accepted[]>, before: Promise<unknown>, { lease, attention }: Turn): Promise<number> {
    const { store } = this.services;
    // Both have ended before it fails: whoever reads anew must be alone.
    const [earlier] = await Promise.allSettled([before, accepted]);
    if (earlier.status === 'rejected') throw earlier.reason;
    const results = await accepted;
    reached('source.checkpoint.before');
    if (batch.checkpoint !== undefined) {
      lease.check();
      if (!(await store.checkpoints.set(this.config.name, batch.checkpoint, lease.epoch))) lease.lose('another node has written its checkpoint');
      lease.check();
    }
    reached('source.checkpoint.written');
    const fresh = results.filter((result) => result.result !== 'duplicate').length;
    const dead = results.findIndex((result) => result.result === 'dead');
    this.health.failed += results.filter((result) => result.result === 'dead').length;
    try {
      const settlement = settlementOf(results, dead < 0 ? undefined : (batch.records[dead]?.failure?.message ?? 'a record could not be mapped'));
      if (batch.settle) await attention.during('tidying up', batch.settle(settlement));
      reached('source.settled');
    } catch (error) {
      if (error instanceof Stalled || error instanceof LeaseLost) throw error;
      // The records are safe; only tidying up failed, and the endpoint does it again at a later poll.
      this.log.warn('settle-failed', `tidying up after reading failed: ${describe(error)}`);
    }
    return fresh;
  }

  /** What hangs is made anew. @returns what it failed with, for people */
  private async recycle(stalled: Stalled): Promise<unknown> {
    const { clock, telemetry } = this.services;
    const { name } = this.config;
    this.health.recycled(stalled.message, clock.now().getTime());
    telemetry.recycled.inc({ endpoint: name, reason: 'stalled' });
    this.log.warn('source-recycled', `${stalled.message}: ${name} is opened anew`, { code: 'E590' });
    if (!stalled.isLeftBehind) return new NotConnected('E590', stalled.message, { cause: stalled });
    await this.close();
    try {
      this.inbound = this.remake() ?? this.inbound;
    } catch (error) {
      return error;
    }
    return new NotConnected('E590', stalled.message, { cause: stalled });
  }

  private lost(lease: Lease): void {
    this.lease = undefined;
    this.log.info('source-lease-lost', `this node stops reading: ${describe(lease.signal.reason)}; nothing was published after that`, { epoch: lease.epoch });
  }

  private async giveBack(): Promise<void> {
    const { lease } = this;
    this.lease = undefined;
    try {
      await lease?.release();
    } catch (error) {
      this.log.warn('lease-kept', `the lease of ${this.config.name} could not be given back, it expires by itself: ${describe(error)}`);
    }
  }

  private succeeded(count: number): void {
    const { clock, log, telemetry } = this.services;
    const now = clock.now().getTime();
    if (this.health.failures > 0) log.info('source-recovered', `${this.config.name} can be read again`, { endpoint: this.config.name });
    this.health.succeeded(now, count);
    this.health.nextAt = now + untilNext(this.config.schedule, new Date(now), 'next');
    telemetry.sourceSuccess.set({ system: systemOf(this.config.name), source: this.config.name }, now / 1000);
    telemetry.systemUp.set({ system: systemOf(this.config.name) }, 1);
  }

  /** @returns how long to wait */
  private failed(error: unknown): number {
    const { clock, telemetry } = this.services;
    const failure = failureOf(error);
    const wait = failure && kindOf(failure) === 'misconfigured' ? MISCONFIGURED_RETRY_MS : reopenDelay(this.health.failures, clock.random);
    const next = `next try in ${Math.ceil(wait / 1000)} s`;
    const news = this.health.failures === 0 || this.report.detail?.split(';')[0] !== `${failure ? `${failure.code} ` : ''}${describe(error)}`;
    this.health.brokeDown(error, clock.now().getTime(), next);
    telemetry.systemUp.set({ system: systemOf(this.config.name) }, 0);
    if (news) this.log.warn('source-failed', `reading ${this.config.name} failed: ${describe(error)}; ${next}`, { code: failure?.code });
    return wait;
  }

  /** Waits, unless somebody resumes the endpoint. */
  private async rest(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0) return;
    this.wake = new AbortController();
    try {
      await this.services.clock.sleep(ms, AbortSignal.any([signal, this.wake.signal]));
    } catch (error) {
      if (signal.aborted || !this.wake.signal.aborted) throw error;
    }
  }

  private async close(): Promise<void> {
    this.isOpen = false;
    const closing = this.inbound.close().catch((error: unknown) => this.log.debug('close-failed', `closing ${this.config.name} failed: ${describe(error)}`));
    if (!(await settledWithin(CLOSE_MS, closing, this.services.clock))) this.log.warn('close-late', `closing ${this.config.name} did not end within ${CLOSE_MS / 1000} s`);
  }
}

/** Whoever awaits it gets what it rejects with; until then that is nobody's fault. */
function noted<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
