import { randomUUID } from 'node:crypto';
import { Decimal, InvalidMessage, isDay, isRecord, parseJson, type Value, writeJson } from '../contract/index.js';
import type { Column } from './dialects/dialect.js';
import { checkFraction, checkLength, digits } from './fits.js';
import type { ColumnType } from './options.js';
import { instantOf, localOf, type NoInstant, type Zone } from './zone.js';

/** A cell as a driver gives it. Numbers appear only where they are exact. */
export type Raw = null | string | bigint | number | boolean | Uint8Array;

/** `timestamp` has no zone, `instant` has one. */
export type Kind = 'text' | 'integer' | 'decimal' | 'boolean' | 'date' | 'timestamp' | 'instant' | 'bytes' | 'json' | 'any';

/** A cell that cannot be a value: the row goes to the dead letters, the others go on. */
export class Unreadable {
  constructor(
    readonly text: string,
    readonly reason: string,
    /** The text is all that is in the cell: a column declared as text takes it. */
    readonly isWhole = true,
  ) {}
}

/** Most bytes of one cell; the message that carries it has the same limit, and bytes travel in it as base64. */
export const MOST_TEXT = 64 * 1024 * 1024;
export const MOST_BYTES = 48 * 1024 * 1024;

/** Stands for the content of a cell that was not loaded because of its size, with the size behind it. New with every process: no data can look like it. */
export const TOO_LARGE = `signalbox:${randomUUID()}:`;

const MOMENT = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** Makes a value of a cell without losing a digit. */
export function readCell(raw: Raw, kind: Kind): Value | Unreadable {
  if (raw === null || typeof raw === 'boolean') return raw;
  if (raw instanceof Uint8Array) return bytes(raw, kind);
  if (typeof raw === 'bigint') return kind === 'decimal' ? Decimal.of(raw) : raw;
  if (typeof raw === 'number') return number(raw, kind);
  if (raw.startsWith(TOO_LARGE)) return tooLarge(raw, MOST_TEXT);
  switch (kind) {
    case 'integer':
      return /^-?\d{1,400}$/.test(raw) ? BigInt(raw) : new Unreadable(raw, 'is no whole number');
    case 'decimal':
      return Decimal.parse(raw) ?? new Unreadable(raw, 'is no decimal number');
    case 'date':
      return isDay(raw) ? raw : new Unreadable(raw, NO_DAY);
    case 'timestamp':
    case 'instant':
      return moment(raw, kind);
    case 'json':
      return json(raw);
    case 'any':
      // A driver that finds bytes that are no text puts this in their place.
      return raw.includes('\uFFFD') ? new Unreadable(raw, 'has bytes that are no UTF-8 text (U+FFFD)', false) : raw;
    case 'text':
    case 'boolean':
    case 'bytes':
      return raw;
  }
}

/** The cell as the configuration wants it: the declared type, and a time without a zone as an instant where the zone is known. */
export function fitCell(cell: Value | Unreadable, { kind, zone }: Pick<Column, 'kind' | 'zone'>, declared: ColumnType | undefined): Value | Unreadable {
  if (cell instanceof Unreadable) return declared === 'text' && cell.isWhole ? cell.text : cell;
  if (declared !== undefined && declared !== 'timestamp') return conform(cell, declared);
  // Text that was read as a time is one already.
  const isTime = typeof cell === 'string' && (kind === 'timestamp' || kind === 'instant');
  const fitted = declared === undefined || isTime ? cell : conform(cell, declared);
  if (zone === undefined || typeof fitted !== 'string' || (kind !== 'timestamp' && declared !== 'timestamp') || MOMENT.exec(fitted)?.[3] !== undefined) return fitted;
  const found = instantOf(fitted, zone);
  return typeof found === 'string' ? new Unreadable(fitted, noInstant(found, zone)) : found.instant;
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
      return text !== undefined && isDay(text) ? text : mismatch(value, type);
    case 'timestamp':
      return text === undefined ? mismatch(value, type) : moment(text, 'timestamp');
    case 'bytes':
      return value instanceof Uint8Array ? value : mismatch(value, type);
  }
}

/**
 * A value for a column, as text the database reads back to the same value. What the database would round, cut, shift or refuse without naming
 * the column is refused here.
 * @throws InvalidMessage naming the column
 */
export function encode(value: Value, column: Column): null | string | boolean | Uint8Array {
  if (value === null || typeof value === 'boolean') return value;
  if (value instanceof Uint8Array) {
    if (column.kind !== 'bytes' && column.kind !== 'any') throw new InvalidMessage('E332', `${column.name}: bytes for a column of ${column.type || column.kind}`);
    return checkLength(value, column);
  }
  if (typeof value === 'bigint' || value instanceof Decimal) return column.kind === 'json' ? value.toString() : digits(Decimal.of(value), column);
  if (typeof value !== 'string') {
    if (column.kind === 'json') return writeJson(value);
    throw new InvalidMessage('E334', `${column.name}: a ${isRecord(value) ? 'record' : 'list'} is no value of a column`);
  }
  if (!value.isWellFormed()) throw new InvalidMessage('E332', `${column.name}: half of a character (a lone surrogate), which no encoding has`);
  switch (column.kind) {
    case 'integer':
    case 'decimal':
      return numeral(value, column);
    case 'bytes':
      return checkLength(fromBase64(value, column), column);
    case 'date':
      if (MOMENT.test(value)) throw new InvalidMessage('E327', `${column.name}: ${value.slice(0, 40)} has a time of day, the column keeps the date alone`);
      return value;
    case 'timestamp':
      return checkFraction(local(value, column), column);
    case 'instant':
      return checkFraction(instant(value, column), column);
    case 'text':
    case 'boolean':
    case 'json':
    case 'any':
      return checkLength(value, column);
  }
}

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

