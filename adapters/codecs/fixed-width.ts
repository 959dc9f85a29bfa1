import { z } from 'zod';
import { datePatternProblem, formatDate, parseDate } from '../../bus/dates.js';
import { byteSize, Decimal, type FieldType, InvalidMessage, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import type { Codec, Decoded } from './codec.js';
import { plainText } from './csv.js';
import { decodeText, encodeText, encodingOption, withoutMark } from './encodings.js';
import { type Frame, splitBlocks, splitLines } from './lines.js';

const fieldOptions = z
  .strictObject({
    name: z.string().min(1).meta({ title: 'Name' }),
    start: z.int().min(1).optional().meta({ title: 'Start', description: 'First byte, 1 for the first of the record. Default: behind the field before.' }),
    width: z.int().min(1).max(65_536).meta({ title: 'Width', description: 'In bytes of the encoding.' }),
    align: z.enum(['left', 'right']).default('left').meta({ title: 'Align', description: 'Where the value stands in its field; the rest is filled with pad.' }),
    pad: z
      .string()
      .regex(/^[\x20-\x7e]$/, 'expected one ASCII character')
      .default(' ')
      .meta({ title: 'Pad', description: 'Fills the field. Only spaces are taken away when reading: 00123 stays 00123.' }),
    trim: z.boolean().default(true).meta({ title: 'Trim', description: 'Take padding spaces away when reading.' }),
    type: z.enum(['text', 'integer', 'decimal', 'date']).optional().meta({ title: 'Type', description: 'Default: date with a date pattern, decimal with decimals, else text.' }),
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

export const fixedWidthOptions = z
  .strictObject({
    encoding: encodingOption(false),
    fields: z.array(fieldOptions).min(1).meta({ title: 'Fields', description: 'The fields of a record, in order.' }),
    record_separator: z.enum(['lf', 'crlf', 'none']).default('lf').meta({ title: 'Record separator', description: 'Between records. When reading, lf understands crlf too.' }),
    max_record: byteSize().prefault('1MiB').meta({ title: 'Longest record', advanced: true }),
  })
  .superRefine(({ fields }, context) => {
    const names = new Set<string>();
    let end = 1;
    for (const [at, field] of fields.entries()) {
      if (names.has(field.name)) context.addIssue({ code: 'custom', path: ['fields', at, 'name'], message: `field ${field.name} is there twice` });
      if (field.start !== undefined && field.start < end) {
        context.addIssue({ code: 'custom', path: ['fields', at, 'start'], message: `the field overlaps the one before, which ends at byte ${end - 1}` });
      }
      names.add(field.name);
      end = (field.start ?? end) + field.width;
    }
  });

export type FixedWidthOptions = z.output<typeof fixedWidthOptions>;
type Field = z.output<typeof fieldOptions>;

interface Placed extends Field {
  /** First byte, 0 for the first. */
  readonly from: number;
  readonly kind: 'text' | 'integer' | 'decimal' | 'date';
}

/** Widths count bytes, not characters. A gap between fields is written as spaces and not read. */
export function fixedWidthCodec(options: FixedWidthOptions): Codec {
  const fields = place(options.fields);
  const length = fields.reduce((end, field) => Math.max(end, field.from + field.width), 0);
  const separator = { lf: '\n', crlf: '\r\n', none: '' }[options.record_separator];
  return {
    fields: Object.fromEntries(fields.map((field) => [field.name, field.kind satisfies FieldType])),
    async *decode(bytes, source) {
      const plain = withoutMark(bytes, options.encoding);
      let number = 1;
      for await (const frame of separator === '' ? splitBlocks(plain, length) : splitLines(plain, options.max_record)) {
        if (separator !== '' && frame.bytes.length === 0) continue;
        yield readRecord(number++, frame, fields, length, options.encoding, source);
      }
    },
    encode: (payloads) => Buffer.concat(payloads.flatMap((payload) => [writeRecord(payload, fields, length, options.encoding), Buffer.from(separator)])),
    preview: (payload) => decodeText(writeRecord(payload, fields, length, options.encoding), options.encoding),
  };
}

function place(fields: readonly Field[]): readonly Placed[] {
  let next = 0;
  return fields.map((field) => {
    const from = field.start === undefined ? next : field.start - 1;
    next = from + field.width;
    return { ...field, from, kind: field.type ?? (field.date !== undefined ? 'date' : field.decimals !== undefined ? 'decimal' : 'text') };
  });
}

function readRecord(number: number, frame: Frame, fields: readonly Placed[], length: number, encoding: string, source: string): Decoded {
  const place = `${source}:${frame.line}`;
  const base = { number, line: frame.line, offset: frame.offset, raw: frame.bytes };
  try {
    if (frame.tooLong) throw new InvalidMessage('E345', `${place}: the record is longer than allowed`, { place });
    if (frame.bytes.length !== length) throw new InvalidMessage('E347', `${place}: ${frame.bytes.length} bytes instead of ${length}`, { place });
    const value = newRecord();
    for (const field of fields) {
      try {
        value[field.name] = readField(decodeText(frame.bytes.subarray(field.from, field.from + field.width), encoding, frame.offset + field.from), field);
      } catch (error) {
        if (!(error instanceof InvalidMessage)) throw error;
        throw new InvalidMessage(error.code, `${place}: field ${field.name} at byte ${field.from + 1}`, { place, cause: error });
      }
    }
    return { ...base, value };
  } catch (error) {
    if (!(error instanceof InvalidMessage)) throw error;
    return { ...base, value: null, failure: error };
  }
}

function readField(text: string, field: Placed): Value {
  const bare = text.replace(/^ +| +$/g, '');
  if (field.empty !== undefined && (bare === field.empty || text === field.empty)) return null;
  if (field.kind === 'text') {
    if (!field.trim) return text;
    return field.align === 'left' ? text.replace(/ +$/, '') : text.replace(/^ +/, '');
  }
  if (bare === '') return null;
  if (field.kind === 'date') return parseDate(bare, field.date ?? '') ?? wrong(`"${bare}" is no date of the form ${field.date}`);
  const number = readNumber(bare, field);
  if (field.kind === 'decimal') return number;
  return number.scale === 0 ? number.unscaled : wrong(`"${bare}" is no whole number`);
}

function readNumber(text: string, field: Placed): Decimal {
  const form = { none: /^[+-]?\d+$/, dot: /^[+-]?\d+(\.\d+)?$/, comma: /^[+-]?\d+(,\d+)?$/ }[field.point];
  const number = form.test(text) ? Decimal.parse(text.replace(',', '.')) : undefined;
  if (!number) return wrong(`"${text}" is no number with point: ${field.point}`);
  if (field.point === 'none') return new Decimal(number.unscaled, field.decimals ?? 0);
  return field.decimals === undefined ? number : (number.withScale(field.decimals) ?? wrong(`"${text}" has more than ${field.decimals} decimals`));
}

function writeRecord(payload: ValueRecord, fields: readonly Placed[], length: number, encoding: string): Buffer {
  const unknown = Object.keys(payload).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) throw new InvalidMessage('E348', `there is no field "${unknown}"; fields: ${fields.map((field) => field.name).join(', ')}`);
  const record = Buffer.alloc(length, ' ');
  for (const field of fields) {
    const value = payload[field.name] ?? null;
    if (value === null) {
      record.write((field.empty ?? '').padEnd(field.width), field.from, 'latin1');
      continue;
    }
    const text = writeField(value, field);
    const bytes = encodeText(text, encoding, `field ${field.name}`);
    if (/[\r\n]/.test(text)) throw new InvalidMessage('E344', `field ${field.name}: the value has a line end`);
    const room = field.width - bytes.length;
    if (room < 0) throw new InvalidMessage('E343', `field ${field.name}: the value has ${bytes.length} bytes, the field ${field.width}`);
    record.fill(field.pad, field.from, field.from + field.width);
    // Zeros stand between the sign and the digits.
    const sign = field.pad === '0' && field.align === 'right' && field.kind !== 'text' && bytes[0] === 0x2d ? 1 : 0;
    if (field.align === 'left') bytes.copy(record, field.from);
    else bytes.copy(record, field.from + room + sign, sign);
    if (sign === 1) record[field.from] = 0x2d;
  }
  return record;
}

function writeField(value: Value, field: Placed): string {
  const text = plainText(value, field.name);
  if (field.kind === 'text') return text;
  if (field.kind === 'date') return formatDate(text, field.date ?? '') ?? wrong(`field ${field.name}: "${text}" cannot be written as ${field.date}`);
  const number = typeof value === 'boolean' ? undefined : Decimal.parse(text);
  const scale = field.kind === 'integer' ? 0 : field.decimals;
  const exact = scale === undefined ? number : number?.withScale(scale);
  if (!number) return wrong(`field ${field.name}: "${text}" is no number`);
  if (!exact) return wrong(`field ${field.name}: ${text} has more than ${scale} decimals; round it in the mapping if that is meant`);
  if (field.point === 'none') return exact.unscaled.toString();
  return field.point === 'comma' ? exact.toString().replace('.', ',') : exact.toString();
}

function wrong(text: string): never {
  throw new InvalidMessage('E344', text);
}
