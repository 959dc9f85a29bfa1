import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { describe, NotConnected } from '../../../contract/index.js';
import type { SqliteConnect } from '../../config.js';
import type { Raw } from '../../values.js';
import type { Bind, Database, Most, Result, Session } from '../dialect.js';
import { RowLimit } from '../row-limit.js';
import { classifySqlite } from './failures.js';

/** One connection reads and one writes; each runs one transaction at a time. */
export function connectSqlite(connect: SqliteConnect, system: string): Database {
  const reader = new Lane(connect, system, true);
  const writer = new Lane(connect, system, false);
  return {
    read: (work, signal) => reader.run('BEGIN', work, signal),
    write: (work, signal) => writer.run('BEGIN IMMEDIATE', work, signal),
    async close() {
      await Promise.all([reader.close(), writer.close()]);
    },
  };
}

class Lane {
  #connection: Sqlite.Database | undefined;
  #file: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly connect: SqliteConnect,
    private readonly system: string,
    private readonly readonly: boolean,
  ) {}

  run<T>(begin: string, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    const turn = this.#last.then(() => this.#transaction(begin, work, signal));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    await this.#last;
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #transaction<T>(begin: string, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    try {
      const file = this.#identity();
      // A file that was replaced or moved would be read in its old state for ever.
      if (file !== this.#file) this.#drop();
      const connection = this.#connection ?? this.#open();
      this.#connection = connection;
      this.#file = file;
      await this.#patiently(() => connection.exec(begin), signal);
      try {
        const result = await work({
          query: async (sql, binds, most) => {
            signal.throwIfAborted();
            return query(connection, sql, binds, most);
          },
        });
        await this.#patiently(() => connection.exec('COMMIT'), signal);
        return result;
      } catch (error) {
        if (connection.inTransaction) connection.exec('ROLLBACK');
        throw error;
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const failure = classifySqlite(error);
      if (failure?.name === 'NotConnected') this.#drop();
      throw failure ?? error;
    }
  }

  #identity(): string {
    try {
      const { dev, ino } = statSync(this.connect.file, { bigint: true });
      return `${dev}:${ino}`;
    } catch (cause) {
      throw new NotConnected('E420', `${this.system}: ${this.connect.file} cannot be opened: ${describe(cause)}`, { cause });
    }
  }

  #open(): Sqlite.Database {
    try {
      // The wait for locks is ours: SQLite's own would stop the whole process.
      const connection = new Sqlite(this.connect.file, { readonly: this.readonly, fileMustExist: true, timeout: 0 });
      connection.defaultSafeIntegers(true);
      connection.pragma(this.readonly ? 'query_only = 1' : 'synchronous = FULL');
      if (!this.readonly) connection.pragma('foreign_keys = ON');
      return connection;
    } catch (cause) {
      throw classifySqlite(cause) ?? new NotConnected('E420', `${this.system}: ${this.connect.file} cannot be opened`, { cause });
    }
  }

  async #patiently(step: () => unknown, signal: AbortSignal): Promise<void> {
    const until = performance.now() + this.connect.lock_timeout;
    for (;;) {
      try {
        step();
        return;
      } catch (error) {
        if (!(Error.isError(error) && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')) || performance.now() > until) throw error;
        await sleep(5, undefined, { signal });
      }
    }
  }

  #drop(): void {
    try {
      this.#connection?.close();
    } finally {
      this.#connection = undefined;
    }
  }
}

function query(connection: Sqlite.Database, sql: string, binds: readonly Bind[] = [], most?: Most): Result {
  const statement = connection.prepare<unknown[], Raw[]>(sql);
  const values = binds.length === 0 ? [] : [Object.fromEntries(binds.map((bind, at) => [at + 1, bind instanceof Uint8Array ? Buffer.from(bind) : bind]))];
  if (!statement.reader) return { fields: [], rows: [], changed: statement.run(...values).changes };
  const limit = new RowLimit(most);
  const rows: Raw[][] = [];
  for (const row of statement.raw(true).iterate(...values)) {
    if (!limit.takes(row)) break;
    rows.push(row);
  }
  const fields = statement.columns().map((column) => ({ name: column.name, kind: 'any' as const }));
  return { fields, rows: rows.map((row) => row.map((cell) => (cell instanceof Uint8Array ? new Uint8Array(cell) : cell))), changed: 0, cut: limit.isCut };
}
