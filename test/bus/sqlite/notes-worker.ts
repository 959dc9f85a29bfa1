// A small database worker for the tests of group commit.
import { workerData } from 'node:worker_threads';
import { type Database, openDatabase } from '../../../bus/sqlite/database.js';
import { type Emit, serve } from '../../../bus/sqlite/group-commit.js';

export interface NotesData {
  readonly path: string;
  readonly maxPages?: number;
}

export type NotesOperations = ReturnType<typeof operations>;

serve((emit) => {
  const { path, maxPages } = workerData as NotesData;
  const database = openDatabase(path, { exclusive: true, busyTimeoutMs: 200, migrations: ['CREATE TABLE note (id TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT'] });
  if (maxPages !== undefined) database.pragma(`max_page_count = ${maxPages}`);
  return { database, operations: operations(database, emit) };
});

function operations(database: Database, emit: Emit) {
  const insert = database.prepare<[string, string]>('INSERT INTO note (id, text) VALUES (?, ?)');
  const all = database.prepare<[], string>('SELECT id FROM note ORDER BY id').pluck();
  let commits = 0;
  return {
    reads: {
      ids: (): readonly string[] => all.all(),
      commits: (): number => commits,
      bigint: (value: bigint): bigint => value + 1n,
    },
    writes: {
      add: (note: { readonly id: string; readonly text: string }): string => {
        insert.run(note.id, note.text);
        return note.id;
      },
      crash: (): never => process.exit(3),
    },
    committed: () => {
      commits += 1;
      emit({ commits });
    },
  };
}
