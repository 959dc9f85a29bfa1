import type { Code } from '../../bus/codes/index.js';
import { Decimal } from '../../bus/decimal.js';
import { InvalidMessage } from '../../bus/errors.js';
import { isRecord, type Value } from '../../bus/value.js';
import { kindOf } from './type.js';

/** Values of the variables for one evaluation, and the time that `today()` and `now()` say. */
export class Bindings {
  readonly now: Date;
  readonly variables: Readonly<Record<string, Value>>;
  /** Elements of exists, all, filter and map while they run. */
  readonly locals: Value[] = [];
  /** Work done by the expression that is being evaluated; see `spend`. */
  steps = 0;

  constructor(now: Date, variables: Readonly<Record<string, Value>>) {
    this.now = now;
    this.variables = variables;
  }

  with(name: string, value: Value): Bindings {
    return new Bindings(this.now, Object.assign(Object.create(this.variables) as Record<string, Value>, { [name]: value }));
  }
}

/** One compiled part of an expression. @throws InvalidMessage */
export type Evaluate = (bindings: Bindings) => Value;

export const limits = { list: 10_000, text: 1_048_576, pattern: 1_000, searched: 65_536, bits: 16_384, scale: 5_000, steps: 1_000_000 } as const;

/**
 * Counts work that grows with the message: elements looked at, text searched or built. What exceeds the limit, some tenths of a second, is a
 * failure of this message, the same on every machine, and not a delay for all others.
 */
export function spend(bindings: Bindings, steps: number, source: string): void {
  bindings.steps += steps;
  if (bindings.steps > limits.steps) fail('E315', `${source}: more than ${limits.steps} steps`);
}

export function fail(code: Code, detail: string): never {
  throw new InvalidMessage(code, detail);
}

const OFFSET = /(Z|[+-]\d{2}:\d{2})$/;

/** Equality without conversion: null equals only null; values of different types are an error, not false. */
export function equals(a: Value, b: Value, source: string): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (isNumber(a) && isNumber(b)) return Decimal.of(a).equals(Decimal.of(b));
  if (typeof a !== typeof b) return fail('E313', `${source}: compares ${kindOf(a)} with ${kindOf(b)}`);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((element, i) => equals(element, b[i] ?? null, source));
  if (isRecord(a) && isRecord(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && equals(a[name] ?? null, b[name] ?? null, source));
  }
  return typeof a === 'object' ? fail('E313', `${source}: compares ${kindOf(a)} with ${kindOf(b)}`) : false;
}

/** Order of two numbers or two texts. Text is ordered by code units, so dates in ISO form are in order of time. */
export function compare(a: Value, b: Value, source: string): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : a > b ? 1 : 0;
  if (isNumber(a) && isNumber(b)) return Decimal.of(a).compare(Decimal.of(b));
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (a === null || b === null) return fail('E312', `${source}: ${a === null ? 'the left side' : 'the right side'} is null`);
  return fail('E313', `${source}: compares ${kindOf(a)} with ${kindOf(b)}`);
}

/** Order in time of two timestamps, whatever their offsets and digits. A time with an offset and one without are not comparable. */
export function compareTimestamps(a: Value, b: Value, source: string): number {
  if (typeof a !== 'string' || typeof b !== 'string') return compare(a, b, source);
  if (a.length === b.length && a.endsWith('Z') && b.endsWith('Z')) return compareText(a, b);
  if (OFFSET.test(a) !== OFFSET.test(b)) return fail('E313', `${source}: compares a time with an offset and one without`);
  const difference = wholeSeconds(a, source) - wholeSeconds(b, source);
  return difference === 0 ? compareText(fraction(a), fraction(b)) : Math.sign(difference);
}

export function isNumber(value: Value): value is bigint | Decimal {
  return typeof value === 'bigint' || value instanceof Decimal;
}

function wholeSeconds(text: string, source: string): number {
  const plain = text.replace(/\.\d+/, '').replace(' ', 'T');
  const ms = Date.parse(OFFSET.test(plain) || plain.length === 10 ? plain : `${plain}Z`);
  return Number.isNaN(ms) ? fail('E313', `${source}: "${text.slice(0, 40)}" is no timestamp`) : ms;
}

function fraction(text: string): string {
  return /\.(\d+)/.exec(text)?.[1]?.replace(/0+$/, '') ?? '';
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
