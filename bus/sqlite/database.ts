// One way to open a SQLite file: what makes it durable is set on every connection and read back.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Code } from '../codes/index.js';
import { type AnyFailure, failureOf, Misconfigured, NotConnected, TryAgain } from '../errors.js';
import { refuseNetwork } from './file-system.js';

export type Database = Sqlite.Database;

export interface DatabaseOptions {
  /** One owner: no other connection, of this process or another, may open the file while this one is open. Saves the shared memory file too. */
  readonly exclusive?: boolean;
  /** How long a statement waits for another connection's lock. Default 5 s. */
  readonly busyTimeoutMs?: number;
  /** Pages of 4 KiB in the write-ahead log before it is moved into the file. Default 4000 (16 MB). */
  readonly walAutocheckpoint?: number;
  /** Page cache of this connection. Default 16. */
  readonly cacheMegabytes?: number;
  /** Numbered schema steps: the first makes version 1. Never change one that was released. */
  readonly migrations?: readonly string[];
}

/**
 * Opens or creates the file. Synchronous: call it in the worker that owns the connection.
 * `synchronous` must be set each time: better-sqlite3 is built so that WAL means NORMAL, which loses commits on power loss.
 * @throws Misconfigured (a network file system, a setting was not taken, file newer than the program, damaged, in use), NotConnected, TryAgain (disk full)
 */
export function openDatabase(path: string, options: DatabaseOptions = {}): Database {
  const timeout = options.busyTimeoutMs ?? 5_000;
  let database: Database | undefined;
  try {
    if (existsSync(dirname(path))) refuseNetwork(path);
    database = new Sqlite(path, { timeout });
    for (const [name, set, expected] of settings(options, timeout)) apply(database, path, name, set, expected);
    // The lock of an exclusive connection is taken by its first write, so write nothing now: the second owner must fail here.
    if (options.exclusive === true) database.exec('BEGIN IMMEDIATE; COMMIT');
    migrate(database, path, options.migrations ?? []);
    return database;
  } catch (error) {
    database?.close();
    throw sqliteFailure(error, path) ?? error;
  }
}

/** Brings the schema to the newest number, each step in its own transaction. */
function migrate(database: Database, path: string, migrations: readonly string[]): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version > migrations.length && migrations.length > 0) {
    throw new Misconfigured('E532', `${path} has schema ${version}, this version knows up to ${migrations.length}`);
  }
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue;
    database
      .transaction(() => {
        // Another process may have come first while we waited for the lock.
        if (Number(database.pragma('user_version', { simple: true })) > index) return;
        database.exec(step);
        database.pragma(`user_version = ${index + 1}`);
      })
      .immediate();
  }
}

/** What an error of SQLite means to the runtime; undefined when it is none, or a bug in our SQL. */
export function sqliteFailure(error: unknown, path: string): AnyFailure | undefined {
  const known = failureOf(error);
  if (known !== undefined) return known;
  if (!Error.isError(error)) return undefined;
  const code = sqliteCode(error);
  if (code === undefined) return error.name === 'TypeError' && /directory does not exist/.test(error.message) ? failure('E537', Misconfigured, path, error) : undefined;
  if (code === 'SQLITE_FULL') return failure('E533', TryAgain, path, error);
  if (code.startsWith('SQLITE_IOERR')) return failure('E534', NotConnected, path, error);
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return failure('E531', NotConnected, path, error);
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return failure('E535', Misconfigured, path, error);
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY') || code === 'SQLITE_PERM') return failure('E537', Misconfigured, path, error);
  return undefined;
}

/** By its name: the native part makes errors of the first copy of the library that was loaded, whichever copy asks. */
function sqliteCode(error: Error): string | undefined {
  return error.name === 'SqliteError' && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

type Setting = readonly [name: string, set: string, expected: string | number];

function settings(options: DatabaseOptions, timeout: number): readonly Setting[] {
  const pages = options.walAutocheckpoint ?? 4_000;
  // Negative: in KiB instead of pages.
  const cache = -1024 * (options.cacheMegabytes ?? 16);
  return [
    // Before anything is written (WAL writes the header): it cannot be changed later without VACUUM.
    ['auto_vacuum', 'INCREMENTAL', 2],
    // Before WAL is entered: then the lock is ours from the start.
    ['locking_mode', options.exclusive === true ? 'EXCLUSIVE' : 'NORMAL', options.exclusive === true ? 'exclusive' : 'normal'],
    ['journal_mode', 'WAL', 'wal'],
    ['synchronous', 'FULL', 2],
    ['wal_autocheckpoint', String(pages), pages],
    ['busy_timeout', String(timeout), timeout],
    ['cache_size', String(cache), cache],
    ['foreign_keys', 'OFF', 0],
  ];
}

function apply(database: Database, path: string, name: string, value: string, expected: string | number): void {
  database.pragma(`${name} = ${value}`);
  const actual: unknown = database.pragma(name, { simple: true });
  if (actual !== expected) throw new Misconfigured('E530', `${path}: ${name} should be ${expected}, SQLite says ${String(actual)}`);
}

type FailureClass = typeof NotConnected | typeof TryAgain | typeof Misconfigured;

function failure(code: Code, Kind: FailureClass, path: string, error: Error): AnyFailure {
  return new Kind(code, `${path}: ${error.message}`, { cause: error });
}
