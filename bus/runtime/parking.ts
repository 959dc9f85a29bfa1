import type { OutgoingMessage } from '../broker.js';
import { InvalidMessage } from '../errors.js';
import { reached } from '../failpoint.js';
import type { ParkedDelivery, ParkedLane, Store } from '../store/contract.js';
import { headersText } from './dead-letter.js';
import type { DeliveryJournal } from './delivery-journal.js';
import { decodeDelivery, isNudge, type QueuedDelivery } from './envelope.js';
import type { LaneEntry } from './lanes.js';

export interface Cause {
  readonly code: string;
  readonly reason: string;
}

const PORTION = 200;

/**
 * The parked deliveries of one endpoint, as the one who serves their key sees them. Parked first, acknowledged after; removed only when delivered and
 * recorded: a crash between the two repeats a step that has no second effect.
 */
export class Parking {
  constructor(
    private readonly endpoint: string,
    private readonly store: Store,
    private readonly journal: DeliveryJournal,
    private readonly now: () => number,
  ) {}

  async lane(key: string, signal: AbortSignal): Promise<ParkedLane | undefined> {
    const [lane] = await this.journal.durably(() => this.store.parked.lanes({ endpoint: this.endpoint, lane: key, limit: 1 }), signal);
    return lane;
  }

  async first(key: string, signal: AbortSignal): Promise<ParkedDelivery | undefined> {
    const [first] = await this.journal.durably(() => this.store.parked.list(this.endpoint, key, 1), signal);
    return first;
  }

  /** The entry and all behind it, in their order; `cause` is why the first of them waits, absent when there are others before it. */
  async park(entry: LaneEntry, cause: Cause | undefined, signal: AbortSignal): Promise<void> {
    const { lane } = entry;
    lane.clearIn = undefined;
    // What is somebody else's now is not parked here, and must not stay in our hands as if it were under way.
    entry.session.throwIfAborted();
    const entries = lane.entries.filter(({ session }) => !session.aborted).slice(0, PORTION);
    const at = this.now();
    const first = cause ? entry.id : (await this.first(lane.key, signal))?.deliveryId;
    const parked: { readonly message: OutgoingMessage; readonly queued: QueuedDelivery; readonly cause: Cause }[] = [];
    for (const message of entries) {
      if (isNudge(message.headers)) continue;
      const behind: Cause = { code: 'E570', reason: `waits behind ${first ?? 'an earlier one of its key'}` };
      try {
        parked.push({ message, queued: decodeDelivery(message), cause: message === entry && cause ? cause : behind });
      } catch (error) {
        if (!(error instanceof InvalidMessage)) throw error;
        await this.journal.foreign(message, error, signal);
      }
    }
    await this.journal.durably(() => this.store.parked.add(parked.map((each) => this.entryOf(each.message, each.queued, lane.key, each.cause, at))), signal);
    reached('order.parked.written');
    await this.journal.appendAll(
      parked.map((each) => this.journal.event(each.queued, 'parked', at, { code: each.cause.code, detail: each.cause.reason })),
      signal,
    );
    reached('order.parked.history.written');
    for (const each of entries) each.ack();
  }

  /** A released lane waits again, because its first delivery failed again. */
  async holdAgain(first: ParkedDelivery, queued: QueuedDelivery, cause: Cause, signal: AbortSignal): Promise<void> {
    await this.journal.durably(() => this.store.parked.add([{ ...first, ...cause }]), signal);
    await this.journal.durably(() => this.store.parked.hold(this.endpoint, first.lane), signal);
    await this.journal.appendAll([this.journal.event(queued, 'parked', this.now(), { code: cause.code, detail: cause.reason })], signal);
  }

  /** So that a person can say what became of it. */
  async unknown(deliveryId: string, detail: string, signal: AbortSignal): Promise<void> {
    const entry = { deliveryId, endpoint: this.endpoint, state: 'unknown' as const, at: this.now(), detail };
    await this.journal.durably(() => this.store.ledger.put([entry]), signal);
  }

  async remove(deliveryId: string, signal: AbortSignal): Promise<void> {
    reached('order.released.delivered');
    await this.journal.durably(() => this.store.parked.remove([deliveryId]), signal);
    reached('order.released.removed');
  }

  private entryOf(message: OutgoingMessage, queued: QueuedDelivery, lane: string, cause: Cause, at: number): ParkedDelivery {
    const { delivery, route, rule } = queued;
    return {
      deliveryId: message.id,
      messageId: delivery.messageId,
      endpoint: this.endpoint,
      lane,
      route,
      rule,
      ...(delivery.key === undefined ? {} : { key: delivery.key }),
      ...cause,
      at,
      headers: headersText(message.headers),
      content: message.body,
    };
  }
}

/** The message as it was, for another attempt. */
export function messageOf(parked: ParkedDelivery): OutgoingMessage {
  return { id: parked.deliveryId, headers: parked.headers, body: parked.content };
}
