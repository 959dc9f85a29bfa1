import type { Database } from '../../sqlite/database.js';
import type { HistoryEvent, HistoryQuery, MessageState, MessageSummary, StoredEvent } from '../contract.js';
import { Classes } from './classes.js';
import { type EventRow, type MessageRow, STATES, stateNumber, storedEvent, summary } from './history-rows.js';
import { historySearch } from './history-search.js';
import { HistoryWriter } from './history-write.js';
import type { Names } from './names.js';
import { afterPrefix } from './prefix.js';

const EVENT_SELECT = `SELECT e.seq, m.id, e.kind, e.at, e.revision, e.node, e.route, e.rule, e.endpoint, e.delivery, e.code, e.attempt, e.duration, e.size, e.place, e.detail,
  e.data, m.type, m.source, m.key, m.traceparent`;
/** Nothing more happens to these by itself, and nobody has to look at them. */
const ENDED: readonly MessageState[] = ['delivered', 'filtered'];

export function historyOperations(database: Database, names: Names) {
  const classes = new Classes(database, names);
  const writer = new HistoryWriter(database, names, classes);
  const search = historySearch(database, classes);
  const message = database.prepare<[string], MessageRow>('SELECT * FROM message WHERE id = ?');
  const events = database.prepare<[string], EventRow>(`${EVENT_SELECT} FROM message m CROSS JOIN event e ON e.message = m.n WHERE m.id = ? ORDER BY e.seq`);
  const since = database.prepare<[number, number], EventRow>(`${EVENT_SELECT} FROM event e CROSS JOIN message m ON m.n = e.message WHERE e.seq > ? ORDER BY e.seq LIMIT ?`);
  const byPrefix = database.prepare<[string, string, number], string>('SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?').pluck();
  const counts = database.prepare<[], { state: number; messages: number }>('SELECT state, messages FROM message_count');
  const old = database.prepare<[number, number, number, number], MessageRow>(
    `SELECT m.* FROM message m INDEXED BY message_state WHERE m.state = ? AND m.at < ? AND m.last_at < ?
     AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.message = m.id AND letter.state = 0) ORDER BY m.at LIMIT ?`,
  );
  const removeEvents = database.prepare<[number]>('DELETE FROM event WHERE message = ?');
  const removeMessage = database.prepare<[number]>('DELETE FROM message WHERE n = ?');

  const remove = (row: MessageRow): void => {
    removeEvents.run(row.n);
    removeMessage.run(row.n);
  };
  return {
    reads: {
      'history.events': (id: string): readonly StoredEvent[] => events.all(id).map((row) => storedEvent(row, names)),
      'history.message': (id: string): MessageSummary | undefined => {
        const row = message.get(id);
        return row === undefined ? undefined : summary(row, names);
      },
      'history.search': (query: HistoryQuery): readonly MessageSummary[] => search(query).map((row) => summary(row, names)),
      'history.byPrefix': ({ prefix, limit }: { readonly prefix: string; readonly limit: number }): readonly string[] => byPrefix.all(prefix, afterPrefix(prefix), limit),
      'history.since': ({ after, limit }: { readonly after: number; readonly limit: number }): readonly StoredEvent[] =>
        since.all(after, limit).map((row) => storedEvent(row, names)),
      'history.counts': (): Readonly<Record<MessageState, number>> => {
        const result: Record<MessageState, number> = { active: 0, delivered: 0, filtered: 0, dead: 0, parked: 0 };
        for (const { state, messages } of counts.all()) result[STATES[state] ?? 'active'] = messages;
        return result;
      },
    },
    writes: {
      'history.append': (added: readonly HistoryEvent[]): void => writer.append(added),
      'history.prune': ({ before, limit }: { readonly before: number; readonly limit: number }): number => {
        let removed = 0;
        writer.keepLastSeq();
        for (const state of ENDED.map(stateNumber)) {
          const rows = old.all(state, before, before, limit - removed);
          for (const row of rows) remove(row);
          writer.changeCounts(new Map([[state, -rows.length]]));
          removed += rows.length;
        }
        return removed;
      },
    },
    rolledBack: (): void => classes.reload(),
  };
}
