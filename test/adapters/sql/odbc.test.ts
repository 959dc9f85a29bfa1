import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Decimal, Secret } from '../../../adapters/contract/index.js';
import type { OdbcConnect } from '../../../adapters/sql/config.js';
import { connectionString } from '../../../adapters/sql/dialects/odbc/connection-string.js';
import { odbcDialect } from '../../../adapters/sql/dialects/odbc/dialect.js';
import { classifyOdbc } from '../../../adapters/sql/dialects/odbc/failures.js';
import { parameterOf } from '../../../adapters/sql/dialects/odbc/parameters.js';
import { profileOf } from '../../../adapters/sql/dialects/odbc/profiles.js';
import { OdbcError } from '../../../adapters/sql/dialects/odbc/protocol.js';
import spec from '../../../adapters/sql/index.js';
import { delivery, type Fixture, fixture, never, type Odbc, poll } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (driver: Odbc, options?: Record<string, unknown>): Promise<Fixture> => {
  open = await fixture(driver, options);
  return open;
};
const decimal = (text: string) => Decimal.parse(text) ?? null;

describe('PostgreSQL through ODBC', () => {
  test('D3, D10, D11, D14, D15, D16 every type comes exactly; pages by cursor, all rows once', async () => {
    const { sql, inbound } = await start('odbc-postgres');
    await sql(
      'CREATE TABLE T (ID integer PRIMARY KEY, CODE varchar(20), BIG bigint, AMT numeric(20,4), ANY_N numeric, F double precision, D date, TS timestamp, B bytea, LONG text, NUL text)',
      "INSERT INTO T VALUES (1, '00123', 9007199254740993, 0.1000, 12345678901234567890.123456789, 0.1, '2026-03-29', '2026-03-29 02:30:00.123456', '\\x0001ff', repeat('Grüße 😀', 20000), NULL)",
      "INSERT INTO T SELECT n, 'x', n FROM generate_series(2, 25) AS n",
    );
    const read = await inbound({ table: 't', key: 'ID', cursor: { column: 'ID' } });
    const { records, batches } = await poll(read, undefined, 10);
    expect(batches).toBe(3);
    expect(records.map((record) => record.key)).toEqual(Array.from({ length: 25 }, (_, at) => String(at + 1)));
    expect(records[0]?.value).toEqual({
      ID: 1n,
      code: '00123',
      big: 9007199254740993n,
      amt: new Decimal(1000n, 4),
      any_n: decimal('12345678901234567890.123456789'),
      f: decimal('0.1'),
      d: '2026-03-29',
      ts: '2026-03-29T02:30:00.123456',
      b: new Uint8Array([0, 1, 255]),
      long: 'Grüße 😀'.repeat(20_000),
      nul: null,
    });
  });

  test('D10 a cursor of microseconds goes back to the driver with all its digits, also without words for paging', async () => {
    const { sql, inbound } = await start('odbc-postgres', { paging: 'none' });
    await sql('CREATE TABLE t (id integer PRIMARY KEY, ts timestamp)', "INSERT INTO t VALUES (1, '2026-03-29 02:30:00.123455'), (2, '2026-03-29 02:30:00.123456')");
    const read = await inbound({ table: 't', key: 'id', cursor: { column: 'ts' } });
    const first = await poll(read, undefined, 1);
    expect(first).toMatchObject({ batches: 2, records: [{ key: '1' }, { key: '2' }] });
    await sql("INSERT INTO t VALUES (3, '2026-03-29 02:30:00.123457')");
    expect((await poll(read, first.checkpoint)).records.map((record) => record.key)).toEqual(['3']);
  });

  test('D1 the overlap reads back, by time and by distance', async () => {
    const { sql, inbound } = await start('odbc-postgres');
    await sql('CREATE TABLE t (id bigint PRIMARY KEY, ts timestamp)', "INSERT INTO t VALUES (9000000000, '2026-03-29 03:00:00.5')");
    const byTime = await inbound({ table: 't', key: 'id', cursor: { column: 'ts', overlap: '5m' } });
    const byDistance = await inbound({ table: 't', key: 'id', cursor: { column: 'id', overlap: 100 } });
    const first = await poll(byTime);
    const other = await poll(byDistance);
    await sql("INSERT INTO t VALUES (8999999950, '2026-03-29 02:58:00'), (8999999000, '2026-03-29 02:30:00')");
    expect((await poll(byTime, first.checkpoint)).records.map((record) => record.key)).toEqual(['8999999950', '9000000000']);
    expect((await poll(byDistance, other.checkpoint)).records.map((record) => record.key)).toEqual(['8999999950', '9000000000']);
  });

  test('an upsert updates, inserts, and keeps the newer version; the same id again is a duplicate; all in one transaction with the inbox', async () => {
    const { sql, rows, outbound } = await start('odbc-postgres');
    await sql('CREATE TABLE REPORT (ORD_NO varchar(10) PRIMARY KEY, AMT numeric(12,2), TS timestamp, VER bigint)');
    const target = await outbound({ table: 'REPORT', key: 'ORD_NO', mode: 'upsert', version: 'VER' });
    const row = (amount: string, version: bigint) => ({ ORD_NO: '00123', AMT: decimal(amount), TS: '2026-03-29T02:30:00.123456', VER: version });
    await target.send(delivery('d1', row('5.50', 5n)), never);
    expect(await target.send(delivery('d2', row('3.00', 3n)), never)).toMatchObject({ detail: expect.stringContaining('newer') });
    expect(await target.send(delivery('d1', row('5.50', 5n)), never)).toMatchObject({ duplicate: true });
    expect(await rows('SELECT ord_no, amt::text, ts::text, ver::text FROM report')).toEqual([['00123', '5.50', '2026-03-29 02:30:00.123456', '5']]);
    await target.send(delivery('d3', row('6.00', 6n)), never);
    expect(await rows('SELECT amt::text, ver::text FROM report')).toEqual([['6.00', '6']]);
    expect(await rows('SELECT delivery_id FROM signalbox_inbox ORDER BY 1')).toEqual([['d1'], ['d2'], ['d3']]);
  });

  test('D13 what does not fit is refused with its reason and leaves no inbox row; a bad row fails alone', async () => {
    const { sql, rows, outbound } = await start('odbc-postgres');
    await sql('CREATE TABLE report (ord_no integer PRIMARY KEY, cust varchar(5) NOT NULL, due date)');
    const target = await outbound({ table: 'report', key: 'ord_no', mode: 'insert' });
    const row = (at: number) => ({ ord_no: BigInt(at), cust: at === 7 ? 'too long' : 'abc', due: at === 8 ? 'no date' : '2026-03-29' });
    const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => target.send(delivery(`d${at}`, row(at)), never)));
    expect(settled.flatMap((each, at) => (each.status === 'rejected' ? [[at, (each.reason as { code: string }).code]] : []))).toEqual([
      [7, 'E332'],
      [8, 'E332'],
    ]);
    await expect(target.send(delivery('again', { ord_no: 1n, cust: 'a' }), never)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E331' });
    await expect(target.send(delivery('null', { ord_no: 99n, cust: null }), never)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E332' });
    expect(Number((await rows('SELECT count(*) FROM signalbox_inbox'))[0]?.[0])).toBe(18);
  });

  test('a call has parameters and an exact answer', async () => {
    const { sql, callable } = await start('odbc-postgres');
    await sql('CREATE TABLE stock (sku varchar(10), qty numeric(12,3))', "INSERT INTO stock VALUES ('00123', 1.500)");
    const call = await callable({ sql: 'select qty from stock where sku = :sku', one: true });
    expect(await call.call({ sku: '00123' }, never)).toEqual({ qty: new Decimal(1500n, 3) });
    expect(await call.call({ sku: "x'; drop table stock; --" }, never)).toBeNull();
  });

  test('D27 a statement that takes too long is cancelled at the server and is TryAgain; one that is given up as well', async () => {
    const { rows, callable } = await start('odbc-postgres', { statement_timeout: '1s' });
    const call = await callable({ sql: 'select cast(pg_sleep(60) as text) as x', one: true });
    const active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND datname = current_database()";
    const running = async () => Number((await rows(active))[0]?.[0]);
    await expect(call.call({}, never)).rejects.toMatchObject({ name: 'TryAgain', code: 'E424' });
    const stop = new AbortController();
    const given = call.call({}, stop.signal);
    while ((await running()) === 0) await sleep(10);
    stop.abort(new Error('stopped'));
    await expect(given).rejects.toThrow('stopped');
    while ((await running()) > 0) await sleep(10);
  });

  test('D27 statements that are given up just when they end, time and again: their handles are not freed under the call that cancels them', async () => {
    const { callable } = await start('odbc-postgres');
    const call = await callable({ sql: 'select cast(pg_sleep(0.03) as text) as x', one: true });
    for (let round = 0; round < 40; round++) {
      const stop = new AbortController();
      const given = Promise.all([1, 2, 3, 4].map(() => call.call({}, stop.signal)));
      setTimeout(() => stop.abort(new Error('stopped')), 25 + (round % 10));
      await given.catch((error: unknown) => expect(error).toMatchObject({ message: 'stopped' }));
    }
  }, 60_000);

  test('D23 sessions the server ended: NotConnected, and the next poll goes on', async () => {
    const { sql, inbound } = await start('odbc-postgres');
    await sql('CREATE TABLE t (id integer PRIMARY KEY)', 'INSERT INTO t VALUES (1)');
    const read = await inbound({ table: 't', key: 'id' });
    const first = await poll(read);
    await sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()', 'INSERT INTO t VALUES (2)');
    await poll(read, first.checkpoint).catch((error: unknown) => expect(error).toMatchObject({ name: 'NotConnected', code: 'E420' }));
    expect((await poll(read, first.checkpoint)).records.map((record) => record.key)).toEqual(['2']);
  });

  test('D25 the catalogue as the driver tells it: any case, keys, indexes, references', async () => {
    const { sql, system, inbound } = await start('odbc-postgres');
    await sql(
      'CREATE TABLE ord_head (ord_no varchar(10) PRIMARY KEY, chg_ts timestamp)',
      'CREATE INDEX ord_chg ON ord_head (chg_ts, ord_no)',
      'CREATE TABLE ord_line (ord_no varchar(10) REFERENCES ord_head, pos integer, PRIMARY KEY (ord_no, pos))',
      "INSERT INTO ord_head VALUES ('00123', '2026-03-29 02:30:00')",
    );
    expect(await system.describe?.('ORD_HEAD', never)).toMatchObject({
      key: ['ord_no'],
      fields: [
        { name: 'ord_no', type: 'text', nullable: false },
        { name: 'chg_ts', type: 'timestamp', nullable: true },
      ],
      indexes: [{ name: 'ord_chg', fields: ['chg_ts', 'ord_no'], unique: false }],
      children: [{ table: 'public.ord_line', fields: ['ord_no'], theirs: ['ord_no'] }],
      cursors: [{ field: 'chg_ts', by: 'time', indexed: true }],
    });
    expect(await system.describe?.('ord_line', never)).toMatchObject({ key: ['ord_no', 'pos'], parents: [{ table: 'public.ord_head', fields: ['ord_no'], theirs: ['ord_no'] }] });
    expect(await system.sample?.('ord_head', 3, never)).toEqual([{ ord_no: '00123', chg_ts: '2026-03-29T02:30:00' }]);
    expect((await system.list?.(never))?.map((each) => each.name)).toEqual(expect.arrayContaining(['public.ord_head', 'public.ord_line']));
    await expect(inbound({ table: 'ord_haed', key: 'ord_no' })).rejects.toMatchObject({ code: 'E422', message: expect.stringContaining('ord_head') });
  });

  test('the probe says what it finds', async () => {
    const { sql, system, inbound } = await start('odbc-postgres');
    await sql('CREATE TABLE t (id integer PRIMARY KEY)', 'INSERT INTO t VALUES (1)');
    await inbound({ table: 't', key: 'id' });
    expect((await system.probe(never)).map(({ name, ok }) => [name, ok])).toEqual([
      ['login', true],
      ['read t', true],
      ['write right t', true],
    ]);
  });
});

