import type { Receipt } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { OutgoingMessage, Received } from '../broker.js';
import { describe } from '../errors.js';
import { reached } from '../failpoint.js';
import type { EventKind, HistoryEvent, LedgerEntry, Store } from '../store/contract.js';
import { CallRecord, type RecordedEndpoint } from './call-record.js';
import { deliveryLetter, foreignLetter, headersText } from './dead-letter.js';
import type { QueuedDelivery } from './envelope.js';
import { OpenLetters } from './open-letters.js';
import { reopenDelay } from './retry.js';
import type { Telemetry } from './telemetry.js';

export interface JournalServices {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly node: string;
}

const LONGEST_WAIT_MS = 5_000;
/** Begins what the ledger says of a delivery that a person gave up. */
export const DISCARDED = 'discarded by ';

/**
 * Writes down what became of the deliveries of one endpoint, before they are settled at the broker. What must be written is written, however long that
 * takes: handing a message out again would call the target again.
 */
export class DeliveryJournal {
  private readonly endpoint: string;
  private readonly usesLedger: boolean;
  private readonly letters: OpenLetters;

  constructor(
    private readonly config: RecordedEndpoint,
    private readonly services: JournalServices,
    private readonly log: Logger,
  ) {
    this.endpoint = config.name;
    this.usesLedger = config.usesLedger;
    this.letters = new OpenLetters(config.name, services.store, services.clock, services.node);
  }

  async durably<T>(write: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const { clock } = this.services;
    for (let failures = 0; ; failures++) {
      try {
        return await write();
      } catch (error) {
        signal.throwIfAborted();
        if (failures === 0) this.log.error('store-failed', `what became of deliveries to ${this.endpoint} cannot be recorded, they wait: ${describe(error)}`);
        await clock.sleep(Math.min(reopenDelay(failures, clock.random), LONGEST_WAIT_MS), signal);
      }
    }
  }

  /** What the ledger knows of it; where the target remembers by itself, it is asked by sending. One that is ordered somebody may have discarded (`always`). */
  async found(id: string, always: boolean, signal: AbortSignal): Promise<LedgerEntry | undefined> {
    const { ledger } = this.services.store;
    return this.usesLedger || always ? (await this.durably(() => ledger.get([id]), signal)).get(id) : undefined;
  }

  record(id: string, found: LedgerEntry | undefined): CallRecord {
    return new CallRecord(id, this.config, this.services, (write, signal) => this.durably(write, signal), found);
  }

  /** It is done with: it was made before, or a person said so. Perhaps the process ended between the ledger and the history. */
  async repeated({ detail }: LedgerEntry, queued: QueuedDelivery, signal: AbortSignal): Promise<void> {
    const { clock, telemetry } = this.services;
    telemetry.attempts.inc({ endpoint: this.endpoint, result: 'duplicate' });
    const isDiscarded = detail?.startsWith(DISCARDED) ?? false;
    await this.append(this.event(queued, isDiscarded ? 'discarded' : 'duplicate', clock.now().getTime(), { detail: detail ?? 'was delivered before' }), signal);
    if (!isDiscarded) await this.durably(() => this.letters.delivered(queued.delivery.id, true), signal);
  }

  /** @returns when it was delivered, milliseconds since the epoch */
  async delivered(id: string, queued: QueuedDelivery, receipt: Receipt, durationMs: number, signal: AbortSignal): Promise<number> {
    const { store, clock } = this.services;
    const at = clock.now().getTime();
    const event = this.event(queued, 'delivered', at, {
      detail: receipt.duplicate ? `${receipt.detail} (had it already)` : receipt.detail,
      attempt: queued.delivery.attempt,
      durationMs: Math.round(durationMs * 10) / 10,
    });
    await Promise.all([
      this.usesLedger
        ? this.durably(() => store.ledger.put([{ deliveryId: id, endpoint: this.endpoint, state: 'done', at }]), signal).then(() => reached('target.ledger.written'))
        : undefined,
      this.append(event, signal).then(() => reached('target.history.written')),
    ]);
    await this.durably(() => this.letters.delivered(id, queued.delivery.attempt > 1 || receipt.duplicate === true), signal);
    return at;
  }

