import { afterEach, describe, expect, test } from '@jest/globals';
import type { Dialect } from '../../../adapters/sql/dialects/dialect.js';
import spec from '../../../adapters/sql/index.js';
import { type FaultProxy, startProxy } from '../../faults/proxy.js';
import { services } from '../../services/services.js';
import { DRIVERS, type Driver, type Fixture, fixture, never, poll } from './fixture.js';

let open: Fixture | undefined;
let proxy: FaultProxy | undefined;
afterEach(async () => {
  await open?.close();
  await proxy?.close();
  open = undefined;
  proxy = undefined;
});
const start = async (driver: Driver, options?: Record<string, unknown>): Promise<Fixture> => {
  open = await fixture(driver, options);
  return open;
};

async function databaseOf({ connect, driver }: Fixture, options: Record<string, unknown> = {}) {
  const { dialect } = (await import(`../../../adapters/sql/dialects/${driver}/dialect.js`)) as { dialect: Dialect };
  return dialect.connect(spec.connect.parse({ ...connect, ...options }), 'legacy');
}

// SQLite alone reads through pages of their real size: 50 MB over a network protocol take their time.
const wide = { sqlite: 'hex(zeroblob(5000000))', postgres: "repeat('x', 100000)", mariadb: "repeat('x', 100000)" };
const bytes = { sqlite: 25_000_000, postgres: 250_000, mariadb: 250_000 };

describe.each(DRIVERS)('sessions of %s', (driver) => {
  test('D24 a page ends where its bytes are used up; wide rows come in smaller pages, all of them', async () => {
    const fix = await start(driver);
    const text = driver === 'mariadb' ? 'LONGTEXT' : 'TEXT';
    await fix.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, note ${text})`, ...[1, 2, 3, 4, 5].map((id) => `INSERT INTO t VALUES (${id}, ${wide[driver]})`));
    const database = await databaseOf(fix);
    const result = await database.read((session) => session.query('SELECT id, note FROM t ORDER BY id', [], { bytes: bytes[driver] }), never);
    expect([result.rows.length, result.cut]).toEqual([2, true]);
    const one = await database.read((session) => session.query('SELECT id, note FROM t ORDER BY id', [], { bytes: 10 }), never);
    expect([one.rows.length, one.cut]).toEqual([1, true]);
    await database.close();
    const { records, batches } = await poll(await fix.inbound({ table: 't', key: 'id', cursor: { column: 'id' }, columns: { id: 'integer', note: 'text' } }));
    expect(records.map(({ key }) => key)).toEqual(['1', '2', '3', '4', '5']);
    expect(batches).toBe(driver === 'sqlite' ? 2 : 1);
  });

  test('D27 reading cannot write, and says who it is', async () => {
    const fix = await start(driver);
    await fix.sql('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    const database = await databaseOf(fix);
    await expect(database.read((session) => session.query('INSERT INTO t VALUES (1)'), never)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E423' });
    if (driver === 'postgres') {
      const { rows } = await database.read(
        (session) => session.query("SELECT current_setting('application_name'), current_setting('transaction_read_only'), current_setting('statement_timeout')"),
        never,
      );
      expect(rows[0]).toEqual(['signalbox', 'on', '1min']);
    }
    await database.close();
    expect(await fix.rows('SELECT * FROM t')).toEqual([]);
  });
});

describe.each(['postgres', 'mariadb'] as const)('connections of %s', (driver) => {
  test('D23 a connection that is too old is made anew', async () => {
    const fix = await start(driver);
    const database = await databaseOf(fix, { max_age: '1s', connections: 1 });
    const session = driver === 'postgres' ? 'SELECT pg_backend_pid()' : 'SELECT connection_id()';
    const pid = async () => String((await database.read((each) => each.query(session), never)).rows[0]?.[0]);
    const first = await pid();
    expect(await pid()).toBe(first);
    const until = performance.now() + 20_000;
    while ((await pid()) === first && performance.now() < until) await new Promise((done) => setTimeout(done, 100));
    expect(await pid()).not.toBe(first);
    await database.close();
  });

  test('D23 the link breaks in the middle of reading: NotConnected, and the next poll goes on with the next row', async () => {
    proxy = await startProxy((await services[driver]()).port);
    const fix = await start(driver, { port: proxy.port });
    await fix.sql('CREATE TABLE t (id int PRIMARY KEY, n int)', `INSERT INTO t VALUES ${Array.from({ length: 50 }, (_, i) => `(${i}, 1)`).join(',')}`);
    const config = { table: 't', key: 'id', bulk: {} };
    const endpoint = await fix.inbound(config);
    const seen: string[] = [];
    let checkpoint: string | undefined;
    const read = async (): Promise<void> => {
      for await (const batch of endpoint.poll({ checkpoint, maxRecords: 10, signal: never })) {
        seen.push(...batch.records.map(({ key }) => key ?? ''));
        checkpoint = batch.checkpoint;
        if (seen.length === 20) proxy?.cut();
      }
    };
    await expect(read()).rejects.toMatchObject({ name: 'NotConnected', code: 'E420' });
    await endpoint.close();
    await endpoint.open(never);
    await read();
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
  });
});
