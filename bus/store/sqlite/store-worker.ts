// The thread that owns store.db.
import { workerData } from 'node:worker_threads';
import { openDatabase } from '../../sqlite/database.js';
import { serve } from '../../sqlite/group-commit.js';
import { storeOperations } from './operations.js';
import { MIGRATIONS } from './schema.js';

serve(() => {
  const { path } = workerData as { readonly path: string };
  const database = openDatabase(path, { exclusive: true, migrations: MIGRATIONS });
  return { database, operations: storeOperations(database), moments: { before: 'store.commit.before', done: 'store.commit.done' } };
});