  /** Set aside for a person, because nobody knows whether the target has it. */
  async parked(received: OutgoingMessage, queued: QueuedDelivery, cause: { readonly code: string; readonly reason: string }, signal: AbortSignal): Promise<void> {
    const { store, clock } = this.services;
    const { delivery, route, rule } = queued;
    const at = clock.now().getTime();
    const { endpoint } = this;
    const { id: deliveryId, messageId, key } = delivery;
    const parked = { deliveryId, messageId, endpoint, lane: deliveryId, route, rule, ...(key === undefined ? {} : { key }), ...cause, at };
    // First what the ledger refers to.
    await this.durably(() => store.parked.add([{ ...parked, headers: headersText(received.headers), content: received.body }]), signal);
    reached('target.parked.written');
    const event = this.event(queued, 'parked', at, { code: cause.code, detail: cause.reason, attempt: delivery.attempt });
    await Promise.all([this.durably(() => store.ledger.put([{ deliveryId, endpoint, state: 'unknown', at, detail: cause.reason }]), signal), this.append(event, signal)]);
    this.log.warn('outcome-unknown', `whether ${endpoint} has a delivery is not known, it waits for a person: ${cause.reason}`, {
      message_id: messageId,
      delivery_id: deliveryId,
      code: cause.code,
      route,
      rule,
    });
  }

  /** A parked one that was delivered after all. */
  async unparked(id: string, signal: AbortSignal): Promise<void> {
    await this.durably(() => this.services.store.parked.remove([id]), signal);
  }

  /** Whether it is in the dead letters, and nobody has handed it out again. */
  async isDead({ id, redelivered }: Received, { delivery }: QueuedDelivery, signal: AbortSignal): Promise<boolean> {
    return this.durably(() => this.letters.holds(id, delivery.messageId, redelivered), signal);
  }

  /** To the dead letters. */
  async dead(received: OutgoingMessage, queued: QueuedDelivery, cause: { readonly code: string; readonly reason: string }, error: unknown, signal: AbortSignal): Promise<void> {
    const { store, telemetry, clock } = this.services;
    const now = clock.now().getTime();
    const letter = { ...deliveryLetter(received, queued, error ?? new Error(cause.reason), now), code: cause.code, reason: cause.reason };
    const event = this.event(queued, 'dead', now, { code: cause.code, detail: cause.reason, attempt: queued.delivery.attempt });
    reached('target.dead.before');
    await Promise.all([
      this.durably(() => store.deadLetters.add([letter]), signal).then(() => reached('target.dead.letter.written')),
      this.append(event, signal).then(() => reached('target.dead.history.written')),
    ]);
    const isDiscarded = await this.durably(() => this.letters.added(received.id, queued.delivery.messageId), signal);
    if (isDiscarded) await this.append(this.event(queued, 'discarded', clock.now().getTime(), { detail: 'while it went to the dead letters' }), signal);
    reached('target.dead.ack.before');
    telemetry.failed.inc({ route: queued.route, rule: queued.rule, code: cause.code });
    this.log.warn('dead-letter', `a delivery to ${this.endpoint} went to the dead letters: ${cause.reason}`, {
      message_id: queued.delivery.messageId,
      trace_id: queued.delivery.traceparent?.split('-')[1],
      code: cause.code,
      route: queued.route,
      rule: queued.rule,
    });
  }

  /** A message in the channel that is none of ours. */
  async foreign(received: OutgoingMessage, error: unknown, signal: AbortSignal): Promise<void> {
    const { store, clock, node } = this.services;
    const letter = foreignLetter(received, this.endpoint, error, clock.now().getTime());
    const { messageId, at, code, reason: detail, endpoint } = letter;
    await Promise.all([
      this.durably(() => store.deadLetters.add([letter]), signal),
      this.append({ messageId, kind: 'dead', at, revision: 0, node, endpoint, code, detail }, signal),
    ]);
  }

  append(event: HistoryEvent, signal: AbortSignal): Promise<void> {
    return this.appendAll([event], signal);
  }

  appendAll(events: readonly HistoryEvent[], signal: AbortSignal): Promise<void> {
    return this.durably(() => this.services.store.history.append(events), signal);
  }

  event(queued: QueuedDelivery, kind: EventKind, at: number, rest: Partial<HistoryEvent>): HistoryEvent {
    return {
      messageId: queued.delivery.messageId,
      kind,
      at,
      revision: queued.revision,
      node: this.services.node,
      route: queued.route,
      rule: queued.rule,
      endpoint: this.endpoint,
      deliveryId: queued.delivery.id,
      ...rest,
    };
  }
}
