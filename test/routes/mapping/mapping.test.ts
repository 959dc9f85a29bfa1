import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { stringify } from 'yaml';
import type { FieldTypes } from '../../../adapters/contract/spec.js';
import { Decimal } from '../../../bus/decimal.js';
import { failureOf } from '../../../bus/errors.js';
import { writeJson } from '../../../bus/json.js';
import type { Value } from '../../../bus/value.js';
import { asValue, handlerOf, now } from '../orders.js';

/** A configuration with one field in and out. */
function handler(type: string, field: unknown, sources?: FieldTypes) {
  return handlerOf(
    stringify({
      types: { Thing: { x: type }, Inner: { a: 'required text', b: 'decimal 4.1' } },
      tables: {
        fails: { rows: { '1': 'one', '2': 'two' } },
        keeps: { rows: { '1': 'one' }, missing: 'keep' },
        marks: { rows: { '1': 'one' }, missing: '??' },
      },
      routes: {
        in: { from: 'a.b', publish: 'Thing', map: { x: field } },
        out: { subscribe: 'Thing', deliver: [{ name: 'all', to: 'c.d', map: { X: 'thing.x' } }] },
      },
    }),
    { sources: { 'a.b': sources }, targets: { 'c.d': undefined } },
  );
}

/** What `record.v` becomes, as JSON, or the code of the failure. */
function mapped(type: string, field: unknown, v: Value | undefined): string {
  const [outcome] = handler(type, field).receive('a.b', { id: '1', value: v === undefined ? {} : { v } }, now);
  if (outcome?.failure) return `${failureOf(outcome.failure.failure)?.code ?? outcome.failure.failure.stack}`;
  return writeJson(outcome?.message?.data['x'] ?? null);
}

const decimal = (text: string) => Decimal.parse(text) ?? new Decimal(0n, 0);

describe('a value becomes the type of its field, or the message is dead', () => {
  test.each<[string, Value | undefined, string]>([
    ['text', 'a', '"a"'],
    ['text', '', '""'],
    ['text', 17n, '"17"'],
    ['text', decimal('1.50'), '"1.50"'],
    ['text', true, 'E306'],
    ['text', { a: 'b' }, 'E306'],
    ['text 2', 'ab', '"ab"'],
    ['text 2', '😀😀', '"😀😀"'],
    ['text 2', 'abc', 'E302'],
    ['text', null, 'null'],
    ['text', undefined, 'E310'],
    ['required text', null, 'E301'],
    ['required text', '', '""'],
    ['integer', '00123', '123'],
    ['integer', '9007199254740993', '9007199254740993'],
    ['integer', '1.0', 'E305'],
    ['integer', decimal('1.00'), '1'],
    ['integer', decimal('1.5'), 'E303'],
    ['integer', true, 'E306'],
    ['decimal 5.2', '123.45', '123.45'],
    ['decimal 5.2', decimal('123.4500'), '123.45'],
    ['decimal 5.2', decimal('123.456'), 'E303'],
    ['decimal 5.2', '1000', 'E303'],
    ['decimal 5.2', '-999.99', '-999.99'],
    ['decimal', '1e3', 'E305'],
    ['decimal', '1,5', 'E305'],
    ['decimal', 'NaN', 'E305'],
    ['boolean', true, 'true'],
    ['boolean', 'true', 'true'],
    ['boolean', 'yes', 'E306'],
    ['boolean', 1n, 'E306'],
    ['date', '2026-02-28', '"2026-02-28"'],
    ['date', '2026-02-29', 'E304'],
    ['date', 20_260_228n, 'E306'],
    ['timestamp', '2026-02-28T10:00:00+01:00', '"2026-02-28T10:00:00+01:00"'],
    ['timestamp', '2026-02-28T25:00:00Z', 'E304'],
    ['list of integer', asValue(['1', 2]), '[1,2]'],
    ['list of integer', 'x', 'E306'],
    ['Inner', asValue({ a: 'x', b: '1.5' }), '{"a":"x","b":1.5}'],
    ['Inner', asValue({ a: 'x', c: 1 }), 'E316'],
    ['Inner', asValue({ b: '1.5' }), 'E301'],
    ['list of Inner', asValue([{ a: 'x' }]), '[{"a":"x"}]'],
  ])('%s <- %p = %s', (type, value, result) => {
    expect(mapped(type, 'record.v', value)).toBe(result);
  });
});

