// Appended events as they came, until they are folded into messages: what is here is durable, what is folded is gone from here in the same commit.
import { describe } from '../../errors.js';
import { type Database, sqliteFailure } from '../../sqlite/database.js';
import type { HistoryEvent } from '../contract.js';
import { fromJournal, type JournalText } from './journal-text.js';

/** Events folded in one transaction. The more, the more messages are written once, in their final state; the longer an append may have to wait (some 20 ms). */
const STEP_EVENTS = 2_000;

interface Row extends JournalText {
  readonly seq: number;
}

export class Journal {
  readonly #database: Database;
  readonly #fold: (events: readonly HistoryEvent[]) => void;
  readonly #forget: () => void;
  readonly #insert;
  readonly #next;
  readonly #remove;
  readonly #count;
  /** Events that wait, as far as they are committed. Undefined: count them. */
  #amount: number | undefined;
  #uncommitted = 0;
  /** The last row that could not be folded. It stays, and is tried again when the file is opened anew, perhaps by a version that can. */
  #refused = 0;

  /** @param forget is called when a fold was rolled back */
  constructor(database: Database, fold: (events: readonly HistoryEvent[]) => void, forget: () => void) {
    this.#database = database;
    this.#fold = fold;
    this.#forget = forget;
    this.#insert = database.prepare<[number, string]>('INSERT INTO journal (size, events) VALUES (?, ?)');
    this.#next = database.prepare<[number], Row>('SELECT seq, size, events FROM journal WHERE seq > ? ORDER BY seq');
    this.#remove = database.prepare<[number, number]>('DELETE FROM journal WHERE seq BETWEEN ? AND ?');
    this.#count = database.prepare<[number], number>('SELECT coalesce(sum(size), 0) FROM journal WHERE seq > ?').pluck();
  }

  append(rows: readonly JournalText[]): void {
    for (const { size, events } of rows) {
      this.#insert.run(size, events);
      this.#uncommitted += size;
    }
  }

  amount(): number {
    this.#amount ??= this.#count.get(this.#refused) ?? 0;
    return this.#amount;
  }

  step(): void {
    const rows = this.#oldest();
    try {
      this.#foldAll(rows);
    } catch (error) {
      if (sqliteFailure(error, '') !== undefined) throw error;
      for (const row of rows) this.#foldOne(row);
    }
  }

  committed(): void {
    if (this.#amount !== undefined) this.#amount += this.#uncommitted;
    this.#uncommitted = 0;
  }

  /** Of a group or of one append in it: what is left of the group is counted anew. */
  rolledBack(): void {
    this.#amount = undefined;
    this.#uncommitted = 0;
  }

  #oldest(): readonly Row[] {
    const rows: Row[] = [];
    let events = 0;
    for (const row of this.#next.iterate(this.#refused)) {
      rows.push(row);
      events += row.size;
      if (events >= STEP_EVENTS) break;
    }
    return rows;
  }

  #foldAll(rows: readonly Row[]): void {
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) {
      this.#amount = 0;
      return;
    }
    try {
      this.#database
        .transaction(() => {
          this.#fold(rows.flatMap(({ events }) => fromJournal(events)));
          this.#remove.run(first.seq, last.seq);
        })
        .immediate();
    } catch (error) {
      this.#forget();
      throw error;
    }
    if (this.#amount !== undefined) this.#amount -= rows.reduce((sum, { size }) => sum + size, 0);
  }

  /** A row that fails by itself is a bug of ours (appends are checked): the others are folded, nothing is lost, somebody is told. */
  #foldOne(row: Row): void {
    try {
      this.#foldAll([row]);
    } catch (error) {
      if (sqliteFailure(error, '') !== undefined) throw error;
      this.#refused = row.seq;
      this.#amount = undefined;
      process.emitWarning(`${row.size} events cannot be added to the history and stay in its journal (${this.#database.name}, row ${row.seq}): ${describe(error)}`);
    }
  }
}
