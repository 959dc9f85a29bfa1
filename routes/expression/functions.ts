import { isDay } from '../../bus/dates.js';
import { Decimal } from '../../bus/decimal.js';
import type { Value } from '../../bus/value.js';
import { type Bindings, fail, isNumber, limits } from './runtime.js';
import { isListType, kindOf, type SimpleType, type Type } from './type.js';

/** A function of the expression language; `f(x, y)` and `x.f(y)` are the same call. */
export interface FunctionDefinition {
  readonly parameters: readonly Parameter[];
  /** How many of the parameters must be given. */
  readonly required: number;
  readonly result: (types: readonly Type[]) => Type;
  /** `pass`: null in, null out (conversions); `fail`: E312. */
  readonly nulls: 'pass' | 'fail';
  readonly run: (values: readonly Value[], bindings: Bindings, name: string) => Value;
}

/** What a parameter accepts: simple types, `list`, or everything (`any`). */
export type Parameter = readonly (SimpleType | 'list' | 'record')[];

const TEXT: Parameter = ['text'];
const TEXTLIKE: Parameter = ['text', 'date', 'timestamp'];
const NUMBER: Parameter = ['integer', 'decimal', 'number'];
const INTEGER: Parameter = ['integer'];
const DAY: Parameter = ['date', 'timestamp'];
const SCALAR: Parameter = ['text', 'integer', 'decimal', 'number', 'boolean', 'date', 'timestamp'];
// RFC 3339, also with a space, and also without an offset: many databases have none, and inventing one would be a guess.
const TIMESTAMP_FORM = /^\d{4}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?$/;

export const functions: ReadonlyMap<string, FunctionDefinition> = new Map<string, FunctionDefinition>([
  ['trim', define([TEXT], 'text', 'pass', ([text]) => asText(text).trim())],
  ['upper', define([TEXT], 'text', 'pass', ([text]) => asText(text).toUpperCase())],
  ['lower', define([TEXT], 'text', 'pass', ([text]) => asText(text).toLowerCase())],
  ['substring', define([TEXT, INTEGER, INTEGER], 'text', 'pass', substring, 2)],
  ['replace', define([TEXT, TEXT, TEXT], 'text', 'pass', ([text, from, to]) => replaced(asText(text), asText(from), asText(to)))],
  ['split', define([TEXT, TEXT], { list: 'text' }, 'pass', ([text, by]) => asText(text).split(asText(by), limits.list + 1))],
  ['contains', define([TEXT, TEXT], 'boolean', 'fail', ([text, part]) => asText(text).includes(asText(part)))],
  ['startsWith', define([TEXT, TEXT], 'boolean', 'fail', ([text, part]) => asText(text).startsWith(asText(part)))],
  ['endsWith', define([TEXT, TEXT], 'boolean', 'fail', ([text, part]) => asText(text).endsWith(asText(part)))],
  ['size', define([['text', 'list', 'record']], 'integer', 'fail', ([value = null]) => sizeOf(value))],
  ['join', define([['list'], TEXT], 'text', 'fail', ([list, by]) => joined(asList(list), by === undefined ? '' : asText(by)), 1)],
  [
    'sum',
    {
      ...define([['list']], 'number', 'fail', ([list], _, name) => sum(asList(list), name)),
      result: ([type = 'any']) => (isListType(type) && type.list === 'integer' ? 'integer' : 'number'),
    },
  ],
  ['text', define([SCALAR], 'text', 'pass', ([value = null], _, name) => toText(value, name))],
  ['integer', define([['text', ...NUMBER]], 'integer', 'pass', ([value = null], _, name) => toInteger(value, name))],
  ['decimal', define([['text', ...NUMBER]], 'decimal', 'pass', ([value = null], _, name) => toDecimal(value, name))],
  ['round', define([NUMBER, INTEGER], 'decimal', 'pass', ([value = null, digits]) => Decimal.of(asNumber(value)).rounded(smallInteger(digits, 0, 30, 'round')))],
  ['abs', { ...define([NUMBER], 'number', 'pass', ([value = null]) => absolute(asNumber(value))), result: ([type = 'number']) => type }],
  ['date', define([TEXTLIKE], 'date', 'pass', ([value], _, name) => toDate(asText(value), name))],
  ['timestamp', define([['text', 'timestamp']], 'timestamp', 'pass', ([value], _, name) => toTimestamp(asText(value), name))],
  ['today', define([TEXT], 'date', 'fail', ([zone], bindings) => today(bindings.now, zone === undefined ? 'UTC' : asText(zone)), 0)],
  ['now', define([], 'timestamp', 'fail', (_, bindings) => bindings.now.toISOString())],
  ['addDays', define([['date'], INTEGER], 'date', 'pass', ([day, count]) => addDays(asText(day), smallInteger(count, -4_000_000, 4_000_000, 'addDays')))],
  ['daysBetween', define([['date'], ['date']], 'integer', 'fail', ([from, to]) => BigInt(Math.round((dayNumber(asText(to)) - dayNumber(asText(from))) / 86_400_000)))],
  ['year', define([DAY], 'integer', 'pass', ([day]) => BigInt(toDate(asText(day), 'year').slice(0, 4)))],
  ['month', define([DAY], 'integer', 'pass', ([day]) => BigInt(toDate(asText(day), 'month').slice(5, 7)))],
  ['day', define([DAY], 'integer', 'pass', ([day]) => BigInt(toDate(asText(day), 'day').slice(8, 10)))],
]);

/** True when `value` may be passed where `parameter` is asked for; for arguments whose type is known only at run time. */
export function accepts(parameter: Parameter, value: Value): boolean {
  const kind = kindOf(value);
  if (kind === 'text') return parameter.includes('text') || parameter.includes('date') || parameter.includes('timestamp') || parameter.includes('any');
  return parameter.includes(kind as SimpleType) || parameter.includes('any');
}

