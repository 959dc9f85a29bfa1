import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { DANGEROUS, type Instance, startInstance } from './harness.js';

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance.close());
beforeEach(() => {
  instance.service.changes.length = 0;
});

describe('signalbox files', () => {
  test('list: state, counts and why; by endpoint and state', async () => {
    const { out, code } = await instance.run('files', 'list');
    expect(code).toBe(0);
    expect(out).toMatch(/ORD_9\.csv +legacy\.files +held +0 .*number 8 missing/);
    expect(out).not.toMatch(DANGEROUS);
    expect((await instance.run('files', 'list', 'erp')).out).toBe('no files\n');
    expect(JSON.parse((await instance.run('files', 'list', 'legacy', '--state', 'failed', '-o', 'json')).out)).toMatchObject([{ name: 'ORD_7.csv' }]);
    expect((await instance.run('files', 'list', '--state', 'lost')).code).toBe(2);
  });

  test('show: where it lies, what its records became, and a message of it', async () => {
    const { out } = await instance.run('files', 'show', 'ORD_7.csv');
    expect(out).toContain('3 = 2 accepted + 0 filtered + 1 dead');
    expect(out).toContain(`sha256      ${'ab'.repeat(32)}`);
    expect(out).toContain('signalbox trace 01JQ8MHOSTILE000');
    expect(out).not.toMatch(DANGEROUS);
    expect(await instance.run('files', 'show', 'nothing.csv')).toMatchObject({ code: 1, err: expect.stringContaining('E552') });
  });

  test('release: names the file exactly, with the reason', async () => {
    expect(await instance.run('files', 'release', 'ORD_9.csv', '--reason', 'the partner has no 8')).toMatchObject({
      code: 0,
      out: 'ORD_9.csv is read at the next poll of legacy.files\n',
    });
    expect(instance.service.changes).toMatchObject([{ what: 'release file', subject: ['legacy.files', 'ORD_9.csv'], by: { reason: 'the partner has no 8' } }]);
  });

  test('reprocess: wants a reason and asks first', async () => {
    expect((await instance.run('files', 'reprocess', 'ORD_7.csv', '--yes')).code).toBe(2);
    expect((await instance.run('files', 'reprocess', 'ORD_7.csv', '--reason', 'mapping repaired')).code).not.toBe(0);
    expect(instance.service.changes).toEqual([]);
    expect((await instance.run('files', 'reprocess', 'ORD_7.csv', '--reason', 'mapping repaired', '--yes')).code).toBe(0);
    expect(instance.service.changes).toMatchObject([{ what: 'reprocess file', subject: ['legacy.files', '0mg9x2'] }]);
  });
});

describe('signalbox reconcile', () => {
  test('prints differences and the targets that lack something, and exits with 1 then', async () => {
    const { out, code } = await instance.run('reconcile', 'legacy.files', '--since', '7d');
    expect(code).toBe(1);
    expect(out).toContain('1 of 3 records have no message');
    expect(out).toContain('erp.orders: 1 delivered, 1 dead');
    expect(out).not.toMatch(DANGEROUS);
    expect(await instance.run('reconcile', 'erp.orders')).toMatchObject({ code: 0, out: 'no files\n' });
    expect((await instance.run('reconcile', '--since', 'yesterday')).code).toBe(2);
  });
});
