// Connections to the member of the cluster that takes writes.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { describe, Misconfigured, NotConnected } from '../../errors.js';
import { isLost, isTimeout, postgresFailure } from './failures.js';
import { answered, type Backend } from './half-open.js';
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
const PREPARE = `SELECT pg_is_in_recovery() AS standby, pg_backend_pid() AS pid, current_setting('fsync') AS fsync, current_setting('server_encoding') AS encoding,
  CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`;

export class Server {
  readonly #options: PostgresOptions;
  readonly #members: readonly pg.ClientConfig[];
  readonly #pools: readonly pg.Pool[];
  readonly #prepared = new WeakMap<pg.PoolClient, Prepared>();
  #current = 0;
  /** When a connection was found that the server had forgotten: those of before are not used again. */
  #forgotten = 0;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#members = options.hosts.map((host) => memberAt(options, host));
    this.#pools = this.#members.map((member) => newPool(options, member));
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
    const prepared = this.#prepared.get(client);
    if (prepared && prepared.since < this.#forgotten) {
      client.release(true);
      return this.#open(at);
    }
    const { backend } = prepared ?? (await this.#prepare(client, at));
    return new Held(client, backend);
  }

  async #prepare(client: pg.PoolClient, at: number): Promise<Prepared> {
    try {
      const since = performance.now();
      const pid = await prepare(client, this.#place(at), this.#options.connectTimeoutMs);
      const server = this.#members[at] ?? {};
      const onForgotten = (): void => {
        this.#forgotten = performance.now();
      };
      const prepared = { since, backend: pid === undefined ? undefined : { client, pid, server, onForgotten } };
      this.#prepared.set(client, prepared);
      return prepared;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  #place(at: number): string {
    const { hosts, port, database } = this.#options;
    return `PostgreSQL ${hosts[at] ?? ''}:${port}/${database}`;
  }
}

/** @returns the process at the server; undefined when something in between (a pooler) hides it */
async function prepare(client: pg.PoolClient, place: string, timeoutMs: number | undefined): Promise<number | undefined> {
  const { rows } = await client.query<Properties>({ text: PREPARE, ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs }) });
  const { standby, fsync, encoding, pid } = rows[0] as Properties;
  if (standby) throw new NotConnected('E540', `${place} is a standby, which takes no writes`);
  if (fsync !== 'on') throw new Misconfigured('E542', `${place}: the server runs with fsync = off: what it commits is not safe`);
  if (encoding !== 'UTF8') throw new Misconfigured('E542', `${place}: the encoding of the database is ${encoding}, not UTF8`);
  return pid === (client as unknown as { readonly processID: number | null }).processID ? pid : undefined;
}

interface Properties {
  readonly standby: boolean;
  readonly pid: number;
  readonly fsync: string;
  readonly encoding: string;
}

interface Prepared {
  readonly since: number;
  readonly backend: Backend | undefined;
}

class Held implements Connection {
  readonly #client: pg.PoolClient;
  readonly #backend: Backend | undefined;

  constructor(client: pg.PoolClient, backend: Backend | undefined) {
    this.#client = client;
    this.#backend = backend;
  }

  async query<Row>(sql: string, values?: readonly Value[]): Promise<readonly Row[]> {
    const statement = this.#client.query({ text: sql, values: (values ?? []).map(sendable) });
    const { rows } = await (this.#backend ? answered(this.#backend, statement) : statement);
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

function memberAt({ port, database, user, password, tls }: PostgresOptions, host: string): pg.ClientConfig {
  return { host, port, database, user, password: () => password.reveal(), ssl: tls !== 'off' && verified(tls), application_name: 'signalbox' };
}

function newPool({ schema, connections = 8, connectTimeoutMs = 10_000, statementTimeoutMs = 60_000, lockTimeoutMs = 30_000 }: PostgresOptions, member: pg.ClientConfig): pg.Pool {
  const pool = new pg.Pool({
    ...member,
    options: `-c search_path=${schema}`,
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
