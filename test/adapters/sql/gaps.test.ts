import { afterEach, describe, expect, test } from '@jest/globals';
import mysql from 'mysql2/promise';
import { Secret } from '../../../adapters/contract/index.js';
import spec from '../../../adapters/sql/index.js';
import { Gaps, named } from '../../../adapters/sql/reading/gaps.js';
import { type Fixture, fixture, poll } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const ranges = (gaps: Gaps) => gaps.all.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));

describe('the memory of gaps', () => {
  test('D1: numbers that were not there, until they come', () => {
    const gaps = new Gaps(undefined);
    expect(gaps.note(10n, [11n, 13n, 20n], 1)).toBe(20n);
    expect(gaps.note(20n, [15n, 21n, 23n], 2)).toBe(23n);
    expect(ranges(gaps)).toEqual(['12', '14-19', '22']);
    gaps.fill([16n, 22n, 99n, 12n, 19n]);
    expect(ranges(gaps)).toEqual(['14-15', '17-18']);
  });

  test('D7: the first row of all may have lower ones behind it; negative numbers are numbers', () => {
    const gaps = new Gaps(undefined);
    gaps.note(undefined, [3n], 1);
    expect(ranges(gaps)).toEqual(['0-2']);
    const below = new Gaps(undefined);
    below.note(undefined, [-3n, 0n], 1);
    expect(ranges(below)).toEqual(['-100003--4', '-2--1']);
    const none = new Gaps(undefined);
    none.note(undefined, [0n], 1);
    expect(none.all).toEqual([]);
  });

  test('D2: bounded by time and by number, the newest are kept', () => {
    const gaps = new Gaps(undefined);
    gaps.note(0n, [2n, 4n], 1_000);
    gaps.note(4n, [6n, 8n, 10n], 5_000);
    expect(named(gaps.giveUp(6_000, 5_000, 2))).toBe('1, 3, 5');
    expect(ranges(gaps)).toEqual(['7', '9']);
    expect(gaps.giveUp(6_000, 5_000, 2)).toEqual([]);
  });

  test('survives the checkpoint, in few bytes', () => {
    const gaps = new Gaps(undefined);
    gaps.note(
      9007199254740993n,
      Array.from({ length: 1_000 }, (_, at) => 9007199254740993n + 3n * BigInt(at + 1)),
      1_770_000_000_000,
    );
    gaps.note(9007199254750000n, [9007199254750002n], 1_770_000_001_000);
    const text = gaps.toString();
    expect(text.length).toBeLessThan(5_000);
    expect(new Gaps(text).all).toEqual(gaps.all);
    expect(new Gaps(new Gaps('').toString()).all).toEqual([]);
    const negative = new Gaps(undefined);
    negative.note(-50n, [-40n, 3n], 7);
    expect(new Gaps(negative.toString()).all).toEqual(negative.all);
  });
});

