import { describe, expect, test } from '@jest/globals';
import { Decimal } from '../../../bus/decimal.js';
import { failureOf, InvalidMessage } from '../../../bus/errors.js';
import type { Value } from '../../../bus/value.js';
import { evaluate } from './scope.js';

function failure(source: string): { readonly code: string; readonly message: string } {
  try {
    return { code: 'none', message: String(evaluate(source)) };
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidMessage);
    return { code: failureOf(error)?.code ?? 'untyped', message: (error as Error).message };
  }
}

describe('values', () => {
  test.each<[string, Value]>([
    ['order.country in ["DE", "AT", "CH"]', true],
    ['order.country in ["DE", "AT"]', false],
    ['!(order.country == "CH") || order.paid', true],
    ['order.total >= 1000 && order.total < 1234.51', true],
    ['order.total == 1234.5', true],
    ['order.count == 9007199254740993', true],
    ['order.count == 9007199254740992', false],
    ['9223372036854775807 + 1', 9_223_372_036_854_775_808n],
    ['7 / 2', 3n],
    ['-7 % 2', -1n],
    ['order.id + "/" + text(order.count)', '4711/9007199254740993'],
    ['order.paid ? "yes" : "no"', 'yes'],
    ['order.lines.exists(l, l.kind == "GOODS")', true],
    ['order.lines.all(l, l.qty > 1)', false],
    ['order.lines.exists_one(l, l.qty > 1)', true],
    ['order.lines.filter(l, l.qty > 1).size()', 1n],
    ['order.lines.map(l, l.sku)', ['A', 'B']],
    ['order.lines.map(l, l.qty > 1, l.sku)', ['A']],
    ['order.lines.map(l, l.qty).sum()', 3n],
    ['order.lines.map(l, l.sku).join("-")', 'A-B'],
    ['order.lines[1].sku', 'B'],
    ['record["five"]', 5n],
    ['record.nested[record.text == "x" ? "a" : "b"]', 1n],
    ['2 in record.list', true],
    ['"a" in record.nested', true],
    ['[1, 2] == [1, 2]', true],
    ['record.nested == {"a": 1}', true],
    ['msg.wire["x-a"]', '1'],
    ['trim("  a ")', 'a'],
    ['upper("straße").lower()', 'strasse'],
    ['substring("abcdef", 2, 4)', 'cd'],
    ['"abc".substring(1)', 'bc'],
    ['substring("ab", 5, 9)', ''],
    ['replace("a.b.c", ".", "$&")', 'a$&b$&c'],
    ['"a;b".split(";")', ['a', 'b']],
    ['"hello".contains("ell") && "hello".startsWith("he") && endsWith("hello", "lo")', true],
    ['size("ü😀")', 2n],
    ['integer("42") + 1', 43n],
    ['integer(5.00)', 5n],
    ['rx(order.id, "^47[0-9]+$")', true],
    ['rx(record.text, "(a+)+$")', false],
    ['abs(-5)', 5n],
    ['today()', '2026-03-02'],
    ['now()', '2026-03-02T08:00:00.000Z'],
    ['order.due < today()', true],
    ['order.due == "2026-03-01"', true],
    ['addDays(order.due, 30)', '2026-03-31'],
    ['daysBetween(order.due, today())', 1n],
    ['year(order.due) * 10000 + month(order.due) * 100 + day(order.due)', 20_260_301n],
    ['order.shipped < timestamp("2026-03-01T08:00:00.001Z")', true],
    ['order.shipped == "2026-03-01T08:00:00Z"', true],
    ['date(order.shipped) == order.due', true],
  ])('%s', (source, value) => {
    expect(evaluate(source)).toEqual(value);
  });

  test.each([
    ['0.1 + 0.2', '0.3'],
    ['order.total * 0.10', '123.4500'],
    ['order.total - 1', '1233.50'],
    ['-order.total', '-1234.50'],
    ['12345678901234567890.12345678901234567890', '12345678901234567890.12345678901234567890'],
    ['decimal("1.50")', '1.50'],
    ['round(2.5, 0)', '2'],
    ['round(order.total, 1)', '1234.5'],
    ['order.lines.map(l, l.price).sum()', '0.3'],
    ['order.count * 1.0', '9007199254740993.0'],
  ])('%s is exactly %s', (source, digits) => {
    const value = evaluate(source);
    expect(value).toBeInstanceOf(Decimal);
    expect(String(value)).toBe(digits);
  });

  test('today is the day in the named zone', () => {
    expect(evaluate('today("Europe/Berlin")', new Date('2026-03-01T23:30:00Z'))).toBe('2026-03-02');
    expect(evaluate('today()', new Date('2026-03-01T23:30:00Z'))).toBe('2026-03-01');
  });
});

