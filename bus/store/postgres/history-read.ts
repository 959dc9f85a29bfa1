import type { History, HistoryQuery, MessageState, MessageSummary } from '../contract.js';
import type { Classes } from './classes.js';
import { type EventRow, type MessageRow, STATES, toEvent, toSummary } from './history-rows.js';
import type { Server, Value } from './server.js';

/** Above this many classes, the messages wanted are so many that walking all of them by time finds enough soon. */
const MANY_CLASSES = 300;
const NEWEST_FIRST = 'ORDER BY at DESC, n DESC';

export function historyReads(server: Server, classes: Classes): Omit<History, 'append'> {
  return {
    async events(messageId) {
      const found = await server.read<EventRow>('SELECT e.seq, m.id, e.body, e.data FROM message m JOIN event e ON e.message = m.n WHERE m.id = $1 ORDER BY e.seq', [messageId]);
      return found.map(toEvent);
    },
    async message(messageId) {
      const [row] = await server.read<MessageRow>('SELECT * FROM message WHERE id = $1', [messageId]);
      return row && toSummary(row);
    },
    search: (query) => search(server, classes, query),
    async byPrefix(prefix, limit) {
      // Bytes of UTF-8 are compared, and no text holds a code point above the last one.
      const found = await server.read<{ readonly id: string }>('SELECT id FROM message WHERE id >= $1::text AND id < $1::text || chr(1114111) ORDER BY id LIMIT $2', [
        prefix,
        limit,
      ]);
      return found.map(({ id }) => id);
    },
    async since(after, limit) {
      const found = await server.read<EventRow>(
        'SELECT e.seq, m.id, e.body, e.data FROM (SELECT * FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) e JOIN message m ON m.n = e.message ORDER BY e.seq',
        [after, limit],
      );
      return found.map(toEvent);
    },
    async counts() {
      const [row] = await server.read<Readonly<Record<MessageState, number>>>(`SELECT ${STATES.join(', ')} FROM tail`);
      return row ?? { active: 0, delivered: 0, filtered: 0, dead: 0, parked: 0 };
    },
  };
}

/** Chooses the index that is walked, newest first, and walks it from as many places as needed, each up to the limit. */
async function search(server: Server, classes: Classes, query: HistoryQuery): Promise<readonly MessageSummary[]> {
  const wanted = await classes.having(query);
  if (wanted?.length === 0 || query.limit <= 0) return [];
  const values: Value[] = [query.limit];
  const criterion = (condition: string, value: Value | undefined): string => (value === undefined ? '' : ` AND ${condition} $${values.push(value)}`);
  const ofClass = (condition: string): string => (wanted === undefined ? '' : ` AND ${condition}($${values.push(wanted)}::integer[])`);
  const time = criterion('at >=', query.since) + criterion('at <=', query.until);
  const state = query.state === undefined ? undefined : STATES.indexOf(query.state);
  let sql: string;
  if (query.key !== undefined) {
    sql = `SELECT * FROM message WHERE true${criterion('key =', query.key)}${criterion('state =', state)}${time}${ofClass('class = ANY')} ${NEWEST_FIRST} LIMIT $1`;
  } else {
    const states = `unnest($${values.push(state === undefined ? STATES.map((_, index) => index) : [state])}::smallint[]) AS s (state)`;
    const fewClasses = wanted !== undefined && wanted.length <= MANY_CLASSES;
    const starts = fewClasses ? `${states} CROSS JOIN unnest($${values.push(wanted)}::integer[]) AS c (class)` : states;
    const same = fewClasses ? 'm.class = c.class AND m.state = s.state' : `m.state = s.state${ofClass('m.class = ANY')}`;
    sql = `SELECT found.* FROM ${starts} CROSS JOIN LATERAL (SELECT * FROM message m WHERE ${same}${time} ${NEWEST_FIRST} LIMIT $1) found ${NEWEST_FIRST} LIMIT $1`;
  }
  return (await server.read<MessageRow>(sql, values)).map(toSummary);
}
