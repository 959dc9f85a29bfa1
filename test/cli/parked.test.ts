import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { DANGEROUS, type Instance, startInstance } from './harness.js';

describe('signalbox parked', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await startInstance();
  });
  afterAll(() => instance.close());
  beforeEach(() => {
    instance.service.changes.length = 0;
  });

  test('list: the keys with their reason, and what can be done', async () => {
    const { out, code } = await instance.run('parked', 'list');
    expect(code).toBe(0);
    expect(out).toContain('customer C1 is blocked');
    expect(out).toContain('signalbox parked show C1');
    expect(out).not.toMatch(DANGEROUS);
    expect((await instance.run('parked', 'list', '--endpoint', 'web.notify')).out).toBe('nothing is parked\n');
    expect((await instance.run('status')).out).toContain('PARKED  1 key of erp.orders, 2 deliveries    signalbox parked list');
  });

  test('show: the deliveries of a key in order, or one with its content', async () => {
    const key = await instance.run('parked', 'show', 'C1');
    expect(key.out.indexOf('p-1')).toBeLessThan(key.out.indexOf('p-2'));
    expect(key.out).toContain('signalbox parked release erp.orders C1');
    expect((await instance.run('parked', 'show', 'p-2')).out).toContain('waits behind p-1');
    expect((await instance.run('parked', 'show', 'nothing')).code).toBe(1);
  });

  test('release: counts first, then asks', async () => {
    const refused = await instance.run('parked', 'release', 'erp.orders', 'C1');
    expect(refused.code).not.toBe(0);
    expect(instance.service.changes).toEqual([]);
    const released = await instance.run('parked', 'release', 'erp.orders', 'C1', '--yes', '--reason', 'customer unblocked');
    expect(released).toMatchObject({ code: 0, out: '2 deliveries released\n' });
    expect(instance.service.changes).toMatchObject([{ what: 'release', subject: ['erp.orders', 'C1'], by: { reason: 'customer unblocked' } }]);
  });

  test('discard: wants a reason, and says what stays', async () => {
    expect((await instance.run('parked', 'discard', 'p-1', '--yes')).code).toBe(2);
    const { out, code } = await instance.run('parked', 'discard', 'p-1', '--yes', '--reason', 'a test order');
    expect(code).toBe(0);
    expect(out).toContain('signalbox parked release erp.orders C1');
    expect(instance.service.changes).toMatchObject([{ what: 'discard parked', subject: ['p-1'], by: { reason: 'a test order' } }]);
  });
});
