import type { Outbound, Receipt } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { Broker, Consumer, Received } from '../broker.js';
import { type AnyFailure, describe, failureOf, kindOf, type TryAgain } from '../errors.js';
import type { EventKind, HistoryEvent, Store } from '../store/contract.js';
import { causeOf, deliveryLetter, foreignLetter } from './dead-letter.js';
import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import { channelOf, decodeDelivery, type QueuedDelivery, withAttempt } from './envelope.js';
import { Gate } from './gate.js';
import { Outage } from './outage.js';
import type { DurablePublisher } from './publisher.js';
import { reopenDelay, retryDelay } from './retry.js';
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
}

/** Handed out this often, a message is handled alone and every beginning is noted: it may kill the process that handles it. */
const SUSPECT_COUNT = 3;
/** So often begun as a suspect without an end, it is set aside. */
const POISON_COUNT = 4;
/** For an adapter that does not heed its signal, and for calls under way on a link that another call has found dead. */
const LAST_MS = 5_000;
const STORE_RETRY_MS = 5_000;
const MISCONFIGURED_RETRY_MS = 300_000;

/**
 * Delivers the channel of one outbound endpoint: at most `parallel` at a time, each settled exactly once (delivered, later attempt, dead letter). A lost link
 * holds everything in place and counts as no attempt.
 */
export class Target {
  private readonly health: EndpointHealth;
  private readonly linkUp = new Gate();
  private readonly outage = new Outage();
  private readonly log: Logger;
  private readonly queue: Received[] = [];
  private readonly channel: string;
  private stopping = new AbortController();
  private consumer: Consumer | undefined;
  private readonly suspects: Suspects;
  /** The last work on each delivery id: the same delivery may come twice (publish of unknown outcome, lost session). */
  private readonly underWay = new Map<string, Promise<void>>();
  private readonly calls = new Set<Promise<Receipt>>();
  private active = 0;
  private isAlone = false;
  /** Counts the openings: a late failure of one before says nothing about the one that is open now. */
  private link = 0;
  private opening: Promise<void> | undefined;
  private isPaused = false;
  private wake = new AbortController();

  constructor(
    private readonly outbound: Outbound,
    private readonly config: TargetConfig,
    private readonly services: TargetServices,
  ) {
    this.channel = channelOf(config.name);
    this.health = new EndpointHealth(config.name, 'outbound', services.clock.now().getTime());
    this.log = services.log.with({ endpoint: config.name });
    this.suspects = new Suspects(config.name, services.store.endpointState);
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
  }

  async start(): Promise<void> {
    this.stopping = new AbortController();
    this.reopen();
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
    this.wake.abort();
    if (this.consumer) await this.consumer.resume();
    else await this.consume();
  }

