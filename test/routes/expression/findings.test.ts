import { describe, expect, test } from '@jest/globals';
import type { Expected } from '../../../routes/expression/expression.js';
import { compiled } from './scope.js';

function finding(source: string, expected: Expected = 'any') {
  const found = compiled(source, expected).findings;
  expect(found).toHaveLength(1);
  const [one] = found;
  return { ...one, marked: one?.range ? source.slice(one.range.start, one.range.end) : undefined };
}

describe('an expression is checked when it is loaded', () => {
  test.each([
    ['order.total >= "1000"', 'E212', '"1000"', 'remove the quotes: 1000'],
    ['order.id == 4711', 'E212', '4711', 'add quotes: "4711"'],
    ['order.due < "soon"', 'E212', '"soon"', 'a date looks like "2026-03-01"'],
    ['order.due == order.shipped', 'E212', 'order.shipped', undefined],
    ['order.country in ["DE", 1]', 'E212', '1', 'this is integer'],
    ['order.totl > 1', 'E211', 'totl', 'not in Order'],
    ['order.lines.exists(l, l.knd == "x")', 'E211', 'knd', 'not in OrderLine'],
    ['order.lines.kind == "x"', 'E211', 'kind', undefined],
    ['order["totl"]', 'E211', '"totl"', 'not in Order'],
    ['has(order.totl)', 'E211', 'totl', 'not in Order'],
    ['ordr.id', 'E210', 'ordr', 'not known here'],
    ['constructor', 'E210', 'constructor', 'not known here'],
    ['process', 'E210', 'process', 'not known here'],
    ['trm(order.id)', 'E204', 'trm(order.id)', undefined],
    ['trim()', 'E204', 'trim()', undefined],
    ['has(order)', 'E204', 'has(order)', undefined],
    ['cel.bind(x, 1, x)', 'E204', 'cel.bind(x, 1, x)', undefined],
    ['trim(order.total)', 'E205', 'order.total', undefined],
    ['order.id + order.total', 'E213', 'order.id + order.total', undefined],
    ['order.total / 3', 'E213', 'order.total / 3', undefined],
    ['"a" in order.id', 'E213', 'order.id', undefined],
    ['-order.id', 'E213', '-order.id', undefined],
    ['order.total ? 1 : 2', 'E214', 'order.total', 'compare it with something'],
    ['order.total && true', 'E214', 'order.total', 'compare it with something'],
    ['1u', 'E215', '1u', 'write a plain number or text'],
    ['b"x"', 'E215', 'b"x"', 'write a plain number or text'],
    ['record.text.matches("(a+)+$")', 'E202', 'record.text.matches("(a+)+$")', undefined],
    ['rx(order.id, record.text)', 'E203', 'record.text', undefined],
    ['rx(order.id, "(?=a)")', 'E203', '"(?=a)"', undefined],
    ['rx(order.id, "(a)\\\\1")', 'E203', '"(a)\\\\1"', undefined],
    ['rx(order.id, "a{1000}")', 'E203', '"a{1000}"', undefined],
    ['order.lines.exists(a, order.lines.exists(b, b.qty > a.qty))', 'E201', 'order.lines.exists(b, b.qty > a.qty)', undefined],
    ['order.lines.exists(order, true)', 'E242', 'order', undefined],
    ['order.id ==', 'E200', '', undefined],
    ['order..id', 'E200', '.', undefined],
    ['"abc', 'E200', '"abc', undefined],
    ['record.a ? b', 'E200', '', undefined],
  ])('%s', (source, code, marked, label) => {
    const found = finding(source);
    expect(found).toMatchObject({ severity: 'error', code, marked });
    expect(found.label).toBe(label ?? found.label);
  });

  test('suggestions and known names', () => {
    expect(finding('order.totl > 1')).toMatchObject({ help: 'did you mean `total`?', note: 'known: id country currency due shipped total count paid lines' });
    expect(finding('ordr.id')).toMatchObject({ help: 'did you mean `order`?', note: 'known: order record msg' });
    expect(finding('CH')).toMatchObject({ help: 'if it is text, write "CH" in quotes' });
    expect(finding('trm(order.id)')).toMatchObject({ help: 'did you mean `trim`?' });
    expect(finding('in.ORD_NO')).toMatchObject({ code: 'E200', help: 'an inbound record is `record`' });
    expect(finding('order.id + 5')).toMatchObject({ help: 'write text(5)' });
    expect(finding('record.a.matches("x")')).toMatchObject({ help: 'use rx(text, "pattern")' });
  });

  test('all problems of one expression are found in one run', () => {
    expect(compiled('order.totl > 1 && ordr.id == "x" && order.total == "y"').findings.map(({ code }) => code)).toEqual(['E211', 'E210', 'E212']);
  });

  test.each<[string, Expected]>([
    ['order.total', 'boolean'],
    ['order.id + "x"', 'boolean'],
    ['1', 'boolean'],
    ['null', 'boolean'],
    ['order.id', 'list'],
    ['order.lines', 'key'],
    ['order.paid', 'key'],
  ])('%s is no %s', (source, expected) => {
    expect(finding(source, expected)).toMatchObject({ code: 'E214', marked: source });
  });

  test.each([
    ['500 nodes', Array(500).fill('1').join('+')],
    ['3,000 parentheses', `${'('.repeat(3_000)}1${')'.repeat(3_000)}`],
    ['3,000 negations', `${'!'.repeat(3_000)}true`],
    ['a long chain', `record${'.a'.repeat(500)}`],
    ['1,000 list elements', `1 in [${Array(1_000).fill('1').join(',')}]`],
  ])('too large: %s', (_, source) => {
    expect(finding(source)).toMatchObject({ code: 'E201' });
  });
});
