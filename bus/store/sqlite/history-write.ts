// Appends events and keeps the row of each message and the counts in step: all in the caller's transaction.
import type { Database } from '../../sqlite/database.js';
import type { HistoryEvent } from '../contract.js';
import { applyEvent, countParts, partsFromText, partsToText } from '../summary.js';
import { type Classes, facetNumber, type Role } from './classes.js';
import { kindNumber, type MessageRow, sizeOf, stateNumber } from './history-rows.js';
import { MessageRows } from './message-rows.js';
import type { Names } from './names.js';

export class HistoryWriter {
  readonly #names: Names;
  readonly #classes: Classes;
  readonly #rows: MessageRows;
  readonly #event;
  readonly #count;
  readonly #keepLastSeq;
  /** The last number given; after a rollback numbers are left out, which is no harm. */
  #seq: number;

  constructor(database: Database, names: Names, classes: Classes) {
    this.#names = names;
    this.#classes = classes;
    this.#rows = new MessageRows(database);
    this.#event = database.prepare<unknown[]>(
      `INSERT INTO event (seq, message, kind, at, revision, node, route, rule, endpoint, delivery, code, attempt, duration, size, place, detail, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#keepLastSeq = database.prepare<[number]>('INSERT INTO pruned_seq (one, seq) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seq = max(seq, excluded.seq)');
    this.#seq = database.prepare<[], number>('SELECT max(coalesce((SELECT max(seq) FROM event), 0), coalesce((SELECT seq FROM pruned_seq), 0))').pluck().get() ?? 0;
    this.#count = database.prepare<[number, number]>(
      'INSERT INTO message_count (state, messages) VALUES (?, ?) ON CONFLICT (state) DO UPDATE SET messages = messages + excluded.messages',
    );
  }

  append(events: readonly HistoryEvent[]): void {
    const byMessage = new Map<string, HistoryEvent[]>();
    for (const event of events) {
      const others = byMessage.get(event.messageId);
      if (others === undefined) byMessage.set(event.messageId, [event]);
      else others.push(event);
    }
    const counts = new Map<number, number>();
    const rows = new Map<string, number>();
    for (const [id, own] of byMessage) rows.set(id, this.#summarise(id, own, counts));
    this.changeCounts(counts);
    // In the order given: `since` shows what happened, not message by message.
    for (const event of events) this.#insert(rows.get(event.messageId) ?? 0, event);
  }

  changeCounts(counts: ReadonlyMap<number, number>): void {
    for (const [state, difference] of counts) if (difference !== 0) this.#count.run(state, difference);
  }

  /** Before events are removed. */
  keepLastSeq(): void {
    this.#keepLastSeq.run(this.#seq);
  }

  /** After a rollback, and when messages are removed. */
  forget(): void {
    this.#rows.forget();
  }

  /** @returns the message's row number */
  #summarise(id: string, events: readonly HistoryEvent[], counts: Map<number, number>): number {
    // One that is received is nearly always new: creating it finds out, without a look before.
    const fresh = events[0]?.kind === 'received' && this.#rows.recent(id) === undefined;
    const before = fresh ? undefined : this.#rows.find(id);
    const created = before === undefined ? this.#rows.create(this.#fold(undefined, id, events)) : undefined;
    if (created !== undefined) {
      count(counts, created.state, 1);
      return created.n;
    }
    const known = before ?? this.#rows.find(id);
    if (known === undefined) throw new Error(`message ${id} is neither new nor known`);
    const after = this.#rows.update(known, { ...this.#fold(known, id, events), n: known.n });
    count(counts, known.state, -1);
    count(counts, after.state, 1);
    return known.n;
  }

  /** The row after `events`. What a message says about itself stays, once known. */
  #fold(before: MessageRow | undefined, id: string, events: readonly HistoryEvent[]): Omit<MessageRow, 'n'> {
    const names = this.#names;
    const facets = new Set<number>();
    const facet = (role: Role, name: number | null): void => {
      if (name !== null) facets.add(facetNumber(role, name));
    };
    const parts = partsFromText(before?.parts ?? '');
    let { type, source, key, traceparent, last_at } = before ?? { type: null, source: null, key: null, traceparent: null, last_at: 0 };
    for (const event of events) {
      applyEvent(parts, event);
      last_at = Math.max(last_at, Math.trunc(event.at));
      if (event.message !== undefined) {
        type ??= names.optional(event.message.type);
        source ??= names.id(event.message.source);
        key ??= event.message.key ?? null;
        traceparent ??= event.message.traceparent ?? null;
      }
      facet('route', names.optional(event.route));
      facet('endpoint', names.optional(event.endpoint));
      facet('code', names.optional(event.code));
    }
    facet('type', type);
    facet('source', source);
    const { state, ...counted } = countParts(parts);
    return {
      id,
      at: before?.at ?? Math.trunc(events[0]?.at ?? 0),
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

  #insert(message: number, event: HistoryEvent): void {
    const names = this.#names;
    this.#seq += 1;
    this.#event.run(
      this.#seq,
      message,
      kindNumber(event.kind),
      Math.trunc(event.at),
      event.revision,
      names.id(event.node),
      names.optional(event.route),
      names.optional(event.rule),
      names.optional(event.endpoint),
      event.deliveryId ?? null,
      names.optional(event.code),
      event.attempt ?? null,
      event.durationMs === undefined ? null : Math.round(event.durationMs),
      sizeOf(event),
      event.place ?? null,
      event.detail ?? null,
      event.data ?? null,
    );
  }
}

function count(counts: Map<number, number>, state: number, difference: number): void {
  counts.set(state, (counts.get(state) ?? 0) + difference);
}
