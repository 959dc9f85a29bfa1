import { z } from 'zod';
import { byteSize, Decimal, type FieldTypes, InvalidMessage, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import type { Codec, Decoded } from './codec.js';
import { type Row, splitRows } from './csv-rows.js';
import { decodeText, encodeText, encodingOption, isWide, withoutMark } from './encodings.js';

const character = () => z.string().regex(/^[\x20-\x7e\t]$/, 'expected one ASCII character');

export const csvOptions = z
  .strictObject({
    delimiter: character()
      .default(',')
      .meta({ title: 'Delimiter', description: 'One character between the fields.', examples: [';', '\t'] }),
    quote: z
      .union([character(), z.literal('none')])
      .default('"')
      .meta({ title: 'Quote', description: 'Character around fields that hold delimiters, quotes (doubled) or line ends; `none` when quotes mean nothing.' }),
    header: z.boolean().default(true).meta({ title: 'Header', description: 'The first row names the columns (read), or is written before the rows (write).' }),
    columns: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .meta({ title: 'Columns', description: 'Names of the columns, in order. Needed without a header, and to write.', examples: [['ORD_NO', 'CUST', 'AMT']] }),
    encoding: encodingOption(true),
    line_end: z.enum(['lf', 'crlf']).default('lf').meta({ title: 'Line end', description: 'Written after each row. When reading both are understood.' }),
    max_record: byteSize().prefault('1MiB').meta({ title: 'Longest row', description: 'A longer row fails; the rows after it go on.', advanced: true }),
  })
  .refine((csv) => csv.header || csv.columns !== undefined, { path: ['columns'], message: 'without a header the columns must be listed' })
  .refine((csv) => new Set(csv.columns).size === (csv.columns?.length ?? 0), { path: ['columns'], message: 'a column is listed twice' })
  .refine((csv) => csv.quote !== csv.delimiter, { path: ['quote'], message: 'quote and delimiter are the same character' });

export type CsvOptions = z.output<typeof csvOptions>;

/** Every value is text and stays as it is: `00123`, ` x `, empty. */
export function csvCodec(options: CsvOptions): Codec {
  const lineEnd = options.line_end === 'crlf' ? '\r\n' : '\n';
  return {
    fields: options.columns && (Object.fromEntries(options.columns.map((name) => [name, 'text'])) satisfies FieldTypes),
    decode: (bytes, source) => decode(bytes, source, options),
    encode(payloads) {
      const rows = payloads.map((payload) => writeRow(payload, options));
      if (options.header) rows.unshift((options.columns ?? namesOf(payloads)).map((name) => writeField(name, options)).join(options.delimiter));
      const mark = isWide(options.encoding) ? '\ufeff' : '';
      return encodeText(`${mark}${rows.map((row) => row + lineEnd).join('')}`, options.encoding, 'csv');
    },
    preview: (payload) => writeRow(payload, options),
  };
}

async function* decode(bytes: AsyncIterable<Uint8Array>, source: string, options: CsvOptions): AsyncGenerator<Decoded> {
  const encoding = isWide(options.encoding) ? 'utf-8' : options.encoding;
  const dialect = {
    delimiter: options.delimiter.charCodeAt(0),
    quote: options.quote === 'none' ? undefined : options.quote.charCodeAt(0),
    longest: options.max_record,
  };
  let columns: readonly string[] | undefined = options.header ? undefined : options.columns;
  let number = 1;
  let last: Row | undefined;
  try {
    for await (const row of splitRows(withoutMark(bytes, options.encoding), dialect)) {
      last = row;
      if (!columns) {
        try {
          columns = readHeader(row, encoding, source, options.columns);
        } catch (error) {
          yield failed(number, row, error);
          return;
        }
        continue;
      }
      yield readRow(number++, row, columns, encoding, source);
    }
  } catch (error) {
    // Only UTF-16 fails here: its rows can only be told apart after decoding.
    if (!(error instanceof InvalidMessage)) throw error;
    yield failed(number, last ?? { fields: [], raw: Buffer.alloc(0), offset: 0, line: 1 }, error);
  }
}

function readHeader(row: Row, encoding: string, source: string, wanted: readonly string[] | undefined): readonly string[] {
  const place = `${source}:${row.line}`;
  if (row.problem) throw new InvalidMessage('E349', `${place}: ${row.problem.text}`, { place });
  const columns = row.fields.map((field) => decodeText(field, encoding, row.offset));
  const empty = columns.indexOf('');
  if (empty >= 0) throw new InvalidMessage('E349', `${place}: column ${empty + 1} has no name`, { place });
  const twice = columns.find((name, at) => columns.indexOf(name) !== at);
  if (twice !== undefined) throw new InvalidMessage('E349', `${place}: column "${twice}" is there twice`, { place });
  const missing = wanted?.filter((name) => !columns.includes(name)) ?? [];
  if (missing.length > 0) throw new InvalidMessage('E349', `${place}: column ${missing.join(', ')} is missing; there are: ${columns.join(', ').slice(0, 500)}`, { place });
  return columns;
}

function readRow(number: number, row: Row, columns: readonly string[], encoding: string, source: string): Decoded {
  const place = `${source}:${row.line}`;
  if (row.problem) return failed(number, row, new InvalidMessage(row.problem.code, `${place}: ${row.problem.text}`, { place }));
  if (row.fields.length !== columns.length) {
    const near = columns[Math.min(row.fields.length, columns.length) - 1];
    return failed(number, row, new InvalidMessage('E340', `${place}: ${row.fields.length} columns instead of ${columns.length}, see from "${near}" on`, { place }));
  }
  const value = newRecord();
  for (const [at, name] of columns.entries()) {
    try {
      value[name] = decodeText(row.fields[at] ?? Buffer.alloc(0), encoding, row.offset);
    } catch (error) {
      return failed(number, row, new InvalidMessage('E341', `${place}: column "${name}"`, { place, cause: error }));
    }
  }
  return { number, value, line: row.line, offset: row.offset, raw: row.raw };
}

function failed(number: number, row: Row, error: unknown): Decoded {
  const failure = error instanceof InvalidMessage ? error : new InvalidMessage('E300', 'the row cannot be read', { cause: error });
  return { number, value: null, failure, line: row.line, offset: row.offset, raw: row.raw };
}

function namesOf(payloads: readonly ValueRecord[]): readonly string[] {
  return Object.keys(payloads[0] ?? {});
}

function writeRow(payload: ValueRecord, options: CsvOptions): string {
  const columns = options.columns ?? namesOf([payload]);
  const unknown = Object.keys(payload).find((name) => !columns.includes(name));
  if (unknown !== undefined) throw new InvalidMessage('E348', `there is no column "${unknown}"; columns: ${columns.join(', ')}`);
  return columns.map((name) => writeField(plainText(payload[name] ?? null, name), options)).join(options.delimiter);
}

function writeField(text: string, options: CsvOptions): string {
  const special = text.includes(options.delimiter) || /[\r\n]/.test(text) || (options.quote !== 'none' && text.includes(options.quote));
  if (!special) return text;
  if (options.quote === 'none') throw new InvalidMessage('E348', 'the value has a delimiter or line end, and quote is none');
  return `${options.quote}${text.replaceAll(options.quote, options.quote + options.quote)}${options.quote}`;
}

/** A single value as text, for formats that know nothing else. Null is empty. @throws InvalidMessage */
export function plainText(value: Value, name: string): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean' || value instanceof Decimal) return value.toString();
  throw new InvalidMessage('E348', `field "${name}" is ${value instanceof Uint8Array ? 'bytes' : 'a list or a record'}; the format takes single values`);
}
