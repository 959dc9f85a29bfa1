import type { StoredEvent } from '../bus/store/contract.js';
import type { Service } from '../console/service.js';
import { cut } from './table.js';
import { clockTime, localTimes, paint, safe } from './text.js';

/**
 * Follows the history and gives one line per message when all of its parts have settled, and one before that when a part of it has to wait:
 * once, however many attempts follow.
 */
export class LiveLines {
  private after = 0;
  private readonly open = new Map<string, { readonly events: StoredEvent[]; told: boolean }>();

  constructor(
    private readonly service: Pick<Service, 'tail'>,
    private readonly print: (line: string, events: readonly StoredEvent[]) => void,
  ) {}

  /** Reads what is new and prints the messages that are finished. Called in turn, never concurrently. */
  async advance(): Promise<void> {
    for (;;) {
      const events = await this.service.tail(this.after, 500);
      const touched = new Set<string>();
      for (const event of events) {
        this.after = event.seq;
        touched.add(event.messageId);
        const known = this.open.get(event.messageId);
        if (known) known.events.push(event);
        else this.open.set(event.messageId, { events: [event], told: false });
      }
      for (const id of touched) this.flush(id);
      if (events.length < 500) return;
    }
  }

  private flush(id: string): void {
    const message = this.open.get(id);
    const last = message?.events.at(-1);
    if (!message || !last) return;
    const { events } = message;
    const states = [...new Map(events.filter(({ deliveryId }) => deliveryId !== undefined).map((event) => [event.deliveryId, event.kind])).values()];
    const isOpen = states.some((kind) => kind === 'queued' || kind === 'retry' || kind === 'redelivered') || last.kind === 'redelivered';
    if (isOpen && (message.told || !states.includes('retry'))) return;
    message.told = isOpen;
    this.print(lineOf(id, events), events);
    // One with a dead part may be redelivered, and is known then.
    if (!isOpen && !events.some(({ kind }) => kind === 'dead')) this.open.delete(id);
  }
}

/** `09:14:02  4711      legacy > Order > accounting ok 41 ms | shipping ok x2      not erp (order.country in ["DE"])`. */
export function lineOf(id: string, events: readonly StoredEvent[]): string {
  const first = events.find(({ kind }) => kind === 'received');
  const at = clockTime(events.at(-1)?.at ?? 0).slice(0, 8);
  const head = `${at}  ${safe(first?.message?.key ?? first?.detail ?? id.slice(0, 10)).padEnd(8)}  ${safe(systemName(first?.message?.source ?? ''))}`;
  const whole = events.slice(events.findLastIndex(({ kind }) => kind === 'received')).find(({ kind, rule }) => (kind === 'dead' || kind === 'filtered') && rule === undefined);
  if (whole?.kind === 'dead') return `${head} ${paint('red', 'x')} ${safe(`${whole.code ?? ''} ${whole.detail ?? ''}`)}${more(id)}`;
  if (whole) return `${head} - filtered: ${safe(whole.detail ?? '')}`;
  const parts = new Map<string, StoredEvent[]>();
  for (const event of events) {
    if (event.rule === undefined || event.endpoint === undefined) continue;
    const name = systemName(event.endpoint);
    parts.set(name, [...(parts.get(name) ?? []), event]);
  }
  const targets = [...parts].map(([name, of]) => `${safe(name)} ${outcome(of)}`);
  const line = [head, safe(first?.message?.type ?? ''), targets.join(' | ')].filter(Boolean).join(' > ');
  return `${line}${notMatched(events)}${events.some(({ kind }) => kind === 'dead') ? more(id) : ''}`;
}

function outcome(events: readonly StoredEvent[]): string {
  const delivered = events.filter(({ kind }) => kind === 'delivered');
  const last = events.at(-1);
  if (last?.kind === 'dead') return `${paint('red', 'x')} ${safe(`${last.code ?? ''} ${cut(last.detail ?? '', 70)}`)}`;
  if (last?.kind === 'retry') {
    const [cause = '', next = 'tried again later'] = (last.detail ?? '').split('; attempt ');
    return `${paint('yellow', 'waits')} (${safe(cut(cause, 50))}; try ${safe(localTimes(next))})`;
  }
  if (delivered.length > 1) return `${paint('green', 'ok')} x${delivered.length}`;
  const ms = delivered[0]?.durationMs;
  return delivered.length === 1 ? `${paint('green', 'ok')}${ms === undefined ? '' : ` ${Math.round(ms)} ms`}` : 'queued';
}

/** The rules that did not want it, and what they asked for. */
function notMatched(events: readonly StoredEvent[]): string {
  const sent = new Set(events.filter(({ kind }) => kind !== 'note').map(({ rule }) => rule));
  const reasons = events
    .filter(({ kind, rule }) => kind === 'note' && rule !== undefined && !sent.has(rule))
    .map(({ rule, detail }) => `${rule}: ${cut((detail ?? '').replace(/ is false$/, ''), 44)}`);
  return reasons.length === 0 ? '' : paint('dim', `      not ${safe(reasons.join('; '))}`);
}

function more(id: string): string {
  return paint('cyan', `      signalbox trace ${safe(id.slice(0, 10))}`);
}

function systemName(endpoint: string): string {
  return endpoint.split('.')[0] ?? endpoint;
}
