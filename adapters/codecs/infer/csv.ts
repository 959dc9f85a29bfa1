// The dialect of a CSV file from its beginning. What is not certain is said in notes, for people.

import type { z } from 'zod';
import type { csvOptions } from '../csv-options.js';
import { type Dialect, scanRow } from '../csv-scan.js';
import { decodeText } from '../encodings.js';
import { inferEncoding } from './encoding.js';
import { type InferredType, inferType } from './types.js';

export interface InferredColumn extends InferredType {
  readonly name: string;
  /** Some values of the sample are empty. */
  readonly optional: boolean;
  /** Characters of the longest value. */
  readonly longest: number;
  readonly example: string;
}

export interface InferredCsv {
  /** Accepted by the schema of `csv:`. */
  readonly options: z.input<typeof csvOptions>;
  readonly columns: readonly InferredColumn[];
  readonly notes: readonly string[];
}

const DELIMITERS = [';', ',', '\t', '|', '~|~', '||', '^', '\x1f', '\x01', '~'];
const LONGEST = 4 * 1024 * 1024;

type Cells = readonly string[];

interface Parsed {
  readonly delimiter: string;
  readonly rows: readonly Cells[];
  /** Lines of the file before each row. */
  readonly lines: readonly number[];
  readonly bad: number;
  /** How many columns most rows have, and the share of rows that have so many. */
  readonly columns: number;
  readonly share: number;
}

export function inferCsv(sample: Uint8Array): InferredCsv {
  const { encoding, notes: about } = inferEncoding(sample);
  const notes = about.map((note) => `encoding ${encoding}: ${note}`);
  const text = textOf(sample, encoding);
  const slashed = /\\"/.test(text);
  const quote = /(?:^|[;,\t|])'[^'\n]*'(?=[;,\t|\r\n])/m.test(text) && !text.includes('"') ? "'" : '"';
  const base = { quote, slashed, relaxed: false };
  let best = bestOf(DELIMITERS.map((delimiter) => parse(text, delimiter, base)));
  const relaxed = parse(text, best.delimiter, { ...base, relaxed: true });
  const loose = relaxed.bad < best.bad;
  if (loose) {
    notes.push(`${best.bad} rows have quotes where none belong: read with quotes: relaxed`);
    best = relaxed;
  }
  if (best.share < 1) notes.push(`${Math.round((1 - best.share) * best.rows.length)} of ${best.rows.length} rows do not have ${best.columns} columns`);
  const skip = Math.min(
    10,
    Math.max(
      0,
      best.rows.findIndex((row) => row.length === best.columns),
    ),
  );
  if (skip > 0) notes.push(`${skip} lines before the table are skipped`);
  const last = best.rows.at(-1);
  if (best.rows.length > 3 && last && last.length !== best.columns) notes.push(`the last row "${last.join(best.delimiter).slice(0, 60)}" looks like a trailer: see trailer_record`);
  const table = best.rows.slice(skip).filter((row) => row.length === best.columns);
  const trailing = best.columns > 1 && table.every((row) => row.at(-1) === '');
  const cells = trailing ? table.map((row) => row.slice(0, -1)) : table;
  const header = headerOf(cells, notes);
  const names = header ?? (cells[0] ?? []).map((_, at) => `COLUMN_${at + 1}`);
  const data = header ? cells.slice(1) : cells;
  const nulls = data.some((row) => row.includes('\\N'));
  const columns = names.map((name, at) =>
    columnOf(
      name,
      data.map((row) => row[at] ?? '').filter((value) => !(nulls && value === '\\N')),
    ),
  );
  for (const { name, note } of columns) if (note !== undefined) notes.push(`${name}: ${note}`);
  const [crlf, lf] = [text.match(/\r\n/g)?.length ?? 0, text.match(/(?<!\r)\n/g)?.length ?? 0];
  if (crlf > 0 && lf > 0) notes.push(`${crlf} rows end with CRLF, ${lf} with LF: both are read`);
  const twice = new Set(names).size < names.length;
  if (twice) notes.push('a column name is there twice: it gets a number');
  return {
    options: {
      delimiter: best.delimiter,
      encoding,
      line_end: crlf > lf ? 'crlf' : 'lf',
      ...(quote === '"' ? {} : { quote }),
      ...(loose ? { quotes: 'relaxed' as const } : {}),
      ...(slashed ? { escape: 'backslash' as const } : {}),
      ...(skip > 0 ? { skip_lines: best.lines[skip] ?? 0 } : {}),
      ...(trailing ? { trailing_delimiter: true } : {}),
      ...(nulls ? { null_text: '\\N' } : {}),
      ...(twice ? { duplicate_columns: 'number' as const } : {}),
      ...(header ? {} : { header: false, columns: [...names] }),
    },
    columns,
    notes,
  };
}

