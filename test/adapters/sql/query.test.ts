import { afterEach, describe, expect, test } from '@jest/globals';
import { isRecord, type SourceRecord, type Value } from '../../../adapters/contract/index.js';
import spec from '../../../adapters/sql/index.js';
import { textOf } from '../../../adapters/sql/values.js';
import { DRIVERS, type Driver, type Fixture, firstBatch, fixture, poll } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (driver: Driver): Promise<Fixture> => {
  open = await fixture(driver);
  return open;
};
const field = (record: SourceRecord | undefined, name: string): Value | undefined => (isRecord(record?.value) ? record.value[name] : undefined);
const keys = (records: readonly SourceRecord[]) => records.map(({ key }) => key);
const time = (driver: Driver) => (driver === 'sqlite' ? 'TEXT' : driver === 'postgres' ? 'timestamp(6)' : 'DATETIME(6)');

describe.each(DRIVERS)('query of %s', (driver) => {
  const query = { sql: 'select NO, CHG_TS from ORD where CHG_TS > :watermark -- the new ones', watermark: 'CHG_TS', initial: '2026-01-01 00:00:00' };
  const config = { key: 'NO', columns: { NO: 'integer', CHG_TS: 'any' }, query };
  const create = `CREATE TABLE ORD (NO INTEGER PRIMARY KEY, CHG_TS ${time(driver)})`;
  const rows = (from: number, to: number, at: string) => `INSERT INTO ORD VALUES ${Array.from({ length: to - from + 1 }, (_, i) => `(${from + i}, '${at}')`).join(',')}`;

  test('D26 own SQL is a subselect with binds; D10 the watermark keeps all its digits', async () => {
    const { sql, inbound } = await start(driver);
    await sql(create, rows(1, 1, '2026-01-02 08:00:00.123456'), rows(2, 2, '2026-01-02 08:00:00.123457'), rows(3, 3, '2025-01-01 00:00:00'));
    const endpoint = await inbound({ ...config, query: { ...query, sql: `${query.sql}\n order by NO desc` } });
    const first = await poll(endpoint, undefined, 1);
    expect(keys(first.records)).toEqual(['1', '2']);
    expect((await poll(endpoint, first.checkpoint)).records).toEqual([]);
    await sql(rows(4, 4, '2026-01-02 08:00:00.123458'));
    expect(keys((await poll(endpoint, first.checkpoint)).records)).toEqual(['4']);
  });

  test('D3, D4 rows with one watermark are taken together, also past the size of a batch, and the position follows the last of them', async () => {
    const { sql, inbound } = await start(driver);
    await sql(create, rows(1, 3, '2026-01-02 08:00:00'), rows(4, 30, '2026-01-03 08:00:00'), rows(31, 33, '2026-01-04 08:00:00'));
    const endpoint = await inbound(config);
    const lost = await firstBatch(endpoint, undefined, 5);
    const all = await poll(endpoint, undefined, 5);
    expect(keys(all.records).toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 33 }, (_, i) => String(i + 1)));
    expect(all.records.slice(0, 3).map(({ id }) => id)).toEqual(lost?.records.map(({ id }) => id));
    const endless = await poll(await inbound({ ...config, query: { ...query, sql: 'select * from ORD where CHG_TS >= :watermark' } }), undefined, 5);
    expect(new Set(keys(endless.records)).size).toBe(33);
    const positions: (string | undefined)[] = [];
    for await (const batch of endpoint.poll({ checkpoint: undefined, maxRecords: 5, signal: new AbortController().signal })) positions.push(batch.checkpoint);
    // Batches of 3, then 30 of which the last alone has a position.
    expect(positions.map((at) => at !== undefined)).toEqual([true, false, false, false, false, false, true]);
  });

  test('D11 a watermark of large or negative numbers is compared exactly', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE SEQ (NR BIGINT PRIMARY KEY, AMT DECIMAL(30,10))', 'INSERT INTO SEQ VALUES (-5, 1), (9007199254740992, 2), (9007199254740993, 3)');
    const endpoint = await inbound({ key: 'NR', query: { sql: 'select * from SEQ where NR > :watermark', watermark: 'NR', initial: -10 } });
    const { records, checkpoint } = await poll(endpoint, undefined, 1);
    expect(keys(records)).toEqual(['-5', '9007199254740992', '9007199254740993']);
    await sql('INSERT INTO SEQ VALUES (9007199254740994, 4)');
    expect(keys((await poll(endpoint, checkpoint)).records)).toEqual(['9007199254740994']);
  });

  test('D6 a row without a watermark stops the endpoint, or is left out and counted; D7 before anything was read there is no watermark', async () => {
    const { sql, inbound, warnings } = await start(driver);
    await sql(create, rows(1, 2, '1970-01-01 00:00:00'), 'INSERT INTO ORD VALUES (3, NULL)');
    const { initial: _, ...rest } = query;
    const first = { ...rest, initial_sql: 'select * from ORD' };
    await expect(poll(await inbound({ ...config, query: first }))).rejects.toMatchObject({ name: 'Misconfigured', code: 'E437' });
    const endpoint = await inbound({ ...config, query: { ...first, nulls: 'ignore' } });
    const { records, checkpoint } = await poll(endpoint);
    expect(keys(records).toSorted()).toEqual(['1', '2']);
    expect(warnings.join()).toMatch(/left out: 1 now/);
    await sql(rows(4, 4, '1970-01-01 00:00:01'));
    expect(keys((await poll(endpoint, checkpoint)).records)).toEqual(['4']);
  });

  test('without a key: equal rows are told apart by counting, the same each time', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE LOG (T INTEGER, A VARCHAR(5))', "INSERT INTO LOG VALUES (1, 'x'), (1, 'x'), (2, 'x')");
    const endpoint = await inbound({ query: { sql: 'select * from LOG where T > :watermark', watermark: 'T', initial: 0 } });
    const [one, other] = [await poll(endpoint), await poll(endpoint)];
    expect(new Set(one.records.map(({ id }) => id)).size).toBe(3);
    expect(other.records.map(({ id }) => id)).toEqual(one.records.map(({ id }) => id));
  });
});

