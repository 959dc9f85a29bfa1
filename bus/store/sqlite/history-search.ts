// Chooses the index a search walks, newest first; every other criterion is checked row by row, so that a search stops at its limit.
import type { Database } from '../../sqlite/database.js';
import type { HistoryQuery } from '../contract.js';
import type { Facets, Role } from './facets.js';
import { type MessageRow, stateNumber } from './history-rows.js';

/** Below this many messages, the ones in a state are fewer than the ones with a name usually are. */
const FEW = 20_000;
/** Most selective first. */
const ROLES: readonly Role[] = ['code', 'route', 'endpoint', 'type', 'source'];

export function historySearch(database: Database, facets: Facets): (query: HistoryQuery) => readonly MessageRow[] {
  const inState = database.prepare<[number], number>('SELECT messages FROM message_count WHERE state = ?').pluck();

  return (query) => {
    const wanted: number[] = [];
    for (const role of ROLES) {
      const text = query[role];
      if (text === undefined) continue;
      const what = facets.find(role, text);
      if (what === undefined) return [];
      wanted.push(what);
    }
    const state = query.state === undefined ? undefined : stateNumber(query.state);
    const byState = state !== undefined && query.key === undefined && (wanted.length === 0 || (inState.get(state) ?? 0) < FEW);
    const walk = query.key === undefined && !byState ? wanted.shift() : undefined;
    const index = query.key !== undefined ? 'message_key' : byState ? 'message_state' : 'message_at';

    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const where = (condition: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    const at = walk === undefined ? 'm.at' : 'f.at';
    where('f.what = ?', walk);
    where('m.key = ?', query.key);
    where('m.state = ?', state);
    where(`${at} >= ?`, query.since);
    where(`${at} <= ?`, query.until);
    for (const what of wanted) where('EXISTS (SELECT 1 FROM facet g WHERE g.what = ? AND g.at = m.at AND g.message = m.n)', what);
    // CROSS JOIN keeps this order: facet first.
    const from = walk === undefined ? `message m INDEXED BY ${index}` : 'facet f CROSS JOIN message m ON m.n = f.message';
    const order = walk === undefined ? 'm.at DESC, m.n DESC' : 'f.at DESC, f.message DESC';
    const sql = `SELECT m.* FROM ${from} ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`} ORDER BY ${order} LIMIT ?`;
    return database.prepare<unknown[], MessageRow>(sql).all(...values, query.limit);
  };
}
