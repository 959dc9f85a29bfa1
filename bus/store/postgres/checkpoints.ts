import type { Checkpoints } from '../contract.js';
import { type Operation, same } from './operation.js';
import { rows } from './rows.js';
import type { Server } from './server.js';

interface SetCheckpoint {
  readonly source: string;
  readonly position: string;
  readonly epoch: number;
}

const ROWS = rows({ source: 'text', position: 'text', epoch: 'bigint' });
const UPSERT = `INSERT INTO checkpoint AS c (source, position, epoch, at) SELECT source, position, epoch, clock_timestamp() FROM ${ROWS.source}
  ON CONFLICT (source) DO UPDATE SET position = excluded.position, epoch = excluded.epoch, at = excluded.at WHERE excluded.epoch >= c.epoch RETURNING source`;

/** Writing a position twice is no harm. */
export const setCheckpoint: Operation<SetCheckpoint, boolean> = {
  table: 'checkpoint',
  async run(session, inputs) {
    const results = new Map<SetCheckpoint, boolean>();
    for (let rest = inputs; rest.length > 0; ) {
      // A statement may change a row once: the first of each source, then the next.
      const first = new Map<string, SetCheckpoint>();
      for (const input of rest) if (!first.has(input.source)) first.set(input.source, input);
      const round = [...first.values()].sort((a, b) => (a.source < b.source ? -1 : 1));
      const written = new Set((await session.query<{ readonly source: string }>(UPSERT, ROWS.values(round.map((one) => ({ ...one }))))).map(({ source }) => source));
      for (const one of round) results.set(one, written.has(one.source));
      rest = rest.filter((input) => !results.has(input));
    }
    return inputs.map((input) => results.get(input) ?? false);
  },
};

/** The row stays for its epoch: a holder that lost its lease must not write after a reset either. */
export const deleteCheckpoint: Operation<string, void> = {
  table: 'checkpoint',
  async run(session, inputs) {
    await session.query('UPDATE checkpoint SET position = NULL WHERE source = ANY($1::text[])', [inputs]);
    return same(inputs, undefined);
  },
};

export function checkpointReads(server: Server): Pick<Checkpoints, 'get' | 'list'> {
  return {
    async get(source) {
      const [row] = await server.read<{ readonly position: string | null }>('SELECT position FROM checkpoint WHERE source = $1', [source]);
      return row?.position ?? undefined;
    },
    list: () => server.read('SELECT source, position, (extract(epoch FROM at) * 1000)::bigint AS at FROM checkpoint WHERE position IS NOT NULL ORDER BY source'),
  };
}
