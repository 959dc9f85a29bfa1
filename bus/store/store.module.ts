import { ContainerModule, type ServiceIdentifier } from 'inversify';
import type { Store } from './contract.js';
import { SqliteStore } from './sqlite/sqlite-store.js';

/** What is kept beside the messages; opened and closed by the supervisor. */
export const STORE = Symbol.for('signalbox.Store') as ServiceIdentifier<Store>;

/** `directory` is the data directory of this node. */
export function sqliteStoreModule(directory: string): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(STORE).toConstantValue(new SqliteStore(directory));
  });
}
