// `signalbox run` is killed with SIGKILL between reading rows, storing them, and marking or removing them at their table.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import type { Failpoint } from '../../../bus/failpoint.js';
import { command, run, stop, until } from '../../e2e/run.js';
import { isFull } from '../../faults/faults.js';
import { freePort } from '../../services/servers.js';

let directory: string | undefined;
afterEach(() => {
  if (directory) rmSync(directory, { recursive: true, force: true });
});

const READ = {
  claim: 'claim: {column: st, open: N, claimed: C, done: D}',
  outbox: 'outbox: {}',
  triggers: 'triggers: {}',
} as const;

const ROWS = 30;

function prepare(way: keyof typeof READ, port: number): { readonly hub: string; readonly legacy: Sqlite.Database; readonly booked: () => readonly number[] } {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-killed-'));
  const hub = join(directory, 'hub');
  mkdirSync(hub, { recursive: true, mode: 0o700 });
  const legacy = new Sqlite(join(directory, 'legacy.db'));
  legacy.exec("PRAGMA journal_mode = WAL; CREATE TABLE orders (num INTEGER PRIMARY KEY, st TEXT NOT NULL DEFAULT 'N')");
  const books = new Sqlite(join(directory, 'books.db'));
  // Takes the same number twice.
  books.exec('PRAGMA journal_mode = WAL; CREATE TABLE bookings (nr INTEGER PRIMARY KEY AUTOINCREMENT, num INTEGER)');
  books.close();
  writeFileSync(
    join(hub, 'hub.yaml'),
    `version: 1
bus: embedded
listen: "127.0.0.1:${port}"
systems:
  legacy:
    adapter: sql
    connect: {driver: sqlite, file: ${directory}/legacy.db}
    read:
      orders: {table: orders, key: num, columns: {num: integer}, ${READ[way]}, schedule: {every: 100ms}, max_records: 10}
  books:
    adapter: sql
    connect: {driver: sqlite, file: ${directory}/books.db}
    write:
      bookings: {table: bookings, mode: insert}
types:
  Order: {id: required integer}
routes:
  orders-in: {from: legacy.orders, publish: Order, key: text(order.id), map: {id: record.num}}
  orders-out:
    subscribe: Order
    deliver:
      - {name: book, to: books.bookings, map: {num: order.id}}
`,
  );
  const booked = () => {
    const reader = new Sqlite(join(directory ?? '', 'books.db'), { readonly: true });
    try {
      return reader.prepare<[], [number]>('SELECT num FROM bookings ORDER BY num').raw().all().flat();
    } finally {
      reader.close();
    }
  };
  return { hub, legacy, booked };
}

describe('D19, D20: a process that is killed', () => {
  // Every start takes seconds: all of them with SIGNALBOX_FAULTS=all.
  const points: readonly Failpoint[] = isFull
    ? ['intake.publish.before', 'source.checkpoint.before', 'source.checkpoint.written', 'source.settled']
    : ['source.checkpoint.written'];
  const ways = (Object.keys(READ) as (keyof typeof READ)[]).filter((way) => isFull || way === 'claim');
  test.each(ways)(
    'reads by %s: every row has one effect, and nothing is left open',
    async (way) => {
      const { hub, legacy, booked } = prepare(way, await freePort());
      const environment = { ...process.env };
      const add = (from: number) =>
        legacy.exec(`WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${from + ROWS - 1}) INSERT INTO orders (num) SELECT i FROM n`);
      if (way === 'triggers') {
        const first = run({ directory: hub, environment });
        await until(() => command({ directory: hub, environment }, 'systems', 'install-triggers', 'legacy.orders', '--apply', '--yes').code === 0, 'triggers', 30_000);
        await stop(first, 'SIGTERM');
      }
      for (const [at, point] of points.entries()) {
        add(1 + at * ROWS);
        const child = run({ directory: hub, environment: { ...environment, SIGNALBOX_FAILPOINT: `${point}:2` } });
        await once(child, 'exit');
        expect([point, child.signalCode, child.signalCode ? '' : readFileSync(join(hub, 'run.log'), 'utf8')]).toEqual([point, 'SIGKILL', '']);
      }
      const child = run({ directory: hub, environment });
      const wanted = Array.from({ length: points.length * ROWS }, (_, number) => number + 1);
      const left = { claim: "SELECT count(*) FROM orders WHERE st <> 'D'", outbox: 'SELECT count(*) FROM orders', triggers: 'SELECT count(*) FROM signalbox_outbox_orders' }[way];
      await until(
        () => legacy.prepare<[], [number]>(left).raw().get()?.[0] === 0 && booked().length >= wanted.length,
        'all is there',
        30_000,
        async () => booked().length,
      );
      expect(await stop(child, 'SIGTERM')).toBe(0);
      expect(booked()).toEqual(wanted);
      legacy.close();
    },
    90_000,
  );
});
