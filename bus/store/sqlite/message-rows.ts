import type { Database } from '../../sqlite/database.js';
import type { MessageRow } from './history-rows.js';

/** Rows kept in memory, twice this at most: what was received a moment ago is delivered next. */
const RECENT = 5_000;

/** The rows of messages, with as little work for the database as can be. */
export class MessageRows {
  readonly #find;
  readonly #create;
  readonly #progress;
  readonly #progressAndState;
  readonly #about;
  #young = new Map<string, MessageRow>();
  #old = new Map<string, MessageRow>();

  constructor(database: Database) {
    this.#find = database.prepare<[string], MessageRow>('SELECT * FROM message WHERE id = ?');
    this.#create = database.prepare<unknown[]>(
      `INSERT INTO message (n, last_at, queued, delivered, dead, parts, events, state, id, at, class, type, source, key, traceparent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO NOTHING`,
    );
    // SQLite rewrites every index whose column an UPDATE names: so each names only what changed.
    this.#progress = database.prepare<unknown[]>('UPDATE message SET last_at = ?, queued = ?, delivered = ?, dead = ?, parts = ?, events = ? WHERE n = ?');
    this.#progressAndState = database.prepare<unknown[]>('UPDATE message SET last_at = ?, queued = ?, delivered = ?, dead = ?, parts = ?, events = ?, state = ? WHERE n = ?');
    this.#about = database.prepare<unknown[]>('UPDATE message SET class = ?, type = ?, source = ?, key = ?, traceparent = ? WHERE n = ?');
  }

  recent(id: string): MessageRow | undefined {
    return this.#young.get(id) ?? this.#old.get(id);
  }

  find(id: string): MessageRow | undefined {
    return this.recent(id) ?? this.#find.get(id);
  }

  /** @returns undefined when there is one with this id */
  create(row: MessageRow): MessageRow | undefined {
    const { changes } = this.#create.run(row.n, ...progress(row), row.state, row.id, row.at, ...about(row));
    return changes === 0 ? undefined : this.#remember(row);
  }

  update(before: MessageRow, row: MessageRow): MessageRow {
    if (row.state === before.state) this.#progress.run(...progress(row), row.n);
    else this.#progressAndState.run(...progress(row), row.state, row.n);
    const was = about(before);
    const is = about(row);
    if (is.some((value, index) => value !== was[index])) this.#about.run(...is, row.n);
    return this.#remember(row);
  }

  /** After a rollback, and when rows are removed. */
  forget(): void {
    this.#young.clear();
    this.#old.clear();
  }

  #remember(row: MessageRow): MessageRow {
    if (this.#young.size >= RECENT) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(row.id, row);
    return row;
  }
}

function progress(row: MessageRow): readonly (string | number)[] {
  return [row.last_at, row.queued, row.delivered, row.dead, row.parts, row.events];
}

function about(row: MessageRow): readonly (string | number | null)[] {
  return [row.class, row.type, row.source, row.key, row.traceparent];
}
