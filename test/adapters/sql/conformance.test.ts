import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { isRecord, Secret, type SourceRecord, type Value } from '../../../adapters/contract/index.js';
import spec from '../../../adapters/sql/index.js';
import { textOf } from '../../../adapters/sql/values.js';
import { type AdapterHarness, adapterConformance, type Sample } from '../../kit/adapter/index.js';
import { type DatabaseAccess, type Server, startMariadb, startPostgres } from '../../services/servers.js';

/** A connection of the tests' own to the database under test. */
interface Back {
  run(sql: string, binds?: readonly string[]): Promise<readonly unknown[][]>;
  end(): Promise<void>;
}

/** The database under test: started, broken and healed. */
interface Place extends Pick<AdapterHarness, 'badCredentials' | 'unreachable' | 'waivers'> {
  start(): Promise<void>;
  stop(): Promise<void>;
  connect(): unknown;
  readonly open: () => Promise<Back>;
  breakLink(): Promise<void>;
  healLink(): Promise<void>;
  /** Column type of an amount; what comes out again must have the digits that went in. */
  readonly decimal: { readonly in: string; readonly out: string };
  readonly bind: (n: number) => string;
}

const COLUMNS = { number: 'integer', text: 'text', whole: 'integer', amount: 'decimal', code: 'text' };

function harness({ decimal, bind, open, ...place }: Place): AdapterHarness {
  let back: Back | undefined;
  const run = async (sql: string, binds?: readonly string[]) => {
    back ??= await open();
    return back.run(sql, binds);
  };
  const end = async () => {
    await back?.end();
    back = undefined;
  };
  const insert = async (name: string, sample: Sample) => {
    const values = [String(sample.number), sample.text, sample.whole, sample.amount, sample.code];
    await run(`INSERT INTO ${name} (number, text, whole, amount, code) VALUES (${values.map((_, at) => bind(at + 1)).join(', ')})`, values);
  };
  return {
    ...place,
    spec,
    stop: async () => {
      await end();
      await place.stop();
    },
    healLink: async () => {
      await end();
      await place.healLink();
    },
    clean: async () => {
      for (const name of ['kit_in', 'kit_out', 'kit_stock']) {
        await run(`DROP TABLE IF EXISTS ${name}`);
        await run(`CREATE TABLE ${name} (number INTEGER PRIMARY KEY, text VARCHAR(200), whole BIGINT, amount ${name === 'kit_out' ? decimal.out : decimal.in}, code VARCHAR(20))`);
      }
      await run('DROP TABLE IF EXISTS signalbox_inbox');
    },
    inbound: {
      config: () => ({ table: 'kit_in', key: 'number', cursor: { column: 'number' }, columns: COLUMNS }),
      seed: async (samples) => {
        for (const sample of samples) await insert('kit_in', sample);
      },
      read: (record: SourceRecord) => sampleOf(record.value),
    },
    outbound: {
      config: () => ({ table: 'kit_out', key: 'number', mode: 'insert' }),
      collect: async () =>
        (await run('SELECT number, text, CAST(whole AS CHAR(20)), amount, code FROM kit_out')).map(([number, text, whole, amount, code]) => ({
          number: Number(number),
          text: String(text),
          whole: String(whole).trim(),
          amount: String(amount),
          code: String(code),
        })),
    },
    callable: {
      config: () => ({ sql: 'SELECT number, text, whole, amount, code FROM kit_stock WHERE number = :number', one: true }),
      seed: (sample) => insert('kit_stock', sample),
      parameters: (sample) => ({ number: BigInt(sample.number) }),
      read: sampleOf,
    },
  };
}

function sampleOf(value: Value): Sample {
  if (!isRecord(value)) throw new Error('expected a record');
  const text = (name: string) => textOf(value[name] ?? null);
  return { number: Number(text('number')), text: text('text'), whole: text('whole'), amount: text('amount'), code: text('code') };
}

