import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Database, openDatabase } from '../../../bus/sqlite/database.js';
import type { History, Store, StoredEvent } from '../../../bus/store/contract.js';
import { toColumns } from '../../../bus/store/sqlite/event-text.js';
import { MIGRATIONS } from '../../../bus/store/sqlite/schema.js';
import { DAY, event, NOON, received, way } from '../../kit/store/samples.js';
import { openStore } from './open-sqlite.js';

let place: string;
let store: Store | undefined;

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'signalbox-journal-'));
});
afterEach(async () => {
  await store?.close();
  store = undefined;
  await rm(place, { recursive: true, force: true });
});

async function reopened(): Promise<Store> {
  await store?.close();
  store = await openStore(place);
  return store;
}

/** Looks into the file, or changes it, while no store has it open. */
async function inFile<Result>(work: (database: Database) => Result): Promise<Result> {
  await store?.close();
  store = undefined;
  const database = openDatabase(join(place, 'store.db'), { exclusive: true, migrations: MIGRATIONS });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

const unfolded = (database: Database): unknown => database.prepare('SELECT count(*) FROM event WHERE seq > (SELECT seq FROM folded)').pluck().get();

async function tail(history: History, after: number, limit: number): Promise<readonly StoredEvent[]> {
  const all: StoredEvent[] = [];
  for (let some = await history.since(after, limit); some.length > 0; some = await history.since(all.at(-1)?.seq ?? 0, limit)) all.push(...some);
  return all;
}

describe('what was appended and is not folded', () => {
  test.each([
    ['before the fold', 20],
    ['in the fold', 20],
    ['after the fold', 0],
  ] as const)('is there once after SIGKILL %s', async (moment, left) => {
    const script = fileURLToPath(new URL('./journal-child.js', import.meta.url));
    const child = spawn(process.execPath, [script, join(place, 'store.db'), moment], { stdio: ['ignore', 'inherit', 'inherit'] });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(await inFile(unfolded)).toBe(left);
    const { history } = await reopened();
    expect(await history.counts()).toEqual({ active: 0, delivered: 20, filtered: 0, dead: 0, parked: 0 });
    const expected = Array.from({ length: 20 }, (_, n) => way(`m${n}`, NOON)).flat();
    expect((await tail(history, 0, 7)).map(({ messageId, kind }) => [messageId, kind])).toEqual(expected.map(({ messageId, kind }) => [messageId, kind]));
    for (let n = 0; n < 20; n += 1) {
      expect((await history.events(`m${n}`)).map(({ kind }) => kind)).toEqual(['received', 'queued', 'delivered']);
      expect(await history.message(`m${n}`)).toMatchObject({ queued: 1, delivered: 1, lastAt: NOON + 2 });
    }
    expect(await inFile(unfolded)).toBe(0);
  });

  test('waits for the next start when the store is closed at once, and is read by what comes first', async () => {
    await (await reopened()).history.append(way('m', NOON));
    const { history } = await reopened();
    expect(await history.byPrefix('m', 10)).toEqual(['m']);
    expect((await history.search({ endpoint: 'erp.orders', limit: 5 })).map(({ id }) => id)).toEqual(['m']);
  });

  test('is bounded, however much comes at once', async () => {
    const { history } = await reopened();
    const burst = Array.from({ length: 8_000 }, (_, n) => way(`m${n}`, NOON));
    await Promise.all([history.append(burst.slice(0, 4_000).flat()), ...burst.slice(4_000).map((events) => history.append(events))]);
    expect(await inFile(unfolded)).toBeLessThanOrEqual(2_000);
    expect(await (await reopened()).history.counts()).toMatchObject({ delivered: 8_000 });
  });

  test('of one message in thousands of events stays in order', async () => {
    const { history } = await reopened();
    const events = Array.from({ length: 3_000 }, (_, n) => event('m', 'note', { detail: String(n), data: `"${n}"` }));
    await history.append(events);
    expect((await history.events('m')).map(({ detail, data }) => [detail, data])).toEqual(events.map(({ detail, data }) => [detail, data]));
  });
});

test('the live tail goes on over folds, restarts and prunes', async () => {
  const seen: StoredEvent[] = [];
  const expected: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    const current = await reopened();
    const add = async (id: string): Promise<void> => {
      expected.push(`${id} received`, `${id} queued`, `${id} delivered`);
      await current.history.append(way(id, NOON));
    };
    await add(`a${round}`);
    seen.push(...(await current.history.since(seen.at(-1)?.seq ?? 0, 2)));
    // Folds.
    expect(await current.history.counts()).toMatchObject({ active: 0 });
    await add(`b${round}`);
    seen.push(...(await tail(current.history, seen.at(-1)?.seq ?? 0, 2)));
    if (round % 2 === 1) expect(await current.prune(new Date(NOON + 2 * DAY), { historyMs: DAY, dedupeMs: DAY, ledgerMs: DAY })).toBe(4);
  }
  expect(seen.map(({ messageId, kind }) => `${messageId} ${kind}`)).toEqual(expected);
  for (const [index, { seq }] of seen.entries()) expect(seq).toBeGreaterThan(seen[index - 1]?.seq ?? 0);
});

test('events that cannot be folded stop nothing, stay in the file and are tried again at the next start', async () => {
  await (await reopened()).history.append([received('before')]);
  // No append makes such a row (`toColumns` refuses what JSON cannot hold, the columns are typed): a bug or a damaged file would.
  const bad = await inFile((database) => {
    const seq = Number(database.prepare('SELECT max(seq) FROM event').pluck().get()) + 1;
    database.prepare('INSERT INTO event (seq, message, events) VALUES (?, ?, ?)').run(seq, 'bad', '[[0,1,');
    return seq;
  });
  const { history } = await reopened();
  await history.append(way('after', NOON));
  expect(await history.counts()).toMatchObject({ active: 1, delivered: 1 });
  expect(await history.message('bad')).toBeUndefined();
  expect((await history.since(0, 10)).map(({ messageId }) => messageId)).toEqual(['before', 'after', 'after', 'after']);
  await history.append([event('before', 'filtered')]);
  expect(await history.message('before')).toMatchObject({ state: 'filtered' });
  expect(await inFile((database) => database.prepare('SELECT seq FROM unfolded').pluck().all())).toEqual([bad]);

  const {
    events: [good],
  } = toColumns([received('bad'), event('bad', 'filtered')]);
  await inFile((database) => database.prepare('UPDATE event SET events = ? WHERE seq = ?').run(good, bad));
  const again = await reopened();
  expect(await again.history.message('bad')).toMatchObject({ state: 'filtered' });
  expect(await again.history.counts()).toMatchObject({ active: 0, filtered: 2, delivered: 1 });
  expect(await inFile((database) => database.prepare('SELECT seq FROM unfolded').all())).toEqual([]);
});
