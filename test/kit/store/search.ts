import { beforeEach, describe, expect, test } from '@jest/globals';
import type { HistoryQuery } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { event, NOON, received, way } from './samples.js';

export function searchScenarios(subject: Subject): void {
  describe('search', () => {
    const ids = async (query: Partial<HistoryQuery>): Promise<readonly string[]> => (await subject.store.history.search({ limit: 100, ...query })).map(({ id }) => id);

    beforeEach(async () => {
      const { history } = subject.store;
      await history.append(way('old', NOON - 1_000));
      await history.append([
        ...way('multi', NOON, ['erp.orders', 'web.notify']),
        received('ship', { at: NOON + 10, route: 'ship-in', endpoint: 'wms.ship', message: { type: 'Shipment', source: 'wms.ship', key: '00123' } }),
        event('ship', 'dead', { at: NOON + 11, endpoint: 'erp.orders', route: 'ship-out', deliveryId: 'x', code: 'E400' }),
        received('order', { at: NOON + 20, message: { type: 'Order', source: 'Shipment', key: '00123' } }),
        event('order', 'queued', { at: NOON + 21, endpoint: 'erp.orders', route: 'orders-out', deliveryId: 'y' }),
        event('order', 'retry', { at: NOON + 22, endpoint: 'erp.orders', route: 'orders-out', deliveryId: 'y', code: 'E401' }),
        received('bare', { at: NOON + 30, message: { source: 'hook.in' } }),
        event('bare', 'filtered', { at: NOON + 31, route: 'orders-in' }),
      ]);
    });

    test('without criteria gives everything, newest first, up to the limit', async () => {
      expect(await ids({})).toEqual(['bare', 'order', 'ship', 'multi', 'old']);
      expect(await ids({ limit: 2 })).toEqual(['bare', 'order']);
    });

    const single: readonly (readonly [Partial<HistoryQuery>, readonly string[]])[] = [
      [{ key: '00123' }, ['order', 'ship']],
      [{ key: '123' }, []],
      [{ type: 'Order' }, ['order', 'multi', 'old']],
      [{ type: 'Shipment' }, ['ship']],
      [{ source: 'Shipment' }, ['order']],
      [{ source: 'legacy.orders' }, ['multi', 'old']],
      [{ route: 'orders-out' }, ['order', 'multi', 'old']],
      [{ route: 'ship-in' }, ['ship']],
      [{ endpoint: 'erp.orders' }, ['order', 'ship', 'multi', 'old']],
      [{ endpoint: 'web.notify' }, ['multi']],
      [{ endpoint: 'orders-out' }, []],
      [{ state: 'delivered' }, ['multi', 'old']],
      [{ state: 'dead' }, ['ship']],
      [{ state: 'active' }, ['order']],
      [{ state: 'filtered' }, ['bare']],
      [{ state: 'parked' }, []],
      [{ code: 'E400' }, ['ship']],
      [{ code: 'E401' }, ['order']],
      [{ code: 'E499' }, []],
      [{ since: NOON }, ['bare', 'order', 'ship', 'multi']],
      [{ until: NOON }, ['multi', 'old']],
      [{ since: NOON, until: NOON + 10 }, ['ship', 'multi']],
    ];
    test.each(single)('%j', async (query, expected) => {
      expect(await ids(query)).toEqual(expected);
    });

    const combined: readonly (readonly [Partial<HistoryQuery>, readonly string[]])[] = [
      [{ key: '00123', type: 'Shipment' }, ['ship']],
      [{ key: '00123', state: 'active', endpoint: 'erp.orders', since: NOON + 20 }, ['order']],
      [{ key: '00123', state: 'delivered' }, []],
      [{ type: 'Order', endpoint: 'erp.orders', state: 'delivered' }, ['multi', 'old']],
      [{ type: 'Order', endpoint: 'web.notify', state: 'delivered', since: NOON }, ['multi']],
      [{ route: 'orders-in', state: 'filtered' }, ['bare']],
      [{ endpoint: 'erp.orders', until: NOON + 10, limit: 2 }, ['ship', 'multi']],
      [{ code: 'E400', route: 'ship-out', source: 'wms.ship', state: 'dead' }, ['ship']],
      [{ code: 'E400', type: 'Order' }, []],
    ];
    test.each(combined)('%j', async (query, expected) => {
      expect(await ids(query)).toEqual(expected);
    });

    test('a message is found by what happened to it later', async () => {
      await subject.store.history.append([event('old', 'note', { at: NOON + 99, endpoint: 'late.one', code: 'E402' })]);
      expect(await ids({ endpoint: 'late.one' })).toEqual(['old']);
      expect(await ids({ code: 'E402', type: 'Order' })).toEqual(['old']);
    });
  });
}
