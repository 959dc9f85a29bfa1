import { describe, expect, test } from '@jest/globals';
import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { Decimal } from '../../../bus/decimal.js';
import { failureOf } from '../../../bus/errors.js';
import type { Value } from '../../../bus/value.js';
import { compileExpression } from '../../../routes/expression/expression.js';
import { Bindings } from '../../../routes/expression/runtime.js';
import type { Type } from '../../../routes/expression/type.js';

const now = new Date('2026-03-02T08:00:00Z');
const anyScope = new Map<string, Type>([
  ['a', 'any'],
  ['b', 'any'],
]);

const decimals = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: 0, max: 20 })).map(([unscaled, scale]) => new Decimal(unscaled, scale));

function run(source: string, variables: Readonly<Record<string, Value>>, scope = anyScope): Value {
  const expression = compileExpression(source, scope, 'any');
  if (!expression.evaluate) throw new Error(expression.findings[0]?.message);
  return expression.evaluate(new Bindings(now, variables));
}

describe('decimals', () => {
  const scope = new Map<string, Type>([
    ['a', 'decimal'],
    ['b', 'decimal'],
  ]);

  test('arithmetic and comparison lose no digit', () => {
    fc.assert(
      fc.property(decimals, decimals, (a, b) => {
        expect(String(run('a + b', { a, b }, scope))).toBe(a.plus(b).toString());
        expect(String(run('a - b', { a, b }, scope))).toBe(a.minus(b).toString());
        expect(String(run('a * b', { a, b }, scope))).toBe(a.times(b).toString());
        expect(run('a < b', { a, b }, scope)).toBe(a.compare(b) < 0);
        expect(run('a == b', { a, b }, scope)).toBe(a.equals(b));
        expect(run('a + b - b == a', { a, b }, scope)).toBe(true);
      }),
    );
  });

  test('a literal is exactly its text', () => {
    fc.assert(
      fc.property(decimals, (value) => {
        const text = value.toString();
        expect(String(run(text.includes('.') ? text : `${text}.0`, {}))).toBe(text.includes('.') ? text : `${text}.0`);
      }),
    );
  });
});

/** Expressions of whole numbers, texts and conditions, whose meaning the CEL specification and ours share. */
const { condition } = fc.letrec<{ number: string; text: string; condition: string }>((tie) => ({
  number: fc.oneof({ maxDepth: 3 }, fc.integer({ min: 0, max: 50 }).map(String), fc.tuple(tie('number'), fc.constantFrom('+', '-', '*'), tie('number')).map(([a, operator, b]) => `(${a} ${operator} ${b})`)),
  text: fc.oneof({ maxDepth: 3 }, fc.constantFrom('"a"', '"b"', '"ab"', '""'), fc.tuple(tie('text'), tie('text')).map(([a, b]) => `(${a} + ${b})`)),
  condition: fc.oneof(
    { maxDepth: 4 },
    fc.tuple(tie('number'), fc.constantFrom('<', '<=', '>', '>=', '==', '!='), tie('number')).map((parts) => `(${parts.join(' ')})`),
    fc.tuple(tie('text'), fc.constantFrom('<', '==', '!='), tie('text')).map((parts) => `(${parts.join(' ')})`),
    fc.tuple(tie('number'), fc.array(tie('number'), { minLength: 1, maxLength: 3 })).map(([a, list]) => `(${a} in [${list.join(', ')}])`),
    fc.tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition')).map((parts) => `(${parts.join(' ')})`),
    tie('condition').map((one) => `!${one}`),
    fc.tuple(tie('condition'), tie('condition'), tie('condition')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
    fc.tuple(tie('text'), fc.constantFrom('contains', 'startsWith', 'endsWith'), tie('text')).map(([a, name, b]) => `${a}.${name}(${b})`),
    tie('number').map((one) => `[1, 2, 3].exists(x, x * ${one} > 10)`),
  ),
}));

test('where both have a meaning, ours is that of the library', () => {
  const reference = new Environment();
  fc.assert(
    fc.property(condition, (source) => {
      const expression = compileExpression(source, new Map(), 'boolean');
      if (expression.findings.some(({ code }) => code === 'E201')) return;
      expect(expression.findings).toEqual([]);
      expect(expression.evaluate?.(new Bindings(now, {}))).toBe(reference.evaluate(source));
    }),
    { numRuns: 300 },
  );
});

describe('whatever the source and the message are', () => {
  const before = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));
  const anyValue: fc.Arbitrary<Value> = fc.oneof(
    fc.constantFrom<Value>(null, true, '', 'x', '2026-03-01', 0n, -1n, new Decimal(15n, 1), [], ['a', 1n], { x: 'y', constructor: 'z' }, [null, { a: 1n }]),
    fc.string(),
    fc.bigInt(),
  );
  const pieces = fc.constantFrom('a', 'b', 'a.x', 'b["x"]', '1', '1.5', '"t"', 'null', 'true', '[a]', 'a[0]', '{"x": a}', 'today()', 'has(a.x)', 'a.constructor', 'a["__proto__"]', 'a.toString');
  const sources = fc.oneof(
    fc.tuple(pieces, fc.constantFrom('+', '-', '*', '/', '%', '==', '!=', '<', '>', 'in', '&&', '||'), pieces).map((parts) => parts.join(' ')),
    fc.tuple(fc.constantFrom('trim', 'size', 'text', 'integer', 'decimal', 'sum', 'join', 'date', 'year', 'upper', 'abs', 'timestamp'), pieces).map(([name, piece]) => `${name}(${piece})`),
    fc.tuple(pieces, fc.constantFrom('exists', 'all', 'filter', 'map'), pieces).map(([list, name, body]) => `${list}.${name}(e, ${body} == e)`),
    fc.string(),
  );

  test('the outcome is a value, a finding or an InvalidMessage, and no prototype changes', () => {
    fc.assert(
      fc.property(sources, anyValue, anyValue, (source, a, b) => {
        const expression = compileExpression(source, anyScope, 'any');
        if (!expression.evaluate) {
          expect(expression.findings.length).toBeGreaterThan(0);
          return;
        }
        try {
          expect(typeof expression.evaluate(new Bindings(now, { a, b }))).not.toBe('undefined');
        } catch (error) {
          expect(failureOf(error)?.code).toMatch(/^E3\d\d$/);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(before);
  });
});
