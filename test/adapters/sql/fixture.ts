import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';
import type {
  Batch,
  Callable,
  ConnectedSystem,
  Delivery,
  EndpointContext,
  EndpointState,
  Logger,
  Outbound,
  PollingInbound,
  SourceRecord,
  ValueRecord,
} from '../../../adapters/contract/index.js';
import { Secret } from '../../../adapters/contract/index.js';
import { SqlAdapter } from '../../../adapters/sql/adapter.js';
import spec from '../../../adapters/sql/index.js';
import { memoryState } from '../../kit/fakes.js';
import type { DatabaseAccess } from '../../services/servers.js';
import { services } from '../../services/services.js';

export type Driver = 'sqlite' | 'postgres' | 'mariadb';
export const DRIVERS: readonly Driver[] = ['sqlite', 'postgres', 'mariadb'];
/** Through unixODBC, by the driver of another database. */
export type Odbc = 'odbc-postgres' | 'odbc-sqlite';

/** An empty database of its own, a way to change it behind the adapter's back, and a system on it. */
export interface Fixture {
  readonly driver: Driver | Odbc;
  readonly connect: Record<string, unknown>;
  readonly system: ConnectedSystem;
  readonly warnings: string[];
  /** Runs statements as another application would. */
  readonly sql: (...statements: readonly string[]) => Promise<void>;
  readonly rows: (statement: string) => Promise<readonly unknown[][]>;
  readonly inbound: (config: Record<string, unknown>, state?: EndpointState) => Promise<PollingInbound>;
  readonly outbound: (config: Record<string, unknown>) => Promise<Outbound>;
  readonly callable: (config: Record<string, unknown>) => Promise<Callable>;
  close(): Promise<void>;
}

export const never: AbortSignal = new AbortController().signal;

/** `create`: what follows CREATE DATABASE of PostgreSQL, such as an encoding. `server`: a PostgreSQL of the test's own. */
export async function fixture(driver: Driver | Odbc, options: Record<string, unknown> = {}, create = '', server?: DatabaseAccess): Promise<Fixture> {
  const back = await BACKS[driver](create, server);
  const connect = { ...back.connect, ...options };
  const warnings: string[] = [];
  const log: Logger = { debug: () => undefined, info: () => undefined, warn: (_, message) => void warnings.push(message), error: () => undefined, with: () => log };
  const clock = { now: () => new Date(), monotonic: () => performance.now(), sleep: async () => undefined, random: Math.random };
  const system = new SqlAdapter(log, clock).system('legacy', spec.connect.parse(connect));
  const closers: { close(): Promise<void> }[] = [];
  const opened = async <T extends { close(): Promise<void>; open(signal: AbortSignal): Promise<void> }>(endpoint: T | undefined): Promise<T> => {
    if (!endpoint) throw new Error('no such endpoint');
    closers.push(endpoint);
    await endpoint.open(never);
    return endpoint;
  };
  return {
    ...back,
    driver,
    connect,
    system,
    warnings,
    inbound: async (config, state) => opened(system.inbound?.(context('legacy.orders', spec.read.config.parse(config), state)) as PollingInbound),
    outbound: async (config) => opened(system.outbound?.(context('legacy.report', spec.write.config.parse(config)))),
    callable: async (config) => opened(system.callable?.(context('legacy.stock', spec.call.config.parse(config)))),
    async close() {
      for (const each of closers) await each.close();
      await system.close();
      await back.close();
    },
  };
}

export function context(name: string, config: unknown, state: EndpointState = memoryState()): EndpointContext {
  return { name, config, state };
}

/** Everything one poll gives. */
export async function poll(inbound: PollingInbound, checkpoint?: string, maxRecords = 100): Promise<{ records: SourceRecord[]; checkpoint: string | undefined; batches: number }> {
  const records: SourceRecord[] = [];
  let last = checkpoint;
  let batches = 0;
  for await (const batch of inbound.poll({ checkpoint, maxRecords, signal: never })) {
    records.push(...batch.records);
    last = batch.checkpoint ?? last;
    batches++;
  }
  return { records, checkpoint: last, batches };
}

