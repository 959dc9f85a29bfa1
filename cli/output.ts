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

/** A line of talk, from any text. */
export function talk(text: string): void {
  process.stderr.write(`${safeLines(text)}\n`);
}

/** `error[E552] no system erpx` and what helps. */
export function complain(message: string, code?: string, hint?: string): void {
  const head = paint('red', code === undefined ? 'error' : `error[${safe(code)}]`, process.stderr);
  process.stderr.write(`${head} ${safeLines(message)}\n`);
  if (hint !== undefined) process.stderr.write(`  = help: ${safeLines(hint)}\n`);
}
