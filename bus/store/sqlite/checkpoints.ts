import type { Database } from '../../sqlite/database.js';

export interface CheckpointRow {
  readonly source: string;
  readonly position: string;
  readonly at: number;
}

export function checkpointOperations(database: Database) {
  const get = database.prepare<[string], string | null>('SELECT position FROM checkpoint WHERE source = ?').pluck();
  const set = database.prepare<[string, string, number, number]>(
    `INSERT INTO checkpoint (source, position, epoch, at) VALUES (?, ?, ?, ?)
     ON CONFLICT (source) DO UPDATE SET position = excluded.position, epoch = excluded.epoch, at = excluded.at WHERE excluded.epoch >= checkpoint.epoch`,
  );
  // The row stays for its epoch: a holder that lost its lease must not write after a reset either.
  const clear = database.prepare<[string]>('UPDATE checkpoint SET position = NULL WHERE source = ?');
  const list = database.prepare<[], CheckpointRow>('SELECT source, position, at FROM checkpoint WHERE position IS NOT NULL ORDER BY source');
  return {
    reads: {
      'checkpoints.get': (source: string): string | undefined => get.get(source) ?? undefined,
      'checkpoints.list': (): readonly CheckpointRow[] => list.all(),
    },
    writes: {
      'checkpoints.set': (input: { readonly source: string; readonly position: string; readonly epoch: number }): boolean =>
        set.run(input.source, input.position, input.epoch, Date.now()).changes > 0,
      'checkpoints.delete': (source: string): void => void clear.run(source),
    },
  };
}
