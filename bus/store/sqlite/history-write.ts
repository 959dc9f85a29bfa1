// Folds rows of events into the rows of their messages and keeps the counts in step: all in the caller's transaction.
import type { Database } from '../../sqlite/database.js';
import type { HistoryEvent } from '../contract.js';
import { applyEvent, countParts, partsFromText, partsToText } from '../summary.js';
import { type Classes, facetNumber, type Role } from './classes.js';
import { type EventRow, unpack } from './event-text.js';
import { type MessageRow, stateNumber } from './history-rows.js';
import { MessageRows } from './message-rows.js';
import type { Names } from './names.js';

export class HistoryWriter {
  readonly #names: Names;
  readonly #classes: Classes;
  readonly #rows: MessageRows;
  readonly #count;

  constructor(database: Database, names: Names, classes: Classes) {
    this.#names = names;
    this.#classes = classes;
    this.#rows = new MessageRows(database);
    this.#count = database.prepare<[number, number]>(
      'INSERT INTO message_count (state, messages) VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET messages = messages + excluded.messages',
    );
  }

  /** Rows of events, oldest first. */
  fold(rows: readonly EventRow[]): void {
    const byMessage = new Map<string, News>();
    for (const row of rows) {
      const events = unpack(row);
      const known = byMessage.get(row.message);
      if (known === undefined) byMessage.set(row.message, { rows: [row.seq], events: [...events] });
      else {
        known.rows.push(row.seq);
        known.events.push(...events);
      }
    }
    const counts = new Map<number, number>();
    for (const [id, news] of byMessage) this.#add(id, news, counts);
    this.changeCounts(counts);
  }

  changeCounts(counts: ReadonlyMap<number, number>): void {
    for (const [state, difference] of counts) if (difference !== 0) this.#count.run(state, difference);
  }

  /** After a rollback, and when messages are removed. */
  forget(): void {
    this.#rows.forget();
  }

  #add(id: string, news: News, counts: Map<number, number>): void {
    // One that is received is nearly always new: creating it finds out, without a look before.
    const fresh = news.events[0]?.kind === 'received' && this.#rows.recent(id) === undefined;
    const before = fresh ? undefined : this.#rows.find(id);
    const created = before === undefined ? this.#rows.create(this.#after(undefined, id, news)) : undefined;
    if (created !== undefined) {
      count(counts, created.state, 1);
      return;
    }
    const known = before ?? this.#rows.find(id);
    if (known === undefined) throw new Error(`message ${id} is neither new nor known`);
    const after = this.#rows.update(known, this.#after(known, id, news));
    count(counts, known.state, -1);
    count(counts, after.state, 1);
  }

  /** The row after these events. What a message says about itself stays, once known. */
  #after(before: MessageRow | undefined, id: string, { rows, events }: News): MessageRow {
    const names = this.#names;
    const facets = new Set<number>();
    const facet = (role: Role, text: string | undefined): void => {
      if (text !== undefined) facets.add(facetNumber(role, names.id(text)));
    };
    const parts = partsFromText(before?.parts ?? '');
    let { type, source, key, traceparent, last_at } = before ?? { type: null, source: null, key: null, traceparent: null, last_at: 0 };
    for (const event of events) {
      applyEvent(parts, event);
      last_at = Math.max(last_at, event.at);
      if (event.message !== undefined) {
        type ??= names.optional(event.message.type);
        source ??= names.id(event.message.source);
        key ??= event.message.key ?? null;
        traceparent ??= event.message.traceparent ?? null;
      }
      facet('route', event.route);
      facet('endpoint', event.endpoint);
      facet('code', event.code);
    }
    if (type !== null) facets.add(facetNumber('type', type));
    if (source !== null) facets.add(facetNumber('source', source));
    const { state, ...counted } = countParts(parts);
    const n = before?.n ?? rows[0] ?? 0;
    const later = rows.filter((row) => row !== n).map((row) => row - n);
    return {
      n,
      id,
      at: before?.at ?? events[0]?.at ?? 0,
      last_at,
      type,
      source,
      key,
      traceparent,
      state: stateNumber(state),
      ...counted,
      class: this.#classes.extend(before?.class, facets),
      parts: partsToText(parts),
      events: (before === undefined || before.events === '' ? later : [before.events, ...later]).join(' '),
    };
  }
}

/** What is new about a message, and the numbers of the rows it is from. */
interface News {
  readonly rows: number[];
  readonly events: HistoryEvent[];
}

function count(counts: Map<number, number>, state: number, difference: number): void {
  counts.set(state, (counts.get(state) ?? 0) + difference);
}
