import { afterEach, describe, expect, test } from '@jest/globals';
import { isRecord, type SourceRecord, type Value } from '../../../adapters/contract/index.js';
import { textOf } from '../../../adapters/sql/values.js';
import { DRIVERS, type Driver, type Fixture, firstBatch, fixture, never, poll } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (driver: Driver, options?: Record<string, unknown>): Promise<Fixture> => {
  open = await fixture(driver, options);
  return open;
};

const field = (record: SourceRecord | undefined, name: string): Value | undefined => (isRecord(record?.value) ? record.value[name] : undefined);
const shown = (value: Value | undefined): string => (value === undefined ? 'absent' : textOf(value));
const text = (driver: Driver) => (driver === 'sqlite' ? 'TEXT' : 'VARCHAR(20)');

describe.each(DRIVERS)('inbound of %s', (driver) => {
  const orders = { table: 'ORD_HEAD', key: 'ORD_NO', cursor: { column: 'ORD_NO' } };

  test('D3, D24: pages by key, all rows once, and an id of its own for each', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CUST VARCHAR(20))');
    await sql(`INSERT INTO ORD_HEAD VALUES ${Array.from({ length: 57 }, (_, i) => `(${i + 1}, '00${i}')`).join(',')}`);
    const endpoint = await inbound(orders);
    const first = await poll(endpoint, undefined, 10);
    expect(first.batches).toBe(6);
    expect(first.records.map((record) => record.key)).toEqual(Array.from({ length: 57 }, (_, i) => String(i + 1)));
    expect(new Set(first.records.map((record) => record.id)).size).toBe(57);
    expect(first.records[3]).toMatchObject({ position: 'ORD_NO=4', id: expect.stringMatching(/^key=4;v=/) });
    const again = await poll(endpoint, first.checkpoint, 10);
    expect(again.records).toEqual([]);
    await sql("INSERT INTO ORD_HEAD VALUES (100, 'x')");
    const later = await poll(endpoint, first.checkpoint, 10);
    expect(later.records.map((record) => record.key)).toEqual(['100']);
  });

  test('D4, D5: a crash in the middle of a page run reads the same ids again from the old checkpoint', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CUST VARCHAR(20))');
    await sql(`INSERT INTO ORD_HEAD VALUES ${Array.from({ length: 25 }, (_, i) => `(${i + 1}, 'c')`).join(',')}`);
    const endpoint = await inbound(orders);
    const lost = await firstBatch(endpoint, undefined, 10);
    const again = await firstBatch(endpoint, undefined, 10);
    expect(again?.records.map((record) => record.id)).toEqual(lost?.records.map((record) => record.id));
    const rest = await poll(endpoint, again?.checkpoint, 10);
    expect([...(again?.records ?? []), ...rest.records].map((record) => record.key)).toEqual(Array.from({ length: 25 }, (_, i) => String(i + 1)));
  });

  test('D4, D5: a run that broke off, and whose other rows are gone when it goes on, does not hold up what comes after', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CUST VARCHAR(20))', "INSERT INTO ORD_HEAD VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    const half = await firstBatch(await inbound(orders), undefined, 2);
    await sql('DELETE FROM ORD_HEAD WHERE ORD_NO = 3');
    const endpoint = await inbound(orders);
    const rest = await poll(endpoint, half?.checkpoint);
    await sql("INSERT INTO ORD_HEAD VALUES (4, 'd')");
    const next = await poll(endpoint, rest.checkpoint);
    expect([...rest.records, ...next.records].map((record) => record.key)).toEqual(['4']);
  });

  test('D7, D11, D13, D14: negative keys, big integers, decimals and leading zeros are exact', async () => {
    const { sql, inbound } = await start(driver);
    const decimal = driver === 'sqlite' ? 'TEXT' : 'DECIMAL(20,4)';
    await sql(`CREATE TABLE ORD_HEAD (ORD_NO BIGINT PRIMARY KEY, CUST ${text(driver)}, AMT ${decimal}, NOTE ${text(driver)})`);
    await sql("INSERT INTO ORD_HEAD VALUES (-5, '00123', '0.1000', NULL), (9007199254740993, '1e3', '1234567890123456.7800', 'x')");
    const endpoint = await inbound({ ...orders, columns: { CUST: 'text', AMT: 'decimal', NOTE: 'text' } });
    const { records, checkpoint } = await poll(endpoint, undefined, 1);
    expect(records.map((record) => [field(record, 'ORD_NO'), field(record, 'CUST'), shown(field(record, 'AMT')), field(record, 'NOTE')])).toEqual([
      [-5n, '00123', '0.1000', null],
      [9007199254740993n, '1e3', '1234567890123456.7800', 'x'],
    ]);
    expect((await poll(endpoint, checkpoint)).records).toEqual([]);
  });

  test('D11: floating point is decimal; what is no number sets only its row aside', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, QTY DOUBLE PRECISION)', 'INSERT INTO ORD_HEAD VALUES (1, 0.1), (3, 2.5)');
    if (driver === 'postgres') await sql("INSERT INTO ORD_HEAD VALUES (2, 'NaN')");
    if (driver === 'sqlite') await sql('INSERT INTO ORD_HEAD VALUES (2, 9e999)');
    const { records } = await poll(await inbound({ ...orders, columns: { QTY: 'decimal' } }));
    expect(shown(field(records[0], 'QTY'))).toBe('0.1');
    expect(shown(field(records.at(-1), 'QTY'))).toBe('2.5');
    const bad = records.filter((record) => record.failure);
    expect(bad.map((record) => [record.key, record.failure?.code])).toEqual(driver === 'mariadb' ? [] : [['2', 'E330']]);
    if (bad[0]) expect(bad[0].raw).toBeInstanceOf(Uint8Array);
  });

  test('D25: an unknown table or column names what is there; the case may differ', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)');
    await expect(inbound({ ...orders, table: 'ORD_HAED' })).rejects.toMatchObject({
      name: 'Misconfigured',
      code: 'E422',
      message: expect.stringMatching(/did you mean ord_head/i),
    });
    await expect(inbound({ ...orders, key: 'ORD_NR' })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E422', message: expect.stringMatching(/did you mean ord_no/i) });
    await sql('INSERT INTO ORD_HEAD VALUES (7)');
    const { records } = await poll(await inbound({ table: 'Ord_Head', key: 'Ord_No', cursor: { column: 'Ord_No' } }));
    expect(field(records[0], 'Ord_No')).toBe(7n);
  });

  test('include: the child rows of a page, as a list, with one query', async () => {
    const { sql, inbound } = await start(driver);
    await sql(
      'CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)',
      `CREATE TABLE ORD_LINE (ORD_NO INTEGER, POS INTEGER, ART ${text(driver)}, PRIMARY KEY (ORD_NO, POS))`,
      'INSERT INTO ORD_HEAD VALUES (1), (2), (3)',
      "INSERT INTO ORD_LINE VALUES (1, 2, 'B'), (1, 1, 'A'), (3, 1, '007')",
    );
    const endpoint = await inbound({ ...orders, include: { lines: { table: 'ORD_LINE', by: 'ORD_NO', order: 'POS', columns: { POS: 'integer', ART: 'text' } } } });
    const { records } = await poll(endpoint);
    expect(records.map((record) => field(record, 'lines'))).toEqual([
      [
        { ORD_NO: 1n, POS: 1n, ART: 'A' },
        { ORD_NO: 1n, POS: 2n, ART: 'B' },
      ],
      [],
      [{ ORD_NO: 3n, POS: 1n, ART: '007' }],
    ]);
  });

  test('several key columns; a key that is not unique stops the endpoint', async () => {
    const { sql, inbound } = await start(driver);
    await sql(`CREATE TABLE ITEM (SITE ${text(driver)}, NR INTEGER, CHG INTEGER NOT NULL)`, "INSERT INTO ITEM VALUES ('b', 1, 7), ('a', 2, 7), ('a', 1, 7), ('c;,', 1, 6)");
    const config = { table: 'ITEM', key: ['SITE', 'NR'], cursor: { column: 'CHG' } };
    const { records } = await poll(await inbound(config), undefined, 2);
    expect(records.map((record) => record.key)).toEqual(['c;,/1', 'a/1', 'a/2', 'b/1']);
    expect(records[0]?.id).toMatch(/^key=c%3b%2c,1;v=/);
    await sql("INSERT INTO ITEM VALUES ('b', 1, 7)");
    await expect(poll(await inbound(config), undefined, 10)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E426' });
  });

  test('a checkpoint of another configuration is refused', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CHG INTEGER NOT NULL)', 'INSERT INTO ORD_HEAD VALUES (1, 1)');
    const { checkpoint } = await poll(await inbound(orders));
    await expect(poll(await inbound({ ...orders, cursor: { column: 'CHG' } }), checkpoint)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E426' });
  });

  test('stops when it is told to', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)', 'INSERT INTO ORD_HEAD VALUES (1), (2)');
    const endpoint = await inbound(orders);
    const stop = new AbortController();
    const seen: string[] = [];
    const run = async () => {
      for await (const batch of endpoint.poll({ checkpoint: undefined, maxRecords: 1, signal: stop.signal })) {
        seen.push(...batch.records.map((record) => record.key ?? ''));
        stop.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect(seen).toEqual(['1']);
  });

  test('probe goes through the steps and never throws', async () => {
    const { sql, inbound, system } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)', 'INSERT INTO ORD_HEAD VALUES (1), (2)');
    await inbound(orders);
    const steps = await system.probe(never);
    expect(steps.every((step) => step.ok)).toBe(true);
    expect(steps.find((step) => step.name === 'read ORD_HEAD')?.detail).toBe('2 rows');
    expect(steps.map((step) => step.name)).toContain(driver === 'sqlite' ? 'open' : 'login');
  });
});

