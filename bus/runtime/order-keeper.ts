import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { OutgoingMessage } from '../broker.js';
import { describe, failureOf, kindOf } from '../errors.js';
import type { RouteOrder } from '../handler.js';
import type { ParkedDelivery } from '../store/contract.js';
import type { OnUnknown } from './call-record.js';
import { causeOf } from './dead-letter.js';
import type { DeliveryJournal } from './delivery-journal.js';
import type { Effect, Made } from './effect.js';
import type { EndpointHealth } from './endpoint-health.js';
import { decodeDelivery, type QueuedDelivery } from './envelope.js';
import type { LaneEntry } from './lanes.js';
import type { Link } from './link.js';
import type { Outage } from './outage.js';
import { type Cause, messageOf, type Parking } from './parking.js';
import { retryDelay } from './retry.js';
import type { Routing } from './tokens.js';

export interface OrderServices {
  readonly routing: Routing;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Of a route that is gone, or ordered no more, since the message was published. */
const DEFAULT_ORDER: Pick<RouteOrder, 'onFailure' | 'holdMs'> = { onFailure: 'park', holdMs: 300_000 };
/** A busy key has many behind it at once: it holds up others for this part of its time before it is given up for them. */
const YIELD_SHARE = 10;

/**
 * Keeps the order of one key when a delivery fails: it is tried again in its place while only its key waits; given up, it is parked with all of its key behind
 * it, or skipped. A key that a person released is delivered from where it was parked before anything newer.
 */
export class OrderKeeper {
  constructor(
    private readonly endpoint: { readonly name: string; readonly onUnknown: OnUnknown },
    private readonly effect: Effect,
    private readonly parking: Parking,
    private readonly journal: DeliveryJournal,
    private readonly health: EndpointHealth,
    private readonly outage: Outage,
    private readonly link: Link,
    private readonly services: OrderServices,
  ) {}

  /** Before a delivery is made. @returns false when it must not be, because earlier ones of its key are parked; then it is settled, or waits */
  async admit(entry: LaneEntry, signal: AbortSignal): Promise<boolean> {
    const { session, lane } = entry;
    if (lane.clearIn === session) return true;
    const parked = await this.parking.lane(lane.key, signal);
    if (parked && !parked.released) {
      await this.parking.park(entry, undefined, signal);
      return false;
    }
    if (parked && !(await this.drain(entry, session, signal))) return false;
    lane.clearIn = session;
    return true;
  }

  /** Its key has waited too long beside others that want to go on. @returns whether it was given up */
  async yielded(entry: LaneEntry, queued: QueuedDelivery, signal: AbortSignal): Promise<boolean> {
    if (!entry.isCrowding) return false;
    entry.isCrowding = false;
    const { trouble } = entry;
    if (!trouble || this.outage.isOn) return false;
    const cause = { code: trouble.code, reason: `${trouble.reason}; its key held up too many others` };
    const parked = trouble.deliveryId === entry.id ? undefined : await this.parking.first(entry.lane.key, signal);
    if (parked) await this.giveUp(entry, decodeDelivery(messageOf(parked)), cause, undefined, signal, parked);
    else await this.giveUp(entry, queued, cause, undefined, signal);
    return true;
  }

  /** It was skipped, and its acknowledgement was lost: those behind it have gone on, so it may not come now. */
  async wasSkipped(entry: LaneEntry, queued: QueuedDelivery, signal: AbortSignal): Promise<boolean> {
    return this.orderOf(queued).onFailure === 'skip' && (await this.journal.isDead(entry, queued, signal));
  }

