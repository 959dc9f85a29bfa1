import type { StoredEvent } from '../bus/store/contract.js';
import type { Service } from '../console/service.js';

/** Follows the history and gives one line per message when all of its parts have settled, or something noteworthy happened to one. */
export class LiveLines {
  private after = 0;
  private readonly open = new Map<string, StoredEvent[]>();

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
        if (known) known.push(event);
        else this.open.set(event.messageId, [event]);
      }
      for (const id of touched) this.flush(id);
      if (events.length < 500) return;
    }
  }

  private flush(id: string): void {
    const events = this.open.get(id) ?? [];
    const settled = new Set(events.filter(({ kind }) => kind === 'delivered' || kind === 'dead').map(({ deliveryId }) => deliveryId));
    const waiting = events.some(({ kind, deliveryId }) => kind === 'queued' && !settled.has(deliveryId));
    const last = events.at(-1);
    if (!events.some(({ kind }) => kind === 'received') && last?.kind !== 'dead') {
      if (last && last.kind !== 'delivered') return;
    }
    if (waiting && last?.kind !== 'retry') return;
    this.print(lineOf(id, events), events);
    if (!waiting) this.open.delete(id);
  }
}

/** `09:14:02  4711  legacy > Order > accounting ok 41 ms | shipping ok x2`. */
export function lineOf(id: string, events: readonly StoredEvent[]): string {
  const first = events.find(({ kind }) => kind === 'received');
  const at = new Date(events.at(-1)?.at ?? 0).toTimeString().slice(0, 8);
  const key = first?.message?.key ?? id.slice(0, 10);
  const source = first?.message?.source.split('.')[0] ?? '';
  const whole = events.find(({ kind, rule }) => (kind === 'dead' || kind === 'filtered') && rule === undefined);
  if (whole)
    return `${at}  ${key.padEnd(8)}  ${source} ${whole.kind === 'dead' ? `x ${whole.code} ${whole.detail}      signalbox trace ${id.slice(0, 10)}` : `- filtered: ${whole.detail}`}`;
  const parts = new Map<string, StoredEvent[]>();
  for (const event of events) {
    if (event.rule === undefined || event.endpoint === undefined) continue;
    const name = event.endpoint.split('.')[0] ?? event.endpoint;
    parts.set(name, [...(parts.get(name) ?? []), event]);
  }
  const targets = [...parts].map(([name, of]) => `${name} ${outcome(of)}`);
  const type = first?.message?.type;
  return [`${at}  ${key.padEnd(8)}  ${source}`, type, targets.join(' | ')].filter(Boolean).join(' > ');
}

function outcome(events: readonly StoredEvent[]): string {
  const delivered = events.filter(({ kind }) => kind === 'delivered');
  const dead = events.filter(({ kind }) => kind === 'dead');
  const last = events.at(-1);
  if (dead.length > 0) return `x ${dead[0]?.code} ${dead[0]?.detail ?? ''}`;
  if (last?.kind === 'retry') return `... ${last.detail ?? 'tried again later'}`;
  if (delivered.length > 1) return `ok x${delivered.length}`;
  const ms = delivered[0]?.durationMs;
  return delivered.length === 1 ? `ok${ms === undefined ? '' : ` ${Math.round(ms)} ms`}` : 'queued';
}
