import type { Receipt } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { OutgoingMessage } from '../broker.js';
import { describe } from '../errors.js';
import { reached } from '../failpoint.js';
import type { EventKind, HistoryEvent, Store } from '../store/contract.js';
import { deliveryLetter, foreignLetter } from './dead-letter.js';
import type { QueuedDelivery } from './envelope.js';
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

/**
 * Writes down what became of the deliveries of one endpoint, before they are settled at the broker. What must be written is written, however long that
 * takes: handing a message out again would call the target again.
 */
export class DeliveryJournal {
  constructor(
    private readonly endpoint: string,
    private readonly usesLedger: boolean,
    private readonly services: JournalServices,
    private readonly log: Logger,
  ) {}

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

  /** Whether it was made before, as the ledger knows; where the target remembers by itself, it is asked by sending, except in an order: there somebody may have discarded it. */
  async wasDelivered(id: string, queued: QueuedDelivery, signal: AbortSignal): Promise<boolean> {
    const { store, clock, telemetry } = this.services;
    if (!(this.usesLedger || queued.orderKey !== undefined) || (await this.durably(() => store.ledger.get([id]), signal)).get(id)?.state !== 'done') return false;
    telemetry.attempts.inc({ endpoint: this.endpoint, result: 'duplicate' });
    // Perhaps the process ended between the ledger and the history.
    await this.append(this.event(queued, 'duplicate', clock.now().getTime(), { detail: 'was delivered before' }), signal);
    return true;
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
    return at;
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
