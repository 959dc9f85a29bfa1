import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { isRecord, type PollingInbound, Secret, type SourceRecord, writeJson } from '../../../adapters/contract/index.js';
import { type Fixture, fixture, poll } from './fixture.js';

// Writers commit in another order than they took their ids; a reader polls all the while. Nothing may be missed (D1, D2, D3).

const WRITERS = 12;
const TRANSACTIONS = 90;

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** Numbers that are the same in every run. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function access(of: Fixture) {
  const { host, port, user, database, password } = of.connect;
  return { host: String(host), port: Number(port), user: String(user), database: String(database), password: password instanceof Secret ? password.reveal() : '' };
}

/** Polls until the writers are done and two polls more have found nothing new. */
async function readAll(inbound: PollingInbound, writing: Promise<unknown>): Promise<readonly SourceRecord[]> {
  const state = { done: false };
  const ended = writing.then(() => {
    state.done = true;
  });
  const records: SourceRecord[] = [];
  const ids = new Set<string>();
  let checkpoint: string | undefined;
  let quiet = 0;
  while (quiet < 3) {
    const after = state.done;
    const read = await poll(inbound, checkpoint, 50);
    checkpoint = read.checkpoint;
    const fresh = read.records.filter((record) => !ids.has(record.id)).length;
    records.push(...read.records);
    for (const record of read.records) ids.add(record.id);
    quiet = after && fresh === 0 ? quiet + 1 : 0;
    await sleep(10);
  }
  await ended;
  return records;
}

