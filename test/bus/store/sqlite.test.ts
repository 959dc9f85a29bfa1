import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Container } from 'inversify';
import { openDatabase } from '../../../bus/sqlite/database.js';
import { STORE } from '../../../bus/store/contract.js';
import { MIGRATIONS } from '../../../bus/store/sqlite/schema.js';
import { SqliteStore } from '../../../bus/store/sqlite/sqlite-store.js';
import { sqliteStoreModule } from '../../../bus/store/store.module.js';
import { storeConformance } from '../../kit/store/conformance.js';
import { openStore } from './open-sqlite.js';

const create = (): Promise<string> => mkdtemp(join(tmpdir(), 'signalbox-store-'));
const remove = (place: string): Promise<void> => rm(place, { recursive: true, force: true });

storeConformance('SQLite', { module: new URL('./open-sqlite.js', import.meta.url), create, open: openStore, remove });

describe('SqliteStore', () => {
  test('makes its directory, and leaves one file when it was closed', async () => {
    const place = await create();
    const store = await openStore(join(place, 'new', 'data'));
    await store.checkpoints.set('s', 'p', 1);
    expect(await store.size()).toBeGreaterThan(0);
    await store.close();
    expect(await readdir(join(place, 'new', 'data'))).toEqual(['store.db']);
    await remove(place);
  });

  test('with its tables there, a new connection still writes with synchronous=FULL', async () => {
    const place = await create();
    const store = await openStore(place);
    await store.checkpoints.set('s', 'p', 1);
    await store.close();
    for (let open = 0; open < 2; open += 1) {
      const database = openDatabase(join(place, 'store.db'), { exclusive: true, migrations: MIGRATIONS });
      expect(database.pragma('synchronous', { simple: true })).toBe(2);
      expect(database.pragma('journal_mode', { simple: true })).toBe('wal');
      expect(database.pragma('auto_vacuum', { simple: true })).toBe(2);
      expect(database.prepare('SELECT count(*) AS n FROM checkpoint').get()).toEqual({ n: 1 });
      database.close();
    }
    await remove(place);
  });

  test('a second store on one directory is refused, and can open it once the first is closed', async () => {
    const place = await create();
    const first = await openStore(place);
    const second = new SqliteStore(place);
    await expect(second.open(AbortSignal.timeout(20_000))).rejects.toMatchObject({ code: 'E531' });
    await first.close();
    await second.open(AbortSignal.timeout(20_000));
    expect(await second.checkpoints.list()).toEqual([]);
    await second.close();
    await remove(place);
  });

  test('is what the module binds', () => {
    const container = new Container();
    container.load(sqliteStoreModule('/nowhere'));
    expect(container.get(STORE)).toBeInstanceOf(SqliteStore);
    expect(container.get(STORE)).toBe(container.get(STORE));
  });

  test('an aborted open leaves nothing behind', async () => {
    const place = await create();
    const reason = new Error('stop');
    await expect(new SqliteStore(place).open(AbortSignal.abort(reason))).rejects.toBe(reason);
    await (await openStore(place)).close();
    await remove(place);
  });
});