describe.each(['sqlite', 'mariadb'] as const)('cursor of %s', (driver) => {
  test('D1, D2: the overlap reads a row that was committed late, and re-reads give the same id', async () => {
    const { sql, inbound } = await start(driver);
    await sql(`CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CHG_TS ${driver === 'sqlite' ? 'TEXT' : 'DATETIME(6)'} NOT NULL)`);
    await sql("INSERT INTO ORD_HEAD VALUES (1, '2026-03-01 08:00:00.123456'), (3, '2026-03-01 08:10:00.000001')");
    const endpoint = await inbound({ table: 'ORD_HEAD', key: 'ORD_NO', cursor: { column: 'CHG_TS', overlap: '5m' } });
    const first = await poll(endpoint);
    expect(first.records.map((record) => record.key)).toEqual(['1', '3']);
    expect(first.checkpoint).toContain('08:10:00.000001');
    await sql("INSERT INTO ORD_HEAD VALUES (2, '2026-03-01 08:06:00')");
    const second = await poll(endpoint, first.checkpoint);
    expect(second.records.map((record) => record.key)).toEqual(['2', '3']);
    expect(second.records[1]?.id).toBe(first.records[1]?.id);
    await sql("UPDATE ORD_HEAD SET CHG_TS = '2026-03-01 08:20:00' WHERE ORD_NO = 1");
    const third = await poll(endpoint, second.checkpoint);
    expect(third.records.at(-1)?.key).toBe('1');
    expect(third.records.at(-1)?.id).not.toBe(first.records[0]?.id);
  });

  test('D1: a distance as overlap', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)', 'INSERT INTO ORD_HEAD VALUES (-3), (10)');
    const endpoint = await inbound({ table: 'ORD_HEAD', key: 'ORD_NO', cursor: { column: 'ORD_NO', overlap: 5 } });
    const first = await poll(endpoint);
    await sql('INSERT INTO ORD_HEAD VALUES (7)');
    const second = await poll(endpoint, first.checkpoint);
    expect(second.records.map((record) => record.key)).toEqual(['7', '10']);
  });

  test('D6: a cursor that may be NULL is said aloud', async () => {
    const { sql, inbound, warnings } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CHG INTEGER)', 'INSERT INTO ORD_HEAD VALUES (1, NULL), (2, 5)');
    const { records } = await poll(await inbound({ table: 'ORD_HEAD', key: 'ORD_NO', cursor: { column: 'CHG' } }));
    expect(records.map((record) => record.key)).toEqual(['2']);
    expect(warnings.join()).toContain('NULL');
  });
});

