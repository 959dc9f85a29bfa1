import { Decimal } from '../../../bus/decimal.js';
import type { Value } from '../../../bus/value.js';
import { type CompiledExpression, compileExpression, type Expected } from '../../../routes/expression/expression.js';
import { Bindings } from '../../../routes/expression/runtime.js';
import type { Scope } from '../../../routes/expression/scope.js';
import type { RecordType, Type } from '../../../routes/expression/type.js';

function record(name: string, fields: Readonly<Record<string, Type>>, optional: readonly string[] = []): RecordType {
  const known = new Map(Object.entries(fields).map(([field, type]) => [field, { type, optional: optional.includes(field) }]));
  return { name, fields: () => known };
}

const line = record('OrderLine', { sku: 'text', kind: 'text', qty: 'integer', price: 'decimal' }, ['kind', 'price']);
const order = record(
  'Order',
  { id: 'text', country: 'text', currency: 'text', due: 'date', shipped: 'timestamp', total: 'decimal', count: 'integer', paid: 'boolean', lines: { list: line } },
  ['currency', 'due', 'shipped', 'paid'],
);

/** `order` is typed, `record` is not. */
export const scope: Scope = new Map<string, Type>([
  ['order', order],
  ['record', 'any'],
  ['msg', { name: 'msg', fields: () => new Map([['wire', { type: { name: 'wire', fields: () => new Map(), others: 'text' }, optional: false }]]) }],
]);

export const variables: Readonly<Record<string, Value>> = {
  order: {
    id: '4711',
    country: 'CH',
    due: '2026-03-01',
    shipped: '2026-03-01T10:00:00+02:00',
    total: new Decimal(123_450n, 2),
    count: 9_007_199_254_740_993n,
    paid: true,
    lines: [
      { sku: 'A', kind: 'GOODS', qty: 2n, price: new Decimal(1n, 1) },
      { sku: 'B', kind: null, qty: 1n, price: new Decimal(2n, 1) },
    ],
  },
  record: { text: 'x', five: 5n, nothing: null, empty: '', list: [1n, 2n, 3n], long: 'a'.repeat(70_000), nested: { a: 1n } },
  msg: { wire: { 'x-a': '1', toString2: 'x' } },
};

export function compiled(source: string, expected: Expected = 'any'): CompiledExpression {
  return compileExpression(source, scope, expected);
}

/** The value of an expression that is expected to be correct. */
export function evaluate(source: string, now = new Date('2026-03-02T08:00:00Z')): Value {
  const expression = compiled(source);
  if (!expression.evaluate) throw new Error(expression.findings.map((finding) => `${finding.code} ${finding.message}`).join('; '));
  return expression.evaluate(new Bindings(now, variables));
}
