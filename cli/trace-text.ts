import type { EventKind, MessageState, MessageSummary, StoredEvent } from '../bus/store/contract.js';
import { payloadText } from './payload.js';
import { table } from './table.js';
import { bytes, clockTime, day, duration, localTimes, paint, safe } from './text.js';

/** The steps of one message, as `signalbox trace` prints them. */
export function traceText(message: MessageSummary, events: readonly StoredEvent[], payloads: boolean): string {
  const lines = [...headline(message), payloads ? stepsWithPayloads(events) : stepsTable(events)];
  if (!payloads && events.some(({ dataref }) => dataref !== undefined)) lines.push(`content  ${paint('cyan', `signalbox messages show ${safe(message.id)}`)}`);
  if (message.state === 'dead') lines.push(`next  ${paint('cyan', `signalbox dlq show ${safe(message.id)}`)}`);
  return lines.join('\n');
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

function headline(message: MessageSummary): string[] {
  const what = [
    `${paint('bold', safe([message.type ?? message.source, message.key ?? ''].join(' ').trim()))}  ${messageState(message.state)}`,
    delivered(message),
    `in ${duration(message.lastAt - message.at)}`,
    `on ${day(message.at)}`,
  ];
  const ids = [`message ${safe(message.id)}`, message.traceparent === undefined ? '' : `trace ${safe(message.traceparent.split('-')[1] ?? message.traceparent)}`];
  return [what, ids].map((parts) => parts.filter((part) => part !== '').join('   '));
}

const COLUMNS = ['TIME', 'STEP', 'WHERE', { title: 'TRY', align: 'right' }, 'DETAIL', { title: 'TOOK', align: 'right' }, 'PLACE'] as const;

interface Row {
  readonly cells: readonly string[];
  readonly event: StoredEvent;
}

function stepsTable(events: readonly StoredEvent[]): string {
  return table(
    COLUMNS,
    rows(events).map(({ cells }) => cells),
  );
}

/** Content belongs under its step, so the table is cut between its lines. */
function stepsWithPayloads(events: readonly StoredEvent[]): string {
  const all = rows(events);
  const [title = '', ...lines] = table(
    COLUMNS,
    all.map(({ cells }) => cells),
  ).split('\n');
  return [title, ...lines.flatMap((line, at) => [line, ...content(all[at]?.event)])].join('\n');
}

function content(event: StoredEvent | undefined): string[] {
  return event?.data === undefined ? [] : [payloadText(event.data, '      ')];
}

/** One row per step. What a rule decided stands in the row of what it sent; a rule that sent nothing has a row of its own. */
function rows(events: readonly StoredEvent[]): Row[] {
  const sent = new Set(events.filter(({ kind }) => kind === 'queued' || kind === 'dead').map(ruleOf));
  const decided = new Map(events.filter(({ kind, rule }) => kind === 'note' && rule !== undefined).map((event) => [ruleOf(event), event.detail ?? '']));
  const newest = new Map(events.map((event) => [event.deliveryId, event]));
  let before = '';
  return events.flatMap((event) => {
    const { kind, rule, route } = event;
    if (kind === 'note' && rule !== undefined && sent.has(ruleOf(event))) return [];
    const today = day(event.at);
    const time = before === '' || before === today ? clockTime(event.at) : `${today} ${clockTime(event.at)}`;
    before = today;
    const delivering = rule !== undefined && event.endpoint !== undefined && kind !== 'queued';
    const where = delivering ? `  ${safe(event.endpoint ?? '')}` : safe(rule === undefined ? (event.endpoint ?? route ?? '') : `${route ?? ''}/${rule}`);
    const size = event.message?.size;
    const detail = [
      event.code === undefined ? '' : safe(event.code),
      kind === 'queued' ? safe(`> ${event.endpoint ?? ''}`) : '',
      safe(kind === 'queued' ? (decided.get(ruleOf(event)) ?? '') : detailOf(event, newest.get(event.deliveryId) === event)),
      size === undefined ? '' : bytes(size),
      event.dataref === undefined ? '' : 'content at the claim check',
    ];
    const cells = [
      time,
      kind === 'note' && rule !== undefined ? 'no match' : eventWord(kind),
      where,
      event.attempt === undefined || (event.attempt === 1 && kind === 'delivered') ? '' : String(event.attempt),
      detail.filter(Boolean).join('  '),
      event.durationMs === undefined ? '' : duration(event.durationMs),
      safe(event.place ?? ''),
    ];
    return [{ cells, event }];
  });
}

function ruleOf({ route, rule }: StoredEvent): string {
  return `${route ?? ''}/${rule ?? ''}`;
}

/** What comes next is news with the newest attempt only. */
function detailOf({ kind, detail = '' }: StoredEvent, isNewest: boolean): string {
  return kind === 'retry' && !isNewest ? detail.replace(/; attempt \d+ of \d+, next [^;]*$/, '') : localTimes(detail);
}
