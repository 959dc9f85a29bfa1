// Chooses the index a search walks, newest first; every other criterion is checked row by row, so that a search stops at its limit.
import type { Database } from '../../sqlite/database.js';
import type { HistoryQuery } from '../contract.js';
import type { Classes } from './classes.js';
import { type MessageRow, stateNumber } from './history-rows.js';

/** Below this many messages in a state, walking them is cheaper than walking the classes. */
const FEW = 20_000;
/** Above this many classes, the messages wanted are so many that walking all of them by time finds enough soon. */
const MANY_CLASSES = 300;

export function historySearch(database: Database, classes: Classes): (query: HistoryQuery) => readonly MessageRow[] {
  const inState = database.prepare<[number], number>('SELECT messages FROM message_count WHERE state = ?').pluck();

  return (query) => {
    const wanted = classes.having(query);
    if (wanted?.size === 0 || query.limit <= 0) return [];
    const state = query.state === undefined ? undefined : stateNumber(query.state);
    if (query.key !== undefined) return walk('message_key', query, undefined, wanted);
    if (state !== undefined && (wanted === undefined || (inState.get(state) ?? 0) < FEW)) return walk('message_state', query, undefined, wanted);
    if (wanted === undefined || wanted.size > MANY_CLASSES) return walk('message_at', query, undefined, wanted);
    return [...wanted]
      .flatMap((one) => walk('message_class', query, one, undefined))
      .sort((a, b) => b.at - a.at || b.n - a.n)
      .slice(0, query.limit);
  };

  function walk(index: string, query: HistoryQuery, one: number | undefined, wanted: ReadonlySet<number> | undefined): readonly MessageRow[] {
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const where = (condition: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    where('class = ?', one);
    where('key = ?', query.key);
    where('state = ?', query.state === undefined ? undefined : stateNumber(query.state));
    where('at >= ?', query.since);
    where('at <= ?', query.until);
    const sql = `SELECT * FROM message INDEXED BY ${index} ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`} ORDER BY at DESC, n DESC`;
    const rows: MessageRow[] = [];
    for (const row of database.prepare<unknown[], MessageRow>(sql).iterate(...values)) {
      if (wanted === undefined || wanted.has(row.class)) rows.push(row);
      if (rows.length >= query.limit) break;
    }
    return rows;
  }
}
