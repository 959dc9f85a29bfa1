// The events as they were appended, and how far they are folded into messages. An append is only this: a few rows at the end of one table.
import { describe } from '../../errors.js';
import { reached } from '../../failpoint.js';
import { type Database, sqliteFailure } from '../../sqlite/database.js';
import type { EventColumns, EventRow } from './event-text.js';

/** Rows folded in one transaction. The more, the more messages are written once, in their final state; the longer an append may have to wait (some 20 ms). */
const STEP = 500;
/** All but the content, which no summary needs. */
const ROWS = 'SELECT seq, message, events, NULL AS data FROM event';

export class Journal {
  readonly #database: Database;
  readonly #fold: (rows: readonly EventRow[]) => void;
  readonly #forget: () => void;
  readonly #insert;
  readonly #lastSeq;
  readonly #next;
  readonly #setFolded;
  readonly #refuse;
  readonly #accept;
  /** The last row's number: given (perhaps not committed), and committed. */
  #last: number;
  #committed: number;
  #folded: number;

  /** @param forget is called when a fold was rolled back */
  constructor(database: Database, fold: (rows: readonly EventRow[]) => void, forget: () => void) {
    this.#database = database;
    this.#fold = fold;
    this.#forget = forget;
    this.#insert = database.prepare<[number, string, string, string | null]>('INSERT INTO event (seq, message, events, data) VALUES (?, ?, ?, ?)');
    // Only what is folded is ever pruned: so no number is given twice.
    this.#lastSeq = database.prepare<[], number>('SELECT max(coalesce((SELECT max(seq) FROM event), 0), (SELECT seq FROM folded))').pluck();
    this.#next = database.prepare<[number, number], EventRow>(`${ROWS} WHERE seq > ? ORDER BY seq LIMIT ?`);
    this.#setFolded = database.prepare<[number]>('UPDATE folded SET seq = ?');
    this.#refuse = database.prepare<[number]>('INSERT OR IGNORE INTO unfolded (seq) VALUES (?)');
    this.#accept = database.prepare<[number]>('DELETE FROM unfolded WHERE seq = ?');
    this.#folded = database.prepare<[], number>('SELECT seq FROM folded').pluck().get() ?? 0;
    this.#last = this.#lastSeq.get() ?? 0;
    this.#committed = this.#last;
    // Perhaps this version can.
    for (const row of database.prepare<[], EventRow>(`${ROWS} WHERE seq IN (SELECT seq FROM unfolded) ORDER BY seq`).all()) this.#foldOne(row);
  }

  append({ message, events, data }: EventColumns): void {
    for (const [row, id] of message.entries()) {
      this.#last += 1;
      this.#insert.run(this.#last, id, events[row] ?? '', data[row] ?? null);
    }
  }

  /** Rows that are not folded (at most: numbers of appends that failed are counted). */
  amount(): number {
    return this.#committed - this.#folded;
  }

  step(): void {
    const rows = this.#next.all(this.#folded, STEP);
    const last = rows.at(-1)?.seq ?? this.#committed;
    try {
      this.#commit(last, () => this.#fold(rows));
    } catch (error) {
      if (sqliteFailure(error, '') !== undefined) throw error;
      for (const row of rows) this.#foldOne(row);
    }
  }

  committed(): void {
    this.#committed = this.#last;
  }

  rolledBack(): void {
    this.#last = this.#lastSeq.get() ?? 0;
  }

  /** A row that fails by itself is a bug of ours. The others are folded, it stays among the events and is tried again when the file is opened anew; somebody is told. */
  #foldOne(row: EventRow): void {
    const { seq } = row;
    try {
      this.#commit(seq, () => {
        this.#fold([row]);
        this.#accept.run(seq);
      });
    } catch (error) {
      if (sqliteFailure(error, '') !== undefined) throw error;
      this.#commit(seq, () => void this.#refuse.run(seq));
      process.emitWarning(`an entry of the history cannot be read and is left out until the next start (${this.#database.name}, event ${seq}): ${describe(error)}`);
    }
  }

  #commit(upTo: number, work: () => void): void {
    const folded = Math.max(upTo, this.#folded);
    try {
      this.#database
        .transaction(() => {
          work();
          this.#setFolded.run(folded);
          reached('store.fold.before');
        })
        .immediate();
      reached('store.fold.done');
    } catch (error) {
      this.#forget();
      throw error;
    }
    this.#folded = folded;
  }
}
