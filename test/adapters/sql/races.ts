import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { type Batch, type ConnectedSystem, isRecord, type Logger, type PollingInbound, Secret, type SourceRecord } from '../../../adapters/contract/index.js';
import { SqlAdapter } from '../../../adapters/sql/adapter.js';
import spec from '../../../adapters/sql/index.js';
import { realClock } from '../../kit/fakes.js';
import type { DatabaseAccess } from '../../services/servers.js';

// Writers commit in another order than they took their numbers, while a table is read (T14). Whoever starts it says how it is read.

export type Database = 'postgres' | 'mariadb';

export interface RacePlan {
  readonly database: Database;
  readonly access: DatabaseAccess;
  readonly way: Way;
  /** Rows that are committed, at least. */
  readonly rows: number;
  /** Of every batch that is read, one in so many is lost before its position is saved or it is tidied up: the process died. 0: none. */
  readonly crashEvery: number;
}

export interface RaceResult {
  /** Committed. */
  readonly rows: number;
  readonly missed: number;
  /** Rows that were taken for two inputs. */
  readonly duplicated: number;
  /** Rows read again with the same id, which the bus drops. */
  readonly repeats: number;
  readonly crashes: number;
  readonly seconds: number;
}

/** `naive`: `id > last`, as it is done everywhere; it has to miss some. */
export type Way = 'naive' | 'window' | 'xid8' | 'gaps' | 'overlap' | 'claim' | 'outbox' | 'triggers';
export const WAYS: Readonly<Record<Database, readonly Way[]>> = {
  postgres: ['naive', 'window', 'xid8', 'claim', 'outbox', 'triggers'],
  mariadb: ['naive', 'gaps', 'overlap', 'claim', 'outbox', 'triggers'],
};

const READ: Readonly<Record<Exclude<Way, 'naive'>, object>> = {
  window: {},
  xid8: { cursor: { transaction: 'tx' } },
  gaps: { cursor: { column: 'id' } },
  overlap: { cursor: { column: 'ts', overlap: '10s' } },
  claim: { claim: { column: 'st', open: 'N', claimed: 'C', done: 'D' } },
  outbox: { outbox: {} },
  triggers: { triggers: {} },
};

const WRITERS = 12;
const NEVER = new AbortController().signal;

export async function race({ database, access, way, rows, crashEvery }: RacePlan): Promise<RaceResult> {
  const name = `race_${randomBytes(5).toString('hex')}`;
  const admin = await connect(database, access);
  await admin.run(`CREATE DATABASE ${name}`);
  const own = { ...access, database: name };
  const system = systemOn(database, own);
  const begun = performance.now();
  try {
    const setup = await connect(database, own);
    const key = database === 'postgres' ? 'id bigserial PRIMARY KEY' : 'id bigint AUTO_INCREMENT PRIMARY KEY';
    const time = database === 'postgres' ? 'ts timestamptz NOT NULL DEFAULT clock_timestamp()' : 'ts datetime(6) NOT NULL DEFAULT current_timestamp(6), KEY (ts)';
    await setup.run(`CREATE TABLE t (${key}, n int NOT NULL, st char(1) NOT NULL DEFAULT 'N', ${time}${way === 'xid8' ? ', tx xid8 NOT NULL DEFAULT pg_current_xact_id()' : ''})`);
    if (way === 'claim') await setup.run('CREATE INDEX t_st ON t (st)');
    if (way === 'xid8') await setup.run('CREATE INDEX t_tx ON t (tx)');
    const inbound = way === 'naive' ? undefined : await opened(system, way);
    const committed = new Set<string>();
    const writing = Promise.all(
      Array.from({ length: WRITERS }, (_, writer) => write(database, own, { writer, rows: Math.ceil(rows / WRITERS), changes: way === 'triggers', committed })),
    );
    const state = { done: false };
    const ended = writing.finally(() => {
      state.done = true;
    });
    ended.catch(() => undefined);
    const read = inbound ? await readAll(inbound, crashEvery, () => state.done) : await readNaively(setup, () => state.done);
    await ended;
    const seconds = (performance.now() - begun) / 1_000;
    const missed = way === 'triggers' ? await differing(setup, committed, read.records) : [...committed].filter((id) => !read.keys.has(id)).length;
    await setup.end();
    // A change noted by a trigger is one input for each number of a note; elsewhere every row is one.
    const inputs = way === 'triggers' ? new Set(read.records.map(({ id }) => /v=o(\d+)@/.exec(id)?.[1])).size : read.keys.size;
    const ghosts = way === 'triggers' ? 0 : [...read.keys].filter((id) => !committed.has(id)).length;
    return { rows: committed.size, missed, duplicated: read.records.length - inputs + ghosts, repeats: read.repeats, crashes: read.crashes, seconds };
  } finally {
    await system.close();
    await admin.run(database === 'postgres' ? `DROP DATABASE ${name} WITH (FORCE)` : `DROP DATABASE ${name}`);
    await admin.end();
  }
}

async function opened(system: ConnectedSystem, way: Exclude<Way, 'naive'>): Promise<PollingInbound> {
  const config = spec.read.config.parse({ table: 't', key: 'id', ...READ[way] });
  const inbound = system.inbound?.({ name: 'legacy.t', config, state: { get: async () => undefined, put: async () => undefined, list: async () => new Map() } });
  if (inbound?.kind !== 'polling') throw new Error('expected an endpoint that polls');
  if (way === 'triggers') await system.provision?.('legacy.t', { action: 'install', apply: true }, NEVER);
  await inbound.open(NEVER);
  return inbound;
}

