// The fields of one fixed-width record, in both directions. Widths count bytes, not characters.

import { isAscii } from 'node:buffer';
import { formatDate, parseDate } from '../../bus/dates.js';
import { Decimal, type FieldType, type FieldTypes, InvalidMessage, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import { readPacked, readZoned, writePacked, writeZoned } from './cobol-numbers.js';
import { plainText } from './csv-write.js';
import { isEbcdic } from './ebcdic.js';
import { decodeText, encodeText } from './encodings.js';
import type { FieldOptions } from './fixed-options.js';
import { MULTI_BYTE } from './recode.js';

export interface Layout {
  readonly fields: readonly Placed[];
  readonly length: number;
  readonly encoding: string;
}

interface Placed extends FieldOptions {
  /** First byte, 0 for the first. */
  readonly from: number;
  readonly kind: 'text' | 'integer' | 'decimal' | 'date' | 'zoned' | 'packed';
}

export function layoutOf(fields: readonly FieldOptions[], encoding: string): Layout {
  let next = 0;
  const placed = fields.map((field): Placed => {
    const from = field.start === undefined ? next : field.start - 1;
    next = from + field.width;
    return { ...field, from, kind: field.type ?? (field.date !== undefined ? 'date' : field.decimals !== undefined ? 'decimal' : 'text') };
  });
  return { fields: placed, length: next, encoding };
}

export function typesOf({ fields }: Layout): FieldTypes {
  return Object.fromEntries(
    fields.map(({ name, kind, decimals = 0 }): [string, FieldType] => [name, kind === 'zoned' || kind === 'packed' ? (decimals > 0 ? 'decimal' : 'integer') : kind]),
  );
}

/** @throws InvalidMessage naming the field and its first byte */
export function readFields(bytes: Buffer, offset: number, layout: Layout, place: string): ValueRecord {
  const text = texts(bytes, offset, layout.encoding);
  const value = newRecord();
  for (const field of layout.fields) {
    try {
      if (field.kind === 'zoned' || field.kind === 'packed') value[field.name] = readCobol(bytes.subarray(field.from, field.from + field.width), field, layout.encoding);
      else value[field.name] = readField(text(field.from, field.from + field.width), field);
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      throw new InvalidMessage(error.code, `${place}: field ${field.name} at byte ${field.from + 1}`, { place, cause: error });
    }
  }
  return value;
}

/** Where a byte is a character the record is decoded once and cut as text. */
function texts(bytes: Buffer, offset: number, encoding: string): (from: number, to: number) => string {
  const single = (from: number, to: number): string => decodeText(bytes.subarray(from, to), encoding, offset + from);
  if (isEbcdic(encoding) || (!isAscii(bytes) && encoding !== 'utf-8' && !MULTI_BYTE.includes(encoding))) {
    try {
      const whole = decodeText(bytes, encoding, offset);
      return (from, to) => whole.slice(from, to);
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      return single;
    }
  }
  if (!isAscii(bytes)) return single;
  const whole = bytes.toString('latin1');
  return (from, to) => whole.slice(from, to);
}

function readField(text: string, field: Placed): Value {
  const bare = withoutSpaces(text, true, true);
  if (field.empty !== undefined && (bare === field.empty || text === field.empty)) return null;
  if (field.kind === 'text') {
    if (!field.trim) return text;
    return withoutSpaces(text, field.align === 'right', field.align === 'left');
  }
  if (bare === '') return null;
  if (field.kind === 'date') return parseDate(bare, field.date ?? '') ?? wrong(`"${bare}" is no date of the form ${field.date}`);
  const number = readNumber(bare, field);
  if (field.kind === 'decimal') return number;
  return number.scale === 0 ? number.unscaled : wrong(`"${bare}" is no whole number`);
}

function withoutSpaces(text: string, before: boolean, behind: boolean): string {
  let [from, to] = [0, text.length];
  if (before) while (from < to && text.charCodeAt(from) === 0x20) from++;
  if (behind) while (to > from && text.charCodeAt(to - 1) === 0x20) to--;
  return text.slice(from, to);
}

const FORMS = { none: /^[+-]?\d+$/, dot: /^[+-]?\d+(\.\d+)?$/, comma: /^[+-]?\d+(,\d+)?$/ };

function readNumber(text: string, field: Placed): Decimal {
  const number = FORMS[field.point].test(text) ? Decimal.parse(text.replace(',', '.')) : undefined;
  if (!number) return wrong(`"${text}" is no number with point: ${field.point}`);
  if (field.point === 'none') return new Decimal(number.unscaled, field.decimals ?? 0);
  return field.decimals === undefined ? number : (number.withScale(field.decimals) ?? wrong(`"${text}" has more than ${field.decimals} decimals`));
}

function readCobol(bytes: Buffer, { kind, decimals = 0 }: Placed, encoding: string): Value {
  const ebcdic = isEbcdic(encoding);
  if (kind === 'zoned' && bytes.every((byte) => byte === (ebcdic ? 0x40 : 0x20))) return null;
  const number = kind === 'packed' ? readPacked(bytes) : readZoned(bytes, { ebcdic, sign: 'trailing', overpunch: 'translated' });
  return decimals > 0 ? new Decimal(number, decimals) : number;
}

/** @throws InvalidMessage */
export function writeFields(payload: ValueRecord, layout: Layout, length: number): Buffer {
  const { fields, encoding } = layout;
  const unknown = Object.keys(payload).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) throw new InvalidMessage('E348', `there is no field "${unknown}"; fields: ${fields.map((field) => field.name).join(', ')}`);
  const record = Buffer.alloc(length, encodeText(' ', encoding, ''));
  for (const field of fields) writeField(payload[field.name] ?? null, field, encoding).copy(record, field.from);
  return record;
}

