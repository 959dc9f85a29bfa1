// Rows of history and what they are made into.
import type { EventKind, HistoryEvent, MessageState, MessageSummary, StoredEvent } from '../contract.js';
import type { Names } from './names.js';

/** Stored as their place in these lists: append only. */
const KINDS: readonly EventKind[] = ['received', 'mapped', 'filtered', 'duplicate', 'queued', 'delivered', 'retry', 'dead', 'parked', 'redelivered', 'discarded', 'note'];
export const STATES: readonly MessageState[] = ['active', 'delivered', 'filtered', 'dead', 'parked'];
const KIND_NUMBERS = new Map(KINDS.map((kind, index) => [kind, index]));
const STATE_NUMBERS = new Map(STATES.map((state, index) => [state, index]));

export interface MessageRow {
  readonly n: number;
  readonly id: string;
  readonly type: number | null;
  readonly source: number | null;
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

/** An event with what its message says about itself. */
export interface EventRow {
  readonly seq: number;
  readonly id: string;
  readonly kind: number;
  readonly at: number;
  readonly revision: number;
  readonly node: number;
  readonly route: number | null;
  readonly rule: number | null;
  readonly endpoint: number | null;
  readonly delivery: string | null;
  readonly code: number | null;
  readonly attempt: number | null;
  readonly duration: number | null;
  /** Bytes; -1 when the event describes the message but not its size; null when it does not describe it. */
  readonly size: number | null;
  readonly place: string | null;
  readonly detail: string | null;
  readonly data: string | null;
  readonly type: number | null;
  readonly source: number | null;
  readonly key: string | null;
  readonly traceparent: string | null;
}

export function kindNumber(kind: EventKind): number {
  return KIND_NUMBERS.get(kind) ?? KINDS.length - 1;
}

export function stateNumber(state: MessageState): number {
  return STATE_NUMBERS.get(state) ?? 0;
}

export function sizeOf(event: HistoryEvent): number | null {
  return event.message === undefined ? null : (event.message.size ?? -1);
}

export function storedEvent(row: EventRow, names: Names): StoredEvent {
  const text = (id: number | null): string | undefined => (id === null ? undefined : names.text(id));
  return {
    seq: row.seq,
    messageId: row.id,
    kind: KINDS[row.kind] ?? 'note',
    at: row.at,
    revision: row.revision,
    node: names.text(row.node),
    ...given({
      route: text(row.route),
      rule: text(row.rule),
      endpoint: text(row.endpoint),
      deliveryId: row.delivery,
      code: text(row.code),
      detail: row.detail,
      place: row.place,
      attempt: row.attempt,
      durationMs: row.duration,
      data: row.data,
    }),
    ...(row.size === null
      ? {}
      : {
          message: {
            source: text(row.source) ?? '',
            ...given({ type: text(row.type), key: row.key, traceparent: row.traceparent, size: row.size < 0 ? null : row.size }),
          },
        }),
  };
}

export function summary(row: MessageRow, names: Names): MessageSummary {
  return {
    id: row.id,
    type: row.type === null ? undefined : names.text(row.type),
    source: row.source === null ? '' : names.text(row.source),
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

/** Without the properties that have no value. */
export function given<T extends object>(properties: T): { readonly [K in keyof T]?: Exclude<T[K], null | undefined> } {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties)) if (value !== null && value !== undefined) result[name] = value;
  return result as { readonly [K in keyof T]?: Exclude<T[K], null | undefined> };
}
