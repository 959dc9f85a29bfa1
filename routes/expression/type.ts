// Static types of expressions. Dates and timestamps are ISO text at run time and types of their own here, so that they are
// compared by time and never mixed up with other text.
import type { FieldType, FieldTypes } from '../../adapters/contract/spec.js';
import { Decimal } from '../../bus/decimal.js';
import { isRecord, type Value } from '../../bus/value.js';

export type SimpleType = 'any' | 'null' | 'boolean' | 'text' | 'integer' | 'decimal' | 'number' | 'date' | 'timestamp' | 'bytes';
export type Type = SimpleType | ListType | RecordType;

export interface ListType {
  readonly list: Type;
}

export interface RecordType {
  /** For messages: `Order`, `legacy.orders`. */
  readonly name: string;
  /** How the fields are known: `columns of ORD_HEAD`. */
  readonly origin?: string | undefined;
  /** A function, because canonical types may contain themselves. */
  readonly fields: () => ReadonlyMap<string, RecordField>;
  /** Type of fields that are not listed; absent means there are no others. */
  readonly others?: Type;
}

export interface RecordField {
  readonly type: Type;
  /** An absent optional field reads as null; any other absent field is an error. */
  readonly optional: boolean;
}

export function isListType(type: Type): type is ListType {
  return typeof type === 'object' && 'list' in type;
}

export function isRecordType(type: Type): type is RecordType {
  return typeof type === 'object' && 'fields' in type;
}

export function isNumeric(type: Type): boolean {
  return type === 'integer' || type === 'decimal' || type === 'number';
}

/** The words users see. */
export function nameOf(type: Type): string {
  if (isListType(type)) return type.list === 'any' ? 'list' : `list of ${nameOf(type.list)}`;
  return isRecordType(type) ? type.name : type;
}

export function recordType(name: string, fields: FieldTypes, origin?: string): RecordType {
  const known = new Map(Object.entries(fields).map(([field, type]) => [field, { type: typeOfField(`${name}.${field}`, type), optional: false }]));
  return { name, origin, fields: () => known };
}

export function typeOfField(name: string, type: FieldType): Type {
  if (typeof type === 'string') return type;
  return 'list' in type ? { list: recordType(name, type.list) } : recordType(name, type.record);
}

/** The narrowest type both belong to. */
export function join(a: Type, b: Type): Type {
  if (a === b) return a;
  if (a === 'null') return b;
  if (b === 'null') return a;
  if (isNumeric(a) && isNumeric(b)) return 'number';
  if (isListType(a) && isListType(b)) return { list: join(a.list, b.list) };
  return 'any';
}

/** Type of a value as far as it can be seen: a date is text here. */
export function kindOf(value: Value): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'bigint') return 'integer';
  if (typeof value === 'boolean') return 'boolean';
  if (value instanceof Decimal) return 'decimal';
  if (value instanceof Uint8Array) return 'bytes';
  return isRecord(value) ? 'record' : 'list';
}
