import { Decimal } from '../bus/decimal.js';
import { writeJson } from '../bus/json.js';
import { isRecord, type Value } from '../bus/value.js';

export interface Difference {
  /** `.lines[0].sku` below what was compared; empty at the top. */
  readonly at: string;
  readonly expected: string;
  readonly got: string;
}

/**
 * Compares what a test expects with a value. Of a record only the named fields count; lists must have the same length. Numbers are equal by value
 * (`1234.5` and `1234.50`), and a number may be written as text; text is never equal to a number of the test.
 */
export function differences(expected: unknown, got: Value | undefined, at = ''): readonly Difference[] {
  if (expected === null || expected === undefined) return (got ?? null) === null ? [] : [{ at, expected: 'null', got: shownValue(got) }];
  if (Array.isArray(expected)) {
    if (!Array.isArray(got) || got.length !== expected.length)
      return [{ at, expected: `a list of ${expected.length}`, got: Array.isArray(got) ? `a list of ${got.length}` : shownValue(got) }];
    return expected.flatMap((element: unknown, i) => differences(element, (got as readonly Value[])[i], `${at}[${i}]`));
  }
  if (typeof expected === 'object' && !(expected instanceof Decimal)) {
    if (got === undefined || !isRecord(got)) return [{ at, expected: 'a record', got: shownValue(got) }];
    return Object.entries(expected).flatMap(([name, value]) => differences(value, Object.hasOwn(got, name) ? got[name] : undefined, `${at}.${name}`));
  }
  return same(expected, got) ? [] : [{ at, expected: shownValue(expected), got: shownValue(got) }];
}

export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null && !(value instanceof Decimal)) {
    const text = writeJson(value as Value);
    return text.length > 200 ? `${text.slice(0, 199)}…` : text;
  }
  return String(value);
}

function same(expected: unknown, got: Value | undefined): boolean {
  if (typeof expected === 'boolean') return got === expected;
  const number = typeof got === 'bigint' || got instanceof Decimal ? Decimal.of(got) : undefined;
  if (typeof expected === 'string') return number ? number.toString() === expected : got === expected;
  const wanted = typeof expected === 'bigint' || typeof expected === 'number' || expected instanceof Decimal ? numberOf(expected) : undefined;
  return wanted !== undefined && number !== undefined && wanted.equals(number);
}

function numberOf(value: number | bigint | Decimal): Decimal | undefined {
  return typeof value === 'number' ? Decimal.parse(String(value)) : Decimal.of(value);
}
