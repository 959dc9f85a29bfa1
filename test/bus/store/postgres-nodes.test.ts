import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import type { EventKind, HistoryEvent, MessageState, Store } from '../../../bus/store/contract.js';
import { PostgresStore } from '../../../bus/store/postgres/postgres-store.js';
import { MIGRATIONS } from '../../../bus/store/postgres/schema.js';
import { event, letter, NOON, parked, received, way } from '../../kit/store/samples.js';
import { services } from '../../services/services.js';
import { newPlace, openStore, optionsOf, type Place, sql } from './open-postgres.js';

let place: Place;
let one: Store;
let two: Store;

beforeAll(async () => {
  place = newPlace(await services.postgres());
  [one, two] = await Promise.all([openStore(JSON.stringify(place)), openStore(JSON.stringify(place))]);
});
afterAll(async () => {
  await Promise.all([one.close(), two.close()]);
  await sql(place, `DROP SCHEMA "${place.schema}" CASCADE`);
});
beforeEach(async () => {
  await sql(place, 'TRUNCATE checkpoint, lease, dedupe, ledger, message, event, letter, payload, payload_use, lane, parked, endpoint_state, revision, audit');
  await sql(place, 'UPDATE tail SET active = 0, delivered = 0, filtered = 0, dead = 0, parked = 0');
});

const KINDS: readonly EventKind[] = ['received', 'mapped', 'filtered', 'duplicate', 'queued', 'delivered', 'retry', 'dead', 'parked', 'redelivered', 'discarded', 'note'];

describe('two nodes on one schema', () => {
  test('many that start at once make the tables once', async () => {
    const fresh = newPlace(await services.postgres());
    const stores = await Promise.all(Array.from({ length: 6 }, () => openStore(JSON.stringify(fresh))));
    expect(await sql(fresh, 'SELECT number FROM migration')).toEqual(MIGRATIONS.map((_, index) => ({ number: index + 1 })));
    await Promise.all(stores.map((store) => store.close()));
    await sql(fresh, 'INSERT INTO migration (number) VALUES (1000)');
    await expect(openStore(JSON.stringify(fresh))).rejects.toMatchObject({ name: 'Misconfigured', code: 'E532' });
    await sql(fresh, `DROP SCHEMA "${fresh.schema}" CASCADE`);
  });

  test('one holds a lease, by the clock of the database; the other is fenced off', async () => {
    const wrongClock = new Date(NOON + 365 * 86_400_000);
    expect(await one.leases.acquire('s', 'one', 60_000, new Date(NOON))).toBe(1);
    expect(await two.leases.acquire('s', 'two', 60_000, wrongClock)).toBeUndefined();
    await sql(place, "UPDATE lease SET expires = expires - interval '61 seconds'");
    expect(await two.leases.acquire('s', 'two', 60_000, new Date(0))).toBe(2);
    expect(await two.checkpoints.set('s', 'of two', 2)).toBe(true);
    expect(await one.checkpoints.set('s', 'of one', 1)).toBe(false);
    expect(await one.checkpoints.get('s')).toBe('of two');
    const both = await Promise.all([one, two].map((store, node) => store.leases.acquire('free', `node ${node}`, 60_000, new Date())));
    expect(both.filter((epoch) => epoch !== undefined)).toEqual([1]);
  });

  test('checkpoints written at once by an old and a new holder end with the new one', async () => {
    const sets = Array.from({ length: 40 }, (_, n) => [one.checkpoints.set('s', `old ${n}`, 1), two.checkpoints.set('s', `new ${n}`, 2)]).flat();
    await Promise.all(sets);
    expect(await one.checkpoints.get('s')).toBe('new 39');
    expect(await one.checkpoints.set('s', 'late', 1)).toBe(false);
  });

  test('a letter is settled once, whoever asks', async () => {
    const letters = Array.from({ length: 200 }, (_, n) => letter(`x${n}`));
    await one.deadLetters.add(letters);
    const backwards = [...letters].reverse();
    const counts = await Promise.all(
      [one, two, one, two].map((store, n) => store.deadLetters.settle(n % 2 === 0 ? letters : backwards, 'discarded', `anna ${n}`, undefined, new Date(NOON))),
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(200);
    expect(await two.deadLetters.list({ limit: 10 })).toEqual([]);
  });

  test('the same revision added by both is one', async () => {
    const add = (store: Store, digest: string) => store.revisions.add({ digest, content: '{}', by: 'b', at: NOON });
    const added = await Promise.all(Array.from({ length: 10 }, (_, n) => add(n % 2 === 0 ? one : two, 'x')));
    expect(new Set(added.map(({ number }) => number))).toEqual(new Set([1]));
    expect((await add(two, 'y')).number).toBe(2);
  });

  test('a lane that both fill and empty keeps what was not removed, in one order', async () => {
    const names = Array.from({ length: 60 }, (_, n) => `d${n}`);
    const add = (store: Store, own: readonly string[]): Promise<unknown> => Promise.all(own.map((id) => store.parked.add([parked(id), parked(`${id} alone`, { lane: id })])));
    await Promise.all([add(one, names), add(two, [...names].reverse())]);
    const order = (await one.parked.list('erp.orders', 'K1', 100)).map(({ deliveryId }) => deliveryId);
    expect([...order].sort()).toEqual([...names].sort());
    await one.parked.release('erp.orders', 'K1');
    const removals = [one, two].flatMap((store) => names.map((id) => store.parked.remove([id, `${id} alone`])));
    const removed = await Promise.all([...removals, add(one, ['late 1']), add(two, ['late 2'])]);
    expect(removed.reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0)).toBe(120);
    expect((await two.parked.lanes({ limit: 10 })).map(({ lane, count }) => [lane, count])).toEqual([
      ['K1', 2],
      ['late 1', 1],
      ['late 2', 1],
    ]);
  });

  test('two that prune at once leave no content behind, and take none that is being used', async () => {
    const keep = { historyMs: 0, dedupeMs: 0, ledgerMs: 0 };
    const hours = (n: number): Date => new Date(Date.now() + n * 3_600_000);
    for (let round = 0; round < 10; round += 1) {
      const contents = Array.from({ length: 20 }, (_, n) => Buffer.from(`${round} ${n}`));
      await Promise.all(contents.flatMap((content) => [one.payloads.put('a', content), two.payloads.put('b', content)]));
      await sql(place, 'UPDATE payload_use SET at = 0');
      const used = await Promise.all([...contents.map((content) => one.payloads.put('c', content)), one.prune(hours(0), keep), two.prune(hours(0), keep)]);
      for (const reference of used) if (typeof reference === 'string') expect(await two.payloads.get(reference)).toBeDefined();
      await Promise.all([one.prune(hours(2), keep), two.prune(hours(2), keep)]);
      expect(await sql(place, 'SELECT (SELECT count(*)::int FROM payload) AS payloads, (SELECT count(*)::int FROM payload_use) AS uses')).toEqual([{ payloads: 0, uses: 0 }]);
    }
  });

  test('every kind of write from both, in opposite order, ends without a failure', async () => {
    const ids = Array.from({ length: 60 }, (_, n) => `k${n}`);
    const work = (store: Store, keys: readonly string[]): Promise<unknown> =>
      Promise.all(
        keys.flatMap((key): Promise<unknown>[] => [
          store.endpointState.put('e', new Map([[key, 'v']])),
          store.ledger.put([{ deliveryId: key, endpoint: 'e', state: 'sending', at: NOON }]),
          store.dedupe.add('s', [key], new Date(NOON)),
          store.deadLetters.add([letter(key)]),
          store.parked.add([parked(key, { lane: key })]),
          store.payloads.put(key, Buffer.from(key)),
          store.checkpoints.set(key, 'p', 1),
          store.leases.acquire(key, 'same', 60_000, new Date(NOON)),
          store.history.append(way(key, NOON)),
        ]),
      );
    for (let round = 0; round < 5; round += 1) await Promise.all([work(one, ids), work(two, [...ids].reverse())]);
    expect(await one.history.counts()).toEqual({ active: 0, delivered: 60, filtered: 0, dead: 0, parked: 0 });
    expect(await one.history.since(0, 10_000)).toHaveLength(0 + 60 * 3 * 10);
  });
});