interface Reading {
  /** First of each id, in the order they were read. */
  readonly records: readonly SourceRecord[];
  readonly keys: ReadonlySet<string>;
  readonly repeats: number;
  readonly crashes: number;
}

/** As the runtime does: what a batch holds is known first, then its position is saved, then it tidies up. Ends when the writers have and three polls found nothing. */
async function readAll(inbound: PollingInbound, crashEvery: number, isDone: () => boolean): Promise<Reading> {
  const roll = dice(99);
  const records: SourceRecord[] = [];
  const ids = new Set<string>();
  const counts = { repeats: 0, crashes: 0 };
  let checkpoint: string | undefined;
  const take = (batch: Batch): number => {
    const fresh = batch.records.filter(({ id }) => !ids.has(id) && ids.add(id));
    records.push(...fresh);
    counts.repeats += batch.records.length - fresh.length;
    return fresh.length;
  };
  for (let quiet = 0; quiet < 3; ) {
    const wasDone = isDone();
    let fresh = 0;
    let died = false;
    for await (const batch of inbound.poll({ checkpoint, maxRecords: 200, signal: NEVER })) {
      fresh += take(batch);
      if (crashEvery > 0 && roll(crashEvery) === 0) {
        counts.crashes++;
        died = true;
        break;
      }
      checkpoint = batch.checkpoint ?? checkpoint;
      await batch.settle?.({ accepted: batch.records.length, filtered: 0, dead: 0, reason: undefined });
    }
    quiet = wasDone && fresh === 0 && !died ? quiet + 1 : 0;
    await sleep(wasDone ? 50 : 10);
  }
  await inbound.close();
  return { records, keys: new Set(records.map(({ key }) => key ?? '')), ...counts };
}

async function readNaively(connection: Connection, isDone: () => boolean): Promise<Reading> {
  const keys = new Set<string>();
  const records: SourceRecord[] = [];
  let last = '0';
  for (let quiet = 0; quiet < 3; ) {
    const wasDone = isDone();
    const found = await connection.run(`SELECT id FROM t WHERE id > ${last} ORDER BY id`);
    for (const [id] of found) {
      last = String(id);
      keys.add(last);
      records.push({ id: last, key: last, value: null });
    }
    quiet = wasDone && found.length === 0 ? quiet + 1 : 0;
    await sleep(wasDone ? 50 : 10);
  }
  return { records, keys, repeats: 0, crashes: 0 };
}

interface Writer {
  readonly writer: number;
  readonly rows: number;
  /** Also changes and deletes rows. */
  readonly changes: boolean;
  readonly committed: Set<string>;
}

async function write(database: Database, access: DatabaseAccess, { writer, rows, changes, committed }: Writer): Promise<void> {
  const roll = dice(writer + 1);
  const connection = await connect(database, access);
  const insert = async (count: number): Promise<string[]> =>
    (await connection.run(`INSERT INTO t (n) VALUES ${Array.from({ length: count }, () => '(0)').join(', ')} RETURNING id`)).map(([id]) => String(id));
  for (let written = 0; written < rows; ) {
    await connection.run(database === 'postgres' ? 'BEGIN' : 'START TRANSACTION');
    const ids = await insert(1 + roll(8));
    await sleep(roll(50));
    if (roll(4) === 0) {
      await connection.run('SAVEPOINT s');
      const more = await insert(1);
      if (roll(2) === 0) await connection.run('ROLLBACK TO SAVEPOINT s');
      else ids.push(...more);
    }
    if (changes && roll(3) === 0) await connection.run(`UPDATE t SET n = n + 1 WHERE id = ${ids[0]}`);
    if (roll(8) === 0) {
      await connection.run('ROLLBACK');
      continue;
    }
    await connection.run('COMMIT');
    written += ids.length;
    for (const id of ids) committed.add(id);
    if (changes && roll(5) === 0) await connection.run(`UPDATE t SET n = n + 1 WHERE id = ${ids[0]}`);
    if (changes && roll(9) === 0) await connection.run(`DELETE FROM t WHERE id = ${ids.at(-1)}`);
  }
  await connection.end();
}

/** Rows whose last state that was read is not the one they have. */
async function differing(connection: Connection, committed: ReadonlySet<string>, records: readonly SourceRecord[]): Promise<number> {
  const there = new Map((await connection.run('SELECT id, n FROM t')).map(([id, n]) => [String(id), Number(n)]));
  const seen = new Map<string, number | undefined>();
  for (const { key, value } of records) {
    const isDelete = isRecord(value) && value['operation'] === 'delete';
    seen.set(key ?? '', isRecord(value) && !isDelete ? Number(value['n']) : undefined);
  }
  return [...committed].filter((id) => !seen.has(id) || seen.get(id) !== there.get(id)).length;
}

interface Connection {
  run(sql: string): Promise<readonly unknown[][]>;
  end(): Promise<void>;
}

async function connect(database: Database, access: DatabaseAccess): Promise<Connection> {
  if (database === 'postgres') {
    const client = new pg.Client(access);
    await client.connect();
    return { run: async (sql) => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][], end: () => client.end() };
  }
  const connection = await mysql.createConnection({ ...access, rowsAsArray: true });
  return {
    run: async (sql) => {
      const [rows] = await connection.query(sql);
      return Array.isArray(rows) ? (rows as unknown as unknown[][]) : [];
    },
    end: () => connection.end(),
  };
}

function systemOn(driver: Database, { host, port, user, password, database }: DatabaseAccess): ConnectedSystem {
  const log: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined, with: () => log };
  const options = { driver, host, port, user, database, password: new Secret('race', password), tls: 'off' };
  return new SqlAdapter(log, realClock).system('legacy', spec.connect.parse(options));
}

/** Numbers that are the same in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