describe('12 writers with transactions of 0 to 50 ms', () => {
  test.each(['xmin', 'xid8'])(
    'T14 PostgreSQL by %s: nothing missed, nothing twice, the last state of every row seen',
    async (by) => {
      open = await fixture('postgres');
      const own = by === 'xid8';
      await open.sql(
        `CREATE TABLE t (id bigserial PRIMARY KEY, ts timestamptz NOT NULL DEFAULT clock_timestamp(), n int NOT NULL${own ? ', tx xid8 NOT NULL DEFAULT pg_current_xact_id()' : ''})`,
      );
      const options = access(open);
      const touch = own ? ', tx = pg_current_xact_id()' : '';
      const write = async (writer: number) => {
        const roll = dice(writer + 1);
        const client = new pg.Client(options);
        await client.connect();
        for (let round = 0; round < TRANSACTIONS; round++) {
          await client.query('BEGIN');
          const { rows } = await client.query<{ id: string }>('INSERT INTO t (n) SELECT 0 FROM generate_series(1, $1) RETURNING id', [1 + roll(3)]);
          await sleep(roll(50));
          if (roll(4) === 0) {
            await client.query('SAVEPOINT s');
            await client.query('INSERT INTO t (n) VALUES (1)');
            await client.query(roll(2) === 0 ? 'ROLLBACK TO s' : 'RELEASE s');
          }
          if (roll(3) === 0) await client.query(`UPDATE t SET n = n + 1${touch} WHERE id = $1`, [rows[0]?.id]);
          await client.query(roll(8) === 0 ? 'ROLLBACK' : 'COMMIT');
          if (roll(5) === 0) await client.query(`UPDATE t SET n = n + 1${touch} WHERE id = $1`, [rows[0]?.id]);
        }
        await client.end();
      };
      const inbound = await open.inbound({ table: 't', key: 'id', cursor: own ? { transaction: 'tx' } : { column: 'ts' } });
      const writing = Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
      // The statement waits until older transactions of other tests in the same cluster are over: they hold the watermark back.
      const records = await readAll(
        inbound,
        writing.then(() => open?.sql('SELECT 1')),
      );
      const more = await poll(inbound, undefined, 10_000);
      const there = (await open.rows('SELECT id::text, n FROM t ORDER BY id')) as [string, number][];
      expect(there.length).toBeGreaterThan(2_000);
      expect(new Set(records.map((record) => record.id)).size).toBe(records.length);
      const last = new Map(records.map((record) => [record.key, isRecord(record.value) ? Number(record.value['n']) : undefined]));
      expect(there.filter(([id, n]) => last.get(id) !== n)).toEqual([]);
      expect([...last.keys()].filter((key) => !there.some(([id]) => id === key))).toEqual([]);
      // A fresh reader sees each row once, with an id of the first reading.
      const known = new Set(records.map((record) => record.id));
      expect(more.records.length).toBe(there.length);
      expect(more.records.filter((record) => !known.has(record.id))).toEqual([]);
    },
    90_000,
  );

  test.each([
    ['time', { column: 'ts', overlap: '5s' }],
    ['id', { column: 'id', overlap: 2000 }],
  ])(
    'MariaDB with an overlap of %s beyond the longest transaction: nothing missed, one id per row',
    async (_, cursor) => {
      open = await fixture('mariadb');
      await open.sql('CREATE TABLE t (id bigint AUTO_INCREMENT PRIMARY KEY, ts datetime(6) NOT NULL, KEY (ts))');
      const options = access(open);
      const write = async (writer: number) => {
        const roll = dice(writer + 1);
        const connection = await mysql.createConnection(options);
        for (let round = 0; round < TRANSACTIONS; round++) {
          await connection.query('START TRANSACTION');
          for (let rows = 1 + roll(3); rows > 0; rows--) await connection.query('INSERT INTO t (ts) VALUES (sysdate(6))');
          await sleep(roll(50));
          if (roll(4) === 0) {
            await connection.query('SAVEPOINT s');
            await connection.query('INSERT INTO t (ts) VALUES (sysdate(6))');
            if (roll(2) === 0) await connection.query('ROLLBACK TO s');
          }
          await connection.query(roll(8) === 0 ? 'ROLLBACK' : 'COMMIT');
        }
        await connection.end();
      };
      const inbound = await open.inbound({ table: 't', key: 'id', cursor });
      const records = await readAll(inbound, Promise.all(Array.from({ length: WRITERS }, (__, writer) => write(writer))));
      const there = (await open.rows('SELECT CAST(id AS CHAR) FROM t ORDER BY id')).map(([id]) => String(id));
      expect(there.length).toBeGreaterThan(1_500);
      expect(new Set(records.map((record) => record.key))).toEqual(new Set(there));
      expect(new Set(records.map((record) => record.id)).size).toBe(there.length);
    },
    90_000,
  );

  test('a row that changes while its window is read comes with the next one', async () => {
    open = await fixture('postgres');
    await open.sql('CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL)', 'INSERT INTO t SELECT i, 0 FROM generate_series(1, 10) i');
    const inbound = await open.inbound({ table: 't', key: 'id' });
    const seen: string[] = [];
    let checkpoint: string | undefined;
    for await (const batch of inbound.poll({ checkpoint, maxRecords: 3, signal: new AbortController().signal })) {
      if (seen.length === 3) await open.sql('UPDATE t SET n = 1 WHERE id IN (2, 9)', 'INSERT INTO t VALUES (5000, 0)');
      for (const record of batch.records) seen.push(`${record.key}:${isRecord(record.value) ? writeJson(record.value['n'] ?? null) : ''}`);
      checkpoint = batch.checkpoint;
    }
    const next = await poll(inbound, checkpoint);
    for (const record of next.records) seen.push(`${record.key}:${isRecord(record.value) ? writeJson(record.value['n'] ?? null) : ''}`);
    expect(seen).toEqual(['1:0', '2:0', '3:0', '4:0', '5:0', '6:0', '7:0', '8:0', '10:0', '2:1', '9:1', '5000:0']);
  });

  test('a database that was restored is noticed, not read from the wrong place', async () => {
    open = await fixture('postgres');
    await open.sql('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)');
    const inbound = await open.inbound({ table: 't', key: 'id' });
    const { checkpoint = '' } = await poll(inbound);
    const ahead = checkpoint.replace(/"from":\d+/, '"from":99999999999');
    await expect(poll(inbound, ahead)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E426' });
  });
});