  /** `parked`: it was the first of a released lane, and `entry` is what waits behind it. */
  async failed(entry: LaneEntry, queued: QueuedDelivery, made: Extract<Made, { kind: 'open' | 'failed' }>, signal: AbortSignal, parked?: ParkedDelivery): Promise<void> {
    if (made.kind === 'open') {
      await this.leaveOpen(entry, queued, { code: 'E580', reason: made.reason }, signal, parked);
      return;
    }
    const { error, isUnknown, remainingMs } = made;
    const { routing, clock, log } = this.services;
    const failure = failureOf(error);
    if (!failure || (!isUnknown && kindOf(failure) !== 'try-again')) {
      await this.giveUp(entry, queued, causeOf(error), error, signal, parked);
      return;
    }
    const { id } = queued.delivery;
    if (this.outage.failed(id)) {
      log.warn('target-failed', `${this.endpoint.name} fails for every message: ${describe(error)}; no attempt counts until one succeeds`, { code: failure.code });
    }
    const counts = !this.outage.isOn;
    const retry = routing.handler.retry(queued.route, queued.rule);
    const now = clock.now().getTime();
    const before = entry.trouble?.deliveryId === id ? entry.trouble : undefined;
    const attempt = before?.attempt ?? 1;
    const since = counts ? (before?.since ?? now) : now;
    const { holdMs } = this.orderOf(queued);
    const leftMs = since + holdMs - now;
    const isOver = counts && (attempt >= retry.attempts || leftMs <= 0);
    if (isUnknown && (isOver || this.endpoint.onUnknown === 'park')) {
      await this.leaveOpen(entry, queued, { code: this.endpoint.onUnknown === 'park' ? 'E580' : 'E581', reason: describe(error) }, signal, parked);
    } else if (isOver) {
      await this.giveUp(entry, queued, { code: failure.code, reason: `${describe(error)} (attempt ${attempt} of ${retry.attempts})` }, error, signal, parked);
      return;
    } else {
      // While no message succeeds the link is opened anew after a pause, and one at a time asks.
      const wantedMs = Math.max(retryDelay(retry, attempt, 'afterMs' in failure ? failure.afterMs : undefined, clock.random), remainingMs);
      const waitMs = counts ? Math.min(wantedMs, Math.max(leftMs, remainingMs)) : remainingMs;
      const next = `${counts ? `attempt ${attempt} of ${retry.attempts}, next ${new Date(now + waitMs).toISOString()}` : 'no message succeeds, so this attempt does not count'}; its key waits`;
      entry.trouble = { deliveryId: id, attempt: counts ? attempt + 1 : attempt, since, yieldsAt: since + holdMs / YIELD_SHARE, code: failure.code, reason: describe(error) };
      await this.journal.append(this.journal.event(queued, 'retry', now, { code: failure.code, detail: `${describe(error)}; ${next}`, attempt }), signal);
      this.health.brokeDown(error, now, next);
      entry.later(waitMs);
    }
    if (!counts && this.link.isOpen) this.link.reopen(failure);
  }

  /** Nobody knows whether it was made: it is parked, whatever the order says of failures, and all of its key behind it. */
  private async leaveOpen(entry: LaneEntry, queued: QueuedDelivery, cause: Cause, signal: AbortSignal, parked: ParkedDelivery | undefined): Promise<void> {
    await this.parking.unknown(queued.delivery.id, cause.reason, signal);
    await this.park(entry, queued, cause, undefined, signal, parked);
  }

  async giveUp(entry: LaneEntry, queued: QueuedDelivery, cause: Cause, error: unknown, signal: AbortSignal, parked?: ParkedDelivery): Promise<void> {
    const { key } = entry.lane;
    const message: OutgoingMessage = parked ? messageOf(parked) : entry;
    if (this.orderOf(queued).onFailure === 'skip') {
      entry.isDecided = !parked;
      await this.journal.dead(message, queued, { ...cause, reason: `${cause.reason} (a gap in the order of "${key}")` }, error, signal);
      entry.trouble = undefined;
      if (!parked) entry.ack();
      else {
        await this.parking.remove(parked.deliveryId, signal);
        entry.later(0);
      }
      return;
    }
    await this.park(entry, queued, cause, error, signal, parked);
  }

  private async park(entry: LaneEntry, queued: QueuedDelivery, cause: Cause, error: unknown, signal: AbortSignal, parked: ParkedDelivery | undefined): Promise<void> {
    const { key } = entry.lane;
    this.health.brokeDown(error ?? new Error(cause.reason), this.services.clock.now().getTime(), `the key "${key}" waits for \`signalbox parked release\``);
    this.services.log.warn('parked', `a delivery to ${this.endpoint.name} is parked, and all of its key behind it: ${cause.reason}`, {
      message_id: queued.delivery.messageId,
      code: cause.code,
      route: queued.route,
      rule: queued.rule,
    });
    if (parked) await this.parking.holdAgain(parked, queued, cause, signal);
    await this.parking.park(entry, parked ? undefined : cause, signal);
  }

  /** Delivers what is parked, in order. @returns false when that failed; then the entry waits, or is settled */
  private async drain(entry: LaneEntry, session: AbortSignal, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      const parked = await this.parking.first(entry.lane.key, signal);
      if (!parked) return true;
      session.throwIfAborted();
      const message = messageOf(parked);
      const queued = withTrouble(decodeDelivery(message), entry);
      const made = await this.effect.make(message, queued, signal, session);
      if (made.kind === 'open' || made.kind === 'failed') {
        await this.failed(entry, queued, made, signal, parked);
        return false;
      }
      await this.parking.remove(parked.deliveryId, signal);
    }
  }

  private orderOf({ route }: QueuedDelivery): Pick<RouteOrder, 'onFailure' | 'holdMs'> {
    return this.services.routing.handler.ordered?.get(route) ?? DEFAULT_ORDER;
  }
}

/** The number of the attempt is known here only: what waits in its place is not published again. */
export function withTrouble(queued: QueuedDelivery, { trouble }: LaneEntry): QueuedDelivery {
  if (trouble?.deliveryId !== queued.delivery.id) return queued;
  return { ...queued, delivery: { ...queued.delivery, attempt: trouble.attempt } };
}
