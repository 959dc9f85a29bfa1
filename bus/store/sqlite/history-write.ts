// Appends events and keeps the row of each message, its facets and the counts in step: all in the caller's transaction.
import type { Database } from '../../sqlite/database.js';
import type { HistoryEvent } from '../contract.js';
import { applyEvent, countParts, partsFromText, partsToText } from '../summary.js';
import type { Facets } from './facets.js';
import { kindNumber, type MessageRow, sizeOf, stateNumber } from './history-rows.js';
import type { Names } from './names.js';

type Change = Omit<MessageRow, 'n' | 'id' | 'at'>;

export class HistoryWriter {
  readonly #names: Names;
  readonly #facets: Facets;
  readonly #find;
  readonly #create;
  readonly #change;
  readonly #event;
  readonly #count;

  constructor(database: Database, names: Names, facets: Facets) {
    this.#names = names;
    this.#facets = facets;
    this.#find = database.prepare<[string], MessageRow>('SELECT * FROM message WHERE id = ?');
    const columns = 'type, source, key, last_at, state, queued, delivered, dead, traceparent, parts';
    this.#create = database.prepare<unknown[]>(`INSERT INTO message (id, at, ${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#change = database.prepare<unknown[]>(`UPDATE message SET (${columns}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE n = ?`);
    this.#event = database.prepare<unknown[]>(
      `INSERT INTO event (message, kind, at, revision, node, route, rule, endpoint, delivery, code, attempt, duration, size, place, detail, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
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

  /** @returns the message's row number */
  #summarise(id: string, events: readonly HistoryEvent[], counts: Map<number, number>): number {
    const before = this.#find.get(id);
    const facets = new Set<number>();
    const change = this.#fold(before, events, facets);
    const at = before?.at ?? Math.trunc(events[0]?.at ?? 0);
    const { type, source, key, last_at, state, queued, delivered, dead, traceparent, parts } = change;
    const values = [type, source, key, last_at, state, queued, delivered, dead, traceparent, parts];
    const n = before?.n ?? Number(this.#create.run(id, at, ...values).lastInsertRowid);
    if (before !== undefined) this.#change.run(...values, n);
    this.#facets.add(facets, at, n);
    if (before?.state !== state) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
      if (before !== undefined) counts.set(before.state, (counts.get(before.state) ?? 0) - 1);
    }
    return n;
  }

  #fold(before: MessageRow | undefined, events: readonly HistoryEvent[], facets: Set<number>): Change {
    const names = this.#names;
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
        this.#facets.collect(facets, 'type', type);
        this.#facets.collect(facets, 'source', source);
      }
      this.#facets.collect(facets, 'route', names.optional(event.route));
      this.#facets.collect(facets, 'endpoint', names.optional(event.endpoint));
      this.#facets.collect(facets, 'code', names.optional(event.code));
    }
    const { state, ...counted } = countParts(parts);
    return { type, source, key, traceparent, last_at, state: stateNumber(state), ...counted, parts: partsToText(parts) };
  }

  #insert(message: number, event: HistoryEvent): void {
    const names = this.#names;
    this.#event.run(
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