describe.each(DRIVERS)('numbers that go down in %s', (driver) => {
  /** PostgreSQL reads tables by transaction, where numbers mean nothing; of views it has the numbers only. */
  const source = driver === 'postgres' ? 'ORD_VIEW' : 'ORD_HEAD';
  const reading = (onReset?: unknown, more: object = {}) => ({
    table: source,
    key: 'ORD_NO',
    cursor: { column: 'ORD_NO', ...more, ...(onReset === undefined ? {} : { on_reset: onReset }) },
  });
  const identity = {
    sqlite: 'INTEGER PRIMARY KEY AUTOINCREMENT',
    mariadb: 'INTEGER AUTO_INCREMENT PRIMARY KEY',
    postgres: 'INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY',
  }[driver];
  const restart = {
    sqlite: ['DELETE FROM ORD_HEAD', "DELETE FROM sqlite_sequence WHERE name = 'ORD_HEAD'"],
    mariadb: ['TRUNCATE TABLE ORD_HEAD'],
    postgres: ['TRUNCATE ORD_HEAD RESTART IDENTITY'],
  }[driver];
  const insert = (...rows: readonly string[]) => `INSERT INTO ORD_HEAD (CUST) VALUES ${rows.map((row) => `('${row}')`).join(', ')}`;
  const keys = (records: readonly SourceRecord[]) => records.map(({ key }) => key);

  /** With three rows, of which the numbers 898 to 900 were read. */
  async function begun(onReset?: unknown, more: object = {}) {
    const made = await start(driver);
    await made.sql(`CREATE TABLE ORD_HEAD (ORD_NO ${identity}, CUST VARCHAR(20))`);
    if (driver === 'postgres') await made.sql('CREATE VIEW ORD_VIEW AS SELECT * FROM ORD_HEAD');
    await made.sql("INSERT INTO ORD_HEAD VALUES (898, 'a')", insert('b', 'c'));
    if (driver === 'postgres') await made.sql("SELECT setval(pg_get_serial_sequence('ord_head', 'ord_no'), 898)", "DELETE FROM ORD_HEAD WHERE CUST <> 'a'", insert('b', 'c'));
    const endpoint = await made.inbound(reading(onReset, more));
    const first = await poll(endpoint);
    expect(keys(first.records)).toEqual(['898', '899', '900']);
    return { ...made, endpoint, first };
  }
  const stopped = (highest: string) => ({
    name: 'Misconfigured',
    code: 'E439',
    message: expect.stringMatching(new RegExp(`${source}.*${highest}.*900 was read.*\\{restart: 900\\}.*\\{continue: 900\\}`, 'i')),
  });

  test('D30: a table that was made anew stops the endpoint, which says what to do, and is read anew once that is allowed, for this time only', async () => {
    const { sql, inbound, endpoint, first } = await begun();
    await sql(...restart, insert('a', 'b'));
    await expect(poll(endpoint, first.checkpoint)).rejects.toMatchObject(stopped('2'));
    await expect(poll(endpoint, first.checkpoint)).rejects.toMatchObject({ code: 'E439' });
    const allowed = await inbound(reading({ restart: 900 }));
    const anew = await poll(allowed, first.checkpoint);
    expect(keys(anew.records)).toEqual(['1', '2']);
    await sql(insert('c'));
    const next = await poll(allowed, anew.checkpoint);
    expect(keys(next.records)).toEqual(['3']);
    await sql('DELETE FROM ORD_HEAD WHERE ORD_NO = 3');
    await expect(poll(allowed, next.checkpoint)).rejects.toMatchObject({ code: 'E439', message: expect.stringContaining('{restart: 3}') });
  });

  test('D30: what is read anew is not taken for the rows of before, whatever stands in them', async () => {
    const { sql, inbound, first } = await begun();
    await sql(...restart, "INSERT INTO ORD_HEAD VALUES (898, 'a')");
    const anew = await poll(await inbound(reading({ restart: '900' })), first.checkpoint);
    expect(keys(anew.records)).toEqual(['898']);
    expect(anew.records[0]?.id).not.toBe(first.records[0]?.id);
    // A crash repeats them under the same ids.
    expect((await poll(await inbound(reading({ restart: 900 })), first.checkpoint)).records).toEqual(anew.records);
  });

  test('D30: an empty table is normal, and higher numbers afterwards are read; numbers that were read before are seen in it, however high the others are', async () => {
    const { sql, endpoint, first } = await begun();
    await sql('DELETE FROM ORD_HEAD');
    const empty = await poll(endpoint, first.checkpoint);
    expect(empty.records).toEqual([]);
    expect(await poll(endpoint, empty.checkpoint)).toMatchObject({ records: [], batches: 0 });
    await sql(insert('d'));
    const next = await poll(endpoint, empty.checkpoint);
    expect(keys(next.records)).toEqual(['901']);
    await sql('DELETE FROM ORD_HEAD');
    const again = await poll(endpoint, next.checkpoint);
    await sql(...restart, insert('x', 'y'), "INSERT INTO ORD_HEAD VALUES (905, 'z')");
    await expect(poll(endpoint, again.checkpoint)).rejects.toMatchObject({ code: 'E439', message: expect.stringMatching(/905.*901 was read/) });
  });

  test('D30: the last rows were removed: allowed once, it goes on behind what is there', async () => {
    const { sql, inbound, endpoint, first } = await begun();
    await sql('DELETE FROM ORD_HEAD WHERE ORD_NO > 898');
    await expect(poll(endpoint, first.checkpoint)).rejects.toMatchObject(stopped('898'));
    const allowed = await inbound(reading({ continue: 900 }));
    const gone = await poll(allowed, first.checkpoint);
    expect(gone.records).toEqual([]);
    await sql("INSERT INTO ORD_HEAD VALUES (899, 'new')");
    expect(keys((await poll(endpoint, gone.checkpoint)).records)).toEqual(['899']);
  });

  test('D30: where it is normal that the last rows are removed, reading goes on, and numbers that are given again are read', async () => {
    const { sql, endpoint, first, warnings } = await begun('continue');
    await sql('DELETE FROM ORD_HEAD WHERE ORD_NO = 900');
    const gone = await poll(endpoint, first.checkpoint);
    expect(warnings.filter((warning) => warning.includes('899'))).toHaveLength(1);
    await sql("INSERT INTO ORD_HEAD VALUES (900, 'c')");
    const next = await poll(endpoint, gone.checkpoint);
    expect(keys(next.records)).toEqual(['900']);
    expect(next.records[0]?.id).not.toBe(first.records[2]?.id);
    await sql('DELETE FROM ORD_HEAD');
    const empty = await poll(endpoint, next.checkpoint);
    await sql("INSERT INTO ORD_HEAD VALUES (1, 'd'), (950, 'e')");
    expect(keys((await poll(endpoint, empty.checkpoint)).records)).toEqual(['1', '950']);
  });

  test('D30: where it is normal that the table is filled anew, each filling is read', async () => {
    const { sql, endpoint, first } = await begun('restart');
    await sql(...restart, insert('a', 'b'));
    const second = await poll(endpoint, first.checkpoint);
    expect(keys(second.records)).toEqual(['1', '2']);
    await sql(...restart);
    const empty = await poll(endpoint, second.checkpoint);
    await sql(insert('a', 'b', 'c'));
    const third = await poll(endpoint, empty.checkpoint);
    expect(keys(third.records)).toEqual(['1', '2', '3']);
    expect(new Set([...second.records, ...third.records].map(({ id }) => id)).size).toBe(5);
  });

  test('D30: in the middle of a run too', async () => {
    const { sql, inbound } = await begun();
    const half = await firstBatch(await inbound(reading()), undefined, 2);
    expect(keys(half?.records ?? [])).toEqual(['898', '899']);
    await sql(...restart, insert('a'));
    const endpoint = await inbound(reading());
    await expect(poll(endpoint, half?.checkpoint)).rejects.toMatchObject({ code: 'E439', message: expect.stringContaining('{restart: 899}') });
    expect(keys((await poll(await inbound(reading({ restart: 899 })), half?.checkpoint)).records)).toEqual(['1']);
  });

  test('D30: an overlap does not hide it', async () => {
    const { sql, endpoint, first } = await begun(undefined, { overlap: 500 });
    await sql('DELETE FROM ORD_HEAD WHERE ORD_NO > 898');
    await expect(poll(endpoint, first.checkpoint)).rejects.toMatchObject(stopped('898'));
  });

  test('D30: a cursor by a number beside a key goes on behind the last row of all', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CHG INTEGER NOT NULL)', 'INSERT INTO ORD_HEAD VALUES (1, 5), (2, 5), (3, 6)');
    if (driver === 'postgres') await sql('CREATE VIEW ORD_VIEW AS SELECT * FROM ORD_HEAD');
    const endpoint = await inbound({ table: source, key: 'ORD_NO', cursor: { column: 'CHG', on_reset: 'continue' } });
    const first = await poll(endpoint);
    await sql('DELETE FROM ORD_HEAD WHERE ORD_NO = 3');
    const gone = await poll(endpoint, first.checkpoint);
    expect([gone.records, gone.batches]).toEqual([[], 1]);
    await sql('INSERT INTO ORD_HEAD VALUES (4, 5), (5, 6)');
    expect(keys((await poll(endpoint, gone.checkpoint)).records)).toEqual(['4', '5']);
  });
});