describe('the history of one message, written by two nodes', () => {
  const anyEvent = fc.record({ kind: fc.constantFrom(...KINDS), part: fc.constantFrom(undefined, 'a', 'b'), message: fc.constantFrom('m1', 'm2', 'm3') });
  const appends = fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 });
  let run = 0;

  test('ends in the state of its events as they were stored, and the counts fit', async () => {
    await fc.assert(
      fc.asyncProperty(appends, appends, async (first, second) => {
        run += 1;
        const made = (list: typeof first): readonly (readonly HistoryEvent[])[] =>
          list.map((events) => events.map(({ kind, part, message }) => event(`${run} ${message}`, kind, part === undefined ? {} : { deliveryId: part, endpoint: 'e' })));
        const [ofOne, ofTwo] = [made(first), made(second)];
        // Half in one turn, half one after the other: transactions of several calls and of one.
        await Promise.all([
          ...ofOne.map((events) => one.history.append(events)),
          (async () => {
            for (const events of ofTwo) await two.history.append(events);
          })(),
        ]);
        const states: MessageState[] = [];
        for (const id of new Set([...ofOne, ...ofTwo].flat().map(({ messageId }) => messageId))) {
          const stored = await one.history.events(id);
          expect(stored).toHaveLength([...ofOne, ...ofTwo].flat().filter(({ messageId }) => messageId === id).length);
          // Told again in that order by one node alone.
          await two.history.append(stored.map((entry) => ({ ...entry, messageId: `${id} again` })));
          const [was, again] = [await one.history.message(id), await one.history.message(`${id} again`)];
          expect({ ...was, id: '' }).toEqual({ ...again, id: '' });
          if (was !== undefined) states.push(was.state, was.state);
        }
        const counted = await sql(place, "SELECT state, count(*)::int AS n FROM message WHERE id LIKE $1 || ' %' GROUP BY state", [String(run)]);
        expect(counted.reduce((sum, { n }) => sum + Number(n), 0)).toBe(states.length);
      }),
      { numRuns: 40 },
    );
    const found = await sql(place, 'SELECT state, count(*)::int AS n FROM message GROUP BY state ORDER BY state');
    const states = ['active', 'delivered', 'filtered', 'dead', 'parked'] as const;
    const counts = await one.history.counts();
    expect(Object.fromEntries(states.map((state, index) => [state, Number(found.find((row) => row['state'] === index)?.['n'] ?? 0)]))).toEqual(counts);
  }, 120_000);

  test('both receive the same new messages at once: each is there once, nothing is lost', async () => {
    const ids = Array.from({ length: 300 }, (_, n) => `m${n}`);
    const write = (store: Store, order: readonly string[], target: string): Promise<unknown> =>
      Promise.all(order.map((id) => store.history.append([received(id), event(id, 'queued', { deliveryId: target, endpoint: target })])));
    await Promise.all([write(one, ids, 'a'), write(two, [...ids].reverse(), 'b')]);
    await Promise.all([
      ...ids.map((id) => one.history.append([event(id, 'delivered', { deliveryId: 'b', endpoint: 'b' })])),
      ...ids.map((id) => two.history.append([event(id, 'delivered', { deliveryId: 'a', endpoint: 'a' })])),
    ]);
    expect(await one.history.counts()).toEqual({ active: 0, delivered: 300, filtered: 0, dead: 0, parked: 0 });
    for (const id of ['m0', 'm150', 'm299']) {
      expect(await two.history.message(id)).toMatchObject({ state: 'delivered', queued: 2, delivered: 2 });
      expect(await two.history.events(id)).toHaveLength(6);
    }
    expect((await one.history.search({ endpoint: 'b', limit: 1_000 })).length).toBe(300);
  });

  test('a batch is written although another node writes of one of its messages whenever it is tried', async () => {
    const ids = Array.from({ length: 14 }, (_, n) => `m${String(n).padStart(2, '0')}`);
    await one.history.append([received('template')]);
    const { schema, ...access } = place;
    const others = await Promise.all(
      [1, 2].map(async () => {
        const client = new pg.Client({ ...access, options: `-c search_path=${schema}` });
        await client.connect();
        return client;
      }),
    );
    const columns = 'type, source, key, at, last_at, state, queued, delivered, dead, traceparent, class, parts';
    const begin = async (turn: number): Promise<void> => {
      await others[turn % 2]?.query('BEGIN');
      await others[turn % 2]?.query(`INSERT INTO message (id, ${columns}) SELECT $1, ${columns} FROM message WHERE id = 'template' ON CONFLICT DO NOTHING`, [ids.at(-1 - turn)]);
    };
    const waiting = async (): Promise<boolean> =>
      (await sql(place, 'SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database()')).length > 0;
    await begin(0);
    let isDone = false;
    const batch = two.history.append(ids.map((id) => received(id))).finally(() => {
      isDone = true;
    });
    for (let turn = 0; turn < ids.length - 1 && !isDone; turn++) {
      while (!isDone && !(await waiting())) await sleep(5);
      // The next one waits behind the batch, and gets its turn when the batch is rolled back or committed.
      const next = begin(turn + 1);
      await sleep(20);
      await others[turn % 2]?.query('COMMIT');
      await next;
    }
    await expect(batch).resolves.toBeUndefined();
    await Promise.all(others.map((client) => client.end()));
    expect((await one.history.search({ limit: 100 })).length).toBe(ids.length + 1);
  }, 60_000);

  test('the live tail of a third passes by nothing while both write', async () => {
    const third = new PostgresStore(optionsOf(place));
    await third.open(AbortSignal.timeout(20_000));
    let writing = true;
    const write = async (store: Store, name: string): Promise<void> => {
      for (let n = 0; n < 60; n += 1) await store.history.append([received(`${name}${n}`), event(`${name}${n}`, 'filtered')]);
    };
    const written = Promise.all([write(one, 'a'), write(two, 'b')]).finally(() => {
      writing = false;
    });
    const seen: number[] = [];
    let last = Number((await sql(place, 'SELECT seq - 0 AS seq FROM tail'))[0]?.['seq'] ?? 0);
    const start = last;
    for (let more = true; more; ) {
      more = writing;
      for (const { seq } of await third.history.since(last, 50)) {
        seen.push(seq);
        last = seq;
      }
    }
    await written;
    seen.push(...(await third.history.since(last, 1_000)).map(({ seq }) => seq));
    const stored = await sql(place, 'SELECT seq FROM event WHERE seq > $1 ORDER BY seq', [start]);
    expect(seen).toEqual(stored.map(({ seq }) => Number(seq)));
    await third.close();
  });
});
