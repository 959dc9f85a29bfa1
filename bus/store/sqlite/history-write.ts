// Appends events and keeps the row of each message and the counts in step: all in the caller's transaction.
import type { Database } from '../../sqlite/database.js';
import type { HistoryEvent } from '../contract.js';
import { applyEvent, countParts, partsFromText, partsToText } from '../summary.js';
import type { Classes, Role } from './classes.js';
import { kindNumber, type MessageRow, sizeOf, stateNumber } from './history-rows.js';
import type { Names } from './names.js';

/** What a message says about itself: once known, it stays. */
type About = Pick<MessageRow, 'type' | 'source' | 'key' | 'traceparent'>;
type Progress = Pick<MessageRow, 'last_at' | 'state' | 'queued' | 'delivered' | 'dead' | 'parts'>;

const NOTHING_KNOWN: About = { type: null, source: null, key: null, traceparent: null };

export class HistoryWriter {
  readonly #names: Names;
  readonly #classes: Classes;
  readonly #find;
  readonly #create;
  readonly #progress;
  readonly #state;
  readonly #class;
  readonly #about;
  readonly #event;
  readonly #count;
  readonly #keepLastSeq;
  /** The last number given; after a rollback numbers are left out, which is no harm. */
  #seq: number;

  constructor(database: Database, names: Names, classes: Classes) {
    this.#names = names;
    this.#classes = classes;
    this.#find = database.prepare<[string], MessageRow>('SELECT * FROM message WHERE id = ?');
    this.#create = database.prepare<unknown[]>(
      `INSERT INTO message (id, at, last_at, queued, delivered, dead, parts, state, class, type, source, key, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    // SQLite rewrites every index whose column an UPDATE names: so each names only what changed.
    this.#progress = database.prepare<unknown[]>('UPDATE message SET last_at = ?, queued = ?, delivered = ?, dead = ?, parts = ? WHERE n = ?');
    this.#state = database.prepare<[number, number]>('UPDATE message SET state = ? WHERE n = ?');
    this.#class = database.prepare<[number, number]>('UPDATE message SET class = ? WHERE n = ?');
    this.#about = database.prepare<unknown[]>('UPDATE message SET type = ?, source = ?, key = ?, traceparent = ? WHERE n = ?');
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

  /** @returns the message's row number */
  #summarise(id: string, events: readonly HistoryEvent[], counts: Map<number, number>): number {
    const before = this.#find.get(id);
    const about = this.#learn(before ?? NOTHING_KNOWN, events);
    const progress = fold(before, events);
    const klass = this.#classes.extend(before?.class, this.#facets(about, events));
    const at = before?.at ?? Math.trunc(events[0]?.at ?? 0);
    const values = [progress.last_at, progress.queued, progress.delivered, progress.dead, progress.parts];
    const described = [about.type, about.source, about.key, about.traceparent];
    const n = before?.n ?? Number(this.#create.run(id, at, ...values, progress.state, klass, ...described).lastInsertRowid);
    if (before !== undefined) {
      this.#progress.run(...values, n);
      if (before.state !== progress.state) this.#state.run(progress.state, n);
      if (before.class !== klass) this.#class.run(klass, n);
      if (about !== before) this.#about.run(...described, n);
    }
    if (before?.state !== progress.state) {
      counts.set(progress.state, (counts.get(progress.state) ?? 0) + 1);
      if (before !== undefined) counts.set(before.state, (counts.get(before.state) ?? 0) - 1);
    }
    return n;
  }

  /** @returns `before` itself when there is nothing new */
  #learn(before: About, events: readonly HistoryEvent[]): About {
    let about = before;
    for (const { message } of events) {
      if (message === undefined || (about.source !== null && about.type !== null && about.key !== null && about.traceparent !== null)) continue;
      about = {
        type: about.type ?? this.#names.optional(message.type),
        source: about.source ?? this.#names.id(message.source),
        key: about.key ?? message.key ?? null,
        traceparent: about.traceparent ?? message.traceparent ?? null,
      };
    }
    return about;
  }

  #facets(about: About, events: readonly HistoryEvent[]): ReadonlySet<number> {
    const facets = new Set<number>();
    const add = (role: Role, name: string | undefined): void => {
      if (name !== undefined) facets.add(this.#classes.facet(role, name));
    };
    if (about.type !== null) add('type', this.#names.text(about.type));
    if (about.source !== null) add('source', this.#names.text(about.source));
    for (const event of events) {
      add('route', event.route);
      add('endpoint', event.endpoint);
      add('code', event.code);
    }
    return facets;
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

function fold(before: MessageRow | undefined, events: readonly HistoryEvent[]): Progress {
  const parts = partsFromText(before?.parts ?? '');
  let last = before?.last_at ?? 0;
  for (const event of events) {
    applyEvent(parts, event);
    last = Math.max(last, Math.trunc(event.at));
  }
  const { state, ...counts } = countParts(parts);
  return { last_at: last, state: stateNumber(state), ...counts, parts: partsToText(parts) };
}