describe('the long form', () => {
  test.each<[string, Record<string, unknown>, Value | undefined, string]>([
    ['text', { from: 'record.v', trim: true }, '  a ', '"a"'],
    ['text', { from: 'record.v', trim: true, empty: '-' }, ' - ', 'null'],
    ['text', { from: 'record.v', empty: '-' }, '', 'null'],
    ['text', { from: 'record.v', empty: '-', default: 'none' }, '-', '"none"'],
    ['text', { from: 'record.v', default: 'none' }, null, '"none"'],
    ['text', { from: 'record.v', default: 'none' }, undefined, '"none"'],
    ['text', { from: 'record.v', default: 'none' }, '', '""'],
    ['text', { default: 'fixed' }, null, '"fixed"'],
    ['integer', { from: 'record.v', default: '5' }, null, '5'],
    ['text', { from: 'record.v', table: 'fails' }, '1', '"one"'],
    ['text', { from: 'record.v', table: 'fails' }, 2n, '"two"'],
    ['text', { from: 'record.v', table: 'fails' }, '3', 'E311'],
    ['text', { from: 'record.v', table: 'fails' }, 'constructor', 'E311'],
    ['text', { from: 'record.v', table: 'fails' }, null, 'null'],
    ['text', { from: 'record.v', table: 'fails', default: 'x' }, '3', 'E311'],
    ['text', { from: 'record.v', table: 'keeps' }, '3', '"3"'],
    ['text', { from: 'record.v', table: 'marks' }, '3', '"??"'],
    ['date', { from: 'record.v', date: 'yyyyMMdd' }, '20260301', '"2026-03-01"'],
    ['date', { from: 'record.v', date: 'yyyyMMdd' }, 20_260_301n, '"2026-03-01"'],
    ['date', { from: 'record.v', date: 'yyyyMMdd' }, '', 'E304'],
    ['date', { from: 'record.v', date: 'yyyyMMdd', empty: '0' }, 0n, 'null'],
    ['text', { from: 'today()', date: 'dd.MM.yyyy' }, null, '"02.03.2026"'],
    ['decimal', { from: 'record.v', decimal: 'comma' }, '1.234.567,89', '1234567.89'],
    ['decimal', { from: 'record.v', decimal: 'comma' }, '12,50-', '-12.50'],
    ['decimal', { from: 'record.v', decimal: 'comma' }, '-12,50-', 'E305'],
    ['decimal', { from: 'record.v', decimal: 'comma' }, '12.34', 'E305'],
    ['decimal', { from: 'record.v', decimal: 'comma' }, '1.23,4', 'E305'],
    ['decimal', { from: 'record.v', decimal: 'point' }, '1,234.5', '1234.5'],
    ['decimal', { from: 'record.v', decimal: 'point' }, decimal('1.5'), '1.5'],
    ['text', { from: 'record.v', pad: 5 }, '42', '"00042"'],
    ['text', { from: 'record.v', pad: 5, with: '*' }, 42n, '"***42"'],
    ['text', { from: 'record.v', pad: 2 }, '12345', '"12345"'],
    ['text', { from: 'record.v', pad: 5 }, -1n, 'E306'],
    ['text', { from: 'record.v', pad: 3, default: '7' }, null, '"007"'],
    ['Inner', { map: { a: 'record.v', b: '1.5' } }, 'x', '{"a":"x","b":1.5}'],
    ['list of Inner', { each: 'record.v', map: { a: 'it.n' } }, asValue([{ n: 1 }, { n: 2 }]), '[{"a":"1"},{"a":"2"}]'],
    ['list of Inner', { each: 'record.v', as: 'row', map: { a: 'row.n' } }, asValue([]), '[]'],
    ['list of Inner', { each: 'record.v', map: { a: 'it.n' } }, null, 'null'],
    ['list of Inner', { each: 'record.v', map: { a: 'it.n' } }, 'x', 'E313'],
    ['list of Inner', { each: 'record.v', map: { a: 'it.n' } }, asValue(Array.from({ length: 10_001 }, () => ({ n: 1 }))), 'E315'],
  ])('%s <- %j of %p = %s', (type, field, value, result) => {
    expect(mapped(type, field, value)).toBe(result);
  });
});

