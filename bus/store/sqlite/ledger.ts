import type { Database } from '../../sqlite/database.js';
import type { Ledger, LedgerEntry, LedgerState } from '../contract.js';
import type { Names } from './names.js';

/** Stored as its place in this list: append only. */
const STATES: readonly LedgerState[] = ['sending', 'done', 'unknown', 'released'];
const DONE = STATES.indexOf('done');

interface Row {
  readonly id: string;
  readonly endpoint: number;
  readonly state: number;
  readonly at: number;
  readonly detail: string | null;
}

interface Filter {
  readonly state: number | null;
  readonly endpoint: number | null;
  readonly limit: number;
}

export interface Swap {
  readonly deliveryId: string;
  readonly seen: LedgerEntry | undefined;
  readonly next: LedgerEntry | undefined;
}

export function ledgerOperations(database: Database, names: Names) {
  const get = database.prepare<[string], Row>('SELECT * FROM ledger WHERE id = ?');
  const put = database.prepare<[string, number, number, number, string | null]>(
    `INSERT INTO ledger (id, endpoint, state, at, detail) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET endpoint = excluded.endpoint, state = excluded.state, at = excluded.at, detail = excluded.detail`,
  );
  const inState = database.prepare<[Filter], Row>('SELECT * FROM ledger WHERE state = $state AND ($endpoint IS NULL OR endpoint = $endpoint) ORDER BY at, id LIMIT $limit');
  const inAny = database.prepare<[Filter], Row>('SELECT * FROM ledger WHERE $state IS NULL AND ($endpoint IS NULL OR endpoint = $endpoint) ORDER BY at, id LIMIT $limit');
  const remove = database.prepare<[string]>('DELETE FROM ledger WHERE id = ?');
  const counted = database.prepare<[number], { readonly endpoint: number; readonly count: number }>(
    'SELECT endpoint, count(*) AS count FROM ledger WHERE state = ? GROUP BY endpoint',
  );
  const prune = database.prepare<[number, number, number]>('DELETE FROM ledger WHERE id IN (SELECT id FROM ledger WHERE state = ? AND at < ? LIMIT ?)');

  const entry = (row: Row): LedgerEntry => ({
    deliveryId: row.id,
    endpoint: names.text(row.endpoint),
    state: STATES[row.state] ?? 'unknown',
    at: row.at,
    ...(row.detail === null ? {} : { detail: row.detail }),
  });
  return {
    reads: {
      'ledger.get': (ids: readonly string[]): ReadonlyMap<string, LedgerEntry> => {
        const found = new Map<string, LedgerEntry>();
        for (const id of ids) {
          const row = get.get(id);
          if (row !== undefined) found.set(id, entry(row));
        }
        return found;
      },
      'ledger.list': ({ state, endpoint, limit }: Parameters<Ledger['list']>[0]): readonly LedgerEntry[] => {
        const number = endpoint === undefined ? null : names.find(endpoint);
        if (number === undefined) return [];
        const filter = { state: state === undefined ? null : STATES.indexOf(state), endpoint: number, limit };
        return (state === undefined ? inAny : inState).all(filter).map(entry);
      },
      'ledger.counts': (state: LedgerState): ReadonlyMap<string, number> => new Map(counted.all(STATES.indexOf(state)).map(({ endpoint, count }) => [names.text(endpoint), count])),
    },
    writes: {
      'ledger.put': (entries: readonly LedgerEntry[]): void => {
        for (const { deliveryId, endpoint, state, at, detail } of entries) put.run(deliveryId, names.id(endpoint), STATES.indexOf(state), at, detail ?? null);
      },
      'ledger.swap': ({ deliveryId, seen, next }: Swap): boolean => {
        const row = get.get(deliveryId);
        const now = row && entry(row);
        if (now === undefined ? next === undefined : next && isSame(now, next)) return true;
        if (now !== undefined && !(seen && isSame(now, seen))) return false;
        if (next) put.run(deliveryId, names.id(next.endpoint), STATES.indexOf(next.state), next.at, next.detail ?? null);
        else remove.run(deliveryId);
        return true;
      },
      'ledger.delete': (ids: readonly string[]): void => {
        for (const id of ids) remove.run(id);
      },
      'ledger.prune': ({ before, limit }: { readonly before: number; readonly limit: number }): number => prune.run(DONE, before, limit).changes,
    },
  };
}

function isSame(one: LedgerEntry, other: LedgerEntry): boolean {
  return one.state === other.state && one.at === other.at && one.detail === other.detail;
}
