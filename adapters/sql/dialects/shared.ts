import { readFileSync } from 'node:fs';
import { describe, Misconfigured } from '../../contract/index.js';
import type { ServerConnect } from '../config.js';
import type { Select, Upsert } from './dialect.js';

// What two dialects have in common. Standard SQL names; the tls option.

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `LIMIT n`. */
export function limited(select: Select, lock = ''): string {
  return `${unlimited(select)} LIMIT ${select.limit}${select.lock ? lock : ''}`;
}

export function unlimited({ columns, from, where = [], order }: Omit<Select, 'limit'>, first = '', hint = ''): string {
  return `SELECT ${first}${columns} FROM ${from}${hint}${where.length === 0 ? '' : ` WHERE ${where.join(' AND ')}`}${order === undefined ? '' : ` ORDER BY ${order}`}`;
}

/** PostgreSQL and SQLite. A version guard keeps a newer row; a row without a version is older than any. */
export function upsertOnConflict({ table, columns, key, version }: Upsert, place: (index: number) => string): string {
  const names = columns.map((column) => quoted(column.name));
  const insert = `INSERT INTO ${table.sql} AS t (${names.join(', ')}) VALUES (${columns.map((_, at) => place(at + 1)).join(', ')})`;
  const keys = key.map((column) => quoted(column.name));
  const changes = names.filter((name) => !keys.includes(name)).map((name) => `${name} = excluded.${name}`);
  const conflict = `${insert} ON CONFLICT (${keys.join(', ')}) DO`;
  if (changes.length === 0) return `${conflict} NOTHING`;
  const guard = version && quoted(version.name);
  return `${conflict} UPDATE SET ${changes.join(', ')}${guard ? ` WHERE t.${guard} IS NULL OR excluded.${guard} > t.${guard}` : ''}`;
}

/** undefined: TLS is off. Otherwise always verified. */
export function tlsOptions(
  connect: Pick<ServerConnect, 'tls'>,
  system: string,
): { readonly ca?: string; readonly servername?: string; readonly rejectUnauthorized: true } | undefined {
  if (connect.tls === 'off') return undefined;
  const { ca, servername } = connect.tls;
  return { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca: readCa(ca, system) }), ...(servername === undefined ? {} : { servername }) };
}

function readCa(file: string, system: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Misconfigured('E421', `${system}: the CA file ${file} cannot be read: ${describe(cause)}`, { cause });
  }
}

/**
 * A process that stops in the middle of a transaction (SIGSTOP, a frozen machine) holds its locks until the server ends the transaction: before
 * others have waited for a lock as long as they do. Ours are idle for microseconds.
 */
export function stoodStillMs({ lock_timeout, statement_timeout }: Pick<ServerConnect, 'lock_timeout' | 'statement_timeout'>): number {
  return Math.min(statement_timeout, Math.max(1_000, lock_timeout / 2));
}