describe('cursor of MariaDB by a whole number', () => {
  /** A second application, whose transaction stays open. */
  async function other(of: Fixture) {
    const { host, port, user, database, password } = of.connect;
    return mysql.createConnection({
      host: String(host),
      port: Number(port),
      user: String(user),
      database: String(database),
      password: password instanceof Secret ? password.reveal() : '',
    });
  }

  test('D1, D4, D5: a lower number that is committed after a higher one is read, without an overlap, and not twice', async () => {
    open = await fixture('mariadb');
    const { sql, inbound, warnings } = open;
    await sql('CREATE TABLE T (ID bigint AUTO_INCREMENT PRIMARY KEY, N int)');
    const endpoint = await inbound({ table: 'T', key: 'ID', cursor: { column: 'ID' } });
    const late = await other(open);
    try {
      await late.query('START TRANSACTION');
      await late.query('INSERT INTO T (N) VALUES (1), (2)');
      await sql('INSERT INTO T (N) VALUES (3), (4)');
      const first = await poll(endpoint, undefined, 1);
      expect(first.records).toHaveLength(2);
      const lowest = Math.min(...first.records.map(({ key }) => Number(key)));
      expect(lowest).toBeGreaterThan(2);
      const second = await poll(endpoint, first.checkpoint);
      expect(second.records).toEqual([]);
      await late.query('COMMIT');
      // The answer of a poll was lost with its checkpoint: the next one starts from the last that was saved.
      const lost = await poll(endpoint, first.checkpoint, 1);
      const third = await poll(endpoint, first.checkpoint, 1);
      expect(third.records.map(({ key }) => key)).toEqual(['1', '2']);
      expect(lost.records.map(({ id }) => id)).toEqual(third.records.map(({ id }) => id));
      expect(warnings.filter((warning) => warning.includes('came behind'))).toHaveLength(1);
      expect((await poll(endpoint, third.checkpoint)).records).toEqual([]);
    } finally {
      await late.end();
    }
  });

  test('D2: a number that never comes is given up with a warning that names it', async () => {
    open = await fixture('mariadb');
    const { sql, inbound, warnings } = open;
    await sql('CREATE TABLE T (ID bigint unsigned PRIMARY KEY)', 'INSERT INTO T VALUES (100)');
    const endpoint = await inbound({ table: 'T', key: 'ID' });
    const first = await poll(endpoint);
    await sql('INSERT INTO T VALUES (105)');
    const second = await poll(endpoint, first.checkpoint);
    expect(second.checkpoint).toContain('gaps');
    await sql('INSERT INTO T VALUES (102)');
    const third = await poll(endpoint, second.checkpoint);
    expect(third.records.map(({ key }) => key)).toEqual(['102']);
    // An hour and more goes by.
    const old = third.checkpoint?.replace(/"gaps":"[^"]*"/, (gaps) => gaps.replaceAll(/(?<=[";])[a-z0-9]+:/g, '1:'));
    const fourth = await poll(endpoint, old);
    expect(fourth.records).toEqual([]);
    expect(fourth.checkpoint).toContain('"gaps":""');
    expect(warnings.join()).toMatch(/not asked for any more: 0 to 99, 101, 103 to 104;/);
    await sql('INSERT INTO T VALUES (101)');
    expect((await poll(endpoint, fourth.checkpoint)).records).toEqual([]);
  });

  test('off, or a key of another kind: nothing is remembered', async () => {
    open = await fixture('mariadb');
    const { sql, inbound } = open;
    await sql('CREATE TABLE T (ID bigint PRIMARY KEY)', 'INSERT INTO T VALUES (1), (7)', 'CREATE TABLE C (ID varchar(9) PRIMARY KEY)', "INSERT INTO C VALUES ('a'), ('c')");
    expect((await poll(await inbound({ table: 'T', key: 'ID', cursor: { column: 'ID', gap_memory: 'off' } }))).checkpoint).not.toContain('gaps');
    expect((await poll(await inbound({ table: 'C', key: 'ID' }))).checkpoint).not.toContain('gaps');
  });
});

describe('an overlap', () => {
  test.each(['sqlite', 'mariadb'] as const)('D2: a row that arrives behind it is said aloud on %s', async (driver) => {
    open = await fixture(driver);
    const { sql, inbound, warnings } = open;
    await sql(
      `CREATE TABLE T (ID INTEGER PRIMARY KEY, TS ${driver === 'sqlite' ? 'TEXT' : 'DATETIME(6)'} NOT NULL)`,
      "INSERT INTO T VALUES (1, '2026-03-01 08:00:00'), (2, '2026-03-01 08:10:00')",
    );
    const endpoint = await inbound({ table: 'T', key: 'ID', cursor: { column: 'TS', overlap: '5m' } });
    const first = await poll(endpoint);
    await sql("INSERT INTO T VALUES (3, '2026-03-01 08:06:00')");
    const second = await poll(endpoint, first.checkpoint);
    expect(second.records.map(({ key }) => key)).toEqual(['3', '2']);
    expect(warnings).toEqual([]);
    await sql("INSERT INTO T VALUES (4, '2026-03-01 08:04:59')");
    expect((await poll(endpoint, second.checkpoint)).records.map(({ key }) => key)).toEqual(['3', '2']);
    expect(warnings.join()).toMatch(/1 rows of T arrived behind the overlap and were not read/);
  });
});

test('lint: where gaps are remembered, and where not', () => {
  const server = { host: 'db', database: 'erp', user: 'u', password: undefined, tls: {} };
  const lint = (driver: string, read: object) =>
    spec.read.lint(spec.read.config.parse(read), driver === 'sqlite' ? { driver, file: 'x' } : { driver, ...server }).map(({ message }) => message);
  expect(lint('mariadb', { table: 'T', key: 'ID' }).join()).toContain('no whole number, or its transaction is longer than 3600 s');
  expect(lint('mariadb', { table: 'T', key: 'ID', cursor: { column: 'ID', gap_memory: 'off' } }).join()).toMatch(/committed late with a lower ID is missed(,|$)/);
  expect(lint('mariadb', { table: 'T', key: 'ID', cursor: { column: 'TS', gap_memory: {} } }).join()).toContain('TS is not the key');
  expect(lint('sqlite', { table: 'T', key: 'ID', cursor: { column: 'ID', gap_memory: {} } }).join()).toContain('one writer');
});
