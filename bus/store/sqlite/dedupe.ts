import type { Database } from '../../sqlite/database.js';
import type { Names } from './names.js';

const DAY_MS = 86_400_000;

export function dedupeOperations(database: Database, names: Names) {
  const find = database.prepare<[number, string], number>('SELECT 1 FROM dedupe WHERE scope = ? AND id = ?').pluck();
  const add = database.prepare<[number, string, number]>(
    'INSERT INTO dedupe (scope, id, day) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET day = excluded.day WHERE excluded.day > dedupe.day',
  );
  const prune = database.prepare<[number, number]>('DELETE FROM dedupe WHERE (scope, id) IN (SELECT scope, id FROM dedupe WHERE day < ? LIMIT ?)');
  return {
    reads: {
      'dedupe.seen': ({ scope, ids }: { readonly scope: string; readonly ids: readonly string[] }): ReadonlySet<string> => {
        const number = names.find(scope);
        return new Set(number === undefined ? [] : ids.filter((id) => find.get(number, id) !== undefined));
      },
    },
    writes: {
      'dedupe.add': ({ scope, ids, at }: { readonly scope: string; readonly ids: readonly string[]; readonly at: number }): void => {
        const number = names.id(scope);
        const day = Math.floor(at / DAY_MS);
        for (const id of ids) add.run(number, id, day);
      },
      'dedupe.prune': ({ before, limit }: { readonly before: number; readonly limit: number }): number => prune.run(Math.floor(before / DAY_MS), limit).changes,
    },
  };
}
