// Events as they cross to the store's thread and lie in its file: short text, written once and never changed.
import type { Draft } from '../../value.js';
import type { EventKind, HistoryEvent, StoredEvent } from '../contract.js';

/** Numbers of events: `row * SPAN + place in the row`, so they grow in the order of the appends. Stored in people's bookmarks at most, but never changed. */
export const SPAN = 1_024;

/** Stored as their place in this list: append only. */
const KINDS: readonly EventKind[] = ['received', 'mapped', 'filtered', 'duplicate', 'queued', 'delivered', 'retry', 'dead', 'parked', 'redelivered', 'discarded', 'note'];
const KIND_NUMBERS = new Map(KINDS.map((kind, index) => [kind, index]));

/** Events of one message that were appended one after the other. */
export interface EventText {
  readonly message: string;
  readonly events: string;
  /** The content of the first event that has one: large, and JSON that would be quoted once more in `events`. */
  readonly data: string | null;
}

export interface EventRow extends EventText {
  readonly seq: number;
}

type Text = string | 0;
/** A text that is absent is 0, a number null; such at the end are left out. Times count from the event before; a delivery id is a text once and then its place among them. */
type Packed = readonly [
  kind: number,
  elapsed: number,
  revision: number,
  node: string,
  route?: Text,
  endpoint?: Text,
  rule?: Text,
  delivery?: string | number,
  attempt?: number | null,
  duration?: number | null,
  code?: Text,
  detail?: Text,
  place?: Text,
  /** 1: in the column of the row. */
  data?: Text | 1,
  message?: readonly [source: string, type: Text, key: Text, traceparent: Text, size: number | null] | null,
  dataref?: Text,
];

/** Rows as they cross to the store's thread: each column as one list, which costs a fraction of a list of records. */
export interface EventColumns {
  readonly message: readonly string[];
  readonly events: readonly string[];
  readonly data: readonly (string | null)[];
}

/** @throws Error for an event that could not be read again: an append fails whole */
export function toColumns(events: readonly HistoryEvent[]): EventColumns {
  const columns = { message: [] as string[], events: [] as string[], data: [] as (string | null)[] };
  for (let first = 0; first < events.length; ) {
    const id = events[first]?.messageId ?? '';
    let end = first + 1;
    while (end < events.length && end - first < SPAN && events[end]?.messageId === id) end += 1;
    const packed = pack(end - first === events.length ? events : events.slice(first, end));
    columns.message.push(id);
    columns.events.push(packed.events);
    columns.data.push(packed.data);
    first = end;
  }
  return columns;
}

function pack(events: readonly HistoryEvent[]): Omit<EventText, 'message'> {
  let before = 0;
  let data: string | null = null;
  const deliveries: string[] = [];
  const packed = events.map((event) => {
    check(event);
    const at = Math.trunc(event.at);
    const elapsed = at - before;
    before = at;
    const content = event.data === undefined ? 0 : data === null ? 1 : event.data;
    if (content === 1) data = event.data ?? null;
    const about = event.message;
    return trimmed([
      KIND_NUMBERS.get(event.kind) ?? KINDS.length - 1,
      elapsed,
      event.revision,
      event.node,
      event.route ?? 0,
      event.endpoint ?? 0,
      event.rule ?? 0,
      event.deliveryId === undefined ? 0 : once(deliveries, event.deliveryId),
      event.attempt ?? null,
      event.durationMs === undefined ? null : Math.round(event.durationMs),
      event.code ?? 0,
      event.detail ?? 0,
      event.place ?? 0,
      content,
      about === undefined ? null : [about.source, about.type ?? 0, about.key ?? 0, about.traceparent ?? 0, about.size ?? null],
      event.dataref ?? 0,
    ]);
  });
  return { events: JSON.stringify(packed), data };
}

/** The events of a row, oldest first. */
export function unpack(row: EventRow): readonly StoredEvent[] {
  let at = 0;
  const deliveries: string[] = [];
  return (JSON.parse(row.events) as readonly Packed[]).map((packed, index) => {
    const [kind, elapsed, revision, node, route, endpoint, rule, delivery, attempt, duration, code, detail, place, data, message, dataref] = packed;
    at += elapsed;
    if (typeof delivery === 'string') deliveries.push(delivery);
    const event: Draft<StoredEvent> = { seq: row.seq * SPAN + index, messageId: row.message, kind: KINDS[kind] ?? 'note', at, revision, node };
    if (typeof route === 'string') event.route = route;
    if (typeof endpoint === 'string') event.endpoint = endpoint;
    if (typeof rule === 'string') event.rule = rule;
    const deliveryId = typeof delivery === 'number' ? deliveries[delivery - 1] : delivery;
    if (deliveryId !== undefined) event.deliveryId = deliveryId;
    if (typeof attempt === 'number') event.attempt = attempt;
    if (typeof duration === 'number') event.durationMs = duration;
    if (typeof code === 'string') event.code = code;
    if (typeof detail === 'string') event.detail = detail;
    if (typeof place === 'string') event.place = place;
    const content = data === 1 ? row.data : data;
    if (typeof content === 'string') event.data = content;
    if (typeof dataref === 'string') event.dataref = dataref;
    if (message !== undefined && message !== null) event.message = described(message);
    return event;
  });
}

function described([source, type, key, traceparent, size]: NonNullable<Packed[14]>): NonNullable<HistoryEvent['message']> {
  return {
    source,
    ...(type === 0 ? {} : { type }),
    ...(key === 0 ? {} : { key }),
    ...(traceparent === 0 ? {} : { traceparent }),
    ...(size === null ? {} : { size }),
  };
}

/** JSON has no NaN and no Infinity. Everything else that the types allow is stored. */
function check({ messageId, kind, at, revision, attempt = 0, durationMs = 0, message }: HistoryEvent): void {
  const isWhole = Number.isSafeInteger(revision) && Number.isSafeInteger(attempt) && Number.isSafeInteger(message?.size ?? 0);
  if (!(at >= 0) || at > Number.MAX_SAFE_INTEGER || !Number.isFinite(durationMs) || !isWhole) {
    throw new Error(`the event ${kind} of ${messageId} has a number that cannot be stored`);
  }
}

/** The text the first time, its number after that. */
function once(texts: string[], text: string): string | number {
  const known = texts.indexOf(text);
  if (known >= 0) return known + 1;
  texts.push(text);
  return text;
}

function trimmed(packed: unknown[]): readonly unknown[] {
  while (packed.at(-1) === 0 || packed.at(-1) === null) packed.pop();
  return packed;
}
