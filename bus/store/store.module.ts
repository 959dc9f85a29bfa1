import { ContainerModule } from 'inversify';
import { STORE } from './contract.js';
import type { PostgresOptions } from './postgres/options.js';
import { PostgresStore } from './postgres/postgres-store.js';
import { SqliteStore } from './sqlite/sqlite-store.js';

/** What is kept beside the messages, in SQLite; `directory` is the data directory of this node. */
export function sqliteStoreModule(directory: string): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(STORE).toConstantValue(new SqliteStore(directory));
  });
}

/** The same in PostgreSQL, shared by several nodes. */
export function postgresStoreModule(options: PostgresOptions): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(STORE).toConstantValue(new PostgresStore(options));
  });
}
