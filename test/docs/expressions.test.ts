import { describe, expect, test } from '@jest/globals';
import { failureOf } from '../../bus/errors.js';
import { parseJson, writeJson } from '../../bus/json.js';
import type { Value } from '../../bus/value.js';
import { compileExpression } from '../../routes/expression/expression.js';
import { functions } from '../../routes/expression/functions.js';
import { Bindings } from '../../routes/expression/runtime.js';
import type { Scope } from '../../routes/expression/scope.js';
import type { Type } from '../../routes/expression/type.js';
import { readTypes } from '../../routes/types.js';
import { pages, tablesOf } from './markdown.js';

const types = readTypes(
  {
    Order: { id: 'required text', total: 'required decimal 12.2', count: 'integer', note: 'text', due: 'date', at: 'timestamp', lines: 'list of Line' },
    Line: { sku: 'required text', kind: 'text', qty: 'required integer' },
  },
  () => undefined,
);
const scope: Scope = new Map<string, Type>([['record', 'any'], ...[...types.values()].map(({ variable, type }): [string, Type] => [variable, type])]);
// Decimals are written with their digits: the message as it would be in a channel.
const values = parseJson(`{
  "record": {"NO": "00123", "CODE": "  a-17 ", "NOTE": null, "QTY": 5},
  "order": {"id": "4711", "total": 1234.50, "count": 7, "due": "2026-03-01", "at": "2026-03-01T08:30:00+01:00", "lines": [{"sku": "B-8", "kind": "GOODS", "qty": 40}, {"sku": "FREIGHT", "kind": "FEE", "qty": 1}]}
}`) as Readonly<Record<string, Value>>;

const rows = pages('docs/guides/*.md')
  .flatMap(tablesOf)
  .filter(({ name }) => name === 'expressions')
  .flatMap(({ place, rows: all }) => all.map(([expression = '', gives = '']) => [place, expression, gives] as const));

describe('an expression in the documentation', () => {
  test.each(rows)('%s: %s gives %s', (_, expression, gives) => {
    expect(resultOf(expression)).toBe(gives);
  });

  test('every function has an example', () => {
    const shown = rows.map(([, expression]) => expression).join('\n');
    expect([...functions.keys(), 'has', 'rx', 'exists', 'all', 'exists_one', 'filter', 'map'].filter((name) => !new RegExp(`\\b${name}\\(`).test(shown))).toEqual([]);
  });
});

/** The value as JSON, or the code of what is wrong with the expression or the message. */
function resultOf(source: string): string {
  const compiled = compileExpression(source, scope, 'any');
  if (!compiled.evaluate) return compiled.findings[0]?.code ?? 'not understood';
  try {
    return writeJson(compiled.evaluate(new Bindings(new Date('2026-03-02T23:30:00Z'), values)));
  } catch (error) {
    return failureOf(error)?.code ?? String(error);
  }
}
