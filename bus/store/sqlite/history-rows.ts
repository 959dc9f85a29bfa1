// Rows of messages and what they are made into.
import type { MessageState, MessageSummary } from '../contract.js';
import type { Names } from './names.js';

/** Stored as their place in this list: append only. */
export const STATES: readonly MessageState[] = ['active', 'delivered', 'filtered', 'dead', 'parked'];
const STATE_NUMBERS = new Map(STATES.map((state, index) => [state, index]));

export interface MessageRow {
  /** The number of its first row of events. */
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
  /** Numbers of its rows of events, but for `n`: what each is more than `n`. */
  readonly events: string;
}

export function stateNumber(state: MessageState): number {
  return STATE_NUMBERS.get(state) ?? 0;
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

export function eventRows({ n, events }: Pick<MessageRow, 'n' | 'events'>): readonly number[] {
  const later = events === '' ? [] : events.split(' ').map((more) => n + Number(more));
  return [n, ...later].sort((a, b) => a - b);
}
