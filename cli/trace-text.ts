import type { EventKind, MessageState, MessageSummary, StoredEvent } from '../bus/store/contract.js';
import { payloadText } from './payload.js';
import { table } from './table.js';
import { bytes, clockTime, day, duration, paint, safe } from './text.js';

/** The steps of one message, as `signalbox trace` prints them. */
export function traceText(message: MessageSummary, events: readonly StoredEvent[], payloads: boolean): string {
  return `${headline(message)}\n${payloads ? stepsWithPayloads(events) : stepsTable(events)}`;
}

export function eventWord(kind: EventKind): string {
  if (kind === 'dead') return paint('red', 'DEAD');
  if (kind === 'retry') return paint('yellow', 'RETRY');
  if (kind === 'parked') return paint('yellow', 'PARKED');
  return kind === 'delivered' ? paint('green', kind) : kind;
}

/** `orders-out/accounting > accounting.BookInvoice`. */
export function eventWhere({ route, rule, endpoint }: StoredEvent): string {
  const by = [route, rule].filter((part) => part !== undefined).join('/');
  return safe([by, endpoint].filter(Boolean).join(' > '));
}

export function messageState(state: MessageState): string {
  if (state === 'dead') return paint('red', 'DEAD');
  if (state === 'delivered') return paint('green', state);
  return state === 'filtered' ? state : paint('yellow', state);
}

/** `2 of 3 delivered, 1 dead`. */
export function delivered({ queued, delivered: done, dead }: MessageSummary): string {
  const parts = queued === 0 ? (done === 0 ? [] : [`${done} delivered`]) : [`${done} of ${queued} delivered`];
  if (dead > 0) parts.push(`${dead} dead`);
  return parts.join(', ');
}

function headline(message: MessageSummary): string {
  return [
    `${paint('bold', safe([message.type ?? message.source, message.key ?? ''].join(' ').trim()))}  ${messageState(message.state)}`,
    delivered(message),
    `in ${duration(message.lastAt - message.at)}`,
    `on ${day(message.at)}`,
    `message ${safe(message.id)}`,
    message.traceparent === undefined ? '' : `trace ${safe(message.traceparent.split('-')[1] ?? message.traceparent)}`,
  ]
    .filter((part) => part !== '')
    .join('   ');
}

const COLUMNS = ['TIME', 'STEP', 'WHERE', 'CODE', { title: 'ATTEMPT', align: 'right' }, 'DETAIL', { title: 'TOOK', align: 'right' }, 'PLACE'] as const;

function stepsTable(events: readonly StoredEvent[]): string {
  return table(COLUMNS, cells(events));
}

/** Content belongs under its step, so the table is cut between its lines. */
function stepsWithPayloads(events: readonly StoredEvent[]): string {
  const [title = '', ...lines] = table(COLUMNS, cells(events)).split('\n');
  return [title, ...lines.flatMap((line, at) => [line, ...content(events[at])])].join('\n');
}

function content(event: StoredEvent | undefined): string[] {
  return event?.data === undefined ? [] : [payloadText(event.data, '      ')];
}

function cells(events: readonly StoredEvent[]): string[][] {
  let before = '';
  return events.map((event) => {
    const today = day(event.at);
    const first = before === '' || before === today;
    before = today;
    return [
      first ? clockTime(event.at) : `${today} ${clockTime(event.at)}`,
      eventWord(event.kind),
      eventWhere(event),
      safe(event.code ?? ''),
      event.attempt === undefined ? '' : String(event.attempt),
      [safe(event.detail ?? ''), event.message?.size === undefined ? '' : bytes(event.message.size)].filter(Boolean).join('  '),
      event.durationMs === undefined ? '' : duration(event.durationMs),
      safe(event.place ?? ''),
    ];
  });
}
