import type { Ledger, LedgerEntry, LedgerState } from '../contract.js';
import { eachSorted, type Operation, same } from './operation.js';
import { lastOfEach, rows } from './rows.js';
import type { Server, Value } from './server.js';
import { Together } from './together.js';

/** Stored as their place in this list: append only. */
const STATES: readonly LedgerState[] = ['sending', 'done', 'unknown', 'released'];
const ROWS = rows({ id: 'text', endpoint: 'text', state: 'smallint', at: 'bigint', detail: 'text' });

interface Row {
  readonly id: string;
  readonly endpoint: string;
  readonly state: number;
  readonly at: number;
  readonly detail: string | null;
}

/** Putting an entry twice is no harm. */
export const putEntries: Operation<readonly LedgerEntry[], void> = {
  table: 'ledger',
  weight: (entries) => entries.length * 300,
  async run(session, inputs) {
    const last = lastOfEach(inputs.flat(), ({ deliveryId }) => deliveryId);
    await session.query(
      `INSERT INTO ledger (${ROWS.names}) SELECT * FROM ${ROWS.source}
       ON CONFLICT (id) DO UPDATE SET endpoint = excluded.endpoint, state = excluded.state, at = excluded.at, detail = excluded.detail`,
      ROWS.values(last.map(({ deliveryId, endpoint, state, at, detail }) => ({ id: deliveryId, endpoint, state: STATES.indexOf(state), at, detail: detail ?? null }))),
    );
    return same(inputs, undefined);
  },
};

export interface Swap {
  readonly deliveryId: string;
  readonly seen: LedgerEntry | undefined;
  readonly next: LedgerEntry | undefined;
}

const IS = (state: string, at: string, detail: string): string => `(l.state = ${state}::smallint AND l.at = ${at}::bigint AND l.detail IS NOT DISTINCT FROM ${detail}::text)`;

export const swapEntry: Operation<Swap, boolean> = {
  table: 'ledger',
  run: (session, inputs) =>
    eachSorted(
      inputs,
      ({ deliveryId }) => deliveryId,
      async ({ deliveryId, seen, next }) => {
        const before = seen ? [STATES.indexOf(seen.state), seen.at, seen.detail ?? null] : [null, null, null];
        if (!next) {
          await session.query(`DELETE FROM ledger AS l WHERE id = $1 AND ${IS('$2', '$3', '$4')}`, [deliveryId, ...before]);
          return (await session.query('SELECT 1 FROM ledger WHERE id = $1', [deliveryId])).length === 0;
        }
        const written = await session.query(
          `INSERT INTO ledger AS l (id, endpoint, state, at, detail) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET endpoint = excluded.endpoint, state = excluded.state, at = excluded.at, detail = excluded.detail
           WHERE ${IS('$6', '$7', '$8')} OR ${IS('excluded.state', 'excluded.at', 'excluded.detail')} RETURNING 1`,
          [deliveryId, next.endpoint, STATES.indexOf(next.state), next.at, next.detail ?? null, ...before],
        );
        return written.length > 0;
      },
    ),
};

export const deleteEntries: Operation<readonly string[], void> = {
  table: 'ledger',
  async run(session, inputs) {
    await session.query('DELETE FROM ledger WHERE id = ANY (ARRAY(SELECT id FROM ledger WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE))', [inputs.flat()]);
    return same(inputs, undefined);
  },
};

export const pruneEntries: Operation<{ readonly before: number; readonly limit: number }, number> = {
  table: 'ledger',
  async run(session, inputs) {
    const [{ before, limit } = { before: 0, limit: 0 }] = inputs;
    const removed = await session.query(
      'DELETE FROM ledger WHERE id = ANY (ARRAY(SELECT id FROM ledger WHERE state = $1 AND at < $2 LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING 1',
      [STATES.indexOf('done'), before, limit],
    );
    return inputs.map((_, index) => (index === 0 ? removed.length : 0));
  },
};

export function ledgerReads(server: Server): Pick<Ledger, 'get' | 'list' | 'counts'> {
  // Each delivery asks for itself.
  const entries = new Together(async (ids) => {
    const found = await server.read<Row>('SELECT * FROM ledger WHERE id = ANY($1::text[])', [ids]);
    return new Map(found.map((row) => [row.id, entry(row)]));
  });
  return {
    get: (ids) => entries.get(ids),
    async list({ state, endpoint, limit }) {
      const criteria: readonly (readonly [string, Value | undefined])[] = [
        ['state', state === undefined ? undefined : STATES.indexOf(state)],
        ['endpoint', endpoint],
      ];
      const asked = criteria.flatMap(([column, value]) => (value === undefined ? [] : [{ column, value }]));
      const where = asked.map(({ column }, index) => `${column} = $${index + 2}`).join(' AND ') || 'true';
      const found = await server.read<Row>(`SELECT * FROM ledger WHERE ${where} ORDER BY at, id LIMIT $1`, [limit, ...asked.map(({ value }) => value)]);
      return found.map(entry);
    },
    async counts(state) {
      const found = await server.read<{ readonly endpoint: string; readonly count: number }>(
        'SELECT endpoint, count(*)::integer AS count FROM ledger WHERE state = $1 GROUP BY endpoint',
        [STATES.indexOf(state)],
      );
      return new Map(found.map(({ endpoint, count }) => [endpoint, count]));
    },
  };
}

function entry({ id, endpoint, state, at, detail }: Row): LedgerEntry {
  return { deliveryId: id, endpoint, state: STATES[state] ?? 'unknown', at, ...(detail === null ? {} : { detail }) };
}
