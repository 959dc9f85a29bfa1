import type { DeadLetter, EventKind, HistoryEvent, ParkedDelivery, Store } from '../../../bus/store/contract.js';

/** What the suite needs to know about one kind of store. */
export interface StoreHarness {
  /** Module that exports `openStore`, loaded by a child process that is killed. */
  readonly module: URL;
  /** Makes a place for a new, empty store and names it. */
  create(): Promise<string>;
  open(place: string): Promise<Store>;
  remove(place: string): Promise<void>;
  /** For a store that goes by a clock of its own: as if that much time had gone by. */
  letPass?(place: string, ms: number): Promise<void>;
}

export type OpenStore = (place: string) => Promise<Store>;

/** Midday of a day, so that whole days added or taken away stay whole. */
export const NOON = Date.UTC(2026, 2, 10, 12);
export const DAY = 86_400_000;

export function event(messageId: string, kind: EventKind, more: Partial<HistoryEvent> = {}): HistoryEvent {
  return { messageId, kind, at: NOON, revision: 1, node: 'a', ...more };
}

export function received(messageId: string, more: Partial<HistoryEvent> = {}): HistoryEvent {
  return event(messageId, 'received', { route: 'orders-in', endpoint: 'legacy.orders', message: { type: 'Order', source: 'legacy.orders', key: `K-${messageId}` }, ...more });
}

/** One message on its usual way: received, queued for each target, delivered there. */
export function way(messageId: string, at: number, targets: readonly string[] = ['erp.orders']): readonly HistoryEvent[] {
  const delivery = (endpoint: string) => ({ endpoint, deliveryId: `${messageId}/${endpoint}`, route: 'orders-out', rule: 'all' });
  return [
    received(messageId, { at }),
    ...targets.map((target) => event(messageId, 'queued', { at: at + 1, ...delivery(target) })),
    ...targets.map((target) => event(messageId, 'delivered', { at: at + 2, attempt: 1, durationMs: 12, ...delivery(target) })),
  ];
}

export function letter(id: string, more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    id,
    messageId: `m-${id}`,
    stage: 'delivery',
    group: 'G1A2',
    code: 'E400',
    reason: 'the partner refused it',
    endpoint: 'erp.orders',
    route: 'orders-out',
    attempts: 3,
    at: NOON,
    headers: { 'signalbox-id': id },
    content: new Uint8Array([0, 1, 254, 255]),
    ...more,
  };
}

export function parked(deliveryId: string, more: Partial<ParkedDelivery> = {}): ParkedDelivery {
  return {
    deliveryId,
    messageId: `m-${deliveryId}`,
    endpoint: 'erp.orders',
    lane: 'K1',
    route: 'orders-out',
    rule: 'all',
    code: 'E400',
    reason: 'the partner refused it',
    at: NOON,
    headers: { 'signalbox-id': deliveryId },
    content: new Uint8Array([0, 1, 254, 255]),
    ...more,
  };
}
