import { describe, expect, test } from '@jest/globals';
import type { HistoryQuery } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { NOON, way } from './samples.js';

const MESSAGES = 25_000;
const BATCH = 100;

export function loadScenarios(subject: Subject): void {
  describe('under load', () => {
    test('100,000 events are appended, and a search answers while more are coming', async () => {
      const { history } = subject.store;
      const appends: Promise<void>[] = [];
      for (let first = 0; first < MESSAGES; first += BATCH) {
        const batch = Array.from({ length: BATCH }, (_, index) => first + index);
        appends.push(history.append(batch.flatMap((n) => way(`m${n}`, NOON + n, n % 1_000 === 0 ? ['erp.orders', 'rare.one'] : ['erp.orders']))));
        if (appends.length % 10 === 0) await appends.at(-10);
      }
      const started = Date.now();
      expect(await history.message('m0')).toMatchObject({ state: 'delivered' });
      await Promise.all(appends);
      const queries: readonly (readonly [Partial<HistoryQuery>, number])[] = [
        [{ key: 'K-m777' }, 1],
        [{ endpoint: 'rare.one' }, 25],
        [{ endpoint: 'rare.one', type: 'Order', state: 'delivered' }, 25],
        [{ state: 'delivered', route: 'orders-out' }, 50],
        [{ type: 'Order', until: NOON + 10 }, 11],
        [{ state: 'dead' }, 0],
        [{ source: 'legacy.orders', since: NOON + MESSAGES - 3 }, 3],
      ];
      for (const [query, count] of queries) expect([query, (await history.search({ limit: 50, ...query })).length]).toEqual([query, count]);
      expect(await history.counts()).toMatchObject({ delivered: MESSAGES, active: 0 });
      expect(await history.byPrefix('m2499', 100)).toHaveLength(11);
      expect(Date.now() - started).toBeLessThan(10_000);
    }, 60_000);

    test('every kind of write at once, from many callers', async () => {
      const { store } = subject;
      const rounds = Array.from({ length: 50 }, (_, index) => index);
      await Promise.all(
        rounds.flatMap((n): Promise<unknown>[] => [
          store.checkpoints.set(`s${n}`, String(n), 1),
          store.dedupe.add('scope', [`id${n}`], new Date(NOON)),
          store.ledger.put([{ deliveryId: `d${n}`, endpoint: 'e', state: 'done', at: NOON }]),
          store.history.append(way(`m${n}`, NOON)),
          store.endpointState.put('e', new Map([[`k${n}`, 'v']])),
          store.audit.append({ at: NOON, who: 'w', action: 'a', subject: `${n}`, result: 'ok' }),
          store.history.search({ endpoint: 'erp.orders', limit: 5 }),
        ]),
      );
      expect(await store.checkpoints.list()).toHaveLength(50);
      expect(await store.history.counts()).toMatchObject({ delivered: 50 });
      expect(await store.audit.list(100)).toHaveLength(50);
      expect((await store.endpointState.list('e', 'k', 100)).size).toBe(50);
    });
  });
}
