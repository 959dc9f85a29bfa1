// `signalbox import` against a real database: what it writes passes check and test as it is.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { check, runConfigTests } from '../../cli/offline.js';
import { type Ran, signalbox } from './harness.js';

let directory: string;
const run = (...args: readonly string[]): Promise<Ran> => signalbox([...args, '-c', directory]);
const read = (path: string): string => readFileSync(join(directory, path), 'utf8');
const write = (path: string, text: string | Uint8Array): void => {
  mkdirSync(join(directory, path, '..'), { recursive: true });
  writeFileSync(join(directory, path), text);
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-import-'));
  write('signalbox.yaml', 'version: 1\n');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Nothing else has to be done: it is checked, and its tests pass. */
async function fits(tests = 1): Promise<void> {
  const { diagnostics, configuration } = await check(directory, { withoutSecrets: true });
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  const results = configuration ? (await runConfigTests(configuration, () => true)).results : [];
  expect(results.map(({ passed, problems }) => (passed ? 'passed' : problems))).toEqual(Array.from({ length: tests }, () => 'passed'));
}

describe('signalbox import table', () => {
  beforeEach(() => {
    const database = new Database(join(directory, 'legacy.db'));
    database.exec(`
      CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CUST TEXT NOT NULL, AMT DECIMAL(12,2), DUE_DT DATE, CHG_TS TIMESTAMP, IMG BLOB);
      CREATE TABLE ORD_LINE (ORD_NO INTEGER NOT NULL REFERENCES ORD_HEAD (ORD_NO), LINE_NO INTEGER NOT NULL, ART TEXT, PRIMARY KEY (ORD_NO, LINE_NO));
      CREATE TABLE NOTES ("The Text" TEXT, N INTEGER);
      INSERT INTO ORD_HEAD VALUES (4711, '00815', '1234.50', '2026-03-01', '2026-03-01 10:00:00', x'00');
      INSERT INTO ORD_LINE VALUES (4711, 1, 'A-1'), (4711, 2, 'B-2');
      INSERT INTO NOTES VALUES ('00123', 9007199254740993);`);
    database.close();
    write(
      'systems/legacy.yaml',
      `# of 1998\nsystems:\n  legacy:\n    adapter: sql # ask Bob\n    connect: {driver: sqlite, file: ${JSON.stringify(join(directory, 'legacy.db'))}}\n`,
    );
  });

  test('the name of the system alone lists its tables', async () => {
    const { out, err } = await run('import', 'table', 'legacy');
    expect(out).toMatch(/NOTES +table\nORD_HEAD +table\nORD_LINE +table/);
    expect(err).toContain('signalbox import table legacy.');
    expect(JSON.parse((await run('import', 'table', 'legacy', '-o', 'json')).out)).toHaveLength(3);
  });

  test('a table with its child rows becomes endpoint, type, route, sample and test', async () => {
    const { code, out, err } = await run('import', 'table', 'legacy.ord_head', '--include', 'ORD_LINE', '--type', 'Order', '--endpoint', 'orders');
    expect([code, out]).toEqual([0, 'changed  systems/legacy.yaml\nwritten  legacy-orders.yaml\nwritten  samples/legacy-orders.json\n']);
    expect(err).toContain('test: 1 passed');
    expect(err).toContain('IMG holds bytes and was left out');
    expect(read('systems/legacy.yaml')).toMatch(/^# of 1998\nsystems:\n {2}legacy:\n {4}adapter: sql # ask Bob\n {4}connect: .*\n {4}read:\n {6}orders:\n {8}table: ORD_HEAD\n/);
    expect(read('legacy-orders.yaml')).toContain('cust: "00815"');
    await fits();
    const again = await run('import', 'table', 'legacy.ORD_HEAD', '--endpoint', 'orders');
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('legacy.orders stands in systems/legacy.yaml already')]);
  });

  test('a table with no key, and names that are no names', async () => {
    const { code, err } = await run('import', 'table', 'legacy.NOTES');
    expect([code, err]).toEqual([0, expect.stringContaining('There is no key')]);
    expect(read('legacy-notes.yaml')).toContain('theText: record["The Text"]');
    expect(read('samples/legacy-notes.json')).toContain('"N": 9007199254740993');
    await fits();
  });

  test('--dry-run writes nothing, and what is not there is said with what is', async () => {
    expect((await run('import', 'table', 'legacy.ORD_HEAD', '--dry-run')).out).toContain('--- legacy-ord-head.yaml');
    expect(existsSync(join(directory, 'legacy-ord-head.yaml'))).toBe(false);
    expect(await run('import', 'table', 'legacy.ORD')).toMatchObject({ code: 1, err: expect.stringContaining('there: NOTES ORD_HEAD ORD_LINE') });
    expect(await run('import', 'table', 'legaci.ORD')).toMatchObject({ code: 1, err: expect.stringContaining('did you mean `legacy`?') });
    expect(await run('import', 'table', 'legacy.ORD_HEAD', '--include', 'NOTES')).toMatchObject({ code: 1, err: expect.stringContaining('these do: ORD_LINE') });
  });

  test('a system between braces', async () => {
    write('systems/legacy.yaml', `systems: {legacy: {adapter: sql, connect: {driver: sqlite, file: ${JSON.stringify(join(directory, 'legacy.db'))}}}}\n`);
    expect((await run('import', 'table', 'legacy.ORD_HEAD', '--strategy', 'cursor')).code).toBe(0);
    await fits();
  });
});

