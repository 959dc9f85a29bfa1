// Rows of RFC 4180 from a stream of bytes whose delimiter, quote and line ends are single bytes. Written here because a row with a stray quote must
// fail alone, with its bytes and line: the streaming parsers at hand stay inside the quote and take the rows behind it along.

import { KEPT_BYTES } from './codec.js';

export interface Row {
  /** Bytes of each field, quotes undone. Empty when it failed. */
  readonly fields: readonly Buffer[];
  readonly problem?: { readonly code: 'E340' | 'E345'; readonly text: string };
  readonly raw: Buffer;
  readonly offset: number;
  /** Physical line the row starts in. */
  readonly line: number;
}

export interface Dialect {
  readonly delimiter: number;
  /** Undefined: quotes are plain characters. */
  readonly quote: number | undefined;
  /** Longest row in bytes. */
  readonly longest: number;
}

type Scan =
  | { readonly kind: 'row'; readonly fields: readonly Buffer[]; readonly length: number; readonly next: number }
  | { readonly kind: 'bad'; readonly text: string; readonly at: number }
  | { readonly kind: 'open'; readonly column: number }
  | { readonly kind: 'more' };

const LF = 0x0a;
const CR = 0x0d;

/**
 * Empty lines are no rows. A bad row ends with the line of its error. A quote that is never closed fails its first line only, and the
 * lines after it are read again.
 */
export async function* splitRows(bytes: AsyncIterable<Uint8Array>, dialect: Dialect): AsyncGenerator<Row> {
  const input = bytes[Symbol.asyncIterator]();
  let window: Buffer = Buffer.alloc(0);
  let ended = false;
  let [offset, line] = [0, 1];
  // Reads until the window has twice its bytes, so that a long row is scanned a logarithmic number of times.
  const more = async (): Promise<void> => {
    const parts: Uint8Array[] = [window];
    let wanted = Math.max(1, window.length);
    while (wanted > 0 && !ended) {
      const next = await input.next();
      if (next.done) ended = true;
      else {
        parts.push(next.value);
        wanted -= next.value.length;
      }
    }
    window = Buffer.concat(parts);
  };
  try {
    let at = 0;
    for (;;) {
      const scan = scanRow(window, at, ended, dialect);
      if (scan.kind === 'more' && window.length - at <= dialect.longest) {
        window = window.subarray(at);
        at = 0;
        await more();
        continue;
      }
      if (at >= window.length) return;
      const start = at;
      let row: Pick<Row, 'fields' | 'problem'>;
      let length: number;
      let skipped = 0;
      if (scan.kind === 'row') {
        [length, at] = [scan.length, scan.next];
        row = scan.length > dialect.longest ? { fields: [], problem: { code: 'E345', text: `the row has more than ${dialect.longest} bytes` } } : { fields: scan.fields };
      } else {
        const from = scan.kind === 'bad' ? scan.at : start;
        let end = lineEnd(window, from, ended);
        // The line itself is longer than allowed: the rest of it is read over.
        while (end === undefined) {
          const keep = window.subarray(start, Math.max(from, start + KEPT_BYTES));
          skipped += window.length - start - keep.length;
          const before = keep.length;
          window = Buffer.concat([window.subarray(0, start), keep]);
          await more();
          end = lineEnd(window, start + before - 1, ended);
        }
        const problem =
          scan.kind === 'bad'
            ? ({ code: 'E340', text: scan.text } as const)
            : scan.kind === 'open'
              ? ({ code: 'E340', text: `column ${scan.column}: the quote is not closed` } as const)
              : ({ code: 'E345', text: `the row has more than ${dialect.longest} bytes, or its quote is not closed` } as const);
        [length, at] = [end.length - start, end.next];
        row = { fields: [], problem };
      }
      const raw = window.subarray(start, start + length);
      if (raw.length > 0) yield { ...row, raw: row.problem ? raw.subarray(0, KEPT_BYTES) : raw, offset, line };
      line += linesIn(window, start, at);
      offset += at - start + skipped;
    }
  } finally {
    await input.return?.();
  }
}

function scanRow(window: Buffer, start: number, ended: boolean, dialect: Dialect): Scan {
  const { delimiter, quote } = dialect;
  const fields: Buffer[] = [];
  let at = start;
  for (;;) {
    if (quote !== undefined && window[at] === quote) {
      const field = scanQuoted(window, at + 1, ended, quote);
      if (field === undefined) return ended ? { kind: 'open', column: fields.length + 1 } : { kind: 'more' };
      fields.push(field.bytes);
      at = field.next;
      const after = window[at];
      if (after !== undefined && after !== delimiter && after !== LF && after !== CR) {
        return { kind: 'bad', at, text: `column ${fields.length}: expected the delimiter or the end of the line after the closing quote` };
      }
    } else {
      const from = at;
      let byte = window[at];
      while (byte !== undefined && byte !== delimiter && byte !== LF && byte !== CR) {
        if (byte === quote) return { kind: 'bad', at, text: `column ${fields.length + 1}: a quote inside a field that does not start with one` };
        byte = window[++at];
      }
      fields.push(window.subarray(from, at));
    }
    const stop = window[at];
    if (stop === delimiter) {
      at++;
      continue;
    }
    if (stop === undefined && !ended) return { kind: 'more' };
    if (stop === CR && at + 1 >= window.length && !ended) return { kind: 'more' };
    const next = stop === undefined ? at : stop === CR && window[at + 1] === LF ? at + 2 : at + 1;
    return { kind: 'row', fields, length: at - start, next };
  }
}

function scanQuoted(window: Buffer, from: number, ended: boolean, quote: number): { readonly bytes: Buffer; readonly next: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const end = window.indexOf(quote, at);
    if (end < 0 || (end + 1 >= window.length && !ended)) return undefined;
    if (window[end + 1] !== quote) {
      const last = window.subarray(at, end);
      return { bytes: parts.length === 0 ? last : Buffer.concat([...parts, last]), next: end + 1 };
    }
    parts.push(window.subarray(at, end + 1));
    at = end + 2;
  }
}

function lineEnd(window: Buffer, from: number, ended: boolean): { readonly length: number; readonly next: number } | undefined {
  for (let at = from; at < window.length; at++) {
    if (window[at] === LF) return { length: at, next: at + 1 };
    if (window[at] === CR && (at + 1 < window.length || ended)) return { length: at, next: window[at + 1] === LF ? at + 2 : at + 1 };
  }
  return ended ? { length: window.length, next: window.length } : undefined;
}

function linesIn(window: Buffer, from: number, to: number): number {
  let lines = 0;
  for (let at = from; at < to; at++) {
    if (window[at] === LF || (window[at] === CR && window[at + 1] !== LF)) lines++;
  }
  return lines;
}
