import { Decimal, InvalidMessage, isRecord, parseJson, type Value } from '../contract/index.js';
import type { ColumnType } from './config.js';
import type { Column } from './dialects/dialect.js';

/** A cell as a driver gives it. Numbers appear only where they are exact. */
export type Raw = null | string | bigint | number | boolean | Uint8Array;

/** `timestamp` has no zone, `instant` has one. */
export type Kind = 'text' | 'integer' | 'decimal' | 'boolean' | 'date' | 'timestamp' | 'instant' | 'bytes' | 'json' | 'any';

/** A cell that cannot be a value: the row goes to the dead letters, the others go on. */
export class Unreadable {
  constructor(
    readonly text: string,
    readonly reason: string,
  ) {}
}

const MOMENT = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** Makes a value of a cell without losing a digit. What is no such value in any calendar (`infinity`, `0000-00-00`, BC) stays text. */
export function readCell(raw: Raw, kind: Kind): Value | Unreadable {
  if (raw === null || typeof raw === 'boolean' || raw instanceof Uint8Array) return raw;
  if (typeof raw === 'bigint') return kind === 'decimal' ? Decimal.of(raw) : raw;
  if (typeof raw === 'number') return number(raw, kind);
  switch (kind) {
    case 'integer':
      return /^-?\d{1,400}$/.test(raw) ? BigInt(raw) : new Unreadable(raw, 'is no whole number');
    case 'decimal':
      return Decimal.parse(raw) ?? new Unreadable(raw, 'is no decimal number');
    case 'timestamp':
    case 'instant':
      return moment(raw, kind);
    case 'json':
      return json(raw);
    case 'text':
    case 'date':
    case 'boolean':
    case 'bytes':
    case 'any':
      return raw;
  }
}

/** The type the configuration declares, where the database has another one. Only changes that lose nothing. */
export function conform(value: Value, type: ColumnType): Value | Unreadable {
  if (value === null || type === 'any') return value;
  const text = typeof value === 'string' ? value : undefined;
  switch (type) {
    case 'text':
      return text ?? (typeof value === 'bigint' || value instanceof Decimal ? value.toString() : mismatch(value, type));
    case 'integer':
      if (typeof value === 'bigint') return value;
      if (value instanceof Decimal) return value.withScale(0)?.unscaled ?? mismatch(value, type);
      return text !== undefined && /^-?\d{1,400}$/.test(text) ? BigInt(text) : mismatch(value, type);
    case 'decimal':
    case 'number':
      if (typeof value === 'bigint') return type === 'decimal' ? Decimal.of(value) : value;
      return value instanceof Decimal ? value : ((text === undefined ? undefined : Decimal.parse(text)) ?? mismatch(value, type));
    case 'boolean':
      if (typeof value === 'boolean') return value;
      return value === 0n || value === 1n ? value === 1n : mismatch(value, type);
    case 'date':
      return text ?? mismatch(value, type);
    case 'timestamp':
      return text === undefined ? mismatch(value, type) : moment(text, 'timestamp');
    case 'bytes':
      return value instanceof Uint8Array ? value : mismatch(value, type);
  }
}

/**
 * A value for a column, as text the database reads back to the same value. What the database would round, cut or refuse without naming
 * the column is refused here.
 * @throws InvalidMessage naming the column
 */
export function encode(value: Value, column: Column): null | string | boolean | Uint8Array {
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return value;
  if (typeof value === 'bigint' || value instanceof Decimal) return digits(Decimal.of(value), column);
  if (typeof value !== 'string') throw new InvalidMessage('E334', `${column.name}: a ${isRecord(value) ? 'record' : 'list'} is no value of a column`);
  if (column.kind === 'integer' || column.kind === 'decimal') {
    const parsed = Decimal.parse(value);
    if (!parsed && !/^[+-]?(nan|inf|infinity)$/i.test(value)) throw new InvalidMessage('E332', `${column.name}: the text is no number`);
    return parsed ? digits(parsed, column) : value;
  }
  const { length } = column;
  // Databases count code points; a text has at least as many UTF-16 units.
  const points = length !== undefined && value.length > length ? Array.from(value).length : 0;
  if (length !== undefined && points > length) throw new InvalidMessage('E332', `${column.name}: ${points} characters, the column keeps ${length}`);
  return column.kind === 'timestamp' ? utc(value) : value;
}

function digits(value: Decimal, column: Column): string {
  const scale = column.kind === 'integer' ? 0 : column.kind === 'decimal' ? column.scale : undefined;
  if (scale === undefined) return value.toString();
  const exact = value.withScale(scale);
  if (!exact) throw new InvalidMessage('E333', `${column.name}: ${value.scale} digits after the point, the column keeps ${scale}`);
  const [low, high] = RANGES[column.type] ?? [];
  const wide = column.precision !== undefined && exact.integerDigits > column.precision - scale;
  if (wide || (low !== undefined && high !== undefined && (exact.unscaled < low || exact.unscaled > high))) {
    throw new InvalidMessage('E332', `${column.name}: the number is out of range of ${column.type}`);
  }
  return exact.toString();
}

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  smallint: [-(2n ** 15n), 2n ** 15n - 1n],
  integer: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** A value for a parameter of a statement whose column types nobody told us. @throws InvalidMessage */
export function free(value: Value, flag: (value: boolean) => string): null | string | Uint8Array {
  if (value === null || typeof value === 'string' || value instanceof Uint8Array) return value;
  if (typeof value === 'boolean') return flag(value);
  if (typeof value === 'bigint' || value instanceof Decimal) return value.toString();
  throw new InvalidMessage('E334', 'a parameter takes one value, not a list or record');
}

/** A value as text that tells it from every other; for ids and for matching rows. */
export function textOf(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'string' || typeof value === 'bigint' || value instanceof Decimal ? value.toString() : JSON.stringify(value);
}

function number(raw: number, kind: Kind): Value | Unreadable {
  if (!Number.isFinite(raw)) return new Unreadable(String(raw), 'is no decimal number');
  return kind === 'integer' && Number.isSafeInteger(raw) ? BigInt(raw) : Decimal.of(raw);
}

function moment(text: string, kind: 'timestamp' | 'instant'): string {
  const [, date, time, zone] = MOMENT.exec(text) ?? [];
  if (date === undefined || date.startsWith('0000') || date.includes('-00')) return text;
  if (zone === undefined) return `${date}T${time}${kind === 'instant' ? 'Z' : ''}`;
  if (/^(Z|[+-]00(:?00)?)$/.test(zone)) return `${date}T${time}Z`;
  return `${date}T${time}${zone.length === 3 ? `${zone}:00` : zone}`;
}

/** A column without a zone holds UTC when the value has a zone: said in the README, never the zone of a server. */
export function utc(text: string): string {
  const [, date, time, zone] = MOMENT.exec(text) ?? [];
  if (date === undefined || time === undefined || zone === undefined) return text;
  const [clock = '', fraction] = time.split('.');
  const at = new Date(`${date}T${clock.length === 5 ? `${clock}:00` : clock}${zone.length === 3 ? `${zone}:00` : zone}`);
  return Number.isNaN(at.getTime()) ? text : `${at.toISOString().slice(0, 19)}${fraction === undefined ? '' : `.${fraction}`}`;
}

function json(raw: string): Value | Unreadable {
  try {
    return parseJson(raw);
  } catch (error) {
    return new Unreadable(raw, Error.isError(error) ? error.message : 'is no JSON');
  }
}

function mismatch(value: Value, type: ColumnType): Unreadable {
  return new Unreadable(textOf(value), `is no ${type}`);
}
