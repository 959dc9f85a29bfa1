import type { EndpointStates } from '../contract.js';
import { type Operation, same } from './operation.js';
import { lastOfEach, rows } from './rows.js';
import type { Server } from './server.js';

const ROWS = rows({ endpoint: 'text', key: 'text', value: 'text' });

export interface PutState {
  readonly endpoint: string;
  readonly entries: ReadonlyMap<string, string | undefined>;
}

/** Putting an entry twice is no harm. */
export const putState: Operation<PutState, void> = {
  table: 'endpoint_state',
  weight: ({ entries }) => 100 + entries.size * 500,
  async run(session, inputs) {
    const all = inputs.flatMap(({ endpoint, entries }) => [...entries].map(([key, value]) => ({ endpoint, key, value: value ?? null })));
    const last = lastOfEach(all, ({ endpoint, key }) => `${endpoint}\n${key}`);
    const gone = last.filter(({ value }) => value === null);
    const put = last.filter(({ value }) => value !== null);
    if (gone.length > 0) await session.query(`DELETE FROM endpoint_state s USING ${ROWS.source} WHERE s.endpoint = v.endpoint AND s.key = v.key`, ROWS.values(gone));
    if (put.length > 0) {
      await session.query(
        `INSERT INTO endpoint_state (${ROWS.names}) SELECT * FROM ${ROWS.source} ON CONFLICT (endpoint, key) DO UPDATE SET value = excluded.value`,
        ROWS.values(put),
      );
    }
    return same(inputs, undefined);
  },
};

export function endpointStateReads(server: Server): Pick<EndpointStates, 'get' | 'list'> {
  return {
    async get(endpoint, key) {
      const [row] = await server.read<{ readonly value: string }>('SELECT value FROM endpoint_state WHERE endpoint = $1 AND key = $2', [endpoint, key]);
      return row?.value;
    },
    async list(endpoint, prefix, limit) {
      // Bytes of UTF-8 are compared, and no text holds a code point above the last one.
      const found = await server.read<{ readonly key: string; readonly value: string }>(
        'SELECT key, value FROM endpoint_state WHERE endpoint = $1 AND key >= $2::text AND key < $2::text || chr(1114111) ORDER BY key LIMIT $3',
        [endpoint, prefix, limit],
      );
      return new Map(found.map(({ key, value }) => [key, value]));
    },
  };
}
