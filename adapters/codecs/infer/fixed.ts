// The layout of a fixed-width file from its beginning: where records end, which kinds there are, where fields begin. A first guess, said as one.

import type { z } from 'zod';
import { isEbcdic } from '../ebcdic.js';
import { decodeText } from '../encodings.js';
import type { fixedWidthOptions } from '../fixed-options.js';
import { inferEncoding } from './encoding.js';
import { type InferredType, inferType } from './types.js';

export interface InferredField extends InferredType {
  readonly name: string;
  /** 1 for the first byte. */
  readonly start: number;
  readonly width: number;
  readonly align: 'left' | 'right';
  readonly example: string;
}

export interface InferredKind {
  /** Text that such records begin with; undefined where there is one kind only. */
  readonly mark: string | undefined;
  readonly records: number;
  readonly fields: readonly InferredField[];
  /** It stands only at the beginning or at the end. */
  readonly suspicion?: 'header' | 'trailer';
}

export interface InferredFixed {
  /** Accepted by the schema of `fixed_width:`. */
  readonly options: z.input<typeof fixedWidthOptions>;
  readonly kinds: readonly InferredKind[];
  readonly notes: readonly string[];
}

const MOST = 1024 * 1024;

export function inferFixed(sample: Uint8Array): InferredFixed {
  const bytes = Buffer.from(sample.buffer, sample.byteOffset, Math.min(sample.byteLength, MOST));
  const found = inferEncoding(bytes);
  const encoding = found.encoding.startsWith('utf-16') ? 'utf-8' : found.encoding;
  const notes = found.notes.map((note) => `encoding ${encoding}: ${note}`);
  const { records, separator, length } = recordsOf(bytes, encoding);
  if (separator === 'none') notes.push(`no line ends: records of ${length} bytes repeat best`);
  const kinds = kindsOf(records);
  const inferred = kinds.map(({ mark, records: own }): InferredKind => {
    const [first, last] = [own[0] === records[0], own.at(-1) === records.at(-1)];
    const alone = own.length === 1 && kinds.length > 1;
    return {
      mark,
      records: own.length,
      fields: fieldsOf(own, encoding),
      ...(alone && first ? { suspicion: 'header' as const } : alone && last ? { suspicion: 'trailer' as const } : {}),
    };
  });
  for (const { mark, fields, records: count, suspicion } of inferred) {
    const name = mark === undefined ? '' : `records "${mark}": `;
    if (suspicion) notes.push(`${name}looks like the ${suspicion} of the file`);
    else if (mark !== undefined) notes.push(`${name}${count} in the sample; say under children which record they belong to`);
    for (const field of fields) if (field.note !== undefined) notes.push(`${name}${field.name}: ${field.note}`);
  }
  const lengths = new Set(records.map((record) => record.length));
  const ragged = separator !== 'none' && inferred.some((kind) => new Set(records.filter((record) => matches(record, kind.mark, encoding)).map((record) => record.length)).size > 1);
  if (ragged) notes.push(`records have ${Math.min(...lengths)} to ${Math.max(...lengths)} bytes: spaces at their ends are missing`);
  const widest = Math.max(...lengths);
  return {
    options: {
      encoding,
      record_separator: separator,
      ...(separator === 'none' ? { record_length: length } : ragged ? { short_records: 'pad' as const } : {}),
      ...layoutOptions(inferred, separator === 'none' ? length : widest),
    },
    kinds: inferred,
    notes,
  };
}

function layoutOptions(kinds: readonly InferredKind[], _length: number): Pick<InferredFixed['options'], 'fields' | 'records' | 'header_record' | 'trailer_record'> {
  const fields = (kind: InferredKind) => kind.fields.map(fieldOptions);
  const [only] = kinds;
  if (kinds.length === 1 && only) return { fields: fields(only) };
  const control = (suspicion: 'header' | 'trailer') => kinds.find((kind) => kind.suspicion === suspicion);
  const [header, trailer] = [control('header'), control('trailer')];
  const when = (kind: InferredKind) => ({ at: 1, is: kind.mark ?? '' });
  const rest = kinds.filter((kind) => kind !== header && kind !== trailer);
  return {
    records: Object.fromEntries(rest.map((kind) => [`record_${kind.mark?.trim() ?? ''}`, { when: when(kind), fields: fields(kind) }])),
    ...(header ? { header_record: { when: when(header), fields: fields(header) } } : {}),
    ...(trailer ? { trailer_record: { when: when(trailer), fields: fields(trailer) } } : {}),
  };
}

function fieldOptions({ name, start, width, align, type, decimal, decimals, date }: InferredField) {
  return {
    name,
    start,
    width,
    ...(align === 'right' ? { align } : {}),
    ...(type === 'date'
      ? { date: date ?? '' }
      : type === 'integer'
        ? { type }
        : type === 'decimal'
          ? { decimals: decimals ?? 0, point: decimal === 'comma' ? ('comma' as const) : ('dot' as const) }
          : {}),
  };
}

interface Records {
  readonly records: readonly Buffer[];
  readonly separator: 'lf' | 'crlf' | 'nl' | 'none';
  readonly length: number;
}

