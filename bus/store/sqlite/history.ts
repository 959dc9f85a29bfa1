import type { Database } from '../../sqlite/database.js';
import type { Deferred } from '../../sqlite/protocol.js';
import type { HistoryQuery, MessageState, MessageSummary, StoredEvent } from '../contract.js';
import { Classes } from './classes.js';
import { type EventRow, SPAN, unpack } from './event-text.js';
import { type MessageRow, STATES, stateNumber, summary } from './history-rows.js';
import { historySearch } from './history-search.js';
import { HistoryWriter } from './history-write.js';
import { Journal } from './journal.js';
import type { JournalText } from './journal-text.js';
import type { Names } from './names.js';
import { afterPrefix } from './prefix.js';

const EVENT_SELECT = 'SELECT e.seq, e.events, e.data, m.id, m.type, m.source, m.key, m.traceparent';
/** Nothing more happens to these by itself, and nobody has to look at them. */
const ENDED: readonly MessageState[] = ['delivered', 'filtered'];
/** Quiet for so long, what was appended is folded. */
const IDLE_MS = 100;
/** Events that may wait: a read waits while they are folded, some 10 us each. */
const MOST_WAITING = 2_000;

export function historyOperations(database: Database, names: Names) {
  const classes = new Classes(database, names);
  const writer = new HistoryWriter(database, names, classes);
  const search = historySearch(database, classes);
  const message = database.prepare<[string], MessageRow>('SELECT * FROM message WHERE id = ?');
  // Most messages have one row of events, which has the message's own number.
  const events = database.prepare<{ id: string }, EventRow>(
    `${EVENT_SELECT} FROM message m CROSS JOIN event e ON e.seq = m.n WHERE m.id = $id
     UNION ALL ${EVENT_SELECT} FROM message m CROSS JOIN event e INDEXED BY event_later ON e.message = m.n AND e.message <> e.seq WHERE m.id = $id ORDER BY 1`,
  );
  const since = database.prepare<[number], EventRow>(`${EVENT_SELECT} FROM event e CROSS JOIN message m ON m.n = e.message WHERE e.seq >= ? ORDER BY e.seq`);
  const byPrefix = database.prepare<[string, string, number], string>('SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?').pluck();
  const counts = database.prepare<[], { state: number; messages: number }>('SELECT state, messages FROM message_count');
  const old = database.prepare<[number, number, number, number], MessageRow>(
    `SELECT m.* FROM message m INDEXED BY message_state WHERE m.state = ? AND m.at < ? AND m.last_at < ?
     AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.message = m.id AND letter.state = 0) ORDER BY m.at LIMIT ?`,
  );
  const removeFirst = database.prepare<[number]>('DELETE FROM event WHERE seq = ?');
  const removeLater = database.prepare<[number]>('DELETE FROM event INDEXED BY event_later WHERE message = ? AND message <> seq');
  const removeMessage = database.prepare<[number]>('DELETE FROM message WHERE n = ?');

  const forget = (): void => {
    names.forget();
    classes.reload();
    writer.forget();
  };
  const journal = new Journal(database, (folded) => writer.fold(folded), forget);
  const remove = ({ n }: MessageRow): void => {
    removeFirst.run(n);
    removeLater.run(n);
    removeMessage.run(n);
  };
  const reads = {
    'history.events': (id: string): readonly StoredEvent[] => events.all({ id }).flatMap((row) => unpack(row, names)),
    'history.message': (id: string): MessageSummary | undefined => {
      const row = message.get(id);
      return row === undefined ? undefined : summary(row, names);
    },
    'history.search': (query: HistoryQuery): readonly MessageSummary[] => search(query).map((row) => summary(row, names)),
    'history.byPrefix': ({ prefix, limit }: { readonly prefix: string; readonly limit: number }): readonly string[] => byPrefix.all(prefix, afterPrefix(prefix), limit),
    /** By whole folds, since the events of one are in the order of the appends over all of its rows. */
    'history.since': ({ after, limit }: { readonly after: number; readonly limit: number }): readonly StoredEvent[] => {
      const found: StoredEvent[] = [];
      let fold = 0;
      for (const row of since.iterate(foldOf(after))) {
        if (found.length >= limit && foldOf(row.seq) !== fold) break;
        fold = foldOf(row.seq);
        for (const event of unpack(row, names)) if (event.seq > after) found.push(event);
      }
      return found.sort((a, b) => a.seq - b.seq).slice(0, Math.max(0, limit));
    },
    'history.counts': (): Readonly<Record<MessageState, number>> => {
      const result: Record<MessageState, number> = { active: 0, delivered: 0, filtered: 0, dead: 0, parked: 0 };
      for (const { state, messages } of counts.all()) result[STATES[state] ?? 'active'] = messages;
      return result;
    },
  };
  const deferred: Deferred = {
    neededBy: new Set([...Object.keys(reads), 'history.prune']),
    idleMs: IDLE_MS,
    most: MOST_WAITING,
    amount: () => journal.amount(),
    step: () => journal.step(),
  };
  return {
    reads,
    writes: {
      /** Durable with its group's commit; folded into messages later. */
      'history.append': (rows: readonly JournalText[]): void => journal.append(rows),
      'history.prune': ({ before, limit }: { readonly before: number; readonly limit: number }): number => {
        let removed = 0;
        writer.keepLastSeq();
        writer.forget();
        for (const state of ENDED.map(stateNumber)) {
          const rows = old.all(state, before, before, limit - removed);
          for (const row of rows) remove(row);
          writer.changeCounts(new Map([[state, -rows.length]]));
          removed += rows.length;
        }
        return removed;
      },
    },
    deferred,
    committed: (): void => journal.committed(),
    rolledBack: (): void => {
      journal.rolledBack();
      forget();
    },
  };
}

function foldOf(seq: number): number {
  return seq - (seq % SPAN);
}