function textOf(sample: Uint8Array, encoding: string): string {
  const bytes = Buffer.from(sample.buffer, sample.byteOffset, Math.min(sample.byteLength, LONGEST));
  // A sample may end inside a character, or inside a row.
  for (let cut = bytes.length; cut > Math.max(0, bytes.length - 4); cut--) {
    try {
      const text = decodeText(bytes.subarray(0, cut), encoding)
        .replace(/^\ufeff/, '')
        .replaceAll('\u0085', '\n');
      const end = Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r'));
      return end > 0 && (text.match(/[\r\n]+/g)?.length ?? 0) > 2 ? text.slice(0, end + 1) : text;
    } catch {
      // Try without the last byte.
    }
  }
  return bytes.toString('latin1');
}

function parse(text: string, delimiter: string, { quote, slashed, relaxed }: { readonly quote: string; readonly slashed: boolean; readonly relaxed: boolean }): Parsed {
  const window = Buffer.from(text, 'utf8');
  const dialect: Dialect = {
    delimiter: Buffer.from(delimiter),
    quote: quote.charCodeAt(0),
    backslash: slashed ? 0x5c : undefined,
    relaxed,
    trim: false,
    comment: undefined,
    skip: 0,
    blank: false,
    longest: LONGEST,
  };
  const rows: Cells[] = [];
  const lines: number[] = [];
  let [bad, line] = [0, 0];
  for (let at = 0; at < window.length && rows.length < 2_000 && bad < 200; ) {
    const scan = scanRow(window, at, true, dialect);
    if (scan.kind === 'row') {
      const start = at;
      if (scan.length > 0) {
        rows.push(scan.fields.map(({ from, to }) => window.toString('utf8', start + from, start + to)));
        lines.push(line);
      }
      at = scan.next;
      line += scan.quoted ? window.toString('latin1', start, at).split('\n').length - 1 : 1;
    } else {
      bad++;
      const end = window.indexOf(0x0a, scan.kind === 'bad' ? scan.at : at);
      at = end < 0 ? window.length : end + 1;
      line++;
    }
  }
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(row.length, (counts.get(row.length) ?? 0) + 1);
  const [columns, times] = [...counts].sort((a, b) => b[1] - a[1] || b[0] - a[0])[0] ?? [0, 0];
  return { delimiter, rows, lines, bad, columns, share: rows.length === 0 ? 0 : times / rows.length };
}

/** The delimiter that makes the most even table of more than one column. */
function bestOf(tried: readonly Parsed[]): Parsed {
  const score = ({ columns, share, bad, rows }: Parsed): number => (columns < 2 ? 0 : share * share * Math.log2(columns + 1) * (rows.length / (rows.length + bad)));
  return tried.reduce((best, next) => (score(next) > score(best) ? next : best));
}

function headerOf(cells: readonly Cells[], notes: string[]): Cells | undefined {
  const [first, ...rest] = cells;
  const names = first?.map((name) => name.trim());
  if (!names || names.some((name) => name === '' || /^[+-]?[\d.,/:-]+$/.test(name))) return undefined;
  const typed = names.some((_, at) => inferType(rest.map((row) => row[at] ?? '').filter((value) => value !== '')).type !== 'text');
  const again = names.some((name, at) => rest.some((row) => row[at] === name));
  if (!typed && again) return undefined;
  if (!typed) notes.push('the first row is taken for names of columns; nothing but text in the others proves it');
  return names;
}

function columnOf(name: string, values: readonly string[]): InferredColumn {
  const filled = values.filter((value) => value !== '');
  return {
    name,
    ...inferType(filled),
    optional: filled.length < values.length,
    longest: filled.reduce((most, value) => Math.max(most, value.length), 0),
    example: filled[0] ?? '',
  };
}
