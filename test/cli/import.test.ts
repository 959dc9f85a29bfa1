// `signalbox import` against a real database: what it writes passes check and test as it is.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
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

/** Nothing else has to be done: it is checked, and its test passes. */
async function fits(tests = 1): Promise<void> {
  const { code, out, err } = await run('check');
  expect([code, out + err]).toEqual([0, expect.not.stringContaining('error')]);
  expect((await run('test')).out).toContain(`${tests} passed`);
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
