// The thread that owns the embedded bus's file.
import { workerData } from 'node:worker_threads';
import { openDatabase } from '../sqlite/database.js';
import { serve } from '../sqlite/group-commit.js';
import { operations, recover } from './operations.js';
import { MIGRATIONS } from './schema.js';

/** What the thread is started with. */
export interface BusFile {
  readonly path: string;
  /** Largest size of the file in bytes; above it publishes are rejected as on a full disk. */
  readonly maxBytes: number | undefined;
}

const { path, maxBytes } = workerData as BusFile;

serve(() => {
  const database = openDatabase(path, { exclusive: true, busyTimeoutMs: 500, migrations: MIGRATIONS });
  if (maxBytes !== undefined) database.pragma(`max_page_count = ${Math.ceil(maxBytes / Number(database.pragma('page_size', { simple: true })))}`);
  recover(database);
  return { database, operations: operations(database), moments: { before: 'bus.commit.before', done: 'bus.commit.done' } };
});
