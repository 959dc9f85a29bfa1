// How events cross to the store's thread and lie in its journal: as text, which is cloned and stored at once whatever it holds.
import type { HistoryEvent } from '../contract.js';

/** Events of one journal row: so a row is folded in little time, however many events were appended at once. */
export const ROW_EVENTS = 500;

/** A row of the journal to be. */
export interface JournalText {
  readonly size: number;
  readonly events: string;
}

/** @throws Error for an event that could not be folded later: an append fails whole, and it fails now. */
export function toJournal(events: readonly HistoryEvent[]): readonly JournalText[] {
  for (const event of events) check(event);
  if (events.length <= ROW_EVENTS) return events.length === 0 ? [] : [{ size: events.length, events: JSON.stringify(events) }];
  const rows: JournalText[] = [];
  for (let first = 0; first < events.length; first += ROW_EVENTS) {
    const some = events.slice(first, first + ROW_EVENTS);
    rows.push({ size: some.length, events: JSON.stringify(some) });
  }
  return rows;
}

export function fromJournal(text: string): readonly HistoryEvent[] {
  return JSON.parse(text) as readonly HistoryEvent[];
}

/** JSON knows no NaN and no Infinity, SQLite no integers above 64 bits. Everything else that the type allows is stored. */
function check(event: HistoryEvent): void {
  const { at, revision, attempt = 0, durationMs = 0, message } = event;
  const numbers = Math.abs(at) <= Number.MAX_SAFE_INTEGER && Number.isSafeInteger(revision) && Number.isSafeInteger(attempt) && Math.abs(durationMs) <= Number.MAX_SAFE_INTEGER;
  if (!numbers || !Number.isSafeInteger(message?.size ?? 0)) throw new Error(`the event ${event.kind} of ${event.messageId} has a number that cannot be stored`);
}