describe('null, missing and empty are three things', () => {
  test.each<[string, Value]>([
    ['order.currency == null', true],
    ['order.currency == "EUR"', false],
    ['order.currency != "EUR"', true],
    ['order.currency in ["EUR"]', false],
    ['has(order.currency)', false],
    ['has(order.country)', true],
    ['record.nothing == null', true],
    ['record.empty == null', false],
    ['record.empty == ""', true],
    ['has(record.nothing)', false],
    ['has(record.empty)', true],
    ['has(record.missing)', false],
    ['has(record.constructor)', false],
    ['has(record.missing) ? record.missing : "none"', 'none'],
    ['trim(record.nothing)', null],
    ['decimal(record.nothing)', null],
  ])('%s', (source, value) => {
    expect(evaluate(source)).toEqual(value);
  });
});

describe('what cannot be evaluated is a typed failure', () => {
  test.each([
    ['record.missing', 'E310', 'record.missing is missing'],
    ['record.missing == null', 'E310', 'record.missing is missing'],
    ['record["missing"]', 'E310', 'record["missing"] is missing'],
    ['record.constructor', 'E310', 'record.constructor is missing'],
    ['record.toString', 'E310', 'record.toString is missing'],
    ['record.nested["__proto__"]', 'E310', 'record.nested["__proto__"] is missing'],
    ['record.text.length', 'E313', 'record.text.length: record.text is text'],
    ['record.nothing.x', 'E312', 'record.nothing.x: record.nothing is null'],
    ['order.lines[2].sku', 'E310', 'order.lines[2] is missing: the list has 2 elements'],
    ['order.currency > "A"', 'E312', 'order.currency > "A": the left side is null'],
    ['record.nothing + 1', 'E312', 'record.nothing + 1: the left side is null'],
    ['record.text == 5', 'E313', 'record.text == 5: compares text with integer'],
    ['record.text < 5', 'E313', 'record.text < 5: compares text with integer'],
    ['record.text * 2', 'E313', 'record.text * 2: `*` does not exist for text and integer'],
    ['record.five && true', 'E313', 'record.five is integer, not true or false'],
    ['contains(record.nothing, "x")', 'E312', 'contains(record.nothing, "x"): an argument of contains() is null'],
    ['trim(record.five)', 'E313', 'trim(record.five): trim() does not take integer'],
    ['1 / 0', 'E314', '1 / 0: division by zero'],
    ['1 % 0', 'E314', '1 % 0: division by zero'],
    ['integer("1.5")', 'E305', 'integer("1.5"): "1.5" is no whole number'],
    ['integer(1.5)', 'E303', 'integer(1.5): 1.5 is no whole number'],
    ['decimal("1,5")', 'E305', 'decimal("1,5"): "1,5" is no decimal number'],
    ['date("2026-02-30")', 'E304', 'date("2026-02-30"): "2026-02-30" is no date'],
    ['rx(record.long, "a")', 'E315', 'rx(record.long, "a"): a text of 70000 characters'],
    ['today("Mars/Base")', 'E313', 'today: unknown time zone "Mars/Base"'],
    ['addDays(today(), 99999999)', 'E314', 'addDays: expected a whole number from -4000000 to 4000000'],
    ['order.shipped < "2026-03-01T08:00:00"', 'E313', 'order.shipped < "2026-03-01T08:00:00": compares a time with an offset and one without'],
  ])('%s', (source, code, message) => {
    expect(failure(source)).toEqual({ code, message });
  });

  test('products cannot grow without end', () => {
    expect(failure(Array.from({ length: 80 }, () => '9'.repeat(200)).join(' * '))).toMatchObject({ code: 'E314' });
  });

  test('an error on the left is never absorbed by the right', () => {
    expect(failure('record.missing == 1 || true').code).toBe('E310');
    expect(evaluate('true || record.missing == 1')).toBe(true);
    expect(evaluate('false && record.missing == 1')).toBe(false);
  });
});
