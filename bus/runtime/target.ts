import type { Delivery, Outbound, Verification } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { Broker, Consumer, Received } from '../broker.js';
import { describe, failureOf, kindOf, leavesUnknown, TryAgain } from '../errors.js';
import { reached } from '../failpoint.js';
import type { LedgerEntry, Store } from '../store/contract.js';
import type { CallRecord, OnUnknown } from './call-record.js';
import { checkOut } from './claim-check.js';
import { causeOf } from './dead-letter.js';
import { deadline } from './deadline.js';
import { DeliveryJournal } from './delivery-journal.js';
import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import { channelOf, decodeDelivery, decodePayload, type QueuedDelivery, withAttempt } from './envelope.js';
import { LAST_MS, Link } from './link.js';
import { Outage } from './outage.js';
import type { DurablePublisher } from './publisher.js';
import { retryDelay } from './retry.js';
import { settledWithin } from './settled-within.js';
import { Suspects } from './suspects.js';
import { systemOf, type Telemetry } from './telemetry.js';
import type { Routing } from './tokens.js';

export interface TargetServices {
  readonly broker: Broker;
  readonly publisher: DurablePublisher;
  readonly store: Store;
  readonly routing: Routing;
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly node: string;
}

export interface TargetConfig {
  readonly name: string;
  readonly parallel: number;
  /** Deliveries made are remembered in the ledger; not needed where the target records them itself. */
  readonly usesLedger: boolean;
  /** What follows when nobody knows whether a delivery was made; `resend` when absent. */
  readonly onUnknown?: OnUnknown;
  /** After so long a call has no effect any more. */
  readonly longestCallMs?: number;
}

/** Handed out this often, a message is handled alone and every beginning is noted: it may kill the process that handles it. */
const SUSPECT_COUNT = 3;
/** So often begun as a suspect without an end, it is set aside. */
const POISON_COUNT = 4;
const STORE_RETRY_MS = 5_000;
const LONGEST_CALL_MS = 60_000;
/** Added to the time of the longest call: clocks differ, and so does what a timer does on a busy machine. */
const MARGIN_MS = 500;

/**
 * Delivers the channel of one outbound endpoint: at most `parallel` at a time, each settled exactly once (delivered, later attempt, dead letter). A lost link
 * holds everything in place and counts as no attempt.
 */
export class Target {
  private readonly health: EndpointHealth;
  private readonly outage: Outage;
  private readonly link: Link;
  private readonly journal: DeliveryJournal;
  private readonly suspects: Suspects;
  private readonly log: Logger;
  private readonly queue: Received[] = [];
  private readonly channel: string;
  private readonly onUnknown: OnUnknown;
  private readonly longestCallMs: number;
  private stopping = new AbortController();
  private consumer: Consumer | undefined;
  /** The last work on each delivery id: the same delivery may come twice (publish of unknown outcome, lost session). */
  private readonly underWay = new Map<string, Promise<void>>();
  private active = 0;
  private isAlone = false;
  private isPaused = false;

  constructor(
    outbound: Outbound,
    private readonly config: TargetConfig,
    private readonly services: TargetServices,
  ) {
    const { name, usesLedger, onUnknown = 'resend', longestCallMs = LONGEST_CALL_MS } = config;
    this.onUnknown = onUnknown;
    this.longestCallMs = longestCallMs;
    this.channel = channelOf(name);
    this.health = new EndpointHealth(name, 'outbound', services.clock.now().getTime());
    this.log = services.log.with({ endpoint: name });
    this.outage = new Outage(services.clock.random);
    this.link = new Link(outbound, name, this.health, this.outage, services, this.log);
    this.journal = new DeliveryJournal({ name, usesLedger, onUnknown }, services, this.log);
    this.suspects = new Suspects(name, services.store.endpointState);
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
  }

  async start(): Promise<void> {
    this.stopping = new AbortController();
    this.link.start(this.stopping.signal);
    if (!this.isPaused) await this.consume();
  }

  async pause(): Promise<void> {
    this.isPaused = true;
    this.health.setPaused(true);
    this.returnQueued();
    await this.consumer?.pause();
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    this.health.setPaused(false);
    this.link.tryNow();
    if (this.consumer) await this.consumer.resume();
    else await this.consume();
  }

  /** Takes nothing new, finishes what is under way within `drainMs`; the rest goes back to its channel. */
  async stop(drainMs: number): Promise<void> {
    using drained = deadline(this.services.clock, drainMs);
    const closing = this.consumer?.close(drained.signal);
    // What waits for a dead link or for a free place goes back at once.
    this.returnQueued();
    if (!this.link.isOpen) this.stopping.abort(new Error('stopping'));
    await closing;
    this.stopping.abort(new Error('stopping'));
    this.consumer = undefined;
    const ended = await settledWithin(LAST_MS, Promise.all([this.link.ended(), ...this.underWay.values()]), this.services.clock);
    if (!ended) this.log.warn('stop-late', `a call of ${this.config.name} does not heed its signal and was left behind`);
    await this.link.close();
  }