/** Whether `text` is a day that exists, in ISO form. */
export function isTimestamp(text: string): boolean {
  return TIMESTAMP_FORM.test(text) && isDay(text.slice(0, 10));
}

function toText(value: Value, name: string): string {
  if (typeof value === 'string') return value;
  if (isNumber(value) || typeof value === 'boolean') return value.toString();
  return fail(value === null ? 'E312' : 'E313', `${name}: ${kindOf(value)} is no text`);
}

function define(parameters: readonly Parameter[], result: Type, nulls: 'pass' | 'fail', run: FunctionDefinition['run'], required = parameters.length): FunctionDefinition {
  return { parameters, required, result: () => result, nulls, run };
}

function asText(value: Value | undefined): string {
  return typeof value === 'string' ? value : fail('E313', 'text expected');
}

function asList(value: Value | undefined): readonly Value[] {
  if (!Array.isArray(value)) return fail('E313', 'a list expected');
  return value.length > limits.list ? fail('E315', `a list of ${value.length} elements`) : value;
}

function asNumber(value: Value): bigint | Decimal {
  return isNumber(value) ? value : fail('E313', 'a number expected');
}

function smallInteger(value: Value | undefined, min: number, max: number, name: string): number {
  if (typeof value !== 'bigint' || value < BigInt(min) || value > BigInt(max)) return fail('E314', `${name}: expected a whole number from ${min} to ${max}`);
  return Number(value);
}

function replaced(text: string, from: string, to: string): string {
  if (from === '') return text;
  const parts = text.split(from);
  checkLength(text.length + (parts.length - 1) * (to.length - from.length));
  return parts.join(to);
}

function joined(list: readonly Value[], by: string): string {
  const texts = list.map((element) => toText(element, 'join'));
  checkLength(texts.reduce((sum, text) => sum + text.length + by.length, 0));
  return texts.join(by);
}

/** Before a text is made, because making it may be what hurts. */
export function checkLength(length: number): void {
  if (length > limits.text) fail('E315', `a text of ${length} characters`);
}

function substring([text, start, end]: readonly Value[]): string {
  // Beyond the end is the end: fixed-width fields come shorter than their width.
  const from = smallInteger(start, 0, limits.text, 'substring');
  return asText(text).slice(from, end === undefined ? undefined : smallInteger(end, 0, limits.text, 'substring'));
}

function sizeOf(value: Value): bigint {
  if (typeof value === 'string') return BigInt(Array.from(value).length);
  return BigInt(Array.isArray(value) ? value.length : Object.keys(value ?? {}).length);
}

function sum(list: readonly Value[], name: string): bigint | Decimal {
  let integers = 0n;
  let decimals: Decimal | undefined;
  for (const element of list) {
    if (typeof element === 'bigint') integers += element;
    else if (element instanceof Decimal) decimals = decimals ? decimals.plus(element) : element;
    else fail(element === null ? 'E312' : 'E313', `${name}: an element is ${kindOf(element)}`);
  }
  return decimals ? decimals.plus(new Decimal(integers, 0)) : integers;
}

function absolute(value: bigint | Decimal): bigint | Decimal {
  if (typeof value === 'bigint') return value < 0n ? -value : value;
  return value.unscaled < 0n ? value.negated() : value;
}

function toInteger(value: Value, name: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'string') return /^[+-]?\d{1,400}$/.test(value) ? BigInt(value.replace('+', '')) : fail('E305', `${name}: "${value.slice(0, 40)}" is no whole number`);
  const whole = value instanceof Decimal ? value.withScale(0) : undefined;
  return whole ? whole.unscaled : fail('E303', `${name}: ${toText(value, name)} is no whole number`);
}

function toDecimal(value: Value, name: string): Decimal {
  if (isNumber(value)) return Decimal.of(value);
  const parsed = typeof value === 'string' ? Decimal.parse(value) : undefined;
  return parsed ?? fail('E305', `${name}: "${toText(value, name).slice(0, 40)}" is no decimal number`);
}

function toDate(text: string, name: string): string {
  if (isDay(text)) return text;
  // The day as it is written: no zone is converted.
  return isTimestamp(text) ? text.slice(0, 10) : fail('E304', `${name}: "${text.slice(0, 40)}" is no date`);
}

function toTimestamp(text: string, name: string): string {
  return isTimestamp(text) ? text : fail('E304', `${name}: "${text.slice(0, 40)}" is no timestamp (RFC 3339)`);
}

function addDays(day: string, count: number): string {
  const moved = new Date(dayNumber(day) + count * 86_400_000);
  const text = Number.isNaN(moved.getTime()) ? '' : moved.toISOString().slice(0, 10);
  return isDay(text) ? text : fail('E314', `addDays: ${day} and ${count} days is out of range`);
}

function dayNumber(day: string): number {
  return Date.parse(`${toDate(day, 'date')}T00:00:00Z`);
}

const calendars = new Map<string, Intl.DateTimeFormat>();

/** The day it is at `now` in an IANA zone. */
function today(now: Date, zone: string): string {
  if (zone === 'UTC') return now.toISOString().slice(0, 10);
  const calendar = calendarOf(zone) ?? fail('E313', `today: unknown time zone "${zone.slice(0, 40)}"`);
  return calendar.format(now);
}

export function calendarOf(zone: string): Intl.DateTimeFormat | undefined {
  const known = calendars.get(zone);
  if (known) return known;
  try {
    const calendar = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' });
    calendars.set(zone, calendar);
    return calendar;
  } catch {
    return undefined; // RangeError: no such zone
  }
}