describe('SQLite through ODBC', () => {
  test('reads by cursor, writes once, asks', async () => {
    const { sql, rows, inbound, outbound, callable } = await start('odbc-sqlite');
    await sql(
      'CREATE TABLE src (id INTEGER PRIMARY KEY, code VARCHAR(10), big BIGINT, b BLOB)',
      "INSERT INTO src VALUES (1, '00123', 9007199254740993, x'0001ff'), (2, 'Grüße', -1, NULL)",
    );
    const read = await inbound({ table: 'SRC', key: 'id', cursor: { column: 'id' } });
    const { records, checkpoint } = await poll(read, undefined, 1);
    expect(records.map((record) => record.value)).toEqual([
      { id: 1n, code: '00123', big: 9007199254740993n, b: new Uint8Array([0, 1, 255]) },
      { id: 2n, code: 'Grüße', big: -1n, b: null },
    ]);
    expect((await poll(read, checkpoint)).records).toEqual([]);
    await sql('CREATE TABLE dst (id INTEGER PRIMARY KEY, code VARCHAR(10))');
    const target = await outbound({ table: 'dst', key: 'id', mode: 'upsert' });
    await target.send(delivery('d1', { id: 1n, code: '00123' }), never);
    await target.send(delivery('d1', { id: 1n, code: '00123' }), never);
    await target.send(delivery('d2', { id: 1n, code: '00124' }), never);
    expect(await rows('SELECT id, code FROM dst')).toEqual([[1, '00124']]);
    const call = await callable({ sql: 'select code from dst where id = :id', one: true });
    expect(await call.call({ id: 1n }, never)).toEqual({ code: '00124' });
  });

  test('a driver that is not installed: the message lists those that are', async () => {
    const { sql, inbound } = await start('odbc-sqlite', { odbc_driver: 'Nobody has this' });
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    await expect(inbound({ table: 't', key: 'id' })).rejects.toMatchObject({
      name: 'Misconfigured',
      code: 'E421',
      message: expect.stringMatching(/no ODBC driver named Nobody has this is installed \(there: .*SQLite3/),
    });
  });
});

describe('options', () => {
  const parsed = (change: object) => spec.connect.parse({ driver: 'odbc', odbc_driver: 'SQLite3', ...change }) as OdbcConnect;

  test.each([
    ['a driver that is a file', { odbc_driver: '/tmp/evil.so' }],
    ['a driver that ends its braces', { odbc_driver: 'x};Driver=/tmp/evil.so' }],
    ['a key that names a driver', { odbc_driver: 'SQLite3', settings: { Driver: '/tmp/evil.so' } }],
    ['an unknown key', { odbc_driver: 'SQLite3', settings: { FILEDSN: '/tmp/x.dsn' } }],
    ['a password among the settings', { odbc_driver: 'SQLite3', settings: { PWD: 'x' } }],
    ['a line break', { odbc_driver: 'SQLite3', settings: { Server: 'a\nDriver=x' } }],
    ['a data source and a driver', { odbc_driver: 'SQLite3', dsn: 'X' }],
    ['neither', {}],
  ])('%s is refused', (_, change) => {
    expect(spec.connect.safeParse({ driver: 'odbc', ...change }).success).toBe(false);
  });

  test('no value leaves its place in the connection string', () => {
    const settings = { Server: 'db;Driver=/tmp/evil.so', Port: '5432', Database: 'a}b' };
    const text = connectionString(parsed({ settings, user: 'me', password: new Secret('p', '};PWD={x') }));
    expect(text).toBe('Driver={SQLite3};Server={db;Driver=/tmp/evil.so};Port=5432;Database={a}}b};UID=me;PWD={}};PWD={x}');
  });

  test.each([
    ['DB2/400 SQL', 'SELECT "A" FROM T ORDER BY A FETCH FIRST 5 ROWS ONLY'],
    ['Informix', 'SELECT FIRST 5 "A" FROM T ORDER BY A'],
    ['ACCESS', 'SELECT TOP 5 "A" FROM T ORDER BY A'],
    ['Adaptive Server Enterprise', 'SELECT TOP 5 "A" FROM T ORDER BY A'],
    ['PostgreSQL', 'SELECT "A" FROM T ORDER BY A LIMIT 5'],
    ['Nobody knows it', 'SELECT "A" FROM T ORDER BY A/*first 5*/'],
  ])('the first rows of %s', (dbms, expected) => {
    const dialect = odbcDialect(parsed({ paging: profileOf(dbms).paging }));
    expect(dialect.page({ columns: dialect.quote('A'), from: 'T', order: 'A', limit: 5 })).toBe(expected);
  });

  test('D9 an overlap is calendar arithmetic on the value of the database', () => {
    const { earlier } = odbcDialect(parsed({}));
    expect(earlier?.('2026-03-29T03:00:00.123456', { ms: 3_600_000 })).toBe('2026-03-29T02:00:00.123456');
    expect(earlier?.(5n, { distance: 10 })).toBe(-5n);
  });

  test('D10 a time goes to the driver in the one form that all of them read, and what is none is refused', () => {
    const told = { type: 93, size: 26n, digits: 6 };
    const text = (value: string) => parameterOf(value, told, 'utf8').bytes.toString();
    expect(text('2026-03-29T02:30:00.123456')).toBe('2026-03-29 02:30:00.123456');
    expect(() => text('2026-03-29T02:30:00+02:00')).toThrow('without a zone');
    expect(() => text('29.03.2026')).toThrow(OdbcError);
    expect(() => parameterOf('2026-03-29T02:30:00', { type: 91, size: 10n, digits: 0 }, 'utf8')).toThrow('no date');
    expect(() => parameterOf('€', undefined, 'latin1')).toThrow('ISO 8859-1');
  });

  test.each([
    ['08S01', 'link', 'E420'],
    ['28000', 'x', 'E421'],
    ['42S02', 'x', 'E422'],
    ['HY000', '[SQLite]no such table: x', 'E422'],
    ['42501', 'x', 'E423'],
    ['HYT00', 'x', 'E424'],
    ['40001', 'x', 'E424'],
    ['23505', 'x', 'E331'],
    ['22003', 'x', 'E332'],
    ['37000', 'x', 'E427'],
  ])('%s %s is %s', (state, message, code) => {
    expect(classifyOdbc(new OdbcError(state, 0, message))?.code).toBe(code);
  });
});
