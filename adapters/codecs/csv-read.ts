// From a row of bytes to a record of texts.

import { isAscii, isUtf8 } from 'node:buffer';
import { InvalidMessage, newRecord, type ValueRecord } from '../contract/index.js';
import type { CsvOptions } from './csv-options.js';
import type { Row } from './csv-rows.js';
import type { Field } from './csv-scan.js';
import { decodeText, isRecoded } from './encodings.js';
import { HEADER, TRAILER } from './grouping.js';

export interface Reader {
  /** Names of the columns. @throws InvalidMessage E349 */
  header(row: Row): readonly string[];
  row(row: Row, columns: readonly string[]): { readonly value?: ValueRecord; readonly failure?: InvalidMessage };
  /** Which kind of row it is, where there are several; undefined when none fits. */
  kind(row: Row): string | undefined;
}

type FieldText = (field: Field) => string;

export function readerOf(options: CsvOptions, source: string): Reader {
  const text = fieldText(options);
  const kinds = kindsOf(options);
  return {
    header: (row) => readHeader(row, text, source, options),
    row: (row, columns) => readRow(row, columns, text, source, options),
    kind(row) {
      if (row.problem) return undefined;
      const of = text(row);
      for (const { name, when } of kinds) {
        if (!when) return name;
        const field = row.fields[when.column - 1];
        try {
          if (field && when.is.includes(of(field))) return name;
        } catch (error) {
          // The row fails when it is read.
          if (!(error instanceof InvalidMessage)) throw error;
        }
      }
      return undefined;
    },
  };
}

interface KindTest {
  readonly name: string;
  readonly when: { readonly column: number; readonly is: readonly string[] } | undefined;
}

/** The one without `when` takes what is left. */
function kindsOf({ records, header_record, trailer_record }: CsvOptions): readonly KindTest[] {
  const tests: KindTest[] = [];
  const add = (name: string, when: { readonly column: number; readonly is: string | readonly string[] } | undefined): void => {
    tests.push({ name, when: when && { column: when.column, is: typeof when.is === 'string' ? [when.is] : when.is } });
  };
  if (header_record) add(HEADER, header_record.when);
  if (trailer_record) add(TRAILER, trailer_record.when);
  for (const [name, { when }] of Object.entries(records ?? { row: { when: undefined } })) add(name, when);
  return tests.sort((a, b) => (a.when ? 0 : 1) - (b.when ? 0 : 1));
}

function readHeader(row: Row, text: (row: Row) => FieldText, source: string, options: CsvOptions): readonly string[] {
  const place = `${source}:${row.line}`;
  const refuse = (problem: string): never => {
    throw new InvalidMessage('E349', `${place}: ${problem}`, { place });
  };
  if (row.problem) return refuse(row.problem.text);
  const fields = options.trailing_delimiter ? withoutTrailing(row.fields, row.fields.length - 1) : row.fields;
  const seen = new Map<string, number>();
  const columns = fields.map(text(row)).map((field, at) => {
    const bare = field.trim();
    if (bare === '') return refuse(`column ${at + 1} has no name`);
    const cased = options.header_case === 'keep' ? bare : options.header_case === 'upper' ? bare.toUpperCase() : bare.toLowerCase();
    const name = (options.rename && Object.hasOwn(options.rename, cased) ? options.rename[cased] : undefined) ?? cased;
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    if (times === 1) return name;
    return options.duplicate_columns === 'number' ? `${name}_${times}` : refuse(`column "${name}" is there twice`);
  });
  const names = new Set(columns);
  if (names.size < columns.length) return refuse('a name with its number is the name of another column');
  const missing = options.columns?.filter((name) => !names.has(name)) ?? [];
  if (missing.length > 0) return refuse(`column ${missing.join(', ')} is missing; there are: ${columns.join(', ').slice(0, 500)}`);
  return columns;
}

function readRow(row: Row, columns: readonly string[], text: (row: Row) => FieldText, source: string, options: CsvOptions): ReturnType<Reader['row']> {
  const place = `${source}:${row.line}`;
  const failed = (code: 'E340' | 'E341' | 'E345', problem: string, cause?: unknown): { readonly failure: InvalidMessage } => ({
    failure: new InvalidMessage(code, `${place}: ${problem}`, { place, ...(cause === undefined ? {} : { cause }) }),
  });
  if (row.problem) return failed(row.problem.code, row.problem.text);
  if (row.raw.length === 0 && options.blank_lines === 'fail') return failed('E340', 'the line is empty');
  const fields = options.trailing_delimiter ? withoutTrailing(row.fields, columns.length) : row.fields;
  if (fields.length !== columns.length && !(fields.length < columns.length ? options.short_rows === 'empty' : options.long_rows === 'ignore')) {
    const near = columns[Math.min(fields.length, columns.length) - 1];
    return failed('E340', `${fields.length} columns instead of ${columns.length}, see from "${near}" on`);
  }
  if (row.raw.includes(0)) return failed('E340', 'there is a NUL character: the file is damaged, or its encoding is another');
  const value = newRecord();
  let at = 0;
  try {
    const of = text(row);
    for (const column of columns) {
      const field = fields[at++];
      if (!field) value[column] = '';
      else {
        const bare = of(field);
        value[column] = bare === options.null_text && !field.quoted ? null : unescaped(bare, field, options);
      }
    }
  } catch (error) {
    return failed('E341', `column "${columns[at - 1]}"`, error);
  }
  return { value };
}

function withoutTrailing(fields: readonly Field[], wanted: number): readonly Field[] {
  const last = fields.at(-1);
  return last && fields.length === wanted + 1 && !last.quoted && last.from === last.to ? fields.slice(0, -1) : fields;
}

function unescaped(text: string, field: Field, options: CsvOptions): string {
  if (!field.escaped) return text;
  return options.escape === 'backslash' ? text.replace(/\\(.)/gs, '$1') : text.replaceAll(options.quote + options.quote, options.quote);
}

/** Text of a row's fields. Where every byte is a character the row is decoded once and cut as text; what is valid as a whole is valid in its fields. */
function fieldText({ encoding: declared }: CsvOptions): (row: Row) => FieldText {
  const encoding = isRecoded(declared) ? 'utf-8' : declared;
  return ({ raw, offset }) => {
    if (isAscii(raw)) {
      const row = raw.toString('latin1');
      return (field) => row.slice(field.from, field.to);
    }
    if (encoding === 'utf-8' && isUtf8(raw)) return (field) => raw.toString('utf8', field.from, field.to);
    return (field) => decodeText(raw.subarray(field.from, field.to), encoding, offset + field.from);
  };
}