export async function firstBatch(inbound: PollingInbound, checkpoint: string | undefined, maxRecords: number): Promise<Batch | undefined> {
  for await (const batch of inbound.poll({ checkpoint, maxRecords, signal: never })) return batch;
  return undefined;
}

export function delivery(id: string, payload: ValueRecord): Delivery {
  return { id, messageId: id, type: 'Order', key: undefined, idempotencyKey: id, payload, time: '2026-03-01T08:00:00Z', attempt: 1, traceparent: undefined };
}

type Back = Pick<Fixture, 'connect' | 'sql' | 'rows' | 'close'>;

const BACKS: Readonly<Record<Driver | Odbc, (create: string, server?: DatabaseAccess) => Promise<Back>>> = {
  sqlite,
  postgres,
  mariadb,
  'odbc-sqlite': async () => {
    const back = await sqlite();
    return { ...back, connect: { driver: 'odbc', odbc_driver: 'SQLite3', settings: { Database: back.connect['file'] } } };
  },
  'odbc-postgres': async (create) => {
    const back = await postgres(create);
    const { host, port, user, database, password } = back.connect;
    return { ...back, connect: { driver: 'odbc', odbc_driver: 'PostgreSQL Unicode', settings: { Server: host, Port: String(port), Database: database }, user, password } };
  },
};

async function sqlite(): Promise<Back> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-sql-'));
  const file = join(directory, 'erp.db');
  const database = new Sqlite(file);
  database.pragma('journal_mode = WAL');
  return {
    connect: { driver: 'sqlite', file },
    sql: async (...statements) => {
      for (const statement of statements) database.exec(statement);
    },
    rows: async (statement) => database.prepare(statement).raw(true).all() as unknown[][],
    close: async () => {
      database.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function postgres(create: string, server?: DatabaseAccess): Promise<Back> {
  const access = server ?? (await services.postgres());
  const database = `sql_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client(access);
  await admin.connect();
  await admin.query(`CREATE DATABASE ${database} ${create}`);
  const client = new pg.Client({ ...access, database });
  let open = false;
  await client.connect();
  const { host, port, user, password } = access;
  return {
    connect: { driver: 'postgres', host, port, user, database, password: new Secret('test', password), tls: 'off' },
    sql: async (...statements) => {
      for (const statement of statements) {
        await client.query(statement);
        if (/^(BEGIN|ROLLBACK)/.test(statement)) open = statement === 'BEGIN';
      }
      if (!open) await settled(client);
    },
    rows: async (statement) => (await client.query({ text: statement, rowMode: 'array' })).rows as unknown[][],
    close: async () => {
      await client.end();
      await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
      await admin.end();
    },
  };
}

/** Rows are read when no older transaction is open anywhere in the cluster; other tests share it. */
async function settled(client: pg.Client): Promise<void> {
  const next = (await client.query<{ x: string }>('SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS x')).rows[0]?.x;
  const done = 'SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8 AS done';
  while ((await client.query<{ done: boolean }>(done, [next])).rows[0]?.done !== true) await sleep(5);
}

async function mariadb(): Promise<Back> {
  const access = await services.mariadb();
  const database = `sql_${randomBytes(6).toString('hex')}`;
  const connection = await mysql.createConnection({ ...access, rowsAsArray: true, dateStrings: true });
  await connection.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
  await connection.query(`USE ${database}`);
  const { host, port, user, password } = access;
  return {
    connect: { driver: 'mariadb', host, port, user, database, password: new Secret('test', password), tls: 'off' },
    sql: async (...statements) => {
      for (const statement of statements) await connection.query(statement);
    },
    rows: async (statement) => (await connection.query(statement))[0] as unknown as unknown[][],
    close: async () => {
      await connection.query(`DROP DATABASE ${database}`);
      await connection.end();
    },
  };
}