describe('signalbox import of a sample', () => {
  test('csv: delimiter, encoding, types; a folder to put files into', async () => {
    const rows = Array.from(
      { length: 20 },
      (_, n) => `${String(4711 + n).padStart(6, '0')};C${n % 3};${n + 1}00,50;${String(1 + n).padStart(2, '0')}.03.2026;${n % 2 ? '' : 'Gr\u00f6\u00dfe'}`,
    );
    write('ORDERS_20260301.csv', Buffer.from(`ORDER_NO;CUST;TOTAL;DUE;NOTE\r\n${rows.join('\r\n')}\r\n`, 'latin1'));
    const { code, out, err } = await run('import', 'csv', join(directory, 'ORDERS_20260301.csv'), '--system', 'shop');
    expect([code, out]).toEqual([0, 'written  shop-orders.yaml\nwritten  samples/shop-orders.json\n']);
    expect(err).toContain('ORDER_NO: leading zeros: kept as text');
    expect(read('shop-orders.yaml')).toContain('csv: {delimiter: ;, encoding: windows-1252, line_end: crlf}');
    expect(read('shop-orders.yaml')).toContain('total: {from: record.TOTAL, decimal: comma}');
    expect(read('shop-orders.yaml')).toContain('due: {from: record.DUE, date: dd.MM.yyyy}');
    expect(read('shop-orders.yaml')).toContain('key: orders.orderNo');
    expect(existsSync(join(directory, 'data/shop/inbox'))).toBe(true);
    await fits();
  });

  test('fixed and copybook: several in one configuration, and into a system that is there', async () => {
    write('ord.dat', Array.from({ length: 20 }, (_, n) => `${4711 + n} Customer ${String(n).padEnd(8)}${String(n * 150).padStart(8)}\n`).join(''));
    write('ord.cpy', '       01  ORD.\n           05  ORD-NO  PIC 9(6).\n           05  CUST  PIC X(4).\n           05  AMT  PIC S9(5)V99 COMP-3.\n');
    const packed = Array.from({ length: 20 }, (_, n) =>
      Buffer.concat([
        Buffer.from(String(4711 + n).padStart(6, '0')).map((byte) => byte + 0xc0),
        Buffer.from([0xc3, 0xa4, 0xa2, 0xa3]),
        Buffer.from(`${String(n * 125).padStart(7, '0')}c`, 'hex'),
      ]),
    );
    write('ord.bin', Buffer.concat(packed));
    expect(await run('import', 'fixed', join(directory, 'ord.dat'), '--system', 'host')).toMatchObject({ code: 0, out: expect.stringContaining('written  host-ord.yaml') });
    const other = await run('import', 'copybook', join(directory, 'ord.cpy'), '--sample', join(directory, 'ord.bin'), '--system', 'host', '--endpoint', 'packed');
    expect([other.code, other.out]).toEqual([0, 'changed  host-ord.yaml\nwritten  host-packed.yaml\nwritten  samples/host-packed.json\n']);
    expect(read('host-packed.yaml')).toContain('amt: required decimal');
    await fits(2);
  });

  test('xml and edi', async () => {
    const order = (n: number): string =>
      `<Order no="${4711 + n}"><Cust>C${n}</Cust><Total>${n + 1}.50</Total><Lines><Line><Sku>A</Sku></Line><Line><Sku>B</Sku></Line></Lines></Order>`;
    write('orders.xml', `<?xml version="1.0"?>\n<Orders>${[0, 1, 2].map(order).join('\n')}</Orders>\n`);
    expect(await run('import', 'xml', join(directory, 'orders.xml'), '--system', 'shop')).toMatchObject({ code: 0, out: expect.stringContaining('written  shop-orders.yaml') });
    expect(read('shop-orders.yaml')).toContain('total: {from: record.Total, decimal: point}');
    write(
      'orders.edi',
      "UNA:+.? 'UNB+UNOC:3+SENDER+RECEIVER+260301:0800+1'UNH+1+ORDERS:D:96A:UN'BGM+220+4711+9'DTM+137:20260301:102'LIN+1++A-1:SA'QTY+21:2'UNS+S'UNT+7+1'UNZ+1+1'",
    );
    expect(await run('import', 'edi', join(directory, 'orders.edi'), '--system', 'partner')).toMatchObject({
      code: 0,
      out: expect.stringContaining('written  partner-orders.yaml'),
    });
    expect(read('partner-orders.yaml')).toContain('edifact:');
    await fits(2);
  });

  test('a sample that says nothing, a system that reads no files, an errand to no file', async () => {
    write('empty.csv', '');
    write('systems.yaml', `systems: {legacy: {adapter: sql, connect: {driver: sqlite, file: ${JSON.stringify(join(directory, 'a.db'))}}}}\n`);
    expect(await run('import', 'csv', join(directory, 'empty.csv'))).toMatchObject({ code: 1, err: expect.stringContaining('E127') });
    expect(await run('import', 'csv', join(directory, 'empty.csv'), '--system', 'legacy')).toMatchObject({ code: 1, err: expect.stringContaining('its adapter is sql') });
    expect(await run('import', 'csv', join(directory, 'no.csv'))).toMatchObject({ code: 1, err: expect.stringContaining('cannot be read') });
  });
});