test('D11, D30: decimals and large numbers too', async () => {
  const { sql, inbound } = await start('mariadb');
  await sql('CREATE TABLE ORD_HEAD (ORD_NO DECIMAL(20,2) PRIMARY KEY)', 'INSERT INTO ORD_HEAD VALUES (9007199254740993.00)');
  const reading = (onReset: unknown) => ({ table: 'ORD_HEAD', key: 'ORD_NO', cursor: { column: 'ORD_NO', on_reset: onReset } });
  const first = await poll(await inbound(reading('stop')));
  await sql('DELETE FROM ORD_HEAD', 'INSERT INTO ORD_HEAD VALUES (9007199254740992.00)');
  await expect(poll(await inbound(reading({ restart: '9007199254740992' })), first.checkpoint)).rejects.toMatchObject({
    message: expect.stringContaining('{restart: "9007199254740993.00"}'),
  });
  expect((await poll(await inbound(reading({ restart: '9007199254740993' })), first.checkpoint)).records).toHaveLength(1);
});

test('D30: PostgreSQL reads by transaction: a table that was made anew is read, whatever its numbers', async () => {
  const { sql, inbound } = await start('postgres');
  await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)', 'INSERT INTO ORD_HEAD VALUES (1), (900)');
  const endpoint = await inbound({ table: 'ORD_HEAD', key: 'ORD_NO' });
  const first = await poll(endpoint);
  await sql('TRUNCATE ORD_HEAD', 'INSERT INTO ORD_HEAD VALUES (1), (2)');
  const { records } = await poll(endpoint, first.checkpoint);
  expect(records.map(({ key }) => key)).toEqual(['1', '2']);
  expect(records[0]?.id).not.toBe(first.records[0]?.id);
});

