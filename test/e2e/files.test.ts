import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { remoteService } from '../../cli/client.js';
import type { Service } from '../../console/service.js';
import { command, type Hub, run, stop, until } from './run.js';

const ROWS = 400;
const config = (directory: string): string => `systems:
  drop:
    adapter: file
    connect: {root: ${directory}/drop}
    read:
      orders:
        path: in
        pattern: "*.csv"
        marker: {name: "{name}.done"}
        sequence: {pattern: 'ORD_(\\d+)\\.csv', start: 1, hold: 1h}
        same_name: reject
        csv: {columns: [number, text]}
        max_records: 20
        stable: {polls: 1, for: 0s}
        schedule: {every: 100ms}
  books:
    adapter: sql
    connect: {driver: sqlite, file: ${directory}/books.db}
    write:
      entries: {table: entries, mode: insert, columns: {number: text, text: text}}
types:
  Entry: {number: required text, text: required text}
routes:
  in:
    from: drop.orders
    filter: record.text != "skip"
    publish: Entry
    key: entry.number
    map: {number: record.number, text: record.text}
  out:
    subscribe: Entry
    deliver: [{name: books, to: books.entries, map: {number: entry.number, text: entry.text}}]
`;

let directory: string;
let hub: Hub;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-custody-'));
  for (const folder of ['drop/in', 'hub']) mkdirSync(join(directory, folder), { recursive: true });
  const books = new Database(join(directory, 'books.db'));
  books.exec('PRAGMA journal_mode = WAL; CREATE TABLE entries (row INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT, text TEXT)');
  books.close();
  writeFileSync(join(directory, 'hub/signalbox.yaml'), config(directory));
  hub = { directory: join(directory, 'hub'), environment: { ...process.env, SIGNALBOX_FAILPOINT: `watch:${join(directory, 'failpoint')}` } };
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const service = (): Service => remoteService(join(hub.directory, '.signalbox/signalbox.sock'));
const drop = (number: number, rows: readonly string[]): void => {
  writeFileSync(join(directory, `drop/in/ORD_${number}.csv`), `number,text\n${rows.join('\n')}\n`);
  writeFileSync(join(directory, `drop/in/ORD_${number}.csv.done`), '');
};
const booked = (): readonly string[] => {
  const books = new Database(join(directory, 'books.db'), { readonly: true });
  try {
    return books.prepare<[], string>('SELECT number FROM entries').pluck().all();
  } finally {
    books.close();
  }
};
const started = (log: number): Promise<void> =>
  until(() => existsSync(join(hub.directory, 'run.log')) && readFileSync(join(hub.directory, 'run.log'), 'utf8').slice(log).includes('"started"'), 'it starts', 40_000);
const logged = (): number => (existsSync(join(hub.directory, 'run.log')) ? readFileSync(join(hub.directory, 'run.log'), 'utf8').length : 0);

test('F7 F8 F17 F37 killed in the middle of a large file of a sequence with markers: every record once, in order of the files, and all of it accounted for', async () => {
  drop(2, ['2-1,a', '2-2,skip', '2-3']);
  drop(
    1,
    Array.from({ length: ROWS }, (_, index) => `1-${index},a`),
  );
  const want = ROWS + 1;
  let child: ChildProcess | undefined;
  try {
    for (const point of ['source.checkpoint.written:3', 'files.put-away:1']) {
      writeFileSync(join(directory, 'failpoint'), point);
      const dying = run(hub);
      child = dying;
      await until(() => dying.signalCode !== null || dying.exitCode !== null, `it dies at ${point}`, 60_000, undefined, 50);
      expect([point, dying.signalCode]).toEqual([point, 'SIGKILL']);
      if (point.startsWith('source')) {
        // And once by chance.
        writeFileSync(join(directory, 'failpoint'), '');
        const before = booked().length;
        child = run(hub);
        await until(() => booked().length > before + 20, 'more is booked', 60_000, undefined, 10);
        await stop(child, 'SIGKILL');
      }
    }
    writeFileSync(join(directory, 'failpoint'), '');
    const log = logged();
    child = run(hub);
    await started(log);
    await until(() => new Set(booked()).size === want && readdirSync(join(directory, 'drop/in')).every((name) => !name.endsWith('.csv')), 'all is booked', 60_000);
    expect(booked()).toHaveLength(want);
    expect(readdirSync(join(directory, 'drop/in')).sort()).toEqual(['.signalbox-work', 'done', 'failed']);

    await until(async () => (await service().files({ state: 'failed', limit: 10 })).length === 1, 'both are put away', 20_000);
    const [second, first] = (await service().files({ limit: 10 })).toSorted((a, b) => (a.name < b.name ? 1 : -1));
    expect([first?.state, first?.records, first?.accepted, second?.state]).toEqual(['archived', ROWS, ROWS, 'failed']);
    expect(Number(second?.claimedAt)).toBeGreaterThanOrEqual(Number(first?.doneAt));
    const story = await service().file('ORD_2.csv');
    expect([story.accepted, story.filtered, story.dead, story.place, story.messages.length]).toEqual([1, 1, 1, 'in/failed/ORD_2.csv', 3]);
    await until(async () => (await service().reconcile({ limit: 10 })).every(({ pending }) => pending === 0), 'nothing is pending', 20_000);
    const files = (await service().reconcile({ endpoint: 'drop.orders', limit: 10 })).toSorted((a, b) => (a.file.name < b.file.name ? -1 : 1));
    expect(files).toMatchObject([
      { delivered: ROWS, missing: 0, problems: [], targets: [{ endpoint: 'books.entries', delivered: ROWS }] },
      { delivered: 1, filtered: 1, dead: 1, missing: 0, problems: [] },
    ]);
    expect(command(hub, 'reconcile').out).toContain('2 files: every record is accounted for');
  } finally {
    if (child) await stop(child, 'SIGKILL');
  }
}, 240_000);

test('F5 F37 what is held or was rejected is seen, released and read; what was read is read again on purpose', async () => {
  drop(2, ['2,a']);
  const child = run(hub);
  try {
    await started(0);
    await until(async () => (await service().files({ state: 'held', limit: 10 })).length === 1, 'it is held', 20_000);
    expect((await service().files({ limit: 10 }))[0]?.reason).toContain('number 1 missing since');
    expect(command(hub, 'files', 'release', 'ORD_2.csv', '--reason', 'number 1 was never made').code).toBe(0);
    await until(() => booked().length === 1, 'it is booked', 20_000);
    await until(async () => (await service().files({ state: 'archived', limit: 10 })).length === 1, 'it is archived', 20_000);
    await expect(service().releaseFile('drop.orders', (await service().file('ORD_2.csv')).id, { who: 'anna' })).rejects.toThrow('only a file that is held');

    drop(3, ['3,a']);
    await until(() => booked().length === 2, 'the next one is booked', 20_000);
    expect(command(hub, 'files', 'reprocess', 'ORD_2.csv', '--reason', 'the books were restored', '--yes').code).toBe(0);
    await until(() => booked().length === 3, 'it is booked again', 20_000);
    expect(booked()).toEqual(['2', '3', '2']);
    await until(async () => (await service().files({ state: 'archived', limit: 10 })).length === 3, 'it is archived again', 20_000);
    expect((await service().file('ORD_2.csv')).by).toMatch(/the books were restored$/);
    expect((await service().reconcile({ limit: 10 })).flatMap(({ problems }) => problems)).toEqual([]);
  } finally {
    await stop(child, 'SIGTERM');
  }
}, 120_000);
