// Rows of CSV from a stream of bytes in which delimiter, quote and line ends are ASCII. Written here because a row with a stray quote must
// fail alone, with its bytes and line: the streaming parsers at hand stay inside the quote and take the rows behind it along.

import { KEPT_BYTES } from './codec.js';
import { type Dialect, type Field, scanRow } from './csv-scan.js';

export interface Row {
  /** Where the fields are in `raw`. Empty when it failed. */
  readonly fields: readonly Field[];
  readonly problem?: { readonly code: 'E340' | 'E345'; readonly text: string };
  readonly raw: Buffer;
  readonly offset: number;
  /** Physical line the row starts in. */
  readonly line: number;
}

/** Most rows in a list. */
const LIST = 1_000;
const LF = 0x0a;
const CR = 0x0d;

/**
 * A bad row ends with the line of its error. A quote that is never closed fails its first line only, and the lines after it are read again.
 * Rows come in lists, one per part of the stream that was read.
 */
export async function* splitRows(bytes: AsyncIterable<Uint8Array>, dialect: Dialect): AsyncGenerator<readonly Row[]> {
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
    let rows: Row[] = [];
    for (;;) {
      const plain = line <= dialect.skip || isComment(window, at, ended, dialect.comment);
      const scan = plain ? scanLine(window, at, ended) : scanRow(window, at, ended, dialect);
      if (scan.kind === 'more' && window.length - at <= dialect.longest) {
        if (rows.length > 0) yield rows;
        rows = [];
        window = window.subarray(at);
        at = 0;
        await more();
        continue;
      }
      if (at >= window.length) {
        if (rows.length > 0) yield rows;
        return;
      }
      const start = at;
      let row: Pick<Row, 'fields' | 'problem'> | undefined;
      let length: number;
      let [skipped, lines] = [0, 0];
      if (scan.kind === 'row') {
        [length, at, lines] = [scan.length, scan.next, scan.quoted ? linesIn(window, start, scan.next) : 1];
        if (scan.length > dialect.longest) row = { fields: [], problem: { code: 'E345', text: `the row has more than ${dialect.longest} bytes` } };
        else row = plain || (length === 0 && !dialect.blank) ? undefined : { fields: scan.fields };
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
        [length, at] = [end.length - start, end.next];
        lines = linesIn(window, start, at);
        row = { fields: [], problem: problemOf(scan, dialect) };
      }
      if (row) {
        const raw = window.subarray(start, start + length);
        rows.push({ ...row, raw: row.problem ? raw.subarray(0, KEPT_BYTES) : raw, offset, line });
      }
      if (rows.length >= LIST) {
        yield rows;
        rows = [];
      }
      line += lines;
      offset += at - start + skipped;
    }
  } finally {
    await input.return?.();
  }
}

function problemOf(scan: ReturnType<typeof scanRow>, { longest }: Dialect): NonNullable<Row['problem']> {
  if (scan.kind === 'bad') return { code: scan.code, text: scan.text };
  if (scan.kind === 'open') return { code: 'E340', text: `column ${scan.column}: the quote is not closed` };
  return { code: 'E345', text: `the row has more than ${longest} bytes, or its quote is not closed` };
}

function isComment(window: Buffer, at: number, ended: boolean, comment: Buffer | undefined): boolean {
  if (!comment || (window.length - at < comment.length && !ended)) return false;
  return window[at] === comment[0] && comment.equals(window.subarray(at, at + comment.length));
}

function scanLine(window: Buffer, at: number, ended: boolean): ReturnType<typeof scanRow> {
  const end = lineEnd(window, at, ended);
  return end ? { kind: 'row', fields: [], length: end.length - at, next: end.next, quoted: false } : { kind: 'more' };
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