test('D3 PostgreSQL: pages walk the key, and no page but the first of a run looks at the whole table', async () => {
  const { sql, rows, inbound } = await start('postgres');
  await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CUST VARCHAR(20))', "INSERT INTO ORD_HEAD SELECT n, 'c' FROM generate_series(1, 30000) AS n", 'ANALYZE ORD_HEAD');
  const looked = async (): Promise<{ readonly whole: number; readonly byKey: number }> => {
    const [counts] = await rows("SELECT seq_tup_read, coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'ord_head'");
    return { whole: Number(counts?.[0]), byKey: Number(counts?.[1]) };
  };
  /** The server counts when a session ends, or some seconds late. */
  const counted = async (byKey: number): Promise<number> => {
    await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'signalbox%'");
    for (const until = Date.now() + 15_000; (await looked()).byKey < byKey && Date.now() < until; ) await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await looked()).byKey).toBeGreaterThanOrEqual(byKey);
    return (await looked()).whole;
  };
  const before = (await looked()).whole;
  const endpoint = await inbound({ table: 'ORD_HEAD', key: 'ORD_NO' });
  const first = await poll(endpoint, undefined, 1_000);
  expect(first.records).toHaveLength(30_000);
  expect((await counted(30_000)) - before).toBe(0);
  await sql("UPDATE ORD_HEAD SET CUST = 'd' WHERE ORD_NO > 5000");
  const seen = (await looked()).whole;
  const again = await poll(endpoint, first.checkpoint, 1_000);
  expect(again.records).toHaveLength(25_000);
  expect((await counted(50_000)) - seen).toBeLessThanOrEqual(3 * 30_000);
});

