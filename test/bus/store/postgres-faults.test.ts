import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Container } from 'inversify';
import pg from 'pg';
import { Secret } from '../../../adapters/contract/secret.js';
import { STORE, type Store } from '../../../bus/store/contract.js';
import { PostgresStore } from '../../../bus/store/postgres/postgres-store.js';
import { postgresStoreModule } from '../../../bus/store/store.module.js';
import { startProxy } from '../../faults/proxy.js';
import { event, letter, NOON, received } from '../../kit/store/samples.js';
import { type DatabaseAccess, type Server, startPostgres } from '../../services/servers.js';
import { newPlace, openStore, optionsOf, type Place, sql } from './open-postgres.js';

let server: Server<DatabaseAccess>;
let place: Place;
let store: Store;

beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(async () => {
  await server.stop();
}, 60_000);
beforeEach(async () => {
  place = newPlace(server.access);
  store = await openStore(JSON.stringify(place));
});
afterEach(async () => {
  await store.close();
});

describe('PostgresStore', () => {
  test('a COMMIT whose answer is lost is asked for: what was stored resolves, once', async () => {
    const proxy = await startProxy(server.access.port);
    const far = await openStore(JSON.stringify({ ...place, port: proxy.port }));
    for (let n = 0; n < 5; n += 1) {
      proxy.cutAt(/COMMIT/, 'answered');
      const [, set, epoch] = await Promise.all([
        far.history.append([received(`m${n}`), event(`m${n}`, 'filtered')]),
        far.checkpoints.set('s', `p${n}`, n),
        far.leases.acquire(`l${n}`, 'a', 60_000, new Date()),
        far.audit.append({ at: NOON, who: 'w', action: 'a', subject: `${n}`, result: 'ok' }),
      ]);
      expect([set, epoch]).toEqual([true, 1]);
      expect(proxy.trapped).toBe(n + 1);
      expect(await store.history.events(`m${n}`)).toHaveLength(2);
    }
    expect(await store.audit.list(100)).toHaveLength(5);
    expect(await store.history.counts()).toMatchObject({ filtered: 5 });
    await far.close();
    await proxy.close();
  });

  test('a server that is killed while appending loses nothing that resolved and doubles nothing', async () => {
    const resolved = new Set<string>();
    const failures: unknown[] = [];
    let stopped = false;
    const worker = async (name: string): Promise<void> => {
      for (let n = 0; !stopped; n += 1) {
        const id = `${name}-${n}`;
        try {
          await store.history.append([received(id), event(id, 'filtered')]);
          resolved.add(id);
        } catch (error) {
          failures.push(error);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const workers = Array.from({ length: 20 }, (_, index) => worker(`w${index}`));
    for (let round = 0; round < 3; round += 1) {
      const target = resolved.size + 200;
      while (resolved.size < target) await new Promise((resolve) => setTimeout(resolve, 10));
      if (round < 2) {
        await server.kill();
        await server.restart();
      }
    }
    stopped = true;
    await Promise.all(workers);
    expect(failures.filter((error) => (error as Error).name !== 'NotConnected')).toEqual([]);
    const stored = await sql(place, 'SELECT m.id, count(*)::int AS events FROM message m JOIN event e ON e.message = m.n GROUP BY m.id');
    expect(stored.filter(({ events }) => events !== 2)).toEqual([]);
    const ids = new Set(stored.map(({ id }) => id));
    expect([...resolved].filter((id) => !ids.has(id))).toEqual([]);
    expect(await store.history.counts()).toMatchObject({ filtered: stored.length });
  }, 120_000);

  test('an idle connection that the server has closed is no failure', async () => {
    await store.checkpoints.set('s', 'p', 1);
    await sql(place, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = $1', ['signalbox']);
    expect(await store.checkpoints.set('s', 'q', 1)).toBe(true);
    expect(await store.checkpoints.get('s')).toBe('q');
  });

  test('connections that the network has forgotten are noticed long before the statements on them take too long', async () => {
    const proxy = await startProxy(server.access.port);
    const far = await openStore(JSON.stringify({ ...place, port: proxy.port }));
    await Promise.all([far.checkpoints.set('s', 'p', 1), ...Array.from({ length: 8 }, () => far.checkpoints.get('s'))]);
    proxy.halfOpen();
    const from = performance.now();
    expect(await Promise.all([far.checkpoints.set('s', 'q', 1), far.checkpoints.get('t')])).toEqual([true, undefined]);
    // Those that were not in use are not tried one after the other.
    for (let asked = 0; asked < 8; asked += 1) expect(await far.checkpoints.get('s')).toBe('q');
    expect(performance.now() - from).toBeLessThan(20_000);
    await far.close();
    await proxy.close();
  }, 180_000);

  test('a statement that takes long is waited for', async () => {
    const blocking = new pg.Client({ ...server.access, options: `-c search_path=${place.schema}` });
    await blocking.connect();
    await store.checkpoints.set('s', 'p', 1);
    await blocking.query('BEGIN; SELECT * FROM checkpoint FOR UPDATE');
    const set = store.checkpoints.set('s', 'q', 1);
    await sleep(15_000);
    // Ours is there, and still waits.
    const { rows } = await blocking.query(
      "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '14 s'",
    );
    expect(rows).toEqual([{ waiting: 1 }]);
    await blocking.query('COMMIT');
    await blocking.end();
    expect(await set).toBe(true);
  }, 60_000);

  test('of calls in one transaction only the wrong one fails', async () => {
    const results = await Promise.allSettled([
      store.checkpoints.set('s', 'p', 1),
      store.deadLetters.add([letter('a')]),
      store.deadLetters.add([letter('b'), letter('c', { at: Number.NaN })]),
      store.deadLetters.add([letter('d')]),
      store.audit.append({ at: NOON, who: 'w', action: 'a', subject: 's', result: 'ok' }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect((await store.deadLetters.list({ limit: 10 })).map(({ id }) => id)).toEqual(['a', 'd']);
    expect(await store.audit.list(10)).toHaveLength(1);
  });

  test('text that PostgreSQL cannot hold is stored all the same', async () => {
    const id = 'm\0\uD800';
    await store.history.append([received(id, { detail: 'a\0b', message: { source: 's\0', key: 'k\0' } })]);
    await store.history.append([event(id, 'filtered')]);
    expect(await store.history.message(id)).toMatchObject({ state: 'filtered', key: 'k␀' });
    expect(await store.history.events(id)).toMatchObject([{ detail: 'a\0b' }, { kind: 'filtered' }]);
    await store.dedupe.add('s', [id], new Date(NOON));
    expect(await store.dedupe.seen('s', [id, 'x'])).toEqual(new Set([id]));
  });

  test('says what is wrong when it cannot be opened', async () => {
    const open = (more: object): Promise<void> => new PostgresStore({ ...optionsOf(place), ...more }).open(AbortSignal.timeout(20_000));
    await expect(open({ port: 1 })).rejects.toMatchObject({ name: 'NotConnected', code: 'E540' });
    await expect(open({ password: new Secret('p', 'wrong') })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E541' });
    await expect(open({ database: 'nobody' })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E541' });
    await expect(open({ tls: {} })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E541' });
    await expect(open({ tls: { caFile: '/nowhere/ca.pem' } })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E541' });
    const reason = new Error('stop');
    await expect(new PostgresStore(optionsOf(place)).open(AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('takes the member of the cluster that answers', async () => {
    const second = new PostgresStore({ ...optionsOf(place), hosts: ['127.0.0.2', '127.0.0.1'] });
    await second.open(AbortSignal.timeout(20_000));
    await second.checkpoints.set('s', 'p', 1);
    expect(await store.checkpoints.get('s')).toBe('p');
    expect(await second.size()).toBeGreaterThan(0);
    await second.close();
  });

  test('with rights on its schema only, it needs no right to make one', async () => {
    await sql(place, `CREATE ROLE plain LOGIN PASSWORD 'plain-password'; CREATE SCHEMA plain AUTHORIZATION plain`);
    const plain = { ...place, user: 'plain', password: 'plain-password' };
    const own = await openStore(JSON.stringify({ ...plain, schema: 'plain' }));
    expect(await own.checkpoints.set('s', 'p', 1)).toBe(true);
    await own.close();
    await expect(openStore(JSON.stringify({ ...plain, schema: 'not_there' }))).rejects.toMatchObject({ name: 'Misconfigured', code: 'E542' });
  });

  test('is what the module binds', () => {
    const container = new Container();
    container.load(postgresStoreModule(optionsOf(place)));
    expect(container.get(STORE)).toBeInstanceOf(PostgresStore);
  });
});
