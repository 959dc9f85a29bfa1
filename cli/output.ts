import { paint, safe, safeJson, safeLines } from './text.js';
import { yaml } from './yaml.js';

// stdout is data, stderr is talk.

export const formats = ['table', 'json', 'yaml', 'ndjson'] as const;
export type Format = (typeof formats)[number];

/** Writes an answer to stdout: for people as `text` makes it, for programs as JSON, YAML or one JSON line per row. */
export function emit(format: Format, value: unknown, text: () => string): void {
  if (format === 'table') print(text());
  else if (format === 'json') print(safeJson(JSON.stringify(value, null, 2)));
  else if (format === 'yaml') print(safeJson(yaml(value)));
  else for (const row of Array.isArray(value) ? value : [value]) print(safeJson(JSON.stringify(row)));
}

/** A line of data. The text is already safe. */
export function print(text: string): void {
  if (text !== '') process.stdout.write(`${text}\n`);
}

/** Lines of talk, from any text. */
export function talk(text: string): void {
  process.stderr.write(`${safeLines(text)}\n`);
}

export interface Complaint {
  readonly code?: string | undefined;
  readonly hint?: string | undefined;
  readonly place?: string | undefined;
}

/** `error[E552] no system erpx`, where it is, and what helps. A line break in the message starts no line of its own. */
export function complain(message: string, { code, hint, place }: Complaint = {}): void {
  const lines = [`${paint('red', code === undefined ? 'error' : `error[${safe(code)}]`, process.stderr)} ${safe(message)}`];
  if (place !== undefined) lines.push(`  --> ${safe(place)}`);
  if (hint !== undefined) lines.push(`  = help: ${safe(hint)}`);
  process.stderr.write(`${lines.join('\n')}\n`);
}
