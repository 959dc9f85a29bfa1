import { describe, expect, test } from '@jest/globals';
import { Decimal } from '../../../bus/decimal.js';
import type { Message } from '../../../bus/message.js';
import { groupOf } from '../../../bus/runtime/dead-letter.js';
import { decodeDelivery, decodePayload, encodeDispatch, withAttempt } from '../../../bus/runtime/envelope.js';
import { Gate } from '../../../bus/runtime/gate.js';
import { reopenDelay, retryDelay } from '../../../bus/runtime/retry.js';
import { untilNext } from '../../../bus/runtime/schedule.js';

const policy = { attempts: 6, firstMs: 10_000, longestMs: 1_800_000, factor: 3, jitter: 0.2 };

describe('retry', () => {
  test('waits grow by the factor and stop at the longest', () => {
    expect([1, 2, 3, 9].map((attempt) => retryDelay(policy, attempt, undefined, () => 0.5))).toEqual([10_000, 30_000, 90_000, 1_800_000]);
  });

  test('jitter stays within its share', () => {
    expect([retryDelay(policy, 1, undefined, () => 0), retryDelay(policy, 1, undefined, () => 1)]).toEqual([8_000, 12_000]);
  });

  test('Retry-After is respected and clamped', () => {
    expect(retryDelay(policy, 1, 60_000, () => 0.5)).toBe(60_000);
    expect(retryDelay(policy, 1, 999_999_999_000, () => 0.5)).toBe(1_800_000);
    expect(retryDelay(policy, 1, 60_000, () => 0)).toBe(60_000);
  });

  test('jitter does not make the longest wait longer', () => {
    expect(retryDelay(policy, 9, undefined, () => 1)).toBe(1_800_000);
  });

  test('back-off for a link stays under a minute', () => {
    expect(reopenDelay(0, () => 1)).toBe(500);
    expect(reopenDelay(50, () => 1)).toBe(60_000);
  });
});

describe('schedule', () => {
  const always = { everyMs: 30_000, cron: undefined, between: undefined, zone: 'Europe/Berlin' };

  test('the first poll is at once, the next after the interval', () => {
    expect(untilNext(always, new Date(), 'first')).toBe(0);
    expect(untilNext(always, new Date(), 'next')).toBe(30_000);
  });

  test('outside its window it waits for the opening, in its own zone', () => {
    const day = { ...always, between: { from: '06:00', to: '22:00' } };
    expect(untilNext(day, new Date('2026-07-01T03:00:00Z'), 'first')).toBe(3_600_000); // 05:00 in Berlin
    expect(untilNext(day, new Date('2026-07-01T12:00:00Z'), 'first')).toBe(0);
  });

  test('a window over midnight is one window', () => {
    const night = { ...always, between: { from: '22:00', to: '06:00' }, zone: 'UTC' };
    expect(untilNext(night, new Date('2026-07-01T23:00:00Z'), 'first')).toBe(0);
    expect(untilNext(night, new Date('2026-07-01T12:00:00Z'), 'first')).toBe(36_000_000);
  });

  test('a cron time that the clock change repeats comes once', () => {
    const nightly = { everyMs: undefined, cron: '30 2 * * *', between: undefined, zone: 'Europe/Berlin' };
    const first = new Date(Date.parse('2026-10-24T22:00:00Z') + untilNext(nightly, new Date('2026-10-24T22:00:00Z'), 'next'));
    const second = new Date(first.getTime() + 1000 + untilNext(nightly, new Date(first.getTime() + 1000), 'next'));
    expect(second.getTime() - first.getTime()).toBeGreaterThan(23 * 3_600_000);
  });
});

describe('groups of dead letters', () => {
  test('numbers, quoted text and ids do not split a cause', () => {
    const group = groupOf('accounting.invoices', 'E461', 'Period 2026-02 is closed for "A-17"');
    expect(groupOf('accounting.invoices', 'E461', 'Period 2026-03 is closed for "B-9"')).toBe(group);
    expect(groupOf('accounting.invoices', 'E461', 'Customer 7 is unknown')).not.toBe(group);
    expect(groupOf('erp.orders', 'E461', 'Period 2026-02 is closed for "A-17"')).not.toBe(group);
  });
});

describe('a delivery in its channel', () => {
  const message: Message = {
    specversion: '1.0',
    id: 'M1',
    source: '/legacy/orders',
    type: 'Order',
    subject: '4711',
    time: '2026-03-01T08:00:00Z',
    datacontenttype: 'application/json',
    data: {},
    wire: {},
  };
  const payload = { no: 9007199254740993n, amount: new Decimal(1000n, 4), text: '00123 ü', list: [null, true] };
  const encoded = encodeDispatch({ id: 'D1', route: 'out', rule: 'erp', endpoint: 'erp.orders', key: '4711', idempotencyKey: 'k', payload }, message, 7);

  test('comes back as it was put in', () => {
    const decoded = decodeDelivery(encoded);
    expect({ ...decodePayload(encoded.body) }).toEqual(payload);
    expect(decoded).toMatchObject({ route: 'out', rule: 'erp', endpoint: 'erp.orders', revision: 7, delivery: { id: 'D1', messageId: 'M1', key: '4711', attempt: 1 } });
    expect(decodeDelivery(withAttempt(encoded, 3)).delivery.attempt).toBe(3);
  });

  test.each([
    ['no headers', { ...encoded, headers: {} }],
    ['no JSON', { ...encoded, body: Buffer.from('hello') }],
    ['no object', { ...encoded, body: Buffer.from('[1]') }],
  ])('a foreign message (%s) is an invalid message', (_, foreign) => {
    expect(() => [decodeDelivery(foreign), decodePayload(foreign.body)]).toThrow(expect.objectContaining({ code: 'E501' }));
  });
});

describe('the gate', () => {
  test('holds back until it is opened, or the wait is aborted', async () => {
    const gate = new Gate();
    await gate.pass(new AbortController().signal);
    gate.close();
    const stop = new AbortController();
    const aborted = gate.pass(stop.signal);
    const passed = gate.pass(new AbortController().signal);
    stop.abort(new Error('stopping'));
    await expect(aborted).rejects.toThrow('stopping');
    gate.open();
    await expect(passed).resolves.toBeUndefined();
  });
});
