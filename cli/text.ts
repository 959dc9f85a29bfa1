import { styleText } from 'node:util';
import type { EndpointState } from '../console/service.js';

// How things are written for people. What came from outside (keys, error texts, names of files) goes through `safe` before it reaches a terminal.

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

/** Text with control, bidirectional and invisible characters written out (`\x1b`, `\u202e`): it can neither move the cursor nor look like other text. */
export function safe(text: string): string {
  return text.replace(UNSAFE, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    if (character === '\r') return '\\r';
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** Several lines, each made safe. */
export function safeLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => safe(line.replaceAll('\t', '  ')))
    .join('\n');
}

/** JSON text that is as harmless on a terminal as `safe` makes other text, and still the same JSON. */
export function safeJson(json: string): string {
  return json.replace(/[\u007f-\u009f\p{Cf}\p{Cs}\u2028\u2029]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

export type Style = 'red' | 'green' | 'yellow' | 'dim' | 'bold' | 'cyan';

/** Colour on a terminal only, and not with NO_COLOR. Always beside a word, never alone. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** For renderers with colours of their own. */
export function hasColour(stream: NodeJS.WriteStream): boolean {
  return paint('bold', 'x', stream) !== 'x';
}

/** `OK`, `FAILING`: the state as a word, coloured where that is possible. */
export function stateWord(state: EndpointState): string {
  if (state === 'ok') return paint('green', 'ok');
  if (state === 'idle' || state === 'standby' || state === 'starting' || state === 'paused') return state === 'paused' ? paint('yellow', 'PAUSED') : state;
  return paint(state === 'slow' || state === 'retrying' ? 'yellow' : 'red', state.toUpperCase());
}

/** `41ms`, `31s`, `1m04s`, `2h10`, `12d`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return ms < 10_000 ? `${(ms / 1_000).toFixed(1)}s` : `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h${pad(Math.floor((seconds % 3_600) / 60))}`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `3m12s ago`, `in 49s`; `-` when there is no time. */
export function age(at: number | undefined, now: number = Date.now()): string {
  if (at === undefined) return '-';
  return at > now ? `in ${duration(at - now)}` : `${duration(now - at)} ago`;
}

/** `1.2 kB`, `41 GB`: decimal units. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `09:14:02.113`, local time. */
export function clockTime(at: number): string {
  const date = new Date(at);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Instants our own texts name (`next 2026-03-02T08:14:02.113Z`) in local time: `next 09:14:02`, with its day when that is not today. */
export function localTimes(text: string, now: number = Date.now()): string {
  return text.replace(
    /\b(next|since|until) (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z)/g,
    (_, word: string, instant: string) => `${word} ${moment(Date.parse(instant), now)}`,
  );
}

/** `09:14:02` today, else `2026-03-02 09:14`, local. */
export function moment(at: number, now: number = Date.now()): string {
  return day(at) === day(now) ? clockTime(at).slice(0, 8) : dateTime(at).slice(0, 16);
}

/** `2026-03-02`, local. */
export function day(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** `2026-03-02 09:14:02`, local. */
export function dateTime(at: number): string {
  return `${day(at)} ${clockTime(at).slice(0, 8)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