test('D1, D30 MariaDB: a row that is committed late in an emptied table is a late row, not a table made anew', async () => {
  const { sql, inbound } = await start('mariadb');
  await sql('CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY)', 'INSERT INTO ORD_HEAD VALUES (1), (2), (4), (5)');
  const endpoint = await inbound({ table: 'ORD_HEAD', key: 'ORD_NO' });
  const first = await poll(endpoint);
  await sql('DELETE FROM ORD_HEAD');
  const empty = await poll(endpoint, first.checkpoint);
  await sql('INSERT INTO ORD_HEAD VALUES (3)');
  const late = await poll(endpoint, empty.checkpoint);
  expect(late.records.map(({ key }) => key)).toEqual(['3']);
  await sql('INSERT INTO ORD_HEAD VALUES (6)');
  expect((await poll(endpoint, late.checkpoint)).records.map(({ key }) => key)).toEqual(['6']);
  await sql('DELETE FROM ORD_HEAD', 'INSERT INTO ORD_HEAD VALUES (1)');
  await expect(poll(endpoint, late.checkpoint)).rejects.toMatchObject({ code: 'E439' });
});

describe('types', () => {
  test('D10, D12, D15, D16 PostgreSQL: digits of a second and of a number as they are, times that are none set only their row aside', async () => {
    const { sql, inbound } = await start('postgres');
    await sql(
      `CREATE TABLE t (id int PRIMARY KEY, d date, ts timestamp, tz timestamptz, b boolean, y bytea, c char(5), j jsonb, r real, n numeric)`,
      `INSERT INTO t VALUES (1, '2026-03-29', '2026-03-01 08:00:00.123456', '2026-03-01 08:00:00.123456+02', true, '\\x00ff', 'ab', '{"a": 1.50, "b": [9007199254740993]}', 0.1, 1e20)`,
      `INSERT INTO t VALUES (2, 'infinity', '-infinity', 'infinity', false, '', '', 'null', -1, 0.10), (3, '0044-03-15 BC', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
    );
    const { records } = await poll(await inbound({ table: 't', key: 'id' }));
    const cell = (at: number, name: string) => field(records[at], name);
    expect(['d', 'ts', 'tz', 'b', 'c'].map((name) => cell(0, name))).toEqual(['2026-03-29', '2026-03-01T08:00:00.123456', '2026-03-01T06:00:00.123456Z', true, 'ab   ']);
    expect(cell(0, 'y')).toEqual(new Uint8Array([0, 255]));
    expect(JSON.stringify(cell(0, 'j'), (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))).toBe('{"a":"1.50","b":["9007199254740993n"]}');
    expect([shown(cell(0, 'r')), shown(cell(0, 'n')), shown(cell(1, 'n'))]).toEqual(['0.1', '100000000000000000000', '0.10']);
    expect(['d', 'ts', 'tz'].map((name) => cell(1, name))).toEqual(['infinity', '-infinity', 'infinity']);
    expect(cell(2, 'd')).toBe('0044-03-15 BC');
    expect(records.map(({ key, failure }) => [key, failure?.code])).toEqual([
      ['1', undefined],
      ['2', 'E330'],
      ['3', 'E330'],
    ]);
    expect(records[1]?.failure?.message).toContain('t.d: infinity is no date of the calendar; declare the column as text');
    const asText = await poll(await inbound({ table: 't', key: 'id', columns: { d: 'text', ts: 'text', tz: 'text' } }));
    expect(asText.records.map(({ value, failure }) => [isRecord(value) && value['d'], failure])).toEqual([
      ['2026-03-29', undefined],
      ['infinity', undefined],
      ['0044-03-15 BC', undefined],
    ]);
    expect(['ts', 'b', 'y', 'j', 'n'].map((name) => cell(2, name))).toEqual([null, null, null, null, null]);
  });

  test('D10, D15, D16 MariaDB: digits of a second and of a number as they are, times that are none set only their row aside', async () => {
    const { sql, inbound } = await start('mariadb');
    await sql(
      "SET SESSION sql_mode = ''",
      "SET SESSION time_zone = '+02:00'",
      'CREATE TABLE t (id int PRIMARY KEY, d date, dt datetime(6), ts timestamp(3) NULL, b tinyint(1), y varbinary(4), c char(5), u bigint unsigned, f float, n decimal(30,10), bits bit(9))',
      `INSERT INTO t VALUES (1, '2026-03-29', '2026-03-01 08:00:00.123456', '2026-03-01 08:00:00.123', 1, x'00ff', 'ab', 18446744073709551615, 0.1, 1.5, b'100000001')`,
      `INSERT INTO t VALUES (2, '0000-00-00', '0000-00-00', NULL, NULL, '', '', NULL, NULL, NULL, NULL)`,
    );
    const { records } = await poll(await inbound({ table: 't', key: 'id', cursor: { column: 'id' } }));
    const cell = (at: number, name: string) => field(records[at], name);
    expect(['d', 'dt', 'ts', 'b', 'c', 'u', 'bits'].map((name) => cell(0, name))).toEqual([
      '2026-03-29',
      '2026-03-01T08:00:00.123456',
      '2026-03-01T06:00:00.123Z',
      1n,
      'ab',
      18446744073709551615n,
      257n,
    ]);
    expect(cell(0, 'y')).toEqual(new Uint8Array([0, 255]));
    expect([shown(cell(0, 'f')), shown(cell(0, 'n'))]).toEqual(['0.1', '1.5000000000']);
    expect(['d', 'dt', 'ts'].map((name) => cell(1, name))).toEqual(['0000-00-00', '0000-00-00 00:00:00.000000', null]);
    expect(records.map(({ failure }) => failure?.code)).toEqual([undefined, 'E330']);
  });

  test('SQLite: blobs, declared booleans, a value of the wrong type', async () => {
    const { sql, inbound } = await start('sqlite');
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY, y BLOB, ok INTEGER, n)', "INSERT INTO t VALUES (1, x'00ff', 1, 5), (2, NULL, 0, 'five')");
    const { records } = await poll(await inbound({ table: 't', key: 'id', columns: { y: 'bytes', ok: 'boolean', n: 'decimal' } }));
    expect(field(records[0], 'y')).toEqual(new Uint8Array([0, 255]));
    expect([field(records[0], 'ok'), shown(field(records[0], 'n')), records[1]?.failure?.message]).toEqual([true, '5', 't.n: five is no decimal']);
  });
});

describe('links that fail', () => {
  test('nobody there: NotConnected, and the probe says at which step', async () => {
    const { inbound, system } = await start('postgres', { port: 1 });
    await expect(inbound({ table: 't', key: 'id' })).rejects.toMatchObject({ name: 'NotConnected' });
    const steps = await system.probe(never);
    expect(steps.at(-1)).toMatchObject({ name: 'tcp', ok: false });
  });

  test.each(['postgres', 'mariadb'] as const)('%s: a wrong password is Misconfigured and not shown', async (driver) => {
    const { Secret } = await import('../../../adapters/contract/index.js');
    const { inbound } = await start(driver, { password: new Secret('x', 'geheim-4711') });
    const failure = await inbound({ table: 't', key: 'id' }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'Misconfigured', code: 'E421' });
    expect(String((failure as Error).message)).not.toContain('geheim');
  });

  test('a file that is not there: NotConnected', async () => {
    const { inbound } = await start('sqlite', { file: '/nowhere/erp.db' });
    await expect(inbound({ table: 't', key: 'id' })).rejects.toMatchObject({ name: 'NotConnected' });
  });

  test('D23, D27: PostgreSQL ends our sessions; the next poll goes on from the checkpoint', async () => {
    const { sql, inbound } = await start('postgres');
    await sql('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)');
    const endpoint = await inbound({ table: 't', key: 'id' });
    const first = await poll(endpoint);
    await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'signalbox' AND datname = current_database()", 'INSERT INTO t VALUES (2)');
    const polled = async () => {
      try {
        return await poll(endpoint, first.checkpoint);
      } catch (error) {
        expect(error).toMatchObject({ name: 'NotConnected' });
        return poll(endpoint, first.checkpoint);
      }
    };
    expect((await polled()).records.map((record) => record.key)).toEqual(['2']);
  });

  test('D27: a lock on the table is TryAgain after the lock timeout', async () => {
    const { sql, inbound } = await start('postgres', { lock_timeout: '50ms' });
    await sql('CREATE TABLE t (id int PRIMARY KEY)');
    const endpoint = await inbound({ table: 't', key: 'id' });
    await sql('INSERT INTO t VALUES (1)', 'BEGIN', 'LOCK TABLE t IN ACCESS EXCLUSIVE MODE');
    await expect(poll(endpoint)).rejects.toMatchObject({ name: 'TryAgain', code: 'E424' });
    await sql('ROLLBACK');
    expect((await poll(endpoint)).records).toHaveLength(1);
  });
});
