import type { Database } from '../../sqlite/database.js';
import type { Deferred } from '../../sqlite/protocol.js';
import type { HistoryQuery, MessageState, MessageSummary, StoredEvent } from '../contract.js';
import { Classes } from './classes.js';
import { type EventColumns, type EventRow, SPAN, unpack } from './event-text.js';
import { eventRows, type MessageRow, STATES, stateNumber, summary } from './history-rows.js';
import { historySearch } from './history-search.js';
import { HistoryWriter } from './history-write.js';
import { Journal } from './journal.js';
import type { Names } from './names.js';
import { afterPrefix } from './prefix.js';

/** Nothing more happens to these by itself, and nobody has to look at them. */
const ENDED: readonly MessageState[] = ['delivered', 'filtered'];
/** Quiet for so long, what was appended is folded. */
const IDLE_MS = 100;
/** Rows of events that may wait without anything being done, and a quarter of those that may wait at all: a read waits while they are folded, some 20 us each. */
const MOST_WAITING = 500;

export function historyOperations(database: Database, names: Names) {
  const classes = new Classes(database, names);
  const writer = new HistoryWriter(database, names, classes);
  const search = historySearch(database, classes);
  const message = database.prepare<[string], MessageRow>('SELECT * FROM message WHERE id = ?');
  const row = database.prepare<[number], EventRow>('SELECT seq, message, events, data FROM event WHERE seq = ?');
  const since = database.prepare<[number], EventRow>('SELECT seq, message, events, data FROM event WHERE seq >= ? AND seq NOT IN (SELECT seq FROM unfolded) ORDER BY seq');
  const byPrefix = database.prepare<[string, string, number], string>('SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?').pluck();
  const counts = database.prepare<[], { state: number; messages: number }>('SELECT state, messages FROM message_count');
  const old = database.prepare<[number, number, number, number], MessageRow>(
    `SELECT m.* FROM message m INDEXED BY message_state WHERE m.state = ? AND m.at < ? AND m.last_at < ?
     AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.message = m.id AND letter.state = 0) ORDER BY m.at LIMIT ?`,
  );
  const removeEvents = database.prepare<[number]>('DELETE FROM event WHERE seq = ?');
  const removeMessage = database.prepare<[number]>('DELETE FROM message WHERE n = ?');

  const forget = (): void => {
    names.forget();
    classes.reload();
    writer.forget();
  };
  const journal = new Journal(database, (rows) => writer.fold(rows), forget);
  const remove = (removed: MessageRow): void => {
    for (const seq of eventRows(removed)) removeEvents.run(seq);
    removeMessage.run(removed.n);
  };
  const reads = {
    'history.events': (id: string): readonly StoredEvent[] => {
      const found = message.get(id);
      return found === undefined ? [] : eventRows(found).flatMap((seq) => row.all(seq).flatMap(unpack));
    },
    'history.message': (id: string): MessageSummary | undefined => {
      const found = message.get(id);
      return found === undefined ? undefined : summary(found, names);
    },
    'history.search': (query: HistoryQuery): readonly MessageSummary[] => search(query).map((found) => summary(found, names)),
    'history.byPrefix': ({ prefix, limit }: { readonly prefix: string; readonly limit: number }): readonly string[] => byPrefix.all(prefix, afterPrefix(prefix), limit),
    'history.counts': (): Readonly<Record<MessageState, number>> => {
      const result: Record<MessageState, number> = { active: 0, delivered: 0, filtered: 0, dead: 0, parked: 0 };
      for (const { state, messages } of counts.all()) result[STATES[state] ?? 'active'] = messages;
      return result;
    },
  };
  const deferred: Deferred = {
    neededBy: new Set([...Object.keys(reads), 'history.prune', 'payloads.prune']),
    idleMs: IDLE_MS,
    most: MOST_WAITING,
    amount: () => journal.amount(),
    step: () => journal.step(),
  };
  return {
    reads: {
      ...reads,
      /** The rows as they were appended, folded or not: in order, and no number is given twice. */
      'history.since': ({ after, limit }: { readonly after: number; readonly limit: number }): readonly StoredEvent[] => {
        const found: StoredEvent[] = [];
        for (const one of since.iterate(Math.floor(after / SPAN))) {
          if (found.length >= limit) break;
          for (const event of unpack(one)) if (event.seq > after && found.length < limit) found.push(event);
        }
        return found;
      },
    },
    writes: {
      'history.append': (rows: EventColumns): void => journal.append(rows),
      'history.prune': ({ before, limit }: { readonly before: number; readonly limit: number }): number => {
        let removed = 0;
        writer.forget();
        for (const state of ENDED.map(stateNumber)) {
          const rows = old.all(state, before, before, limit - removed);
          for (const one of rows) remove(one);
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
