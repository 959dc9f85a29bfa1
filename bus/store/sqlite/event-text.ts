// The events of one message that were folded together, as one row: short text, since there are very many.
import type { EventKind, HistoryEvent, StoredEvent } from '../contract.js';
import { given } from './history-rows.js';
import type { Names } from './names.js';

/**
 * Numbers of events: those of a fold are `first + place`, where `first` is a multiple of this and `place` counts the events of the fold as they were appended.
 * So numbers grow in the order of appends, and the fold that an event belongs to follows from its number. Stored: never changed.
 */
export const SPAN = 4_096;

/** Stored as their place in this list: append only. */
const KINDS: readonly EventKind[] = ['received', 'mapped', 'filtered', 'duplicate', 'queued', 'delivered', 'retry', 'dead', 'parked', 'redelivered', 'discarded', 'note'];
const KIND_NUMBERS = new Map(KINDS.map((kind, index) => [kind, index]));

/** What is absent is 0 (a name, a text) or null (a number); nothing at the end is left out. Times count from the event before, delivery ids are a text once and then its place. */
type Packed = readonly [
  place: number,
  kind: number,
  at: number,
  revision: number,
  node: number,
  route?: number,
  endpoint?: number,
  rule?: number,
  delivery?: string | number,
  attempt?: number | null,
  duration?: number | null,
  /** Bytes; -1 when the event describes the message but not its size; null when it does not describe it. */
  size?: number | null,
  code?: number,
  detail?: string | 0,
  where?: string | 0,
  /** 1: in the column of the row. */
  data?: string | 0 | 1,
];

/** An event, its place in the fold, and the numbers of its names (0: none). */
export interface PlacedEvent {
  readonly event: HistoryEvent;
  readonly place: number;
  readonly route: number;
  readonly endpoint: number;
  readonly code: number;
}

export interface EventText {
  readonly events: string;
  /** The content of the first event that has one: large, and JSON that would be quoted once more in `events`. */
  readonly data: string | null;
}

/** A row of events with what its message says about itself. */
export interface EventRow extends EventText {
  readonly seq: number;
  readonly id: string;
  readonly type: number | null;
  readonly source: number | null;
  readonly key: string | null;
  readonly traceparent: string | null;
}

export function pack(placed: readonly PlacedEvent[], names: Names): EventText {
  let before = 0;
  let data: string | null = null;
  const deliveries: string[] = [];
  const packed = placed.map(({ event, place, route, endpoint, code }) => {
    const at = Math.trunc(event.at);
    const elapsed = at - before;
    before = at;
    const content = event.data === undefined ? 0 : data === null ? 1 : event.data;
    if (content === 1) data = event.data ?? null;
    return trimmed([
      place,
      KIND_NUMBERS.get(event.kind) ?? KINDS.length - 1,
      elapsed,
      event.revision,
      names.id(event.node),
      route,
      endpoint,
      event.rule === undefined ? 0 : names.id(event.rule),
      event.deliveryId === undefined ? 0 : once(deliveries, event.deliveryId),
      event.attempt ?? null,
      event.durationMs === undefined ? null : Math.round(event.durationMs),
      event.message === undefined ? null : (event.message.size ?? -1),
      code,
      event.detail ?? 0,
      event.place ?? 0,
      content,
    ]);
  });
  return { events: JSON.stringify(packed), data };
}

export function unpack(row: EventRow, names: Names): readonly StoredEvent[] {
  const first = row.seq - (row.seq % SPAN);
  const name = (id: number | null | undefined): string | undefined => (id === null || id === undefined || id === 0 ? undefined : names.text(id));
  const text = (value: string | 0 | undefined): string | undefined => (value === 0 ? undefined : value);
  let before = 0;
  const deliveries: string[] = [];
  return (JSON.parse(row.events) as readonly Packed[]).map((packed) => {
    const [place, kind, elapsed, revision, node, route, endpoint, rule, delivery, attempt, duration, size, code, detail, where, data] = packed;
    before += elapsed;
    if (typeof delivery === 'string') deliveries.push(delivery);
    return {
      seq: first + place,
      messageId: row.id,
      kind: KINDS[kind] ?? 'note',
      at: before,
      revision,
      node: names.text(node),
      ...given({
        route: name(route),
        rule: name(rule),
        endpoint: name(endpoint),
        deliveryId: typeof delivery === 'number' ? deliveries[delivery - 1] : delivery,
        code: name(code),
        detail: text(detail),
        place: text(where),
        attempt,
        durationMs: duration,
        data: data === 1 ? row.data : text(data),
      }),
      ...(size === null || size === undefined
        ? {}
        : { message: { source: name(row.source) ?? '', ...given({ type: name(row.type), key: row.key, traceparent: row.traceparent, size: size < 0 ? null : size }) } }),
    };
  });
}

/** The text the first time, its number after that. */
function once(texts: string[], text: string): string | number {
  const known = texts.indexOf(text);
  if (known >= 0) return known + 1;
  texts.push(text);
  return text;
}

function trimmed(packed: (string | number | null)[]): readonly (string | number | null)[] {
  while (packed.at(-1) === 0 || packed.at(-1) === null) packed.pop();
  return packed;
}
