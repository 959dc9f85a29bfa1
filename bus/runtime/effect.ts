import type { Delivery, Receipt, Verification } from '../../adapters/contract/endpoint.js';
import type { Clock } from '../../adapters/contract/services.js';
import type { OutgoingMessage } from '../broker.js';
import { describe, failureOf, kindOf, leavesUnknown, TryAgain } from '../errors.js';
import type { LedgerEntry, Store } from '../store/contract.js';
import { type CallRecord, type OnUnknown, Overtaken } from './call-record.js';
import { checkOut } from './claim-check.js';
import type { DeliveryJournal } from './delivery-journal.js';
import type { EndpointHealth } from './endpoint-health.js';
import { decodePayload, type QueuedDelivery } from './envelope.js';
import type { Link } from './link.js';
import type { Outage } from './outage.js';
import { systemOf, type Telemetry } from './telemetry.js';

export interface EffectServices {
  readonly store: Store;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export interface EffectConfig {
  readonly name: string;
  readonly onUnknown: OnUnknown;
  readonly longestCallMs: number;
}

/** What came of a delivery. `open`: nobody knows whether an earlier call had its effect, and a person is to decide. */
export type Made =
  | { readonly kind: 'made' | 'repeated' }
  | { readonly kind: 'open'; readonly reason: string }
  | { readonly kind: 'failed'; readonly error: unknown; readonly isUnknown: boolean /** Until the call cannot have an effect any more. */; readonly remainingMs: number };

/** Added to the time of the longest call: clocks differ, and so does what a timer does on a busy machine. */
const MARGIN_MS = 500;

/** Makes the deliveries of one endpoint, each once as far as can be known, and writes down that they are made. */
export class Effect {
  constructor(
    private readonly config: EffectConfig,
    private readonly link: Link,
    private readonly journal: DeliveryJournal,
    private readonly health: EndpointHealth,
    private readonly outage: Outage,
    private readonly services: EffectServices,
  ) {}

  /** `waiting` ends the wait for the link, but no call under way. @throws the signal's reason, or that of `waiting` */
  async make(message: OutgoingMessage, queued: QueuedDelivery, signal: AbortSignal, waiting?: AbortSignal): Promise<Made> {
    for (;;) {
      try {
        return await this.attempt(message, queued, signal, waiting);
      } catch (error) {
        // Whoever it is has noted that it calls: that is found now.
        if (!(error instanceof Overtaken)) throw error;
      }
    }
  }

  private async attempt(message: OutgoingMessage, queued: QueuedDelivery, signal: AbortSignal, waiting: AbortSignal | undefined): Promise<Made> {
    const found = await this.journal.found(message.id, queued.orderKey !== undefined, signal);
    const record = this.journal.record(message.id, found);
    try {
      return await this.once(message, queued, found, record, signal, waiting);
    } catch (error) {
      signal.throwIfAborted();
      waiting?.throwIfAborted();
      if (error instanceof Overtaken) throw error;
      const isUnknown = record.minds && leavesUnknown(error);
      const failure = failureOf(error);
      this.health.failed++;
      this.services.telemetry.attempts.inc({ endpoint: this.config.name, result: isUnknown ? 'unknown' : failure ? kindOf(failure) : 'error' });
      await (isUnknown ? record.unknown(describe(error), signal) : record.undone(signal));
      return { kind: 'failed', error, isUnknown, remainingMs: isUnknown ? record.remainingMs(this.config.longestCallMs + MARGIN_MS) : 0 };
    }
  }

  private async once(
    message: OutgoingMessage,
    queued: QueuedDelivery,
    found: LedgerEntry | undefined,
    record: CallRecord,
    signal: AbortSignal,
    waiting: AbortSignal | undefined,
  ): Promise<Made> {
    const known = found?.state === 'sending' && record.minds ? await this.afterLongestCall(found, signal) : found;
    record.saw(known);
    if (known?.state === 'done') {
      await this.journal.repeated(known, queued, signal);
      return { kind: 'repeated' };
    }
    const isOpen = record.minds && (known?.state === 'sending' || known?.state === 'unknown');
    if (isOpen && this.config.onUnknown === 'park')
      return { kind: 'open', reason: (known.state === 'unknown' ? known.detail : undefined) ?? 'the process that sent it ended before there was an answer' };
    const whole = async (): Promise<Delivery> => {
      const body = await checkOut(message, (reference) => this.journal.durably(() => this.services.store.payloads.get(reference), signal));
      return { ...queued.delivery, payload: decodePayload(body) };
    };
    const verified = isOpen ? await this.verified(whole, signal) : undefined;
    const { receipt, durationMs } = verified ?? (await this.link.send(await whole(), record, signal, waiting));
    const at = await this.journal.delivered(message.id, queued, receipt, durationMs, signal);
    if (known) await this.journal.unparked(message.id, signal);
    this.succeeded(queued, at, durationMs);
    return { kind: 'made' };
  }

  /** Whoever began the call may still be at it: a node we know nothing of, or a call that was left behind. */
  private async afterLongestCall(begun: LedgerEntry, signal: AbortSignal): Promise<LedgerEntry | undefined> {
    const { clock } = this.services;
    const longest = this.config.longestCallMs + MARGIN_MS;
    for (let { at } = begun; ; ) {
      const wait = Math.min(longest, at + longest - clock.now().getTime());
      if (wait > 0) await clock.sleep(wait, signal);
      const now = await this.journal.found(begun.deliveryId, true, signal);
      if (now?.state !== 'sending' || now.at === at) return now;
      at = now.at;
    }
  }

  /** @returns undefined when the target certainly does not have it @throws OutcomeUnknown */
  private async verified(whole: () => Promise<Delivery>, signal: AbortSignal): Promise<{ readonly receipt: Receipt; readonly durationMs: number } | undefined> {
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
}

/** Nobody knows whether an earlier call had its effect. */
class OutcomeUnknown extends TryAgain {
  constructor(detail: string, cause?: unknown) {
    super('E581', detail, { outcome: 'unknown', ...(cause === undefined ? {} : { cause }) });
  }
}
