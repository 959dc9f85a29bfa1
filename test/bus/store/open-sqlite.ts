// How the conformance suite, and its child process, opens a SQLite store.
import type { Store } from '../../../bus/store/contract.js';
import { SqliteStore } from '../../../bus/store/sqlite/sqlite-store.js';

export async function openStore(place: string): Promise<Store> {
  const store = new SqliteStore(place);
  await store.open(AbortSignal.timeout(20_000));
  return store;
}
