import type { Database } from '../../sqlite/database.js';
import { afterPrefix } from './prefix.js';

export function endpointStateOperations(database: Database) {
  const get = database.prepare<[string, string], string>('SELECT value FROM endpoint_state WHERE endpoint = ? AND key = ?').pluck();
  const put = database.prepare<[string, string, string]>('INSERT INTO endpoint_state (endpoint, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  const remove = database.prepare<[string, string]>('DELETE FROM endpoint_state WHERE endpoint = ? AND key = ?');
  const list = database
    .prepare<[string, string, string, number], [string, string]>('SELECT key, value FROM endpoint_state WHERE endpoint = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?')
    .raw();
  return {
    reads: {
      'endpointState.get': (input: { readonly endpoint: string; readonly key: string }): string | undefined => get.get(input.endpoint, input.key),
      'endpointState.list': (input: { readonly endpoint: string; readonly prefix: string; readonly limit: number }): ReadonlyMap<string, string> =>
        new Map(list.all(input.endpoint, input.prefix, afterPrefix(input.prefix), input.limit)),
    },
    writes: {
      'endpointState.put': (input: { readonly endpoint: string; readonly entries: ReadonlyMap<string, string | undefined> }): void => {
        for (const [key, value] of input.entries) {
          if (value === undefined) remove.run(input.endpoint, key);
          else put.run(input.endpoint, key, value);
        }
      },
    },
  };
}
