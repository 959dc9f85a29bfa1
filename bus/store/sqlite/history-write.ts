// Folds events into the rows of their messages and keeps the counts in step: all in the caller's transaction.
import type { Database } from '../../sqlite/database.js';
import type { HistoryEvent } from '../contract.js';
import { applyEvent, countParts, partsFromText, partsToText } from '../summary.js';
import { type Classes, facetNumber } from './classes.js';
import { type PlacedEvent, pack, SPAN } from './event-text.js';
import { type MessageRow, stateNumber } from './history-rows.js';
import { MessageRows } from './message-rows.js';
import type { Names } from './names.js';

export class HistoryWriter {
  readonly #names: Names;
  readonly #classes: Classes;
  readonly #rows: MessageRows;
  readonly #event;
  readonly #count;
  readonly #keepLastSeq;
  /** What the numbers of the last fold begin with; after a rollback numbers are left out, which is no harm. */
  #first: number;

  constructor(database: Database, names: Names, classes: Classes) {
    this.#names = names;
    this.#classes = classes;
    this.#rows = new MessageRows(database);
    this.#event = database.prepare<[number, number, string, string | null]>('INSERT INTO event (seq, message, events, data) VALUES (?, ?, ?, ?)');
    this.#keepLastSeq = database.prepare<[number]>('INSERT INTO pruned_seq (one, seq) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seq = max(seq, excluded.seq)');
    const last = database.prepare<[], number>('SELECT max(coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT seq FROM pruned_seq), 0))').pluck().get() ?? 0;
    this.#first = last - (last % SPAN);
    this.#count = database.prepare<[number, number]>(
      'INSERT INTO message_count (state, messages) VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET messages = messages + excluded.messages',
    );
  }

  /** At most SPAN events, as they were appended. */
  fold(events: readonly HistoryEvent[]): void {
    if (events.length > SPAN) throw new Error(`${events.length} events in one fold`);
    this.#first += SPAN;
    const byMessage = new Map<string, PlacedEvent[]>();
    for (const [place, event] of events.entries()) {
      const placed = this.#placed(event, place);
      const others = byMessage.get(event.messageId);
      if (others === undefined) byMessage.set(event.messageId, [placed]);
      else others.push(placed);
    }
    const counts = new Map<number, number>();
    for (const [id, own] of byMessage) this.#add(id, own, counts);
    this.changeCounts(counts);
  }

  changeCounts(counts: ReadonlyMap<number, number>): void {
    for (const [state, difference] of counts) if (difference !== 0) this.#count.run(state, difference);
  }

  /** Before events are removed. */
  keepLastSeq(): void {
    this.#keepLastSeq.run(this.#first);
  }

  /** After a rollback, and when messages are removed. */
  forget(): void {
    this.#rows.forget();
  }

  #placed(event: HistoryEvent, place: number): PlacedEvent {
    const number = (text: string | undefined): number => (text === undefined ? 0 : this.#names.id(text));
    return { event, place, route: number(event.route), endpoint: number(event.endpoint), code: number(event.code) };
  }

  #add(id: string, placed: readonly PlacedEvent[], counts: Map<number, number>): void {
    const seq = this.#first + (placed[0]?.place ?? 0);
    const message = this.#summarise(id, seq, placed, counts);
    const { events, data } = pack(placed, this.#names);
    this.#event.run(seq, message, events, data);
  }

  /** @returns the message's row number */
  #summarise(id: string, seq: number, placed: readonly PlacedEvent[], counts: Map<number, number>): number {
    // One that is received is nearly always new: creating it finds out, without a look before.
    const fresh = placed[0]?.event.kind === 'received' && this.#rows.recent(id) === undefined;
    const before = fresh ? undefined : this.#rows.find(id);
    const created = before === undefined ? this.#rows.create(this.#after(undefined, id, seq, placed)) : undefined;
    if (created !== undefined) {
      count(counts, created.state, 1);
      return created.n;
    }
    const known = before ?? this.#rows.find(id);
    if (known === undefined) throw new Error(`message ${id} is neither new nor known`);
    const after = this.#rows.update(known, this.#after(known, id, known.n, placed));
    count(counts, known.state, -1);
    count(counts, after.state, 1);
    return known.n;
  }

  /** The row after these events. What a message says about itself stays, once known. */
  #after(before: MessageRow | undefined, id: string, n: number, placed: readonly PlacedEvent[]): MessageRow {
    const names = this.#names;
    const facets = new Set<number>();
    const parts = partsFromText(before?.parts ?? '');
    let { type, source, key, traceparent, last_at } = before ?? { type: null, source: null, key: null, traceparent: null, last_at: 0 };
    for (const { event, route, endpoint, code } of placed) {
      applyEvent(parts, event);
      last_at = Math.max(last_at, Math.trunc(event.at));
      if (event.message !== undefined) {
        type ??= names.optional(event.message.type);
        source ??= names.id(event.message.source);
        key ??= event.message.key ?? null;
        traceparent ??= event.message.traceparent ?? null;
      }
      if (route > 0) facets.add(facetNumber('route', route));
      if (endpoint > 0) facets.add(facetNumber('endpoint', endpoint));
      if (code > 0) facets.add(facetNumber('code', code));
    }
    if (type !== null) facets.add(facetNumber('type', type));
    if (source !== null) facets.add(facetNumber('source', source));
    const { state, ...counted } = countParts(parts);
    return {
      n,
      id,
      at: before?.at ?? Math.trunc(placed[0]?.event.at ?? 0),
      last_at,
      type,
      source,
      key,
      traceparent,
      state: stateNumber(state),
      ...counted,
      class: this.#classes.extend(before?.class, facets),
      parts: partsToText(parts),
    };
  }
}

function count(counts: Map<number, number>, state: number, difference: number): void {
  counts.set(state, (counts.get(state) ?? 0) + difference);
}