/** An instant as a clock in UTC shows it; a text without a zone as it is. */
export function utc(text: string): string {
  const at = MOMENT.exec(text);
  return at?.[3] === undefined ? text : (shown(text, { name: 'UTC', repeated: 'earlier' }) ?? text);
}

/** For a column without a zone. It never gets a time in a zone that nobody named. */
function local(text: string, { name, zone }: Column): string {
  if (MOMENT.exec(text)?.[3] === undefined) return text;
  if (zone === undefined) throw new InvalidMessage('E326', `${name}: a time with a zone for a column without one, and \`connect\` names no zone`);
  return shown(text, zone) ?? text;
}

/** For a column that keeps an instant. */
function instant(text: string, { name, zone }: Column): string {
  const at = MOMENT.exec(text);
  if (at === null || at[3] !== undefined) return text;
  if (zone === undefined) throw new InvalidMessage('E326', `${name}: a time without a zone for a column with one, and \`connect\` names no zone`);
  const found = instantOf(`${at[1]}T${at[2]}`, zone);
  if (typeof found === 'string') throw new InvalidMessage('E326', `${name}: ${text} ${noInstant(found, zone)}`);
  return found.instant;
}

function shown(text: string, zone: Zone): string | undefined {
  const [, date = '', time = '', offset = ''] = MOMENT.exec(text) ?? [];
  const [clock = '', fraction] = time.split('.');
  const at = Date.parse(`${date}T${clock.length === 5 ? `${clock}:00` : clock}${offset.length === 3 ? `${offset}:00` : offset}`);
  return Number.isNaN(at) ? undefined : localOf(at, fraction, zone);
}

function noInstant(reason: NoInstant, { name }: Zone): string {
  if (reason === 'out of range') return 'is no time of the calendar';
  return reason === 'gap' ? `is a time that clocks in ${name} jump over` : `is a time that clocks in ${name} show twice`;
}

function number(raw: number, kind: Kind): Value | Unreadable {
  if (!Number.isFinite(raw)) return new Unreadable(String(raw), 'is no decimal number');
  return kind === 'integer' && Number.isSafeInteger(raw) ? BigInt(raw) : Decimal.of(raw);
}

function numeral(text: string, column: Column): string {
  const parsed = Decimal.parse(text);
  if (!parsed && !/^[+-]?(nan|inf|infinity)$/i.test(text)) throw new InvalidMessage('E332', `${column.name}: the text is no number`);
  return parsed ? digits(parsed, column) : text;
}

const NO_DAY = 'is no date of the calendar; declare the column as text to take it as it is';

function moment(text: string, kind: 'timestamp' | 'instant'): string | Unreadable {
  const [, date, time, zone] = MOMENT.exec(text) ?? [];
  if (date === undefined || !isDay(date)) return new Unreadable(text, NO_DAY);
  if (zone === undefined) return `${date}T${time}${kind === 'instant' ? 'Z' : ''}`;
  if (/^(Z|[+-]00(:?00)?)$/.test(zone)) return `${date}T${time}Z`;
  return `${date}T${time}${zone.length === 3 ? `${zone}:00` : zone}`;
}

/** Text that came as bytes, because the database does not know its encoding, has to be UTF-8. */
function bytes(raw: Uint8Array, kind: Kind): Value | Unreadable {
  if (raw.length < 100 && Buffer.from(raw).toString('latin1').startsWith(TOO_LARGE)) return tooLarge(Buffer.from(raw).toString('latin1'), MOST_BYTES);
  if (kind !== 'text') return raw;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return new Unreadable(Buffer.from(raw.subarray(0, 60)).toString('latin1'), 'is no UTF-8 text, and the database does not know its encoding', false);
  }
}

function tooLarge(text: string, most: number): Unreadable {
  return new Unreadable('', `has ${text.slice(TOO_LARGE.length)} bytes and was not loaded: more than a message (${most} bytes) or the connection takes of one column`, false);
}

/** Bytes are base64 in a message (RFC 4648 section 4). */
function fromBase64(text: string, { name }: Column): Uint8Array {
  // No group that repeats: the text may have millions of letters.
  const isBase64 = text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(text.replace(/={1,2}$/, ''));
  if (!isBase64) throw new InvalidMessage('E332', `${name}: the text is no base64, and the column keeps bytes`);
  return new Uint8Array(Buffer.from(text, 'base64'));
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