describe.each(DRIVERS)('bulk of %s', (driver) => {
  const create = 'CREATE TABLE STOCK (SITE VARCHAR(5) NOT NULL, NR INTEGER NOT NULL, QTY INTEGER, PRIMARY KEY (SITE, NR))';
  const config = { table: 'STOCK', key: ['SITE', 'NR'], columns: { SITE: 'text', NR: 'integer', QTY: 'integer' } };
  const fill = `INSERT INTO STOCK VALUES ${Array.from({ length: 20 }, (_, i) => `('${i % 2 === 0 ? 'a' : 'B'}', ${i}, 1)`).join(',')}`;

  test.each(['table', 'sql'])('D24 every run delivers all rows of the %s, in pages; an interrupted run goes on where it was', async (from) => {
    const { sql, inbound } = await start(driver);
    await sql(create, fill);
    const { table: _, ...rest } = config;
    const endpoint = await inbound(from === 'table' ? { ...config, bulk: { markers: true } } : { ...rest, bulk: { sql: 'select * from STOCK where QTY > 0', markers: true } });
    const lost = await firstBatch(endpoint, undefined, 8);
    expect(field(lost?.records[0], 'marker')).toBe('begin');
    const again = await firstBatch(endpoint, undefined, 8);
    expect(again?.records.map(({ id }) => id)).toEqual(lost?.records.map(({ id }) => id));
    const continued = await poll(endpoint, again?.checkpoint, 8);
    const run = [...(again?.records ?? []), ...continued.records];
    expect(run).toHaveLength(22);
    expect(field(run.at(-1), 'marker')).toBe('end');
    expect(textOf(field(run.at(-1), 'rows') ?? null)).toBe('20');
    expect(new Set(run.map(({ id }) => id)).size).toBe(22);
    const second = await poll(endpoint, continued.checkpoint, 100);
    expect(second.records.map((record) => textOf(field(record, 'run') ?? null))).toEqual(Array.from({ length: 22 }, () => '2'));
    expect(second.records.every(({ id }) => run.every((each) => each.id !== id))).toBe(true);
  });
});

test('query and bulk: what they cannot see, and what the SQL has to be', () => {
  const lint = (read: Record<string, unknown>) =>
    (spec.read.lint?.(spec.read.config.parse(read), { driver: 'sqlite' }) ?? []).map(({ severity, message }) => `${severity}: ${message}`).join('\n');
  const query = { sql: 'select * from t where a > :watermark', watermark: 'a', initial: 0 };
  expect(lint({ query })).toMatch(/warning: a row that is committed late/);
  expect(lint({ query })).not.toMatch(/error/);
  expect(lint({ query: { ...query, sql: 'select * from t' } })).toMatch(/error: without :watermark/);
  expect(lint({ query: { ...query, sql: 'delete from t where a > :watermark' } })).toMatch(/error: expected a SELECT/);
  expect(lint({ query: { ...query, initial_sql: 'select 1' } })).toMatch(/error: what is read first/);
  expect(lint({ table: 't', query })).toMatch(/error: query reads what its SQL says/);
  expect(lint({ key: 'a', bulk: {} })).toMatch(/error: table is missing/);
  expect(lint({ table: 't', key: 'a', bulk: {} })).toMatch(/every poll delivers every row again/);
  expect(() => spec.read.config.parse({ key: 'a', table: 't', bulk: {}, snapshot: {} })).toThrow(/at most one of/);
});
