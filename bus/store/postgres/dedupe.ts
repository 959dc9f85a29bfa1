import type { Dedupe } from '../contract.js';
import { type Operation, same } from './operation.js';
import { lastOfEach, rows, storable } from './rows.js';
import type { Server } from './server.js';

const DAY_MS = 86_400_000;
const ROWS = rows({ scope: 'text', id: 'text', day: 'integer' });

export interface AddIds {
  readonly scope: string;
  readonly ids: readonly string[];
  readonly at: number;
}

/** Adding an id twice is no harm. */
export const addIds: Operation<AddIds, void> = {
  table: 'dedupe',
  weight: ({ ids }) => ids.length * 100,
  async run(session, inputs) {
    const all = inputs.flatMap(({ scope, ids, at }) => ids.map((id) => ({ scope, id, day: Math.floor(at / DAY_MS) }))).sort((a, b) => a.day - b.day);
    const newest = lastOfEach(all, ({ scope, id }) => `${scope}\n${id}`);
    await session.query(
      `INSERT INTO dedupe AS d (${ROWS.names}) SELECT * FROM ${ROWS.source} ON CONFLICT (scope, id) DO UPDATE SET day = excluded.day WHERE excluded.day > d.day`,
      ROWS.values(newest),
    );
    return same(inputs, undefined);
  },
};

export const pruneIds: Operation<{ readonly before: number; readonly limit: number }, number> = {
  table: 'dedupe',
  async run(session, inputs) {
    const [{ before, limit } = { before: 0, limit: 0 }] = inputs;
    const removed = await session.query('DELETE FROM dedupe WHERE ctid = ANY (ARRAY(SELECT ctid FROM dedupe WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1', [
      Math.floor(before / DAY_MS),
      limit,
    ]);
    return inputs.map((_, index) => (index === 0 ? removed.length : 0));
  },
};

export function dedupeReads(server: Server): Pick<Dedupe, 'seen'> {
  return {
    async seen(scope, ids) {
      if (ids.length === 0) return new Set();
      // What is stored in place of an id is found in place of it.
      const wanted = new Map(ids.map((id) => [storable(id), id]));
      const found = await server.read<{ readonly id: string }>('SELECT id FROM dedupe WHERE scope = $1 AND id = ANY($2::text[])', [scope, [...wanted.keys()]]);
      return new Set(found.map(({ id }) => wanted.get(id) ?? id));
    },
  };
}
