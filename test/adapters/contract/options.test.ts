import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { byteSize, type Delivery, duration, identifier, newRecord, parseTemplate, Secret, secret } from '../../../adapters/contract/index.js';

describe('options', () => {
  test('durations and sizes are text with a unit', () => {
    expect(duration().parse('5m')).toBe(300_000);
    expect(duration({ min: '1s', max: '1h' }).safeParse('2h').success).toBe(false);
    expect(duration().safeParse(30).success).toBe(false);
    expect(byteSize().parse('10MiB')).toBe(10 * 1024 ** 2);
    expect(byteSize().safeParse('10MB').success).toBe(false);
  });

  test('identifiers take no quotes, dots only between names', () => {
    expect(['ORD_HEAD', 'sales.ord_head', 'a.b.c'].every((name) => identifier().safeParse(name).success)).toBe(true);
    expect(['a"; drop', '1a', 'a.b.c.d', 'а', ''].some((name) => identifier().safeParse(name).success)).toBe(false);
  });

  test('a secret shows its name only', () => {
    const value = new Secret('erp', 'hunter2-hunter2');
    expect([`${value}`, JSON.stringify({ value }), inspect({ value })].join()).not.toContain('hunter2');
    expect(secret().safeParse('plain').success).toBe(false);
    expect(secret().parse(value).reveal()).toBe('hunter2-hunter2');
  });
});

describe('templates', () => {
  const delivery: Delivery = {
    id: 'D1',
    messageId: 'M1',
    type: 'Order',
    key: '4711',
    idempotencyKey: 'D1',
    payload: Object.assign(newRecord(), { NO: 7n, name: 'a/b' }),
    time: '2026-03-01T00:00:00Z',
    attempt: 1,
    traceparent: undefined,
  };

  test('fill each place through the encoder', () => {
    const template = parseTemplate('/o/{key}/{payload.name}/{payload.NO}');
    expect(typeof template === 'string' ? template : template.render(delivery, encodeURIComponent)).toBe('/o/4711/a%2Fb/7');
  });

  test('an unknown place or a stray brace is a problem at load', () => {
    expect(parseTemplate('/{kee}')).toContain('unknown place {kee}');
    expect(parseTemplate('/{key')).toBe('a { without its }');
  });

  test('a missing value is an invalid message', () => {
    const template = parseTemplate('{payload.gone}');
    expect(() => (typeof template === 'string' ? template : template.render(delivery, String))).toThrow('has no value');
  });
});