function sqlite(): Place {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-kit-'));
  const file = join(directory, 'erp.db');
  return {
    start: async () => undefined,
    stop: async () => rmSync(directory, { recursive: true, force: true }),
    connect: () => ({ driver: 'sqlite', file }),
    open: async () => {
      const database = new Sqlite(file);
      database.pragma('journal_mode = WAL');
      return {
        run: async (sql, binds = []) => {
          const statement = database.prepare<unknown[], unknown[]>(sql);
          if (statement.reader) return statement.raw(true).all(...binds);
          statement.run(...binds);
          return [];
        },
        end: async () => void database.close(),
      };
    },
    breakLink: async () => renameSync(file, `${file}.away`),
    healLink: async () => renameSync(`${file}.away`, file),
    unreachable: () => ({ driver: 'sqlite', file: join(directory, 'nowhere', 'erp.db') }),
    // A DECIMAL of SQLite is a float and would lose the zeros of 0.1000.
    decimal: { in: 'TEXT', out: 'TEXT' },
    bind: () => '?',
    badCredentials: () => ({ driver: 'sqlite', file: '/' }),
    waivers: { 'wrong credentials are Misconfigured, and a failed step of the probe': 'a SQLite file has no accounts' },
  };
}

function onServer(driver: 'postgres' | 'mariadb' | 'odbc', launch: () => Promise<Server<DatabaseAccess>>, open: (access: DatabaseAccess) => Promise<Back>): Place {
  let server: Server<DatabaseAccess> | undefined;
  const running = () => {
    if (!server) throw new Error('the server was not started');
    return server;
  };
  const connect = (change: { readonly password?: string; readonly port?: number } = {}) => {
    const { host, port, database, user, password } = { ...running().access, ...change };
    if (driver === 'odbc') {
      const settings = { Server: host, Port: String(port), Database: database };
      return { driver, odbc_driver: 'PostgreSQL Unicode', settings, user, password: new Secret('kit', password), connect_timeout: '2s' };
    }
    return { driver, host, port, database, user, password: new Secret('kit', password), tls: 'off', connect_timeout: '2s' };
  };
  return {
    start: async () => {
      server = await launch();
    },
    stop: async () => server?.stop(),
    connect: () => connect(),
    open: () => open(running().access),
    breakLink: async () => {
      const gone = once(running().process, 'exit');
      // PostgreSQL: SIGQUIT, since after SIGKILL its children hold the shared memory for a moment.
      running().process.kill(driver === 'mariadb' ? 'SIGKILL' : 'SIGQUIT');
      await gone;
    },
    healLink: async () => {
      await running().restart();
      await (await open(running().access)).end();
    },
    badCredentials: () => connect({ password: `wrong-${randomBytes(8).toString('hex')}` }),
    unreachable: () => connect({ password: `unused-${randomBytes(8).toString('hex')}`, port: 1 }),
    decimal: driver === 'mariadb' ? { in: 'DECIMAL(20,4)', out: 'VARCHAR(30)' } : { in: 'NUMERIC', out: 'NUMERIC' },
    bind: (n) => (driver === 'mariadb' ? '?' : `$${n}`),
  };
}

async function openPostgres(access: DatabaseAccess): Promise<Back> {
  const client = new pg.Client(access);
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    // After a crash the port answers before the recovery is over.
    if (!/starting up|recovery|not yet accepting/.test(String(error))) throw error;
    await sleep(50);
    return openPostgres(access);
  }
  return {
    run: async (sql, binds = []) => (await client.query({ text: sql, values: [...binds], rowMode: 'array' })).rows as unknown[][],
    end: () => client.end().catch(() => undefined),
  };
}

async function openMariadb(access: DatabaseAccess): Promise<Back> {
  const connection = await mysql.createConnection({ ...access, rowsAsArray: true });
  connection.on('error', () => undefined);
  return {
    run: async (sql, binds = []) => {
      const [rows] = await connection.query(sql, [...binds]);
      return Array.isArray(rows) ? (rows as unknown as unknown[][]) : [];
    },
    end: async () => connection.destroy(),
  };
}

adapterConformance('sql on SQLite', harness(sqlite()));
adapterConformance('sql on PostgreSQL', harness(onServer('postgres', startPostgres, openPostgres)));
adapterConformance('sql on PostgreSQL through ODBC', harness(onServer('odbc', startPostgres, openPostgres)));
adapterConformance('sql on MariaDB', harness(onServer('mariadb', startMariadb, openMariadb)));
