// What a target field accepts, and the conversion of a value into it. Only conversions that cannot lose or guess anything.
import type { FieldType, FieldTypes } from '../../adapters/contract/spec.js';
import { isDay } from '../../bus/dates.js';
import { Decimal } from '../../bus/decimal.js';
import { isRecord, newRecord, type Value } from '../../bus/value.js';
import { isTimestamp } from '../expression/functions.js';
import { fail, isNumber, limits } from '../expression/runtime.js';
import { isListType, isNumeric, isRecordType, kindOf, type Type } from '../expression/type.js';

export type Shape =
  | { readonly kind: 'any' | 'integer' | 'number' | 'boolean' | 'date' | 'timestamp' | 'bytes' }
  | { readonly kind: 'text'; readonly length?: number }
  | { readonly kind: 'decimal'; readonly digits?: number; readonly scale?: number }
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: 'record'; readonly record: RecordShape };

export interface RecordShape {
  /** `Order`, `erp.orders`. */
  readonly name: string;
  readonly origin?: string | undefined;
  readonly fields: () => ReadonlyMap<string, FieldShape>;
}

export interface FieldShape {
  readonly shape: Shape;
  readonly required: boolean;
}

export function shapeOfFields(name: string, fields: FieldTypes, origin?: string): RecordShape {
  const known = new Map(Object.entries(fields).map(([field, type]) => [field, { shape: shapeOfField(`${name}.${field}`, type), required: false }]));
  return { name, origin, fields: () => known };
}

function shapeOfField(name: string, type: FieldType): Shape {
  if (typeof type === 'string') return { kind: type };
  if ('list' in type) return { kind: 'list', of: { kind: 'record', record: shapeOfFields(name, type.list) } };
  return { kind: 'record', record: shapeOfFields(name, type.record) };
}

/** Whether a value of `type` can become `shape` at all; what depends on the value is decided at run time. */
export function canBecome(type: Type, shape: Shape): boolean {
  if (type === 'any' || type === 'null' || shape.kind === 'any') return true;
  if (isListType(type)) return shape.kind === 'list' && canBecome(type.list, shape.of);
  if (isRecordType(type)) return shape.kind === 'record';
  if (shape.kind === 'list' || shape.kind === 'record') return false;
  if (type === 'text') return shape.kind !== 'bytes';
  if (isNumeric(type)) return shape.kind === 'text' || shape.kind === 'integer' || shape.kind === 'decimal' || shape.kind === 'number';
  if (type === 'date' || type === 'timestamp') return shape.kind === type || shape.kind === 'text';
  return shape.kind === type;
}

/** For messages: `text 8`, `decimal 12.2`, `list of OrderLine`. */
export function wordsOf(shape: Shape): string {
  if (shape.kind === 'list') return `list of ${wordsOf(shape.of)}`;
  if (shape.kind === 'record') return shape.record.name;
  if (shape.kind === 'text' && shape.length !== undefined) return `text ${shape.length}`;
  if (shape.kind === 'decimal' && shape.digits !== undefined) return `decimal ${shape.digits}.${shape.scale ?? 0}`;
  return shape.kind;
}

/**
 * `value` as `shape` wants it; null stays null. `name` is the field, for messages.
 * @throws InvalidMessage E302 to E306 when something would be lost or guessed
 */
export function convert(value: Value, shape: Shape, name: string): Value {
  if (value === null) return null;
  switch (shape.kind) {
    case 'any':
      return value;
    case 'text':
      return convertText(value, shape.length, name);
    case 'integer':
      return convertInteger(value, name);
    case 'decimal':
      return convertDecimal(value, shape.digits, shape.scale, name);
    case 'number':
      return typeof value === 'bigint' ? value : convertDecimal(value, undefined, undefined, name);
    case 'boolean':
      return typeof value === 'boolean' ? value : value === 'true' ? true : value === 'false' ? false : wrong(value, shape, name);
    case 'date':
      return convertDate(value, name);
    case 'timestamp':
      if (typeof value !== 'string') return wrong(value, shape, name);
      return isTimestamp(value) ? value : fail('E304', `${name}: "${shown(value)}" is no timestamp`);
    case 'bytes':
      return value instanceof Uint8Array ? value : (fromBase64(value) ?? wrong(value, shape, name));
    case 'list':
      return convertList(value, shape, name);
    case 'record':
      return isRecord(value) ? convertRecord(value, shape.record, name) : wrong(value, shape, name);
  }
}

