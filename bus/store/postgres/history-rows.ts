// Rows of messages and events, and what they are made into.
import type { EventKind, HistoryEvent, MessageState, MessageSummary, StoredEvent } from '../contract.js';
import { given } from './rows.js';

/** Stored as their place in these lists: append only. */
export const STATES: readonly MessageState[] = ['active', 'delivered', 'filtered', 'dead', 'parked'];
const KINDS: readonly EventKind[] = ['received', 'mapped', 'filtered', 'duplicate', 'queued', 'delivered', 'retry', 'dead', 'parked', 'redelivered', 'discarded', 'note'];
const KIND_NUMBERS = new Map(KINDS.map((kind, index) => [kind, index]));

export interface MessageRow {
  readonly n: number;
  readonly id: string;
  readonly type: string | null;
  readonly source: string | null;
  readonly key: string | null;
  readonly at: number;
  readonly last_at: number;
  readonly state: number;
  readonly queued: number;
  readonly delivered: number;
  readonly dead: number;
  readonly traceparent: string | null;
  readonly class: number;
  readonly parts: string;
}

export interface EventRow {
  readonly seq: number;
  readonly id: string;
  readonly body: string;
  readonly data: string | null;
}

/** What is absent is null; nothing at the end is left out. Stored: new members come last. */
type Body = readonly [
  kind: number,
  at: number,
  revision: number,
  node: string,
  route?: string | null,
  endpoint?: string | null,
  rule?: string | null,
  deliveryId?: string | null,
  attempt?: number | null,
  durationMs?: number | null,
  message?: HistoryEvent['message'] | null,
  code?: string | null,
  detail?: string | null,
  place?: string | null,
  dataref?: string | null,
];

/** Short, since there are very many; JSON, so that any text can be stored. */
export function toBody({ kind, at, revision, node, route, endpoint, rule, deliveryId, attempt, durationMs, message, code, detail, place, dataref }: HistoryEvent): string {
  const optional = [route, endpoint, rule, deliveryId, attempt, durationMs, message, code, detail, place, dataref];
  while (optional.length > 0 && optional.at(-1) === undefined) optional.pop();
  return JSON.stringify([KIND_NUMBERS.get(kind) ?? KINDS.length - 1, at, revision, node, ...optional]);
}

export function toEvent({ seq, id, body, data }: EventRow): StoredEvent {
  const [kind, at, revision, node, route, endpoint, rule, deliveryId, attempt, durationMs, message, code, detail, place, dataref] = JSON.parse(body) as Body;
  return {
    seq,
    messageId: id,
    kind: KINDS[kind] ?? 'note',
    at,
    revision,
    node,
    ...given({ route, endpoint, rule, deliveryId, attempt, durationMs, message, code, detail, place, data, dataref }),
  };
}

export function toSummary(row: MessageRow): MessageSummary {
  return {
    id: row.id,
    type: row.type ?? undefined,
    source: row.source ?? '',
    key: row.key ?? undefined,
    at: row.at,
    lastAt: row.last_at,
    state: STATES[row.state] ?? 'active',
    queued: row.queued,
    delivered: row.delivered,
    dead: row.dead,
    traceparent: row.traceparent ?? undefined,
  };
}

/** @throws Error for an event that cannot be stored: JSON knows no NaN and no Infinity, PostgreSQL no integers above 64 bits */
export function check(event: HistoryEvent): void {
  const { at, revision, attempt = 0, durationMs = 0, message } = event;
  const numbers = Math.abs(at) <= Number.MAX_SAFE_INTEGER && Number.isSafeInteger(revision) && Number.isSafeInteger(attempt) && Math.abs(durationMs) <= Number.MAX_SAFE_INTEGER;
  if (!numbers || !Number.isSafeInteger(message?.size ?? 0)) throw new Error(`the event ${event.kind} of ${event.messageId} has a number that cannot be stored`);
}