  private async consume(): Promise<void> {
    this.consumer = await this.services.broker.consume(this.channel, { prefetch: Math.max(16, this.config.parallel * 4) }, (received) => {
      this.queue.push(received);
      this.next();
    });
  }

  private next(): void {
    while (!this.stopping.signal.aborted) {
      const isSuspect = (this.queue[0]?.deliveryCount ?? 0) >= SUSPECT_COUNT;
      if (this.active >= (isSuspect || this.isAlone || this.outage.isOn ? 1 : this.config.parallel)) return;
      const received = this.queue.shift();
      if (!received) return;
      this.begin(received, isSuspect);
    }
  }

  private begin(received: Received, isSuspect: boolean): void {
    const { id } = received;
    this.active++;
    this.isAlone = isSuspect;
    const before = this.underWay.get(id) ?? Promise.resolve();
    const work = before
      .then(() => this.handle(received, isSuspect))
      .finally(() => {
        if (this.underWay.get(id) === work) this.underWay.delete(id);
        this.active--;
        this.isAlone = false;
        this.next();
      });
    this.underWay.set(id, work);
  }

  private returnQueued(): void {
    for (const received of this.queue.splice(0)) received.requeue();
  }

  /** Never rejects: whatever happens, the message is settled or stays unsettled and comes again. */
  private async handle(received: Received, isSuspect: boolean): Promise<void> {
    const { signal } = this.stopping;
    try {
      const begun = isSuspect ? await this.journal.durably(() => this.suspects.begin(received.id), signal) : 0;
      await this.settle(received, begun, signal);
    } catch (error) {
      if (!signal.aborted) {
        this.log.error('settle-failed', `a delivery to ${this.config.name} could not be settled and will come again: ${describe(error)}`, { delivery_id: received.id });
        await this.services.clock.sleep(STORE_RETRY_MS, signal).catch(() => undefined); // aborted: it goes back at once
      }
      received.requeue();
    }
    if (isSuspect) await this.suspects.end(received.id).catch((error: unknown) => this.log.debug('suspect-kept', describe(error)));
  }

