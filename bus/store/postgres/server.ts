// Connections to the member of the cluster that takes writes.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { describe, Misconfigured, NotConnected } from '../../errors.js';
import { isLost, isTimeout, postgresFailure } from './failures.js';
import type { PostgresOptions } from './options.js';
import { storable } from './rows.js';

/** A value of a statement, or a column of values for `unnest`. */
export type Value = string | number | boolean | null | Uint8Array | readonly Value[];

export interface Session {
  query<Row>(sql: string, values?: readonly Value[]): Promise<readonly Row[]>;
}

/** One connection, held until it is given back. */
export interface Connection extends Session {
  /** @param failed what went wrong with it, if anything: a connection in doubt is closed, a transaction that is open is rolled back */
  release(failed?: unknown): Promise<void>;
}

const EIGHT_BYTES = 20;
/** Times, numbers of events and counts: all below 2^53. */
const types = { getTypeParser: (oid: number, format?: 'text' | 'binary') => (oid === EIGHT_BYTES ? Number : pg.types.getTypeParser(oid, format)) };

// A server or role that has it off would lose what was committed a moment ago when the power fails.
const PREPARE = `SELECT pg_is_in_recovery() AS standby, current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding,
  CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`;

export class Server {
  readonly #options: PostgresOptions;
  readonly #pools: readonly pg.Pool[];
  readonly #prepared = new WeakSet<pg.PoolClient>();
  #current = 0;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#pools = options.hosts.map((host) => newPool(options, host));
  }

  /** @throws NotConnected when no member takes writes, Misconfigured */
  async connect(): Promise<Connection> {
    let last: unknown = new NotConnected('E540', 'no host is given');
    for (let tried = 0; tried < this.#pools.length; tried += 1) {
      const at = (this.#current + tried) % this.#pools.length;
      try {
        const connection = await this.#open(at);
        this.#current = at;
        return connection;
      } catch (error) {
        last = this.failure(error);
        if (!(Error.isError(last) && (last as Error).name === 'NotConnected')) throw last;
      }
    }
    throw last;
  }

  /** One statement by itself that changes nothing, or may be repeated. Asked once more when the connection had been lost meanwhile: the pool learns of that late. */
  async read<Row>(sql: string, values?: readonly Value[]): Promise<readonly Row[]> {
    for (let attempt = 0; ; attempt += 1) {
      const connection = await this.connect();
      try {
        const rows = await connection.query<Row>(sql, values);
        await connection.release();
        return rows;
      } catch (error) {
        await connection.release(error);
        if (attempt > 0 || !isLost(error)) throw this.failure(error);
      }
    }
  }

  failure(error: unknown): unknown {
    return postgresFailure(error, this.#place(this.#current)) ?? error;
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }

  async #open(at: number): Promise<Connection> {
    const pool = this.#pools[at];
    if (pool === undefined) throw new NotConnected('E540', `no host ${at}`);
    const client = await pool.connect();
    if (!this.#prepared.has(client)) {
      try {
        await this.#prepare(client, this.#place(at));
      } catch (error) {
        client.release(true);
        throw error;
      }
      this.#prepared.add(client);
    }
    return new Held(client);
  }

  async #prepare(client: pg.PoolClient, place: string): Promise<void> {
    const { rows } = await client.query<{ readonly standby: boolean; readonly fsync: string; readonly encoding: string }>(PREPARE);
    if (rows[0]?.standby === true) throw new NotConnected('E540', `${place} is a standby, which takes no writes`);
    if (rows[0]?.fsync !== 'on') throw new Misconfigured('E542', `${place}: the server runs with fsync = off: what it commits is not safe`);
    if (rows[0]?.encoding !== 'UTF8') throw new Misconfigured('E542', `${place}: the encoding of the database is ${rows[0]?.encoding}, not UTF8`);
  }

  #place(at: number): string {
    const { hosts, port, database } = this.#options;
    return `PostgreSQL ${hosts[at] ?? ''}:${port}/${database}`;
  }
}

class Held implements Connection {
  readonly #client: pg.PoolClient;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  async query<Row>(sql: string, values?: readonly Value[]): Promise<readonly Row[]> {
    const { rows } = await this.#client.query({ text: sql, values: (values ?? []).map(sendable) });
    return rows as readonly Row[];
  }

  async release(failed?: unknown): Promise<void> {
    if (failed === undefined) return this.#client.release();
    if (isLost(failed) || isTimeout(failed)) return this.#client.release(true);
    try {
      await this.#client.query('ROLLBACK');
      this.#client.release();
    } catch {
      this.#client.release(true);
    }
  }
}

function verified({ caFile, servername }: Exclude<PostgresOptions['tls'], 'off'>): ConnectionOptions {
  const name = servername === undefined ? {} : { servername };
  if (caFile === undefined) return { rejectUnauthorized: true, ...name };
  try {
    return { rejectUnauthorized: true, ca: readFileSync(caFile, 'utf8'), ...name };
  } catch (error) {
    throw new Misconfigured('E541', `the CA file ${caFile} cannot be read: ${describe(error)}`, { cause: error });
  }
}

function sendable(value: Value): Value {
  if (typeof value === 'string') return storable(value);
  return Array.isArray(value) ? value.map(sendable) : value;
}

function newPool(options: PostgresOptions, host: string): pg.Pool {
  const { tls, connections = 8, connectTimeoutMs = 10_000, statementTimeoutMs = 60_000, lockTimeoutMs = 30_000 } = options;
  const pool = new pg.Pool({
    host,
    port: options.port,
    database: options.database,
    user: options.user,
    password: () => options.password.reveal(),
    ssl: tls !== 'off' && verified(tls),
    options: `-c search_path=${options.schema}`,
    application_name: 'signalbox',
    max: connections,
    connectionTimeoutMillis: connectTimeoutMs,
    idleTimeoutMillis: 60_000,
    maxLifetimeSeconds: 1_800,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    // A node that stops in the middle of a transaction holds up the others no longer than this: less than they wait for a lock.
    idle_in_transaction_session_timeout: Math.ceil(lockTimeoutMs / 2),
    // The server's own timeout comes first; this one notices a server that is gone.
    query_timeout: statementTimeoutMs + 5_000,
    types,
    allowExitOnIdle: true,
  });
  // Without a listener the end of an idle connection would end the process. The pool has dropped the connection already.
  pool.on('error', () => undefined);
  // The same while it is in use: the statement under way says so.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
