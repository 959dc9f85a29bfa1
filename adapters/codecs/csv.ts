import { type FieldTypes, InvalidMessage } from '../contract/index.js';
import type { Codec, Decoded } from './codec.js';
import type { CsvOptions } from './csv-options.js';
import { type Reader, readerOf } from './csv-read.js';
import { type Row, splitRows } from './csv-rows.js';
import type { Dialect } from './csv-scan.js';
import { rowWriter } from './csv-write.js';
import { isEbcdic } from './ebcdic.js';
import { encodeText, isRecoded, isWide, withoutMark } from './encodings.js';
import { flatten, wholeFile } from './flatten.js';
import { Grouping, HEADER, type Part, type Plan, TRAILER } from './grouping.js';
import { fieldsOf, planOf } from './kinds.js';

export { type CsvOptions, csvOptions } from './csv-options.js';
export { plainText } from './csv-write.js';

/** Every value is text and stays as it is: `00123`, ` x `, empty. */
export function csvCodec(options: CsvOptions): Codec {
  const plan = groupingOf(options);
  const write = rowWriter(options);
  const lineEnd = options.line_end === 'crlf' ? '\r\n' : isEbcdic(options.encoding) ? '\u0085' : '\n';
  return {
    fields: fields(options, plan),
    decode: (bytes, source) => decode(bytes, source, options, plan),
    encode(payloads) {
      const names = namesAreWritten(options) ? [write.names(options.columns ?? Object.keys(payloads[0] ?? {}))] : [];
      const rows = plan
        ? wholeFile(plan, payloads).map(({ kind, value }) => ({ kind, text: write.row(kind, value) }))
        : payloads.map((value) => ({ kind: '', text: write.row('', value) }));
      const first = rows[0]?.kind === HEADER ? 1 : 0;
      const lines = [...rows.slice(0, first).map(({ text }) => text), ...names, ...rows.slice(first).map(({ text }) => text)];
      return encodeText(`${isWide(options.encoding) ? '\ufeff' : ''}${lines.map((line) => line + lineEnd).join('')}`, options.encoding, 'csv');
    },
    preview: (payload) => (plan ? flatten(plan, payload).map(({ kind, value }) => write.row(kind, value)) : [write.row('', payload)]).join('\n'),
  };
}

function groupingOf(options: CsvOptions): Plan | undefined {
  const { records, header_record: header, trailer_record: trailer } = options;
  return records || header || trailer ? planOf(records ?? { row: { children: {} } }, header, trailer, options) : undefined;
}

function fields(options: CsvOptions, plan: Plan | undefined): FieldTypes | undefined {
  const texts = (columns: readonly string[] | undefined): FieldTypes | undefined => columns && Object.fromEntries(columns.map((name) => [name, 'text']));
  if (!plan) return texts(options.columns);
  return fieldsOf(plan, (kind) => texts(options.records?.[kind]?.columns ?? options.columns), texts(options.header_record?.columns));
}

/** Where every kind of row lists its columns, no line names them. */
function namesAreWritten(options: CsvOptions): boolean {
  return options.header && (!options.records || Object.values(options.records).some((row) => row.columns === undefined));
}

async function* decode(bytes: AsyncIterable<Uint8Array>, source: string, options: CsvOptions, plan: Plan | undefined): AsyncGenerator<readonly Decoded[]> {
  const reader = readerOf(options, source);
  const grouping = plan && new Grouping(plan, source);
  let columns: readonly string[] | undefined = namesAreWritten(options) ? undefined : (options.columns ?? []);
  let number = 1;
  for await (const rows of splitRows(withoutMark(bytes, options.encoding), dialectOf(options))) {
    const records: Decoded[] = [];
    for (const row of rows) {
      if (!columns && !(grouping && reader.kind(row) === HEADER)) {
        try {
          columns = reader.header(row);
        } catch (error) {
          if (!(error instanceof InvalidMessage)) throw error;
          yield [...(grouping?.drain() ?? []), { ...base(row), number, value: null, failure: error }];
          return;
        }
      } else if (grouping) grouping.take(part(row, reader, columns ?? [], options));
      else {
        const { value, failure } = reader.row(row, columns ?? []);
        records.push({ number: number++, value: value ?? null, line: row.line, offset: row.offset, raw: row.raw, ...(failure ? { failure } : {}) });
      }
    }
    yield grouping ? grouping.drain() : records;
  }
  grouping?.end();
  if (grouping) yield grouping.drain();
}

function part(row: Row, reader: Reader, columns: readonly string[], options: CsvOptions): Part {
  const kind = row.problem ? undefined : reader.kind(row);
  const own = kind === HEADER ? options.header_record?.columns : kind === TRAILER ? options.trailer_record?.columns : options.records?.[kind ?? '']?.columns;
  const read = kind === undefined && !row.problem ? {} : reader.row(row, own ?? columns);
  return { kind, value: read.value, ...base(row), ...(read.failure ? { failure: read.failure } : {}) };
}

function base({ line, offset, raw }: Row): { readonly line: number; readonly offset: number; readonly raw: Uint8Array } {
  return { line, offset, raw };
}

function dialectOf(options: CsvOptions): Dialect {
  return {
    delimiter: encodeText(options.delimiter, isRecoded(options.encoding) ? 'utf-8' : options.encoding, 'delimiter'),
    quote: options.quote === 'none' ? undefined : options.quote.charCodeAt(0),
    backslash: options.escape === 'backslash' ? 0x5c : undefined,
    relaxed: options.quotes === 'relaxed',
    trim: options.trim,
    comment: options.comment === undefined ? undefined : Buffer.from(options.comment),
    skip: options.skip_lines,
    blank: options.blank_lines !== 'skip',
    longest: options.max_record,
  };
}
