import { describe, expect, test } from '@jest/globals';
import type { LedgerState } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { DAY, event, letter, NOON, received, way } from './samples.js';

const KEEP_A_WEEK = { historyMs: 7 * DAY, dedupeMs: 7 * DAY, ledgerMs: 7 * DAY };
const NOW = new Date(NOON);

export function pruneScenarios(subject: Subject): void {
  describe('prune', () => {
    test('keeps what is young and what is not finished, however old', async () => {
      const { history } = subject.store;
      await history.append([
        ...way('old', NOON - 8 * DAY),
        ...way('young', NOON - 6 * DAY),
        ...way('late', NOON - 8 * DAY),
        event('late', 'note', { at: NOON - DAY }),
        received('old-filtered', { at: NOON - 30 * DAY }),
        event('old-filtered', 'filtered', { at: NOON - 30 * DAY }),
        received('old-active', { at: NOON - 30 * DAY }),
        event('old-dead', 'dead', { at: NOON - 30 * DAY, deliveryId: 'd' }),
        event('old-parked', 'parked', { at: NOON - 30 * DAY, deliveryId: 'p' }),
        ...way('old-letter', NOON - 30 * DAY),
      ]);
      await subject.store.deadLetters.add([letter('x', { at: NOON - 30 * DAY, messageId: 'old-letter' })]);
      const kept = ['late', 'old-active', 'old-dead', 'old-letter', 'old-parked', 'young'];

      expect(await subject.store.prune(NOW, KEEP_A_WEEK)).toBe(2);
      const store = await subject.reopen();
      expect((await store.history.search({ limit: 100 })).map(({ id }) => id).sort()).toEqual(kept);
      expect(await store.history.message('old')).toBeUndefined();
      expect(await store.history.events('old')).toEqual([]);
      expect((await store.history.search({ endpoint: 'erp.orders', limit: 100 })).map(({ id }) => id).sort()).toEqual(['late', 'old-letter', 'young']);
      expect(await store.history.search({ key: 'K-old', limit: 10 })).toEqual([]);
      expect(await store.history.byPrefix('old', 10)).not.toContain('old');
      expect(await store.history.counts()).toEqual({ active: 1, delivered: 3, filtered: 0, dead: 1, parked: 1 });
      expect(await store.history.events('young')).toHaveLength(3);
      expect(await store.prune(NOW, KEEP_A_WEEK)).toBe(0);
    });

    test('a message that is finished later goes later', async () => {
      await subject.store.history.append([event('m', 'dead', { at: NOON - 30 * DAY, deliveryId: 'd' })]);
      await subject.store.history.append([event('m', 'discarded', { at: NOON - 29 * DAY, deliveryId: 'd' })]);
      expect(await subject.store.prune(NOW, KEEP_A_WEEK)).toBe(1);
      expect(await subject.store.history.search({ limit: 10 })).toEqual([]);
    });

    test('removes settled letters, old ids and finished ledger entries only', async () => {
      const { deadLetters, dedupe, ledger } = subject.store;
      await deadLetters.add(['open', 'settled', 'settled-now'].map((id) => letter(id, { at: NOON - 30 * DAY })));
      await deadLetters.settle([{ id: 'settled', at: NOON - 30 * DAY }], 'discarded', 'anna', undefined, new Date(NOON - 8 * DAY));
      await deadLetters.settle([{ id: 'settled-now', at: NOON - 30 * DAY }], 'redelivered', 'anna', undefined, new Date(NOON - DAY));
      await dedupe.add('s', ['old', 'again'], new Date(NOON - 9 * DAY));
      await dedupe.add('s', ['young', 'again'], new Date(NOON - 6 * DAY));
      const states: readonly LedgerState[] = ['sending', 'done', 'unknown', 'released'];
      await ledger.put(states.map((state) => ({ deliveryId: state, endpoint: 'e', state, at: NOON - 30 * DAY })));
      await ledger.put([{ deliveryId: 'young', endpoint: 'e', state: 'done', at: NOON }]);

      expect(await subject.store.prune(NOW, KEEP_A_WEEK)).toBe(3);
      expect(await deadLetters.get('settled')).toBeUndefined();
      expect((await deadLetters.get('settled-now'))?.state).toBe('redelivered');
      expect((await deadLetters.get('open'))?.state).toBe('open');
      expect(await dedupe.seen('s', ['old', 'again', 'young'])).toEqual(new Set(['again', 'young']));
      expect([...(await ledger.get([...states, 'young'])).keys()].sort()).toEqual(['released', 'sending', 'unknown', 'young']);
    });

    test('numbers of the live tail never come again', async () => {
      await subject.store.history.append(way('old', NOON - 30 * DAY));
      const last = (await subject.store.history.since(0, 100)).at(-1)?.seq ?? 0;
      expect(await subject.store.prune(NOW, KEEP_A_WEEK)).toBe(1);
      const { history } = await subject.reopen();
      await history.append([received('new')]);
      expect((await history.since(last, 10)).map(({ messageId }) => messageId)).toEqual(['new']);
    });

    test('takes many steps, so that writers come in between', async () => {
      const { history } = subject.store;
      for (let batch = 0; batch < 10; batch += 1) await history.append(Array.from({ length: 500 }, (_, index) => way(`m${batch}-${index}`, NOON - 30 * DAY)).flat());
      const order: string[] = [];
      const pruned = subject.store.prune(NOW, KEEP_A_WEEK).finally(() => order.push('pruned'));
      const written = history.append(way('new', NOON)).then(() => order.push('written'));
      expect(await pruned).toBe(5_000);
      await written;
      expect(order).toEqual(['written', 'pruned']);
      expect((await history.search({ limit: 10 })).map(({ id }) => id)).toEqual(['new']);
      expect(await history.counts()).toMatchObject({ delivered: 1 });
    });
  });
}