describe('outbound', () => {
  function delivered(field: unknown, type: string, value: Value, target?: FieldTypes) {
    const out = handlerOf(
      stringify({
        types: { Thing: { x: type } },
        routes: { in: { from: 'a.b', publish: 'Thing', map: { x: 'record.v' } }, out: { subscribe: 'Thing', deliver: [{ name: 'all', to: 'c.d', map: { X: field } }] } },
      }),
      {
        sources: { 'a.b': undefined },
        targets: { 'c.d': target },
      },
    );
    const [outcome] = out.receive('a.b', { id: '1', value: { v: value } }, now);
    const [failure] = outcome?.failures ?? [];
    return failure ? failureOf(failure.failure)?.code : writeJson(outcome?.deliveries[0]?.payload ?? null);
  }

  test('dates and numbers are printed', () => {
    expect(delivered({ from: 'thing.x', date: 'dd.MM.yyyy' }, 'date', '2026-03-01')).toBe('{"X":"01.03.2026"}');
    expect(delivered({ from: 'thing.x', decimal: 'comma' }, 'decimal 12.2', decimal('1234.50'))).toBe('{"X":"1234,50"}');
    expect(delivered({ from: 'thing.x', decimal: 'comma' }, 'decimal 12.2', decimal('1234.50'), { X: 'text' })).toBe('{"X":"1234,50"}');
  });

  test('D13 bytes are bytes for the target, also when they came over a channel as base64 text', () => {
    expect(delivered('thing.x', 'any', new Uint8Array([0, 255]), { X: 'bytes' })).toBe('{"X":"AP8="}');
    expect(delivered('thing.x', 'any', 'AP8=', { X: 'bytes' })).toBe('{"X":"AP8="}');
    expect(delivered('thing.x', 'any', 'no base64', { X: 'bytes' })).toBe('E306');
    expect(delivered('thing.x', 'any', 7n, { X: 'bytes' })).toBe('E306');
  });

  test('the fields of the target are checked', () => {
    expect(delivered('thing.x', 'text', '12', { X: 'integer' })).toBe('{"X":12}');
    expect(delivered('thing.x', 'text', 'twelve', { X: 'integer' })).toBe('E305');
  });
});

test('digits never get lost on the way through', () => {
  const through = handler('decimal', 'record.v');
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 30 }), (unscaled, scale) => {
      const value = new Decimal(unscaled, scale);
      for (const v of [value, value.toString()]) {
        const [outcome] = through.receive('a.b', { id: '1', value: { v } }, now);
        expect(outcome?.deliveries[0]?.payload['X']).toEqual(value);
      }
    }),
  );
});

test('whatever the record is, the outcome is a message or a typed failure', () => {
  const forms = ['text 5', 'integer', 'decimal 5.2', 'date', 'timestamp', 'boolean', 'list of Inner', 'Inner', 'any'].map((type) => handler(type, 'record.v'));
  const conversions = [{ date: 'yyyyMMdd' }, { decimal: 'comma' }, { pad: 4 }, { table: 'fails' }, { trim: true, empty: 'x', default: '1' }].map((one) =>
    handler('text', { from: 'record.v', ...one }),
  );
  const value = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.string(),
      fc.boolean(),
      fc.bigInt(),
      fc.tuple(fc.bigInt(), fc.integer({ min: 0, max: 9 })).map(([unscaled, scale]) => new Decimal(unscaled, scale)),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'a', 'b')), tie('value'), { maxKeys: 3 }),
    ),
  })).value;
  const before = Object.getOwnPropertyNames(Object.prototype).length;
  fc.assert(
    fc.property(value, (v) => {
      for (const one of [...forms, ...conversions]) {
        for (const record of [{ v }, v]) {
          const [outcome] = one.receive('a.b', { id: '1', value: record }, now);
          if (outcome?.failure) expect(failureOf(outcome.failure.failure)?.code).toMatch(/^E3\d\d$/);
          else expect(outcome?.deliveries).toHaveLength(1);
        }
      }
    }),
  );
  expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before);
});
