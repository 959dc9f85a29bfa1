import type { Batch, ListeningInbound, PollingInbound } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import { describe, failureOf, kindOf, Misconfigured, TryAgain } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Store } from '../store/contract.js';
import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import { Gate } from './gate.js';
import { type Intake, settlementOf } from './intake.js';
import { reopenDelay } from './retry.js';
import { type Schedule, untilNext } from './schedule.js';
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
}

const LEASE_MS = 30_000;
/** Wrong credentials are not tried again and again: many systems lock the account. */
const MISCONFIGURED_RETRY_MS = 300_000;

/**
 * Polls one endpoint: lease, schedule, open, poll, publish, checkpoint, settle. A failure of any step closes the endpoint and starts over from the
 * last durable checkpoint.
 */
export class PolledSource implements Source {
  private readonly health: EndpointHealth;
  private readonly gate = new Gate();
  private readonly log: Logger;
  private stopping = new AbortController();
  private running: Promise<void> | undefined;
  private wake = new AbortController();

  constructor(
    private readonly inbound: PollingInbound,
    private readonly config: SourceConfig,
    private readonly services: SourceServices,
  ) {
    this.health = new EndpointHealth(config.name, 'inbound', services.clock.now().getTime(), config.expect);
    this.log = services.log.with({ endpoint: config.name });
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
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

  private async loop(signal: AbortSignal): Promise<void> {
    const { clock, intake, store, nodes } = this.services;
    let isOpen = false;
    let turn: Parameters<typeof untilNext>[2] = 'first';
    while (!signal.aborted) {
      try {
        await this.gate.pass(signal);
        await this.rest(untilNext(this.config.schedule, clock.now(), turn), signal);
        if (!this.gate.isOpen) continue;
        turn = 'next';
        if (!intake.takes(this.config.name)) throw new Misconfigured('E507', `no route reads ${this.config.name}`);
        const epoch = await store.leases.acquire(`source:${this.config.name}`, nodes.holder, LEASE_MS, clock.now());
        if (epoch === undefined) continue;
        reached('source.lease.held');
        if (!isOpen) await this.inbound.open(signal);
        isOpen = true;
        const count = await this.poll(epoch, signal);
        this.succeeded(count);
      } catch (error) {
        if (signal.aborted) break;
        isOpen = false;
        turn = 'again';
        await this.close();
        await this.rest(this.failed(error), signal).catch(() => undefined); // aborted: the loop ends
      }
    }
    await this.close();
    try {
      await store.leases.release(`source:${this.config.name}`, nodes.holder);
    } catch (error) {
      this.log.warn('lease-kept', `the lease of ${this.config.name} could not be given back, it expires by itself: ${describe(error)}`);
    }
  }

  /** One poll under the lease, which is renewed while it runs. @returns records taken */
  private async poll(epoch: number, stop: AbortSignal): Promise<number> {
    const { clock, intake, store, nodes } = this.services;
    const { name, maxRecords } = this.config;
    const lost = new AbortController();
    const signal = AbortSignal.any([stop, lost.signal]);
    const renewal = setInterval(() => {
      store.leases.acquire(`source:${name}`, nodes.holder, LEASE_MS, clock.now()).then(
        (held) => held === epoch || lost.abort(new Error('the lease was lost')),
        (error: unknown) => lost.abort(error),
      );
    }, LEASE_MS / 3);
    let count = 0;
    try {
      const checkpoint = await store.checkpoints.get(name);
      for await (const batch of this.inbound.poll({ checkpoint, maxRecords, signal })) {
        count += await this.take(batch, epoch, signal, intake, store);
        if (!this.gate.isOpen) break;
      }
      return count;
    } finally {
      clearInterval(renewal);
    }
  }

  private async take(batch: Batch, epoch: number, signal: AbortSignal, intake: Intake, store: Store): Promise<number> {
    const results = await intake.accept(this.config.name, batch.records, { patienceMs: Number.POSITIVE_INFINITY, signal });
    reached('source.checkpoint.before');
    if (batch.checkpoint !== undefined && !(await store.checkpoints.set(this.config.name, batch.checkpoint, epoch))) throw new Error('another node holds the lease');
    reached('source.checkpoint.written');
    const fresh = results.filter((result) => result.result !== 'duplicate').length;
    const dead = results.findIndex((result) => result.result === 'dead');
    this.health.failed += results.filter((result) => result.result === 'dead').length;
    try {
      await batch.settle?.(settlementOf(results, dead < 0 ? undefined : (batch.records[dead]?.failure?.message ?? 'a record could not be mapped')));
      reached('source.settled');
    } catch (error) {
      // The records are safe; only tidying up failed, and the endpoint does it again at a later poll.
      this.log.warn('settle-failed', `tidying up after reading failed: ${describe(error)}`);
    }
    return fresh;
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
    try {
      await this.inbound.close();
    } catch (error) {
      this.log.debug('close-failed', `closing ${this.config.name} failed: ${describe(error)}`);
    }
  }
}

/** An endpoint that is called. While it is paused or the bus is away, callers are told to come again. */
export class ListeningSource implements Source {
  private readonly health: EndpointHealth;
  private stopping = new AbortController();
  private opening: Promise<void> | undefined;
  private isOpen = false;
  private isPaused = false;

  constructor(
    private readonly inbound: ListeningInbound,
    private readonly config: SourceConfig,
    private readonly services: SourceServices,
  ) {
    this.health = new EndpointHealth(config.name, 'inbound', services.clock.now().getTime(), config.expect);
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
  }

  async start(): Promise<void> {
    this.stopping = new AbortController();
    this.opening = this.open(this.stopping.signal);
  }

  /** Goes on answering, so that callers come again instead of giving up. */
  async pause(): Promise<void> {
    this.isPaused = true;
    this.health.setPaused(true);
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    this.health.setPaused(false);
    if (this.isOpen) return;
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const { log } = this.services;
    this.stopping.abort(new Error('stopping'));
    await this.opening;
    this.isOpen = false;
    try {
      await this.inbound.close();
    } catch (error) {
      log.debug('close-failed', `closing ${this.config.name} failed: ${describe(error)}`);
    }
  }

  private async open(signal: AbortSignal): Promise<void> {
    const { clock, intake, log, telemetry } = this.services;
    const { name } = this.config;
    while (!signal.aborted) {
      try {
        await this.inbound.open(async (record, callSignal) => {
          if (this.isPaused) throw new TryAgain('E520', `${name} is paused`);
          const [result] = await intake.accept(name, [record], { patienceMs: 8_000, signal: callSignal });
          const now = clock.now().getTime();
          this.health.succeeded(now, 1);
          telemetry.sourceSuccess.set({ system: systemOf(name), source: name }, now / 1000);
          return result ?? { result: 'duplicate', messageId: '' };
        }, signal);
        this.isOpen = true;
        this.health.succeeded(clock.now().getTime(), 0);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = failureOf(error);
        const wait = failure && kindOf(failure) === 'misconfigured' ? MISCONFIGURED_RETRY_MS : reopenDelay(this.health.failures, clock.random);
        this.health.brokeDown(error, clock.now().getTime(), `next try in ${Math.ceil(wait / 1000)} s`);
        log.warn('source-failed', `listening for ${name} failed: ${describe(error)}`, { endpoint: name, code: failure?.code });
        await clock.sleep(wait, signal).catch(() => undefined); // aborted: the loop ends
      }
    }
  }
}
