import { z } from 'zod';
import { datePatternProblem } from '../../bus/dates.js';
import { byteSize } from '../contract/index.js';
import { encodingOption } from './encodings.js';
import { asOption, atOption, checkKinds, groupOptions, kindOptions } from './kinds.js';
import { totalOptions } from './totals.js';

const TYPES = ['text', 'integer', 'decimal', 'date', 'zoned', 'packed'] as const;

const fieldOptions = z
  .strictObject({
    name: z.string().min(1).meta({ title: 'Name' }),
    start: z.int().min(1).max(1_048_576).optional().meta({ title: 'Start', description: 'First byte, 1 for the first of the record. Default: behind the field before.' }),
    width: z.int().min(1).max(65_536).meta({ title: 'Width', description: 'In bytes of the encoding.' }),
    align: z.enum(['left', 'right']).default('left').meta({ title: 'Align', description: 'Where the value stands in its field; the rest is filled with pad.' }),
    pad: z
      .string()
      .regex(/^[\x20-\x7e]$/, 'expected one ASCII character')
      .default(' ')
      .meta({ title: 'Pad', description: 'Fills the field. Only spaces are taken away when reading: 00123 stays 00123.' }),
    trim: z.boolean().default(true).meta({ title: 'Trim', description: 'Take padding spaces away when reading.' }),
    type: z.enum(TYPES).optional().meta({
      title: 'Type',
      description: 'Default: date with a date pattern, decimal with decimals, else text. zoned and packed are signed numbers as COBOL writes them (DISPLAY, COMP-3).',
    }),
    date: z
      .string()
      .optional()
      .meta({ title: 'Date pattern', description: 'Form of a date in the file.', examples: ['yyyyMMdd', 'dd.MM.yyyy', 'yyMMdd'] }),
    decimals: z.int().min(0).max(30).optional().meta({ title: 'Decimals', description: 'Digits after the point. A number with more is an error, nothing is rounded.' }),
    point: z.enum(['none', 'dot', 'comma']).default('dot').meta({ title: 'Point', description: 'How the decimal point is written; `none`: it is implied.' }),
    empty: z
      .string()
      .optional()
      .meta({ title: 'Empty', description: 'Text that stands for no value. Default: spaces.', examples: ['00000000'] }),
  })
  .superRefine((field, context) => {
    const problem = field.date === undefined ? undefined : datePatternProblem(field.date);
    if (problem) context.addIssue({ code: 'custom', path: ['date'], message: problem });
    if (field.type === 'date' && field.date === undefined)
      context.addIssue({ code: 'custom', path: ['date'], message: 'a field of type date needs its pattern, such as yyyyMMdd' });
    if (field.date !== undefined && field.decimals !== undefined) context.addIssue({ code: 'custom', path: ['decimals'], message: 'a field is a date or a number' });
    if (field.point === 'none' && field.decimals === undefined) context.addIssue({ code: 'custom', path: ['point'], message: 'point: none needs decimals' });
    if (field.empty !== undefined && field.empty.length > field.width) context.addIssue({ code: 'custom', path: ['empty'], message: 'longer than the field' });
  });

const fields = () => z.array(fieldOptions).min(1).max(10_000).meta({ title: 'Fields', description: 'The fields of a record, in order.' });
const control = { when: atOption, fields: fields(), ...totalOptions };

export const fixedWidthOptions = z
  .strictObject({
    encoding: encodingOption(false),
    fields: fields().optional(),
    records: z
      .record(
        z.string().min(1),
        z.strictObject({
          when: atOption.optional().meta({ title: 'When', description: 'How such a record is recognised. Left out at one record at most: it takes every other one.' }),
          fields: fields(),
          ...kindOptions,
        }),
      )
      .optional()
      .meta({ title: 'Records', description: 'Kinds of records, for files with several: how each is recognised, its fields, and which records belong below it.' }),
    header_record: z
      .strictObject({ ...control, as: asOption })
      .optional()
      .meta({ title: 'Header record', description: 'First record of the file, which is handed to nobody; its totals are checked.' }),
    trailer_record: z
      .strictObject(control)
      .optional()
      .meta({ title: 'Trailer record', description: 'Last record of the file, which is handed to nobody; its totals are checked.' }),
    ...groupOptions,
    record_separator: z
      .enum(['lf', 'crlf', 'nl', 'none'])
      .default('lf')
      .meta({ title: 'Record separator', description: 'Between records. When reading, lf understands crlf too; nl is the next-line character of EBCDIC.' }),
    record_length: z
      .int()
      .min(1)
      .max(1_048_576)
      .optional()
      .meta({ title: 'Record length', description: 'Bytes of every record, when there are more than its fields have; the rest is filled with spaces.' }),
    short_records: z.enum(['fail', 'pad']).default('fail').meta({
      title: 'Short records',
      description: 'A record with too few bytes fails, or is read as if spaces followed: some programs take spaces from the end of a line.',
    }),
    max_record: byteSize().prefault('1MiB').meta({ title: 'Longest record', advanced: true }),
  })
  .superRefine((fixed, context) => {
    if ((fixed.fields === undefined) === (fixed.records === undefined)) {
      context.addIssue({
        code: 'custom',
        path: [fixed.fields ? 'records' : 'fields'],
        message: fixed.fields ? 'there are fields already: either fields or records' : 'the fields are missing',
      });
    }
    const layouts: [(string | number)[], readonly FieldOptions[]][] = Object.entries(fixed.records ?? {}).map(([name, record]) => [['records', name, 'fields'], record.fields]);
    if (fixed.fields) layouts.push([['fields'], fixed.fields]);
    if (fixed.header_record) layouts.push([['header_record', 'fields'], fixed.header_record.fields]);
    if (fixed.trailer_record) layouts.push([['trailer_record', 'fields'], fixed.trailer_record.fields]);
    for (const [path, layout] of layouts) checkLayout(path, layout, fixed.record_length, context);
    for (const [name] of Object.entries(fixed.records ?? {})
      .filter(([, record]) => !record.when)
      .slice(1))
      context.addIssue({ code: 'custom', path: ['records', name, 'when'], message: 'only one record may be without when' });
    checkKinds(fixed.records ?? {}, context);
  });

function checkLayout(path: (string | number)[], fields: readonly FieldOptions[], length: number | undefined, context: z.RefinementCtx): void {
  const names = new Set<string>();
  let end = 1;
  for (const [at, field] of fields.entries()) {
    if (names.has(field.name)) context.addIssue({ code: 'custom', path: [...path, at, 'name'], message: `field ${field.name} is there twice` });
    if (field.start !== undefined && field.start < end) {
      context.addIssue({ code: 'custom', path: [...path, at, 'start'], message: `the field overlaps the one before, which ends at byte ${end - 1}` });
    }
    names.add(field.name);
    end = (field.start ?? end) + field.width;
  }
  if (length !== undefined && end - 1 > length) context.addIssue({ code: 'custom', path, message: `the fields have ${end - 1} bytes, record_length is ${length}` });
}

export type FixedWidthOptions = z.output<typeof fixedWidthOptions>;
export type FieldOptions = z.output<typeof fieldOptions>;
