import { z } from 'zod';
import { byteSize } from '../contract/index.js';
import { encodingOption } from './encodings.js';
import { asOption, checkKinds, groupOptions, kindOptions } from './kinds.js';
import { totalOptions } from './totals.js';

const character = () => z.string().regex(/^[\x20-\x7e\t]$/, 'expected one ASCII character');
const names = () => z.array(z.string().min(1)).min(1);
const columns = names().optional().meta({ title: 'Columns', description: 'Names of the columns of this kind of row, in order. Default: those of the header line.' });
const when = z
  .strictObject({
    column: z.int().min(1).max(10_000).default(1).meta({ title: 'Column', description: '1 for the first.' }),
    is: z.union([z.string(), names()]).meta({ title: 'Is', description: 'Text of that column, or several.', examples: ['T'] }),
  })
  .meta({ title: 'When', description: 'How such a row is recognised.' });

const rowOptions = z.strictObject({
  when: when.optional().meta({ title: 'When', description: 'How such a row is recognised. Left out at one record at most: it takes every other row.' }),
  columns,
  ...kindOptions,
});
const control = { when, columns: names().meta({ title: 'Columns', description: 'Names of the columns of this row, in order.' }), ...totalOptions };

export const csvOptions = z
  .strictObject({
    delimiter: z
      .string()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are delimiters in some exports
      .regex(/^[^\r\n\x00]{1,10}$/, 'expected 1 to 10 characters that are no line end')
      .default(',')
      .meta({ title: 'Delimiter', description: 'What stands between the fields: one character or several.', examples: [';', '\t', '|', '~|~'] }),
    quote: z
      .union([character(), z.literal('none')])
      .default('"')
      .meta({ title: 'Quote', description: 'Character around fields that hold delimiters, quotes (doubled) or line ends; `none` when quotes mean nothing.' }),
    quotes: z.enum(['strict', 'relaxed']).default('strict').meta({
      title: 'Quotes',
      description: 'strict: a quote where none belongs fails its row. relaxed: it is a plain character, and a field ends only at a quote before a delimiter or line end.',
    }),
    escape: z.enum(['double', 'backslash']).default('double').meta({
      title: 'Escape',
      description: 'A quote inside quotes is doubled, or a backslash stands before it (and before delimiters and line ends).',
    }),
    header: z.boolean().default(true).meta({ title: 'Header', description: 'The first row names the columns (read), or is written before the rows (write).' }),
    columns: names()
      .optional()
      .meta({ title: 'Columns', description: 'Names of the columns, in order. Needed without a header, and to write.', examples: [['ORD_NO', 'CUST', 'AMT']] }),
    header_case: z
      .enum(['keep', 'upper', 'lower'])
      .default('keep')
      .meta({ title: 'Header case', description: 'Names of the header line are taken as they are, or in one case. Spaces around them never count.' }),
    rename: z
      .record(z.string().min(1), z.string().min(1))
      .optional()
      .meta({ title: 'Rename', description: 'Names of the header line that are called otherwise in the record.', examples: [{ 'Order no.': 'ORD_NO' }] }),
    duplicate_columns: z.enum(['fail', 'number']).default('fail').meta({
      title: 'Duplicate columns',
      description: 'A name that is twice in the header line fails the file, or gets a number: AMT, AMT_2.',
    }),
    short_rows: z.enum(['fail', 'empty']).default('fail').meta({ title: 'Short rows', description: 'A row with too few columns fails, or the missing ones are empty.' }),
    long_rows: z
      .enum(['fail', 'ignore'])
      .default('fail')
      .meta({ title: 'Long rows', description: 'A row with too many columns fails, or what is behind the last known column is not read.' }),
    trailing_delimiter: z.boolean().default(false).meta({ title: 'Trailing delimiter', description: 'Rows end with a delimiter behind the last field; it is written too.' }),
    blank_lines: z.enum(['skip', 'fail', 'record']).default('skip').meta({ title: 'Blank lines', description: 'No rows, wrong, or rows with one empty field.', advanced: true }),
    skip_lines: z.int().min(0).max(10_000).default(0).meta({ title: 'Skip lines', description: 'So many lines before the header are titles or blank.' }),
    comment: z
      .string()
      .regex(/^[\x21-\x7e]{1,10}$/, 'expected 1 to 10 ASCII characters')
      .optional()
      .meta({ title: 'Comment', description: 'Lines that begin with it are no rows.', examples: ['#'] }),
    trim: z.boolean().default(false).meta({ title: 'Trim', description: 'Spaces around fields, outside of their quotes, are no part of them.' }),
    null_text: z
      .string()
      .min(1)
      .optional()
      .meta({ title: 'Null text', description: 'An unquoted field of exactly this text is null, and null is written so.', examples: ['\\N', 'NULL'] }),
    records: z
      .record(z.string().min(1), rowOptions)
      .optional()
      .meta({ title: 'Records', description: 'Kinds of rows, for files with several: how each is recognised, its columns, and which rows belong below it.' }),
    header_record: z
      .strictObject({ ...control, as: asOption })
      .optional()
      .meta({ title: 'Header record', description: 'A row before all others (before the line with the names) that is no record; its totals are checked.' }),
    trailer_record: z.strictObject(control).optional().meta({ title: 'Trailer record', description: 'A row behind all others that is no record; its totals are checked.' }),
    decimal: z
      .enum(['point', 'comma'])
      .default('point')
      .meta({ title: 'Decimal mark', description: 'Of the amounts in control totals. Values of records stay text.', advanced: true }),
    ...groupOptions,
    guard_formulas: z.boolean().default(false).meta({
      title: 'Guard formulas',
      description: "Writes ' before fields that a spreadsheet would run (= + - @). It changes the data: only for files that people open.",
      advanced: true,
    }),
    encoding: encodingOption(true),
    line_end: z.enum(['lf', 'crlf']).default('lf').meta({ title: 'Line end', description: 'Written after each row. When reading both are understood.' }),
    max_record: byteSize().prefault('1MiB').meta({ title: 'Longest row', description: 'A longer row fails; the rows after it go on.', advanced: true }),
  })
  .superRefine((csv, context) => {
    const issue = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
    const rows = Object.entries(csv.records ?? {});
    const needsColumns = csv.records === undefined || rows.some(([, row]) => row.columns === undefined);
    if (!csv.header && csv.columns === undefined && needsColumns) issue(['columns'], 'without a header the columns must be listed');
    if (new Set(csv.columns).size !== (csv.columns?.length ?? 0)) issue(['columns'], 'a column is listed twice');
    if (csv.quote !== 'none' && csv.delimiter.includes(csv.quote)) issue(['quote'], 'quote and delimiter are the same character');
    if (csv.escape === 'backslash' && csv.delimiter.includes('\\')) issue(['escape'], 'the delimiter is a backslash');
    if (csv.trim && csv.delimiter.startsWith(' ')) issue(['trim'], 'the delimiter is a space');
    for (const [name] of rows.filter(([, row]) => row.when === undefined).slice(1)) issue(['records', name, 'when'], 'only one record may be without when');
    checkKinds(csv.records ?? {}, context);
  });

export type CsvOptions = z.output<typeof csvOptions>;