function writeField(value: Value, field: Placed, encoding: string): Buffer {
  const place = `field ${field.name}`;
  if (field.kind === 'packed' || (field.kind === 'zoned' && value !== null)) return writeCobol(value, field, encoding);
  if (value === null) return encodeText((field.empty ?? '').padEnd(field.width), encoding, place);
  const text = fieldText(value, field);
  if (/[\r\n\u0085]/.test(text)) throw new InvalidMessage('E344', `${place}: the value has a line end`);
  const room = field.width - encodeText(text, encoding, place).length;
  if (room < 0) throw new InvalidMessage('E343', `${place}: the value has ${field.width - room} bytes, the field ${field.width}`);
  const padding = field.pad.repeat(room);
  if (field.align === 'left') return encodeText(text + padding, encoding, place);
  // Zeros stand between the sign and the digits.
  const sign = field.pad === '0' && field.kind !== 'text' && text.startsWith('-') ? '-' : '';
  return encodeText(sign + padding + text.slice(sign.length), encoding, place);
}

function writeCobol(value: Value, field: Placed, encoding: string): Buffer {
  const exact = exactNumber(value ?? 0n, field, field.decimals ?? 0).unscaled;
  const bytes =
    field.kind === 'packed'
      ? writePacked(exact, field.width * 2 - 1, true)
      : writeZoned(exact, field.width, { ebcdic: isEbcdic(encoding), sign: 'trailing', overpunch: 'translated' });
  if (!bytes) throw new InvalidMessage('E343', `field ${field.name}: the value has ${exact.toString().replace('-', '').length} digits, more than the field`);
  return bytes;
}

function fieldText(value: Value, field: Placed): string {
  const text = plainText(value, field.name);
  if (field.kind === 'text') return text;
  if (field.kind === 'date') return formatDate(text, field.date ?? '') ?? wrong(`field ${field.name}: "${text}" cannot be written as ${field.date}`);
  const exact = exactNumber(value, field, field.kind === 'integer' ? 0 : field.decimals);
  if (field.point === 'none') return exact.unscaled.toString();
  return field.point === 'comma' ? exact.toString().replace('.', ',') : exact.toString();
}

function exactNumber(value: Value, field: Placed, scale: number | undefined): Decimal {
  const text = plainText(value, field.name);
  const number = typeof value === 'boolean' ? undefined : Decimal.parse(text);
  if (!number) return wrong(`field ${field.name}: "${text}" is no number`);
  return (
    (scale === undefined ? number : number.withScale(scale)) ?? wrong(`field ${field.name}: ${text} has more than ${scale} decimals; round it in the mapping if that is meant`)
  );
}

function wrong(text: string): never {
  throw new InvalidMessage('E344', text);
}
