// Chooses the index a search walks, newest first; every other criterion is checked row by row, so that a search stops at its limit.
import type { Database } from '../../sqlite/database.js';
import type { HistoryQuery } from '../contract.js';
import type { Classes } from './classes.js';
import { type MessageRow, STATES, stateNumber } from './history-rows.js';

/** Below this many messages in a state, walking them is cheaper than walking the classes. */
const FEW = 20_000;
/** Above this many classes, the messages wanted are so many that walking all of them by time finds enough soon. */
const MANY_CLASSES = 300;

export function historySearch(database: Database, classes: Classes): (query: HistoryQuery) => readonly MessageRow[] {
  const inState = database.prepare<[number], number>('SELECT messages FROM message_count WHERE state = ?').pluck();

  return (query) => {
    const { key, state, limit } = query;
    const wanted = classes.having(query);
    if (wanted?.size === 0 || limit <= 0) return [];
    if (key !== undefined) return newest(limit, [walk('message_key', query)], wanted);
    const fewClasses = wanted !== undefined && wanted.size <= MANY_CLASSES;
    if (fewClasses && (state === undefined || (inState.get(stateNumber(state)) ?? 0) >= FEW)) {
      return [...wanted]
        .flatMap((one) => newest(limit, [walk('message_class', query, one)], undefined))
        .sort(newestFirst)
        .slice(0, limit);
    }
    // No index has the time alone: walking the states side by side comes to the same.
    const states = state === undefined ? STATES : [state];
    const walks = states.map((one) => walk('message_state', { ...query, state: one }));
    return newest(limit, walks, wanted);
  };

  function walk(index: string, query: HistoryQuery, one?: number): IterableIterator<MessageRow> {
    const criteria = (
      [
        ['class = ?', one],
        ['key = ?', query.key],
        ['state = ?', query.state === undefined ? undefined : stateNumber(query.state)],
        ['at >= ?', query.since],
        ['at <= ?', query.until],
      ] as const
    ).filter(([, value]) => value !== undefined);
    const where = criteria.length === 0 ? '' : `WHERE ${criteria.map(([condition]) => condition).join(' AND ')}`;
    const sql = `SELECT * FROM message INDEXED BY ${index} ${where} ORDER BY at DESC, n DESC`;
    return database.prepare<unknown[], MessageRow>(sql).iterate(...criteria.map(([, value]) => value));
  }
}

/** The newest of several walks, each newest first. */
function newest(limit: number, walks: readonly IterableIterator<MessageRow>[], wanted: ReadonlySet<number> | undefined): readonly MessageRow[] {
  const found: MessageRow[] = [];
  const heads = walks.map((rows) => ({ rows, next: rows.next() })).filter(({ next }) => next.done !== true);
  while (found.length < limit) {
    let head: (typeof heads)[number] | undefined;
    for (const one of heads) if (one.next.done !== true && (head === undefined || newestFirst(one.next.value, head.next.value) < 0)) head = one;
    if (head === undefined) break;
    if (wanted === undefined || wanted.has(head.next.value.class)) found.push(head.next.value);
    head.next = head.rows.next();
  }
  for (const { rows } of heads) rows.return?.();
  return found;
}

function newestFirst(a: MessageRow, b: MessageRow): number {
  return b.at - a.at || b.n - a.n;
}
