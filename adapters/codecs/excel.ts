import { z } from 'zod';
import { byteSize, type FieldTypes, InvalidMessage, newRecord, type ValueRecord } from '../contract/index.js';
import { openArchive } from './archive.js';
import type { Codec, Decoded } from './codec.js';
import { failedRecord, guarded } from './compression.js';
import { type Book, openBook, type Row, readRows } from './excel-book.js';
import { writeBook } from './excel-writer.js';
import { Spool } from './spool.js';

export const excelOptions = z
  .strictObject({
    sheet: z
      .union([z.string().min(1).max(31), z.int().min(1)])
      .default(1)
      .meta({ title: 'Sheet', description: 'Name of the sheet, or its place: 1 is the first.', examples: ['Orders', 2] }),
    header: z.boolean().default(true).meta({ title: 'Header', description: 'The first row names the columns (read), or is written before the rows (write).' }),
    first_row: z
      .int()
      .min(1)
      .max(1_048_576)
      .default(1)
      .meta({ title: 'First row', description: 'Row of the header, or without one of the first record. Rows above it are not read.' }),
    columns: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .meta({ title: 'Columns', description: 'Names of the columns, in order. Needed without a header, and to write.', examples: [['ORD_NO', 'CUST', 'AMT']] }),
    numbers: z
      .array(z.string().min(1))
      .default([])
      .meta({ title: 'Numbers', description: 'Columns that are written as numbers; all others are written as text, which Excel leaves as it is.', examples: [['AMT']] }),
    dates: z
      .array(z.string().min(1))
      .default([])
      .meta({ title: 'Dates', description: 'Columns of dates (2026-03-01) that are written as dates.', examples: [['ORDERED']] }),
    max_record: byteSize().prefault('1MiB').meta({ title: 'Longest row', description: 'A longer row fails; the rows after it go on.', advanced: true }),
    max_strings: byteSize({ max: 1024 ** 3 })
      .prefault('64MiB')
      .meta({ title: 'Most text', description: 'Of all different texts of the workbook; they are kept in memory.', advanced: true }),
    max_size: byteSize().prefault('4GiB').meta({ title: 'Most bytes', description: 'Of the workbook, and of its parts when they are unpacked.', advanced: true }),
  })
  .refine((excel) => excel.header || excel.columns !== undefined, { path: ['columns'], message: 'without a header the columns must be listed' })
  .refine((excel) => new Set(excel.columns).size === (excel.columns?.length ?? 0), { path: ['columns'], message: 'a column is listed twice' });

export type ExcelOptions = z.output<typeof excelOptions>;

const OLD = Buffer.from('d0cf11e0a1b11ae1', 'hex');
const PACKAGE = Buffer.from('EncryptedPackage', 'utf16le');

/** Rows of a sheet. Values are text, as they stand in the file, or booleans; a cell that is empty is null. */
export function excelCodec(options: ExcelOptions): Codec {
  return {
    fields: options.columns && (Object.fromEntries(options.columns.map((name) => [name, 'any'])) satisfies FieldTypes),
    decode: (bytes, source) => guarded(decode(bytes, source, options), 0),
    encode: (payloads) => writeBook(payloads, options),
    preview: (payload) => JSON.stringify(payload, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
  };
}

async function* decode(bytes: AsyncIterable<Uint8Array>, source: string, options: ExcelOptions): AsyncGenerator<readonly Decoded[]> {
  const wrong = (text: string): InvalidMessage => new InvalidMessage('E367', `${source}: ${text}`, { place: source });
  let number = 1;
  let spool: Spool | undefined;
  try {
    spool = await Spool.of(bytes, options.max_size, source);
    await refuseOld(spool, wrong);
    const archive = await openArchive(spool, source, { max_entries: 10_000, max_size: options.max_size, max_ratio: 200, nested: true });
    const book = await openBook(archive, source, options.max_strings);
    const sheet = sheetOf(book, options.sheet);
    if (!sheet)
      throw wrong(
        `there is no sheet ${JSON.stringify(options.sheet)}; there are: ${book.sheets
          .map(({ name }) => name)
          .join(', ')
          .slice(0, 500)}`,
      );
    const place = `${source}/${sheet.name}`;
    let columns: ReadonlyMap<number, string> | undefined = options.header ? undefined : new Map(options.columns?.map((name, at) => [at + 1, name]));
    for await (const rows of readRows(archive, sheet.part, book, source, options.max_record)) {
      const records: Decoded[] = [];
      for (const row of rows) {
        if (row.number < options.first_row) continue;
        if (columns) records.push(record(number++, row, columns, place));
        else columns = header(row, options, wrong);
      }
      if (records.length > 0) yield records;
    }
    if (!columns) throw wrong(`row ${options.first_row} of the sheet ${sheet.name}, the header, is empty`);
  } catch (error) {
    yield [failedRecord(number, error)];
  } finally {
    await spool?.close();
  }
}

async function refuseOld(spool: Spool, wrong: (text: string) => InvalidMessage): Promise<void> {
  let isOld = false;
  let at = 0;
  for await (const chunk of spool.read()) {
    if (at === 0) isOld = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).subarray(0, OLD.length).equals(OLD);
    if (!isOld) return;
    if (Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).includes(PACKAGE)) throw wrong('it is protected by a password: save it without one');
    at += chunk.length;
  }
  if (isOld) throw wrong('it is an old .xls workbook (Excel 97 to 2003): save it as .xlsx');
  throw wrong('it is empty');
}

function sheetOf(book: Book, wanted: string | number): Book['sheets'][number] | undefined {
  return typeof wanted === 'number' ? book.sheets[wanted - 1] : book.sheets.find(({ name }) => name === wanted);
}

function header(row: Row, options: ExcelOptions, wrong: (text: string) => InvalidMessage): ReadonlyMap<number, string> {
  if (row.number !== options.first_row) throw wrong(`row ${options.first_row}, the header, is empty`);
  const columns = new Map<number, string>();
  for (const { name, column, value, problem } of row.cells) {
    if (problem !== undefined) throw wrong(`cell ${name}, a column's name: ${problem}`);
    const text = String(value);
    if ([...columns.values()].includes(text)) throw wrong(`cell ${name}: column "${text}" is there twice`);
    columns.set(column, text);
  }
  const names = new Set(columns.values());
  const missing = options.columns?.filter((name) => !names.has(name)) ?? [];
  if (missing.length > 0) throw wrong(`column ${missing.join(', ')} is missing; there are: ${[...names].join(', ').slice(0, 500)}`);
  return columns;
}

function record(number: number, row: Row, columns: ReadonlyMap<number, string>, sheet: string): Decoded {
  const place = `${sheet}:${row.number}`;
  const raw = Buffer.from(JSON.stringify(Object.fromEntries(row.cells.map(({ name, value, problem }) => [name, problem ?? value]))));
  const base = { number, line: row.number, offset: 0, raw };
  const failed = (code: 'E345' | 'E368', text: string): Decoded => ({ ...base, value: null, failure: new InvalidMessage(code, `${place}: ${text}`, { place }) });
  if (row.tooLong) return failed('E345', 'the row is longer than max_record');
  const value = newRecord();
  for (const name of columns.values()) value[name] = null;
  for (const cell of row.cells) {
    const name = columns.get(cell.column);
    if (cell.problem !== undefined) return failed('E368', `cell ${cell.name}: ${cell.problem}`);
    if (name === undefined) return failed('E368', `cell ${cell.name} has a value, and its column has no name`);
    value[name] = cell.value;
  }
  return { ...base, value: value satisfies ValueRecord };
}
