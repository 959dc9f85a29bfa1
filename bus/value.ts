import { Decimal } from './decimal.js';

/**
 * Data inside Signalbox: what a source record, a canonical message and a target's payload are made of.
 * Numbers are exact: `bigint` for whole numbers, `Decimal` for the rest; a JavaScript number never appears.
 * Dates and times are text (`2026-03-01`, RFC 3339), bytes are `Uint8Array`. Everything is read-only.
 */
export type Value = null | boolean | string | bigint | Decimal | Uint8Array | ValueList | ValueRecord;
export type ValueList = readonly Value[];
export interface ValueRecord {
  readonly [field: string]: Value;
}

/** Something that nobody else has seen yet, and that may still be filled in. */
export type Draft<T> = { -readonly [Name in keyof T]: T[Name] };

export function isRecord(value: Value | undefined): value is ValueRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Decimal) && !(value instanceof Uint8Array);
}

/** What is made by a constructor is an object of V8's fast kind; what `Object.create(null)` makes is a hash table, three times as slow to fill and to read. */
class Fields {}
Object.setPrototypeOf(Fields.prototype, null);
Reflect.deleteProperty(Fields.prototype, 'constructor');

/** An empty record that inherits nothing: a field named `__proto__` or `toString` is plain data in it. */
export function newRecord(): Record<string, Value> {
  return new Fields() as Record<string, Value>;
}
