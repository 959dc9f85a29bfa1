import { describe, expect, test } from '@jest/globals';
import type { ParkedDelivery } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { NOON, parked } from './samples.js';

export function parkedScenarios(subject: Subject): void {
  describe('parked deliveries', () => {
    const ids = async (lane: string, endpoint = 'erp.orders'): Promise<readonly string[]> =>
      (await subject.store.parked.list(endpoint, lane, 1_000)).map(({ deliveryId }) => deliveryId);
    const lanes = async (
      filter: { readonly endpoint?: string; readonly lane?: string; readonly released?: boolean } = {},
    ): Promise<readonly (readonly [string, number, boolean])[]> =>
      (await subject.store.parked.lanes({ limit: 100, ...filter })).map(({ lane, count, released }) => [lane, count, released]);

    test('come back as they were put, byte by byte, over a restart', async () => {
      const full = parked('a', {
        key: '00123',
        reason: 'Größe 😀',
        headers: { 'x-é': '日本', empty: '' },
        content: Uint8Array.from({ length: 70_000 }, (_, index) => index % 256),
      });
      const bare = parked('b', { lane: 'b', headers: {}, content: new Uint8Array() });
      await subject.store.parked.add([full, bare]);
      const store = await subject.reopen();
      const found = await store.parked.get('a');
      expect({ ...found, content: undefined }).toEqual({ ...full, content: undefined });
      expect(Buffer.compare(found?.content ?? new Uint8Array(), full.content)).toBe(0);
      expect({ ...(await store.parked.get('b')), content: undefined }).toEqual({ ...bare, content: undefined });
      expect(await store.parked.get('c')).toBeUndefined();
      expect(await store.parked.lanes({ limit: 10 })).toEqual([
        { endpoint: 'erp.orders', lane: 'K1', count: 1, released: false, firstAt: NOON, code: 'E400', reason: 'Größe 😀' },
        { endpoint: 'erp.orders', lane: 'b', count: 1, released: false, firstAt: NOON, code: 'E400', reason: 'the partner refused it' },
      ]);
    });

    test('keep their order in the lane, whatever their time; lanes are listed oldest first', async () => {
      const { parked: deliveries } = subject.store;
      await deliveries.add([parked('c', { at: NOON + 9 }), parked('x', { lane: 'K2', at: NOON + 5 }), parked('a', { at: NOON + 1 })]);
      await deliveries.add([parked('b', { at: NOON }), parked('y', { lane: 'K3', at: NOON + 20 }), parked('z', { lane: 'K2', endpoint: 'web.notify', at: NOON + 7 })]);
      expect(await ids('K1')).toEqual(['c', 'a', 'b']);
      expect((await deliveries.list('erp.orders', 'K1', 2)).map(({ deliveryId }) => deliveryId)).toEqual(['c', 'a']);
      expect(await ids('K2')).toEqual(['x']);
      expect(await ids('K2', 'web.notify')).toEqual(['z']);
      expect(await ids('nobody')).toEqual([]);
      expect(await lanes()).toEqual([
        ['K2', 1, false],
        ['K2', 1, false],
        ['K1', 3, false],
        ['K3', 1, false],
      ]);
      expect(await lanes({ endpoint: 'web.notify' })).toEqual([['K2', 1, false]]);
      expect(await lanes({ endpoint: 'web.notify', lane: 'K2' })).toEqual([['K2', 1, false]]);
      expect(await lanes({ endpoint: 'web.notify', lane: 'K9' })).toEqual([]);
      expect((await deliveries.lanes({ limit: 2 })).map(({ endpoint }) => endpoint)).toEqual(['erp.orders', 'web.notify']);
    });

    test('one that is added again keeps its place and time, and is as it was given last', async () => {
      const { parked: deliveries } = subject.store;
      await deliveries.add([parked('a'), parked('b')]);
      await deliveries.add([
        parked('c'),
        parked('a', { at: NOON + 50, code: 'E401', reason: 'failed again', headers: { attempt: '2' }, content: Uint8Array.of(7) }),
        parked('c', { reason: 'twice' }),
      ]);
      await deliveries.add([parked('b', { lane: 'another', reason: 'moved?' })]);
      await deliveries.add([]);
      expect(await ids('K1')).toEqual(['a', 'b', 'c']);
      expect(await lanes()).toEqual([['K1', 3, false]]);
      expect(await deliveries.get('a')).toEqual(parked('a', { code: 'E401', reason: 'failed again', headers: { attempt: '2' }, content: Uint8Array.of(7) }));
      expect((await deliveries.get('c'))?.reason).toBe('twice');
      expect((await deliveries.lanes({ limit: 1 }))[0]).toMatchObject({ firstAt: NOON, code: 'E401', reason: 'failed again' });
    });

    test('a released lane stays released until it is held, over a restart', async () => {
      await subject.store.parked.add([parked('a'), parked('b'), parked('x', { lane: 'K2' })]);
      expect(await subject.store.parked.release('erp.orders', 'K1')).toBe(true);
      expect(await subject.store.parked.release('erp.orders', 'K1')).toBe(true);
      expect(await subject.store.parked.release('erp.orders', 'nobody')).toBe(false);
      expect(await subject.store.parked.release('web.notify', 'K1')).toBe(false);
      const { parked: deliveries } = await subject.reopen();
      await deliveries.add([parked('c')]);
      expect(await lanes({ released: true })).toEqual([['K1', 3, true]]);
      expect(await lanes({ released: false })).toEqual([['K2', 1, false]]);
      await deliveries.hold('erp.orders', 'K1');
      await deliveries.hold('erp.orders', 'nobody');
      expect(await lanes({ released: true })).toEqual([]);
      expect(await lanes()).toEqual([
        ['K1', 3, false],
        ['K2', 1, false],
      ]);
    });

    test('a lane goes with its last entry, and a later one of that name is not released', async () => {
      const { parked: deliveries } = subject.store;
      await deliveries.add([parked('a'), parked('b'), parked('x', { lane: 'K2' })]);
      await deliveries.release('erp.orders', 'K1');
      expect(await deliveries.remove(['a', 'a', 'nobody'])).toBe(1);
      expect(await deliveries.remove(['a'])).toBe(0);
      expect(await lanes()).toEqual([
        ['K1', 1, true],
        ['K2', 1, false],
      ]);
      expect(await deliveries.remove(['b', 'x'])).toBe(2);
      expect(await deliveries.remove([])).toBe(0);
      expect(await lanes()).toEqual([]);
      expect(await deliveries.release('erp.orders', 'K1')).toBe(false);
      await deliveries.add([parked('c')]);
      expect(await lanes()).toEqual([['K1', 1, false]]);
    });

    test('many that add and remove at once lose nothing', async () => {
      const { parked: deliveries } = subject.store;
      const batches = Array.from({ length: 40 }, (_, batch): readonly ParkedDelivery[] => Array.from({ length: 5 }, (_each, n) => parked(`${batch}-${n}`, { lane: `K${n}` })));
      await Promise.all(batches.map((batch) => deliveries.add(batch)));
      expect(await lanes()).toEqual(Array.from({ length: 5 }, (_, n) => [`K${n}`, 40, false]));
      expect(await ids('K3')).toEqual(batches.map((_, batch) => `${batch}-3`));
      const removed = await Promise.all(batches.flatMap((batch) => [deliveries.remove(batch.map(({ deliveryId }) => deliveryId)), deliveries.remove([`${batch[0]?.deliveryId}`])]));
      expect(removed.reduce((sum, count) => sum + count, 0)).toBe(200);
      expect(await lanes()).toEqual([]);
    });
  });
}
