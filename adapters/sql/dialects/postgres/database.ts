import pg from 'pg';
import { abortable, within } from '../../abortable.js';
import type { ServerConnect } from '../../config.js';
import type { Kind, Raw } from '../../values.js';
import { type Bind, CommitUnknown, type Database, type Most, type Result, type Session } from '../dialect.js';
import { RowLimit } from '../row-limit.js';
import { stoodStillMs, tlsOptions } from '../shared.js';
import { CONVERTED, KINDS } from './cells.js';
import { classifyPostgres } from './failures.js';

// Every value comes as the server's text: no JavaScript number or Date in between.
const types = { getTypeParser: () => (text: string) => text };

const SETTINGS =
  "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'iso_8601'; SET bytea_output = 'hex'; SET client_encoding = 'UTF8'; SET extra_float_digits = 1";

export function connectPostgres(connect: ServerConnect, system: string): Database {
  const tls = tlsOptions(connect, system);
  const prepared = new WeakSet<pg.PoolClient>();
  const pool = new pg.Pool({
    host: connect.host,
    port: connect.port,
    database: connect.database,
    user: connect.user,
    password: () => connect.password.reveal(),
    ssl: tls ?? false,
    max: connect.connections,
    connectionTimeoutMillis: connect.connect_timeout,
    idleTimeoutMillis: 60_000,
    maxLifetimeSeconds: Math.ceil(connect.max_age / 1000),
    keepAlive: true,
    application_name: 'signalbox',
    statement_timeout: connect.statement_timeout,
    lock_timeout: connect.lock_timeout,
    idle_in_transaction_session_timeout: Math.ceil(stoodStillMs(connect)),
    // The server's own timeout comes first; this one notices a server that is gone.
    query_timeout: connect.statement_timeout + 5_000,
    allowExitOnIdle: true,
  });
  // Without a listener the end of an idle connection would end the process. The pool has dropped the connection already.
  pool.on('error', () => undefined);
  // The same while it is in use: the statement under way says so.
  pool.on('connect', (client) => client.on('error', () => undefined));

  async function run<T>(begin: string, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    let client: pg.PoolClient | undefined;
    let committing = false;
    try {
      const connecting = pool.connect();
      client = await abortable(connecting, signal, () => {
        connecting.then(
          (late) => late.release(true),
          () => undefined,
        );
      });
      const held = client;
      if (!prepared.has(held)) {
        await abortable(held.query(SETTINGS), signal);
        prepared.add(held);
      }
      await abortable(held.query(begin), signal);
      const result = await work({ query: (sql, binds, most) => query(held, { sql, binds, most }, signal) });
      committing = true;
      await abortable(held.query('COMMIT'), signal);
      client = undefined;
      held.release();
      return result;
    } catch (error) {
      const failure = classifyPostgres(error);
      if (client) await giveBack(client, signal.aborted || failure?.name === 'NotConnected' || failure?.message === 'Query read timeout');
      if (signal.aborted) throw signal.reason;
      if (committing && failure?.name === 'NotConnected') throw new CommitUnknown(`${system}: the connection was lost while committing`, { cause: error });
      throw failure ?? error;
    }
  }

  return {
    read: (work, signal) => run('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY', work, signal),
    write: (work, signal) => run('BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE', work, signal),
    close: () => within(3_000, pool.end()),
  };
}

async function giveBack(client: pg.PoolClient, broken: boolean): Promise<void> {
  if (broken) return client.release(true);
  try {
    await client.query('ROLLBACK');
    client.release();
  } catch {
    client.release(true);
  }
}

interface Asked {
  readonly sql: string;
  readonly binds: readonly Bind[] | undefined;
  readonly most: Most | undefined;
}

/** What is beyond the limit is dropped as it arrives. */
function limited(client: pg.PoolClient, asked: pg.QueryConfig, limit: RowLimit) {
  const { promise, resolve, reject } = Promise.withResolvers<pg.QueryResult<(string | null)[]>>();
  const kept: (string | null)[][] = [];
  const query = new pg.Query<(string | null)[]>(asked, (error, result) => (error ? reject(error) : resolve({ ...result, rows: kept })));
  query.on('row', (row, result) => {
    if (limit.takes(row)) kept.push(row);
    // The driver keeps every row too.
    if (result) result.rows.length = 0;
  });
  client.query(query);
  return promise;
}

async function query(client: pg.PoolClient, { sql, binds, most }: Asked, signal: AbortSignal): Promise<Result> {
  const values = binds?.map((bind) => (bind instanceof Uint8Array ? Buffer.from(bind) : typeof bind === 'bigint' ? bind.toString() : bind)) ?? [];
  const limit = new RowLimit(most);
  const asked = { text: sql, values, rowMode: 'array' as const, types };
  const result = await abortable(most ? limited(client, asked, limit) : client.query<(string | null)[]>(asked), signal);
  const fields = result.fields.map((field) => ({ name: field.name, kind: KINDS[field.dataTypeID] ?? ('text' satisfies Kind) }));
  const rows: Raw[][] = result.rows;
  // In place, since most cells stay what they are.
  for (const [at, { kind }] of fields.entries()) {
    const convert = CONVERTED[kind];
    if (!convert) continue;
    for (const row of rows) {
      const cell = row[at];
      if (typeof cell === 'string') row[at] = convert(cell);
    }
  }
  return { fields, rows, changed: result.rowCount ?? 0, cut: limit.isCut };
}