function convertText(value: Value, length: number | undefined, name: string): string {
  const text = typeof value === 'string' ? value : isNumber(value) ? value.toString() : wrong(value, { kind: 'text' }, name);
  if (length === undefined || text.length <= length) return text;
  const characters = Array.from(text).length;
  return characters > length ? fail('E302', `${name}: "${shown(text)}" has ${characters} characters, at most ${length} fit`) : text;
}

function convertInteger(value: Value, name: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'string') return /^[+-]?\d{1,400}$/.test(value) ? BigInt(value.replace('+', '')) : fail('E305', `${name}: "${shown(value)}" is no whole number`);
  if (!(value instanceof Decimal)) return wrong(value, { kind: 'integer' }, name);
  return value.withScale(0)?.unscaled ?? fail('E303', `${name}: ${shown(value.toString())} is no whole number`);
}

function convertDecimal(value: Value, digits: number | undefined, scale: number | undefined, name: string): Decimal {
  const exact =
    typeof value === 'bigint'
      ? Decimal.of(value)
      : typeof value === 'string'
        ? plainDecimal(value, name)
        : value instanceof Decimal
          ? value
          : wrong(value, { kind: 'decimal' }, name);
  if (digits === undefined || scale === undefined) return exact;
  // A value with fewer digits after the point keeps them: 5 stays 5, 1234.50 stays 1234.50.
  const fitted = exact.scale > scale ? exact.withScale(scale) : exact;
  if (!fitted || fitted.integerDigits > digits - scale) return fail('E303', `${name}: ${shown(exact.toString())} has too many digits for decimal ${digits}.${scale}`);
  return fitted;
}

function plainDecimal(text: string, name: string): Decimal {
  return (/[eE]/.test(text) ? undefined : Decimal.parse(text)) ?? fail('E305', `${name}: "${shown(text)}" is no decimal number`);
}

function convertDate(value: Value, name: string): string {
  if (typeof value !== 'string') return wrong(value, { kind: 'date' }, name);
  return isDay(value) ? value : fail('E304', `${name}: "${shown(value)}" is no date`);
}

function convertList(value: Value, shape: Extract<Shape, { kind: 'list' }>, name: string): Value {
  if (!Array.isArray(value)) return wrong(value, shape, name);
  if (value.length > limits.list) return fail('E315', `${name}: a list of ${value.length} elements`);
  return (value as readonly Value[]).map((element, i) => convert(element, shape.of, `${name}[${i}]`));
}

/** A record as it came, checked field by field: used where a record is taken over as a whole. */
export function convertRecord(value: { readonly [field: string]: Value }, shape: RecordShape, name: string): { readonly [field: string]: Value } {
  const made = newRecord();
  const fields = shape.fields();
  for (const field of Object.keys(value)) {
    const known = fields.get(field);
    if (!known) return fail('E316', `${name}: ${shape.name} has no field ${field.slice(0, 80)}`);
    made[field] = convert(value[field] ?? null, known.shape, `${name}.${field}`);
  }
  for (const [field, { required }] of fields) {
    if (required && (made[field] ?? null) === null) return fail('E301', `${name}.${field} is required and has no value`);
  }
  return made;
}

/** Bytes that came over a channel are base64 text (RFC 4648 section 4). */
function fromBase64(value: Value): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length % 4 !== 0 || /[^A-Za-z0-9+/]/.test(value.replace(/={1,2}$/, ''))) return undefined;
  return new Uint8Array(Buffer.from(value, 'base64'));
}

function wrong(value: Value, shape: Shape, name: string): never {
  return fail('E306', `${name}: ${kindOf(value)} is no ${wordsOf(shape)}`);
}

/** Enough of a value to recognise it in a message. */
export function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
