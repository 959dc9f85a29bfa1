import { ContainerModule } from 'inversify';
import { STORE } from './contract.js';
import { SqliteStore } from './sqlite/sqlite-store.js';

/** What is kept beside the messages, in SQLite; `directory` is the data directory of this node. */
export function sqliteStoreModule(directory: string): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(STORE).toConstantValue(new SqliteStore(directory));
  });
}
