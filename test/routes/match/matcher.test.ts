import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decimal } from '../../../bus/decimal.js';
import type { Value } from '../../../bus/value.js';
import { compileExpression, type Expression } from '../../../routes/expression/expression.js';
import { Bindings } from '../../../routes/expression/runtime.js';
import type { Type } from '../../../routes/expression/type.js';
import { accessesOf } from '../../../routes/match/access.js';
import { compileMatcher } from '../../../routes/match/matcher.js';

const fields = new Map<string, { readonly type: Type; readonly optional: boolean }>([
  ['country', { type: 'text', optional: true }],
  ['count', { type: 'integer', optional: true }],
  ['total', { type: 'decimal', optional: true }],
  ['due', { type: 'date', optional: true }],
  ['paid', { type: 'boolean', optional: true }],
  ['free', { type: 'any', optional: true }],
]);
const scope = new Map<string, Type>([['order', { name: 'Order', fields: () => fields }]]);
const now = new Date(0);

function condition(source: string): Expression {
  const expression = compileExpression(source, scope, 'boolean');
  if (!expression.evaluate) throw new Error(`${source}: ${expression.findings[0]?.message}`);
  return expression;
}

function summary({ matched, failed }: { readonly matched: readonly number[]; readonly failed: readonly { readonly rule: number; readonly error: unknown }[] }) {
  return { matched, failed: failed.map(({ rule, error }) => `${rule} ${(error as Error).message}`) };
}

describe('what an index may use', () => {
  test.each([
    ['order.country == "DE"', ['country tDE']],
    ['"DE" == order.country', ['country tDE']],
    ['order.country in ["DE", "AT", "DE"] && order.total > 5', ['country tDE,tAT']],
    ['order.country == "DE" && order.count == 5 && order.total == -1.50', ['country tDE', 'count n5', 'total n-1.5']],
    ['order.count == 5.0', ['count n5']],
    ['order.total == 100', ['total n100']],
    ['order.due == "2026-03-01"', ['due t2026-03-01']],
    ['order.paid == true', ['paid btrue']],
    ['order.total > 5 && order.country == "DE"', []],
    ['order.country == "DE" || order.country == "AT"', []],
    ['order.country != "DE"', []],
    ['order.free == "DE"', []],
    ['order.country == null', []],
    ['upper(order.country) == "DE"', []],
  ])('%s', (source, expected) => {
    expect(accessesOf(condition(source), scope).map(({ field, keys }) => `${field} ${keys.join(',')}`)).toEqual(expected);
  });
});

describe('linear and by index', () => {
  const countries = ['DE', 'AT', 'CH', 'US', '5', ''];
  const conjuncts = fc.oneof(
    fc.constantFrom(...countries).map((country) => `order.country == "${country}"`),
    fc.subarray(countries, { minLength: 1 }).map((list) => `order.country in [${list.map((country) => `"${country}"`).join(', ')}]`),
    fc.integer({ min: -2, max: 3 }).map((count) => `order.count == ${count}`),
    fc.integer({ min: -2, max: 3 }).map((count) => `${count}.0 == order.total`),
    fc.constantFrom('order.total == 1.50', 'order.total in [1, 2.0, 1.5]', 'order.paid == true', 'order.due == "2026-03-01"', 'order.due in ["2026-03-01"]'),
    fc.constantFrom('order.total > 1', 'order.count < 2', 'order.free == "x"', 'order.free == 1', 'order.country.startsWith("D")', 'order.country != "DE"', 'true', 'order.paid'),
  );
  const conditions = fc.array(fc.tuple(conjuncts, fc.array(fc.tuple(fc.constantFrom('&&', '&&', '&&', '||'), conjuncts), { maxLength: 3 })), { minLength: 1, maxLength: 40 });
  const orders: fc.Arbitrary<Record<string, Value>> = fc.record(
    {
      country: fc.option(fc.constantFrom(...countries)),
      count: fc.option(fc.bigInt({ min: -2n, max: 3n })),
      total: fc.option(fc.constantFrom<Value>(new Decimal(150n, 2), new Decimal(1n, 0), new Decimal(200n, 2), new Decimal(-20n, 1), new Decimal(0n, 1))),
      due: fc.option(fc.constantFrom('2026-03-01', '2026-03-02')),
      paid: fc.option(fc.boolean()),
      free: fc.option(fc.constantFrom<Value>('x', 1n)),
    },
    { requiredKeys: [] },
  );

  test('give the same rules and the same failures', () => {
    fc.assert(
      fc.property(conditions, fc.array(orders, { minLength: 1, maxLength: 8 }), fc.constantFrom('all' as const, 'first' as const), (sources, messages, mode) => {
        const rules = sources.map(([first, more], i) => (i % 17 === 16 ? undefined : condition([first, ...more.flat()].join(' '))));
        const linear = compileMatcher(rules, mode, scope, Number.POSITIVE_INFINITY);
        const byIndex = compileMatcher(rules, mode, scope, 0);
        for (const order of messages) expect(summary(byIndex(new Bindings(now, { order })))).toEqual(summary(linear(new Bindings(now, { order }))));
      }),
      { numRuns: 300 },
    );
  });

  test('ten thousand rules cost what the matching ones cost', () => {
    const rules = Array.from({ length: 10_000 }, (_, i) => condition(`order.country == "C${i}" && order.total > 1`));
    let evaluated = 0;
    const counted = rules.map((rule) => ({
      ...rule,
      evaluate: (bindings: Bindings) => {
        evaluated++;
        return rule.evaluate(bindings);
      },
    }));
    const match = compileMatcher(counted, 'all', scope);
    expect(match(new Bindings(now, { order: { country: 'C4711', total: new Decimal(2n, 0) } })).matched).toEqual([4711]);
    expect(evaluated).toBe(1);
  });
});

test('with match first, a rule that fails ends the search', () => {
  const rules = [condition('order.country == "DE"'), condition('order.total > 1'), undefined];
  const match = compileMatcher(rules, 'first', scope);
  expect(summary(match(new Bindings(now, { order: { country: 'AT', total: null } })))).toEqual({ matched: [], failed: ['1 order.total > 1: the left side is null'] });
  expect(match(new Bindings(now, { order: { country: 'AT', total: new Decimal(0n, 0) } })).matched).toEqual([2]);
});