  /** Takes nothing new, finishes what is under way within `drainMs`; the rest goes back to its channel. */
  async stop(drainMs: number): Promise<void> {
    const drained = AbortSignal.timeout(drainMs);
    const closing = this.consumer?.close(drained);
    // What waits for a dead link or for a free place goes back at once.
    this.returnQueued();
    if (!this.linkUp.isOpen) this.stopping.abort(new Error('stopping'));
    await closing;
    this.stopping.abort(new Error('stopping'));
    this.consumer = undefined;
    const ended = await settledWithin(LAST_MS, Promise.all([this.opening, ...this.underWay.values()]));
    if (!ended) this.log.warn('stop-late', `a call of ${this.config.name} does not heed its signal and was left behind`);
    await this.closeOutbound();
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
      const begun = isSuspect ? await this.durably(() => this.suspects.begin(received.id), signal) : 0;
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

  /** What must be written before a message is settled is written, however long that takes: handing it out again would call the target again. */
  private async durably<T>(write: () => Promise<T>, signal = this.stopping.signal): Promise<T> {
    const { clock } = this.services;
    for (let failures = 0; ; failures++) {
      try {
        return await write();
      } catch (error) {
        signal.throwIfAborted();
        if (failures === 0) this.log.error('store-failed', `what became of deliveries to ${this.config.name} cannot be recorded, they wait: ${describe(error)}`);
        await clock.sleep(Math.min(reopenDelay(failures), STORE_RETRY_MS), signal);
      }
    }
  }

  private async settle(received: Received, begun: number, signal: AbortSignal): Promise<void> {
    const { store, telemetry, clock } = this.services;
    let queued: QueuedDelivery;
    try {
      queued = decodeDelivery(received);
    } catch (error) {
      const letter = foreignLetter(received, this.config.name, error, clock.now().getTime());
      const { messageId, at, code, reason: detail, endpoint } = letter;
      const event: HistoryEvent = { messageId, kind: 'dead', at, revision: 0, node: this.services.node, endpoint, code, detail };
      await Promise.all([this.durably(() => store.deadLetters.add([letter])), this.durably(() => store.history.append([event]))]);
      received.ack();
      return;
    }
    if (begun >= POISON_COUNT) {
      await this.bury(received, queued, { code: 'E502', reason: `handed out ${received.deliveryCount} times without an end` });
      return;
    }
    if (this.config.usesLedger && (await this.durably(() => store.ledger.get([received.id]))).get(received.id)?.state === 'done') {
      telemetry.attempts.inc({ endpoint: this.config.name, result: 'duplicate' });
      // Perhaps the process ended between the ledger and the history.
      const event = this.event(queued, 'duplicate', clock.now().getTime(), { detail: 'was delivered before' });
      await this.durably(() => store.history.append([event]));
      received.ack();
      return;
    }
    try {
      const { receipt, durationMs } = await this.send(queued, signal);
      await this.delivered(received, queued, receipt, durationMs);
    } catch (error) {
      if (signal.aborted) throw error;
      await this.failed(received, queued, error);
    }
  }

  /** Sends, and sends again when the link was lost, until there is an answer about this delivery. */
  private async send(queued: QueuedDelivery, signal: AbortSignal): Promise<{ readonly receipt: Receipt; readonly durationMs: number }> {
    for (;;) {
      await this.linkUp.pass(signal);
      const { link } = this;
      const started = this.services.clock.monotonic();
      const call = (async () => this.outbound.send(queued.delivery, signal))(); // one that throws at once is no different
      this.calls.add(call);
      try {
        return { receipt: await call, durationMs: this.services.clock.monotonic() - started };
      } catch (error) {
        const failure = failureOf(error);
        const kind = failure && kindOf(failure);
        if (kind !== 'not-connected' && kind !== 'misconfigured') throw error;
        this.services.telemetry.attempts.inc({ endpoint: this.config.name, result: kind });
        if (link === this.link) this.reopen(failure);
      } finally {
        this.calls.delete(call);
      }
    }
  }

  private async delivered(received: Received, queued: QueuedDelivery, receipt: Receipt, durationMs: number): Promise<void> {
    const { store, telemetry, clock } = this.services;
    const now = clock.now().getTime();
    const { name } = this.config;
    const event = this.event(queued, 'delivered', now, {
      detail: receipt.duplicate ? `${receipt.detail} (had it already)` : receipt.detail,
      attempt: queued.delivery.attempt,
      durationMs: Math.round(durationMs * 10) / 10,
    });
    await Promise.all([
      this.config.usesLedger ? this.durably(() => store.ledger.put([{ deliveryId: received.id, endpoint: name, state: 'done', at: now }])) : undefined,
      this.durably(() => store.history.append([event])),
    ]);
    received.ack();
    this.health.succeeded(now, 1);
    if (this.outage.succeeded()) this.recovered();
    telemetry.attempts.inc({ endpoint: name, result: 'delivered' });
    telemetry.delivered.inc({ route: queued.route, rule: queued.rule, system: systemOf(name) });
    telemetry.deliverySeconds.observe({ endpoint: name }, durationMs / 1000);
    telemetry.endToEndSeconds.observe({ endpoint: name }, Math.max(0, now - Date.parse(queued.delivery.time)) / 1000);
  }

  private async failed(received: Received, queued: QueuedDelivery, error: unknown): Promise<void> {
    const { routing, telemetry, store, clock, publisher } = this.services;
    const failure = failureOf(error);
    this.health.failed++;
    telemetry.attempts.inc({ endpoint: this.config.name, result: failure ? kindOf(failure) : 'error' });
    if (!failure || kindOf(failure) !== 'try-again') {
      await this.bury(received, queued, causeOf(error), error);
      return;
    }
    const policy = routing.handler.retry(queued.route, queued.rule);
    const { attempt } = queued.delivery;
    if (this.outage.failed(received.id)) {
      this.log.warn('target-failed', `${this.config.name} fails for every message: ${describe(error)}; no attempt counts until one succeeds`, { code: failure.code });
    }
    const counts = !this.outage.isOn;
    if (counts && attempt >= policy.attempts) {
      this.health.brokeDown(error, clock.now().getTime(), `given up after attempt ${attempt}, it is in the dead letters`);
      await this.bury(received, queued, { code: failure.code, reason: `${describe(error)} (attempt ${attempt} of ${policy.attempts})` }, error);
      return;
    }
    const waitMs = retryDelay(policy, attempt, (failure as TryAgain).afterMs);
    await publisher.publish(this.channel, withAttempt(received, counts ? attempt + 1 : attempt), Number.POSITIVE_INFINITY, this.stopping.signal, waitMs);
    const now = clock.now().getTime();
    const next = `${counts ? `attempt ${attempt} of ${policy.attempts}` : 'no message succeeds, so this attempt does not count'}, next ${new Date(now + waitMs).toISOString()}`;
    const event = this.event(queued, 'retry', now, { code: failure.code, detail: `${describe(error)}; ${next}`, attempt });
    await this.durably(() => store.history.append([event]));
    received.ack();
    this.health.brokeDown(error, now, next);
    if (!counts && this.linkUp.isOpen) this.reopen(failure);
  }

  private recovered(): void {
    this.log.info('target-recovered', `${this.config.name} can be reached again`);
    this.services.telemetry.systemUp.set({ system: systemOf(this.config.name) }, 1);
  }

  private async bury(received: Received, queued: QueuedDelivery, cause: { readonly code: string; readonly reason: string }, error?: unknown): Promise<void> {
    const { store, telemetry, clock } = this.services;
    const now = clock.now().getTime();
    const letter = { ...deliveryLetter(received, queued, error ?? new Error(cause.reason), now), code: cause.code, reason: cause.reason };
    const event = this.event(queued, 'dead', now, { code: cause.code, detail: cause.reason, attempt: queued.delivery.attempt });
    await Promise.all([this.durably(() => store.deadLetters.add([letter])), this.durably(() => store.history.append([event]))]);
    received.ack();
    telemetry.failed.inc({ route: queued.route, rule: queued.rule, code: cause.code });
    this.log.warn('dead-letter', `a delivery to ${this.config.name} went to the dead letters: ${cause.reason}`, {
      message_id: queued.delivery.messageId,
      trace_id: queued.delivery.traceparent?.split('-')[1],
      code: cause.code,
      route: queued.route,
      rule: queued.rule,
    });
  }

  private event(queued: QueuedDelivery, kind: EventKind, at: number, rest: Partial<HistoryEvent>): HistoryEvent {
    return {
      messageId: queued.delivery.messageId,
      kind,
      at,
      revision: queued.revision,
      node: this.services.node,
      route: queued.route,
      rule: queued.rule,
      endpoint: this.config.name,
      deliveryId: queued.delivery.id,
      ...rest,
    };
  }

  /** Closes the gate and opens the link again with back-off; called once for each link. */
  private reopen(cause?: AnyFailure): void {
    this.link++;
    this.linkUp.close();
    this.opening = this.open(cause, this.stopping.signal);
  }

  private async open(cause: AnyFailure | undefined, signal: AbortSignal): Promise<void> {
    const { clock } = this.services;
    let failure: unknown = cause;
    while (!signal.aborted) {
      try {
        if (failure !== undefined) {
          // Other calls may still come to a good end; cutting them off would leave their outcome unknown.
          await settledWithin(LAST_MS, Promise.allSettled(this.calls));
          await this.closeOutbound();
          await this.waitAfter(failure, signal);
        }
        await this.outbound.open(signal);
        // Of one that answers nobody an open link says nothing.
        if (!this.outage.isOn) {
          if (failure !== undefined) this.recovered();
          this.health.reopened(clock.now().getTime());
        }
        this.linkUp.open();
        return;
      } catch (error) {
        if (signal.aborted) return;
        failure = error;
      }
    }
  }

  private async waitAfter(failure: unknown, signal: AbortSignal): Promise<void> {
    const { clock, telemetry } = this.services;
    const known = failureOf(failure);
    const isMisconfigured = known && kindOf(known) === 'misconfigured';
    const wait = isMisconfigured ? MISCONFIGURED_RETRY_MS : this.outage.isOn ? this.outage.nextPause() : reopenDelay(this.health.failures);
    const news = this.health.failures === 0;
    this.health.brokeDown(failure, clock.now().getTime(), `next try in ${Math.ceil(wait / 1000)} s, messages wait`);
    telemetry.systemUp.set({ system: systemOf(this.config.name) }, 0);
    if (news) this.log.warn('target-failed', `${this.config.name} cannot be reached: ${describe(failure)}; messages wait`, { code: known?.code });
    this.wake = new AbortController();
    try {
      await clock.sleep(wait, AbortSignal.any([signal, this.wake.signal]));
    } catch (error) {
      if (signal.aborted) throw error; // otherwise somebody resumed the endpoint: try now
    }
  }

  private async closeOutbound(): Promise<void> {
    try {
      await this.outbound.close();
    } catch (error) {
      this.log.debug('close-failed', `closing ${this.config.name} failed: ${describe(error)}`);
    }
  }
}