function recordsOf(bytes: Buffer, encoding: string): Records {
  for (const [separator, end] of isEbcdic(encoding)
    ? ([
        ['nl', 0x15],
        ['lf', 0x25],
      ] as const)
    : ([['lf', 0x0a]] as const)) {
    const lines: Buffer[] = [];
    for (let at = 0, next = bytes.indexOf(end); next >= 0; at = next + 1, next = bytes.indexOf(end, at)) lines.push(bytes.subarray(at, next));
    if (lines.length < 2 || lines.length * 4_096 < bytes.length) continue;
    const crlf = lines.every((line) => line.at(-1) === 0x0d);
    return { records: lines.map((line) => (crlf ? line.subarray(0, -1) : line)).filter((line) => line.length > 0), separator: crlf ? 'crlf' : separator, length: 0 };
  }
  const length = periodOf(bytes);
  const records = Array.from({ length: Math.max(1, Math.floor(bytes.length / length)) }, (_, at) => bytes.subarray(at * length, (at + 1) * length));
  return { records, separator: 'none', length };
}

/** The distance at which bytes are of the same class most often; of nearly equal ones the shortest. */
function periodOf(bytes: Buffer): number {
  const sample = bytes.subarray(0, 32_768);
  const classes = sample.map((byte) => (byte === 0x40 || byte === 0x20 ? 1 : byte >= 0xf0 || (byte >= 0x30 && byte <= 0x39) ? 2 : byte < 0x20 ? 3 : 4));
  const scores: number[] = [];
  for (let length = 8; length <= Math.min(4_096, sample.length / 2); length++) {
    let same = 0;
    for (let at = length; at < classes.length; at++) if (classes[at] === classes[at - length]) same++;
    scores[length] = same / (classes.length - length) + (bytes.length % length === 0 ? 0.02 : 0);
  }
  const best = Math.max(0, ...scores.filter((score) => score !== undefined));
  const found = scores.findIndex((score) => score !== undefined && score >= best - 0.01);
  return found < 0 ? bytes.length : found;
}

/** Records that begin with one of a few texts of capital letters or digits, and are laid out differently. */
function kindsOf(records: readonly Buffer[]): readonly { readonly mark: string | undefined; readonly records: readonly Buffer[] }[] {
  const one = [{ mark: undefined, records }];
  for (const width of [1, 2, 3]) {
    const groups = new Map<string, Buffer[]>();
    for (const record of records) {
      const mark = record.toString('latin1', 0, width);
      const group = groups.get(mark);
      if (group) group.push(record);
      else groups.set(mark, [record]);
    }
    const marks = [...groups];
    if (marks.length < 2 || marks.length > 8 || records.length < marks.length * 1.2) continue;
    const shapes = new Set(marks.map(([, group]) => (group[0] ? shapeOf(group[0]) : '')));
    if (shapes.size === marks.length) return marks.map(([mark, group]) => ({ mark, records: group }));
  }
  return one;
}

/** Runs of blanks, digits and the rest. */
function shapeOf(record: Buffer): string {
  return `${record.length}:${record
    .toString('latin1')
    .replace(/[ \x40]+/g, ' ')
    .replace(/[0-9\xf0-\xf9]+/g, '9')
    .replace(/[^ 9]+/g, 'X')}`;
}

function matches(record: Buffer, mark: string | undefined, _encoding: string): boolean {
  return mark === undefined || record.toString('latin1', 0, mark.length) === mark;
}

/** A field begins where the class of characters changes, or where something always stands behind what is often blank. */
function fieldsOf(records: readonly Buffer[], encoding: string): readonly InferredField[] {
  const texts = records.slice(0, 1_000).map((record) => safeText(record, encoding));
  const width = Math.max(...texts.map((text) => text.length));
  const columns = Array.from({ length: width }, (_, at) => {
    const characters = texts.map((text) => text[at] ?? ' ');
    const blanks = characters.filter((character) => character === ' ').length / characters.length;
    const filled = characters.filter((character) => character !== ' ');
    return { blanks, digits: filled.length > 0 && filled.every((character) => /\d/.test(character)), sign: filled.some((character) => /[.,+-]/.test(character)) };
  });
  const starts = [0];
  for (let at = 1; at < width; at++) {
    const [before, here] = [columns[at - 1], columns[at]];
    if (!before || !here) continue;
    const afterBlank = before.blanks > 0.25 && here.blanks < 0.1;
    const changed = before.blanks < 0.5 && here.blanks < 0.5 && before.digits !== here.digits && !before.sign && !here.sign;
    if (afterBlank || changed) starts.push(at);
  }
  return starts.map((from, at) => {
    const to = starts[at + 1] ?? width;
    const values = texts.map((text) => text.slice(from, to).padEnd(to - from));
    const filled = values.map((value) => value.trim()).filter((value) => value !== '');
    const type = inferType(filled);
    const right = values.every((value) => value.trimEnd().length === to - from || value.trim() === '') && values.some((value) => value.startsWith(' '));
    const note =
      type.note ??
      (type.type === 'text' && filled.every((value) => /^\d+$/.test(value)) && filled.length > 0 ? 'only digits: a key, or a number with implied decimals' : undefined);
    return {
      ...type,
      name: `FIELD_${at + 1}`,
      start: from + 1,
      width: to - from,
      align: right ? 'right' : 'left',
      example: filled[0] ?? '',
      ...(note === undefined ? {} : { note }),
    };
  });
}

function safeText(record: Buffer, encoding: string): string {
  // One character a byte, so that places are bytes.
  return isEbcdic(encoding) ? decodeText(record, encoding) : record.toString('latin1');
}
