// One row of CSV: where its fields are.

export interface Field {
  /** First byte and the byte behind the last, without the quotes around it. */
  readonly from: number;
  readonly to: number;
  readonly quoted: boolean;
  /** Has doubled quotes, or characters behind a backslash, that stand for single ones. */
  readonly escaped: boolean;
}

export interface Dialect {
  readonly delimiter: Buffer;
  /** Undefined: quotes are plain characters. */
  readonly quote: number | undefined;
  /** The backslash, where it takes the meaning from the character behind it. */
  readonly backslash: number | undefined;
  /** A quote where none belongs is a plain character. */
  readonly relaxed: boolean;
  /** Spaces around a field are no part of it. */
  readonly trim: boolean;
  /** A line that begins so is no row. */
  readonly comment: Buffer | undefined;
  /** Lines before the first row. */
  readonly skip: number;
  /** An empty line is a row with one empty field. */
  readonly blank: boolean;
  /** Longest row in bytes. */
  readonly longest: number;
}

export type Scan =
  | { readonly kind: 'row'; readonly fields: readonly Field[]; readonly length: number; readonly next: number; readonly quoted: boolean }
  | { readonly kind: 'bad'; readonly code: 'E340' | 'E345'; readonly text: string; readonly at: number }
  | { readonly kind: 'open'; readonly column: number }
  | { readonly kind: 'more' };

/** A row of more columns is an attack or another file. */
const WIDEST = 10_000;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const MORE = { kind: 'more' } as const;

/** The row that starts at `start`. `more`: it may go on behind the window. */
export function scanRow(window: Buffer, start: number, ended: boolean, dialect: Dialect): Scan {
  const { delimiter, quote, backslash, relaxed, trim } = dialect;
  const first = delimiter[0];
  const wide = delimiter.length > 1;
  const fields: Field[] = [];
  let anyQuoted = false;
  let at = start;
  for (;;) {
    if (trim) while (window[at] === SPACE) at++;
    if (quote !== undefined && window[at] === quote) {
      anyQuoted = true;
      const field = scanQuoted(window, at + 1, ended, dialect);
      if (field === undefined) return ended ? { kind: 'open', column: fields.length + 1 } : MORE;
      fields.push({ from: at + 1 - start, to: field.end - start, quoted: true, escaped: field.escaped });
      at = field.end + 1;
      if (trim) while (window[at] === SPACE) at++;
      const after = window[at];
      if (after !== undefined && after !== LF && after !== CR && !startsWith(window, at, delimiter)) {
        if (wide && !ended && window.length - at < delimiter.length) return MORE;
        return { kind: 'bad', code: 'E340', at, text: `column ${fields.length}: expected the delimiter or the end of the line after the closing quote` };
      }
    } else {
      const from = at;
      let escaped = false;
      let byte = window[at];
      while (byte !== undefined && byte !== LF && byte !== CR) {
        if (byte === first) {
          if (!wide || startsWith(window, at, delimiter)) break;
          if (!ended && window.length - at < delimiter.length) return MORE;
        } else if (byte === quote && !relaxed) {
          return { kind: 'bad', code: 'E340', at, text: `column ${fields.length + 1}: a quote inside a field that does not start with one` };
        } else if (byte === backslash) {
          if (at + 2 >= window.length && !ended) return MORE;
          escaped = anyQuoted = true;
          at += window[at + 1] === CR && window[at + 2] === LF ? 2 : 1;
        }
        byte = window[++at];
      }
      let to = Math.min(at, window.length);
      if (trim) while (to > from && window[to - 1] === SPACE) to--;
      fields.push({ from: from - start, to: to - start, quoted: false, escaped });
    }
    if (fields.length > WIDEST) return { kind: 'bad', code: 'E345', at, text: `the row has more than ${WIDEST} columns` };
    const stop = window[at];
    if (stop === undefined && !ended) return MORE;
    if (stop === LF || stop === CR || stop === undefined) {
      if (stop === CR && at + 1 >= window.length && !ended) return MORE;
      const end = Math.min(at, window.length);
      const next = stop === undefined ? end : stop === CR && window[at + 1] === LF ? at + 2 : at + 1;
      return { kind: 'row', fields, length: end - start, next, quoted: anyQuoted };
    }
    at += delimiter.length;
  }
}

function scanQuoted(window: Buffer, from: number, ended: boolean, dialect: Dialect): { readonly end: number; readonly escaped: boolean } | undefined {
  const { quote = 0, backslash, relaxed, delimiter } = dialect;
  let escaped = false;
  if (backslash !== undefined) {
    for (let at = from; at < window.length; at++) {
      const byte = window[at];
      if (byte === quote) {
        if (relaxed && at + delimiter.length >= window.length && !ended) return undefined;
        if (!relaxed || closes(window, at + 1, dialect)) return { end: at, escaped };
      }
      if (byte !== backslash) continue;
      escaped = true;
      at++;
    }
    return undefined;
  }
  for (let at = from; ; ) {
    const end = window.indexOf(quote, at);
    if (end < 0 || (end + (relaxed ? delimiter.length : 1) >= window.length && !ended)) return undefined;
    if (window[end + 1] === quote) {
      escaped = true;
      at = end + 2;
    } else if (relaxed && !closes(window, end + 1, dialect)) at = end + 1;
    else return { end, escaped };
  }
}

/** Whether a quote before `at` ends its field. */
function closes(window: Buffer, at: number, { delimiter, trim }: Dialect): boolean {
  let next = at;
  if (trim) while (window[next] === SPACE) next++;
  return next >= window.length || window[next] === LF || window[next] === CR || startsWith(window, next, delimiter);
}

function startsWith(window: Buffer, at: number, delimiter: Buffer): boolean {
  for (let index = 0; index < delimiter.length; index++) {
    if (window[at + index] !== delimiter[index]) return false;
  }
  return true;
}
