import { parseDuration } from '../adapters/contract/options.js';
import { nearest } from '../bus/finding.js';
import type { HistoryQuery, MessageState } from '../bus/store/contract.js';
import { usage } from './failure.js';

const TERMS = ['key', 'type', 'source', 'route', 'endpoint', 'state', 'code', 'since', 'until'] as const;
type Term = (typeof TERMS)[number];
const STATES: Readonly<Record<string, MessageState>> = {
  active: 'active',
  delivered: 'delivered',
  filtered: 'filtered',
  dead: 'dead',
  failed: 'dead',
  parked: 'parked',
};

/** Reads `key=4711 state=dead since=2h`; a word without `=` is a key, a value with spaces wants quotes. @throws CommandFailure */
export function parseQuery(text: string, limit: number, now: number): HistoryQuery {
  const query: { -readonly [K in keyof HistoryQuery]: HistoryQuery[K] } = { limit };
  const seen = new Set<string>();
  for (const { term, value } of terms(text)) {
    if (seen.has(term)) throw usage(`${term} is given twice`);
    seen.add(term);
    if (term === 'state') query.state = state(value);
    else if (term === 'since' || term === 'until') query[term] = time(term, value, now);
    else query[term] = value;
  }
  return query;
}

function* terms(text: string): Iterable<{ readonly term: Term; readonly value: string }> {
  const pattern = /\s*(?:([A-Za-z_]+)=)?(?:"([^"]*)"|([^\s"]+))(?=\s|$)/y;
  while (text.slice(pattern.lastIndex).trim() !== '') {
    const from = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match) throw usage(`the query is not understood at: ${text.slice(from).trim()}`, 'write key=4711 state=dead since=2h; a value with spaces wants quotes: key="a b"');
    yield { term: known(match[1] ?? 'key'), value: match[2] ?? match[3] ?? '' };
  }
}

function known(term: string): Term {
  const found = TERMS.find((candidate) => candidate === term.toLowerCase());
  if (found) return found;
  const near = nearest(term, TERMS);
  throw usage(`messages cannot be searched by ${term}`, near === undefined ? `known: ${TERMS.join(' ')}` : `did you mean \`${near}\`?`);
}

function state(value: string): MessageState {
  const found = STATES[value.toLowerCase()];
  if (found === undefined) throw usage(`no state ${value}`, `known: ${Object.keys(STATES).join(' ')}`);
  return found;
}

/** `2h` (that long ago) or a date and time; without a zone it is local. */
function time(term: string, value: string, now: number): number {
  const ago = parseDuration(value);
  if (ago !== undefined) return now - ago;
  const at = /^\d{4}-\d{2}-\d{2}/.test(value) ? new Date(value.length === 10 ? `${value}T00:00` : value).getTime() : Number.NaN;
  if (Number.isNaN(at)) throw usage(`${term}=${value} is no time`, 'write 30m, 2h, 7d, or a time such as 2026-03-02T09:00');
  return Math.max(0, at);
}