  private async settle(received: Received, begun: number, signal: AbortSignal): Promise<void> {
    reached('target.begin');
    let queued: QueuedDelivery;
    try {
      queued = decodeDelivery(received);
    } catch (error) {
      await this.journal.foreign(received, error, signal);
      received.ack();
      return;
    }
    if (begun >= POISON_COUNT) {
      await this.bury(received, queued, { code: 'E502', reason: `handed out ${received.deliveryCount} times without an end` });
    } else {
      const found = await this.journal.found(received.id, signal);
      const record = this.journal.record(received.id, found);
      try {
        await this.make(received, queued, found, record, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        await this.failed(received, queued, error, record, signal);
      }
    }
  }

  /** @throws what came of it when it could not be made */
  private async make(received: Received, queued: QueuedDelivery, found: LedgerEntry | undefined, record: CallRecord, signal: AbortSignal): Promise<void> {
    const known = found?.state === 'sending' && record.minds ? await this.afterLongestCall(found, signal) : found;
    if (known?.state === 'done') {
      await this.journal.repeated(known, queued, signal);
      received.ack();
      return;
    }
    const isOpen = record.minds && (known?.state === 'sending' || known?.state === 'unknown');
    if (isOpen && this.onUnknown === 'park') {
      await this.journal.parked(received, queued, { code: 'E580', reason: known.detail ?? 'the process that sent it ended before there was an answer' }, signal);
      received.ack();
      return;
    }
    const whole = async (): Promise<Delivery> => {
      const body = await checkOut(received, (reference) => this.journal.durably(() => this.services.store.payloads.get(reference), signal));
      return { ...queued.delivery, payload: decodePayload(body) };
    };
    const verified = isOpen ? await this.verified(whole, signal) : undefined;
    const { receipt, durationMs } = verified ?? (await this.link.send(await whole(), record, signal));
    const at = await this.journal.delivered(received.id, queued, receipt, durationMs, signal);
    if (known) await this.journal.unparked(received.id, signal);
    reached('target.ack.before');
    received.ack();
    reached('target.ack.given');
    this.succeeded(queued, at, durationMs);
  }

  /** Whoever began the call may still be at it: a node we know nothing of, or a call that was left behind. */
  private async afterLongestCall(begun: LedgerEntry, signal: AbortSignal): Promise<LedgerEntry | undefined> {
    const { clock } = this.services;
    const longest = this.longestCallMs + MARGIN_MS;
    for (let { at } = begun; ; ) {
      const wait = Math.min(longest, at + longest - clock.now().getTime());
      if (wait > 0) await clock.sleep(wait, signal);
      const now = await this.journal.found(begun.deliveryId, signal);
      if (now?.state !== 'sending' || now.at === at) return now;
      at = now.at;
    }
  }

  /** @returns undefined when the target certainly does not have it @throws OutcomeUnknown */
  private async verified(whole: () => Promise<Delivery>, signal: AbortSignal) {
    const started = this.services.clock.monotonic();
    const ask = async (): Promise<Verification> => this.link.verify(await whole(), signal);
    const verdict = await ask().catch((error: unknown) => {
      signal.throwIfAborted();
      throw new OutcomeUnknown(describe(error), error);
    });
    if (verdict === 'unknown') throw new OutcomeUnknown(`${this.config.name} cannot say whether it has it`);
    if (verdict === 'not-done') return undefined;
    return { receipt: { detail: 'verified: it was there' }, durationMs: this.services.clock.monotonic() - started };
  }

  private succeeded(queued: QueuedDelivery, at: number, durationMs: number): void {
    const { telemetry } = this.services;
    const { name: endpoint } = this.config;
    this.health.succeeded(at, 1);
    if (this.outage.succeeded()) this.link.recovered();
    telemetry.attempts.inc({ endpoint, result: 'delivered' });
    telemetry.delivered.inc({ route: queued.route, rule: queued.rule, system: systemOf(endpoint) });
    telemetry.deliverySeconds.observe({ endpoint }, durationMs / 1000);
    telemetry.endToEndSeconds.observe({ endpoint }, Math.max(0, at - Date.parse(queued.delivery.time)) / 1000);
  }

  private async failed(received: Received, queued: QueuedDelivery, error: unknown, record: CallRecord, signal: AbortSignal): Promise<void> {
    const { routing, telemetry, clock, publisher } = this.services;
    const isUnknown = record.minds && leavesUnknown(error);
    const failure = failureOf(error);
    this.health.failed++;
    telemetry.attempts.inc({ endpoint: this.config.name, result: isUnknown ? 'unknown' : failure ? kindOf(failure) : 'error' });
    await (isUnknown ? record.unknown(describe(error), signal) : record.undone(signal));
    if (!failure || (!isUnknown && kindOf(failure) !== 'try-again')) {
      await this.bury(received, queued, causeOf(error), error);
      return;
    }
    const policy = routing.handler.retry(queued.route, queued.rule);
    const { attempt } = queued.delivery;
    if (this.outage.failed(received.id)) {
      this.log.warn('target-failed', `${this.config.name} fails for every message: ${describe(error)}; no attempt counts until one succeeds`, { code: failure.code });
    }
    const counts = !this.outage.isOn;
    const now = (): number => clock.now().getTime();
    if (isUnknown && (this.onUnknown === 'park' || (counts && attempt >= policy.attempts))) {
      this.health.brokeDown(error, now(), 'whether it was delivered is not known, it is parked');
      const ofAttempts = this.onUnknown === 'park' ? '' : ` (attempt ${attempt} of ${policy.attempts})`;
      await this.journal.parked(received, queued, { code: this.onUnknown === 'park' ? 'E580' : 'E581', reason: `${describe(error)}${ofAttempts}` }, signal);
      received.ack();
    } else if (counts && attempt >= policy.attempts) {
      this.health.brokeDown(error, now(), `given up after attempt ${attempt}, it is in the dead letters`);
      await this.bury(received, queued, { code: failure.code, reason: `${describe(error)} (attempt ${attempt} of ${policy.attempts})` }, error);
      return;
    } else {
      // An answer that was lost may be to a request that is still worked on: whoever asks too early hears that it is not there.
      const waitMs = Math.max(
        retryDelay(policy, attempt, 'afterMs' in failure ? failure.afterMs : undefined, clock.random),
        isUnknown ? record.remainingMs(this.longestCallMs + MARGIN_MS) : 0,
      );
      reached('target.retry.before');
      await publisher.publish(this.channel, withAttempt(received, counts ? attempt + 1 : attempt), Number.POSITIVE_INFINITY, signal, waitMs);
      reached('target.retry.published');
      const at = now();
      const next = `${counts ? `attempt ${attempt} of ${policy.attempts}` : 'no message succeeds, so this attempt does not count'}, next ${new Date(at + waitMs).toISOString()}`;
      const detail = `${describe(error)}; ${isUnknown ? 'whether it was delivered is not known, it is verified; ' : ''}${next}`;
      await this.journal.append(this.journal.event(queued, 'retry', at, { code: failure.code, detail, attempt }), signal);
      reached('target.retry.history.written');
      received.ack();
      this.health.brokeDown(error, at, next);
    }
    if (!counts && this.link.isOpen) this.link.reopen(failure);
  }

  private async bury(received: Received, queued: QueuedDelivery, cause: { readonly code: string; readonly reason: string }, error?: unknown): Promise<void> {
    await this.journal.dead(received, queued, cause, error, this.stopping.signal);
    received.ack();
  }
}

/** Nobody knows whether an earlier call had its effect. */
class OutcomeUnknown extends TryAgain {
  constructor(detail: string, cause?: unknown) {
    super('E581', detail, { outcome: 'unknown', ...(cause === undefined ? {} : { cause }) });
  }
}
