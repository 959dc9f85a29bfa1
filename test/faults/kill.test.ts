// The whole product as a process of its own, killed again and again without a word. SIGKILL leaves no handler to run: what is true afterwards
// was durable before.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import type { Status } from '../../console/service.js';
import { ask, command, type Hub, run, stop, until } from '../e2e/run.js';

const KILLS = 18;
const ROWS_A_ROUND = 20;
const SEED = 20_261_121;

const configuration = (directory: string): string => `version: 1
bus: embedded
types:
  Order: {number: required text, amount: required decimal 12.2}
systems:
  legacy:
    adapter: sql
    connect: {driver: sqlite, file: ${directory}/legacy.db}
    read:
      orders: {table: orders, key: num, columns: {num: integer, amount: text, status: text}, max_records: 7, schedule: {every: 100ms}}
  ledger:
    adapter: sql
    connect: {driver: sqlite, file: ${directory}/ledger.db}
    write:
      bookings: {table: bookings, mode: insert, columns: {number: text, amount: decimal}}
  archive:
    adapter: file
    connect: {root: ${directory}/archive}
    write:
      orders: {path: "{key}_{id}.json", json: {}}
routes:
  in:
    from: legacy.orders
    filter: record.status != "DRAFT"
    publish: Order
    key: order.number
    map:
      number: text(record.num)
      amount: {from: record.amount, decimal: point}
  out:
    subscribe: Order
    deliver:
      - {name: book, to: ledger.bookings, map: {number: order.number, amount: order.amount}}
      - {name: file, to: archive.orders, map: {number: order.number, amount: order.amount}}
`;

const isDraft = (no: number): boolean => no % 7 === 3;
const isBad = (no: number): boolean => !isDraft(no) && no % 11 === 0;

describe('a process that is killed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-kill-'));
  const hub: Hub = { directory: join(directory, 'hub'), environment: { ...process.env } };
  const random = randomFrom(SEED);
  let legacy: Database.Database;
  let child: ReturnType<typeof run> | undefined;

  beforeEach(() => {
    for (const folder of ['hub', 'archive']) mkdirSync(join(directory, folder));
    writeFileSync(join(hub.directory, 'signalbox.yaml'), configuration(directory));
    legacy = new Database(join(directory, 'legacy.db'));
    legacy.exec('PRAGMA journal_mode = WAL; CREATE TABLE orders (num INTEGER PRIMARY KEY AUTOINCREMENT, amount TEXT, status TEXT)');
    const ledger = new Database(join(directory, 'ledger.db'));
    ledger.exec('CREATE TABLE bookings (row INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT, amount NUMERIC)'); // takes the same number twice, if it is given twice
    ledger.close();
  });
  afterEach(async () => {
    if (child) await stop(child, 'SIGKILL');
    legacy.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('at eighteen random moments: one effect for each record and target, one end, nothing left over', async () => {
    expect(command(hub, 'check')).toMatchObject({ code: 0, out: expect.not.stringContaining('error') });
    const total = KILLS * ROWS_A_ROUND;
    const insert = legacy.prepare('INSERT INTO orders (num, amount, status) VALUES (?, ?, ?)');
    const filed = () => readdirSync(join(directory, 'archive')).length;
    for (let kill = 0; kill < KILLS; kill++) {
      const before = filed();
      child = run(hub);
      for (let no = kill * ROWS_A_ROUND + 1; no <= (kill + 1) * ROWS_A_ROUND; no++) insert.run(no, isBad(no) ? 'twelve' : `${no}.50`, isDraft(no) ? 'DRAFT' : 'OPEN');
      await until(() => filed() > before, 'it delivers', 20_000);
      await sleep(Math.floor(random() * 250));
      await stop(child, 'SIGKILL');
    }
    child = run(hub);
    await until(() => command(hub, 'status').code === 0, 'it runs', 20_000);
    const status = () => ask<Status>(hub, 'status');
    const sum = ({ messages }: Status) => Object.values(messages).reduce((before, count) => before + count, 0);
    await until(
      () => {
        const now = status();
        return sum(now) === total && now.messages.active === 0 && now.systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => !waiting);
      },
      'all at an end',
      60_000,
      async () => status(),
    );

    const numbers = Array.from({ length: total }, (_, index) => index + 1);
    const wanted = numbers.filter((no) => !isDraft(no) && !isBad(no)).map(String);
    const drafts = numbers.filter(isDraft).length;
    const bad = numbers.filter(isBad).length;
    expect(status().messages).toEqual({ active: 0, delivered: wanted.length, filtered: drafts, dead: bad, parked: 0 });
    expect(status().deadLetters).toBe(bad);
    const ledger = new Database(join(directory, 'ledger.db'), { readonly: true });
    const booked = ledger.prepare<[], string>('SELECT number FROM bookings').pluck().all();
    ledger.close();
    expect(booked.sort(byNumber)).toEqual(wanted);
    const files = readdirSync(join(directory, 'archive')).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    expect(files.map((name) => name.slice(0, name.indexOf('_'))).sort(byNumber)).toEqual(wanted);
    expect(await stop(child, 'SIGTERM')).toBe(0);
  }, 150_000);
});

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}

/** Mulberry32: the same moments in every run, as far as the machine allows. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
