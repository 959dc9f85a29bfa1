import { describe, expect, test } from '@jest/globals';
import type { DeadLetter, DeadLetterFilter } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { letter, NOON } from './samples.js';

export function deadLetterScenarios(subject: Subject): void {
  describe('dead letters', () => {
    const ids = async (filter: Partial<DeadLetterFilter> = {}): Promise<readonly string[]> => (await subject.store.deadLetters.list({ limit: 100, ...filter })).map(({ id }) => id);
    const settled = new Date(NOON + 1_000);

    test('come back as they were put, byte by byte, over a restart', async () => {
      const full: DeadLetter = letter('a', {
        stage: 'inbound',
        rule: 'big-orders',
        place: 'orders.yaml:72',
        key: '00123',
        stack: 'Error: x\n    at y',
        reason: 'Größe 😀',
        headers: { 'x-é': '日本', empty: '' },
        content: Uint8Array.from({ length: 70_000 }, (_, index) => index % 256),
      });
      const empty = letter('b', { at: NOON + 1, headers: {}, content: new Uint8Array() });
      await subject.store.deadLetters.add([full, empty]);
      const store = await subject.reopen();
      const found = await store.deadLetters.get('a');
      expect({ ...found, content: undefined }).toEqual({ ...full, content: undefined, state: 'open' });
      expect(Buffer.compare(found?.content ?? new Uint8Array(), full.content)).toBe(0);
      expect((await store.deadLetters.get('b'))?.content).toHaveLength(0);
      expect(await store.deadLetters.get('c')).toBeUndefined();
    });

    test('adding an open one again keeps one, with what is known now', async () => {
      const { deadLetters } = subject.store;
      await deadLetters.add([letter('a')]);
      await deadLetters.add([letter('a', { reason: 'something else', at: NOON + 9, attempts: 99 }), letter('b', { at: NOON + 1 })]);
      expect(await ids()).toEqual(['b', 'a']);
      expect(await deadLetters.get('a')).toMatchObject({ reason: 'something else', at: NOON + 9, attempts: 99 });
    });

    test('one that failed again after it was read stays open', async () => {
      const { deadLetters } = subject.store;
      await deadLetters.add([letter('a')]);
      await deadLetters.add([letter('a', { at: NOON + 9 })]);
      expect(await deadLetters.settle([{ id: 'a', at: NOON }], 'redelivered', 'anna', undefined, settled)).toBe(0);
      expect((await deadLetters.get('a'))?.state).toBe('open');
      expect(await deadLetters.settle([{ id: 'a', at: NOON + 9 }], 'redelivered', 'anna', undefined, settled)).toBe(1);
    });

    test('a settled one that dies again is open again, with what is known now', async () => {
      const { deadLetters } = subject.store;
      await deadLetters.add([letter('a')]);
      expect(await deadLetters.settle([{ id: 'a', at: NOON }], 'redelivered', 'anna', 'fixed', settled)).toBe(1);
      expect(await ids()).toEqual([]);
      expect((await deadLetters.get('a'))?.state).toBe('redelivered');
      await deadLetters.add([letter('a', { reason: 'still refused', at: NOON + 9, group: 'G9' })]);
      expect(await deadLetters.get('a')).toMatchObject({ state: 'open', reason: 'still refused', at: NOON + 9, group: 'G9' });
      expect((await deadLetters.groups()).map(({ group, count }) => [group, count])).toEqual([['G9', 1]]);
    });

    test('settling counts only the open ones, once', async () => {
      const { deadLetters } = subject.store;
      await deadLetters.add([letter('a'), letter('b'), letter('c')]);
      expect(await deadLetters.settle(read('a', 'nobody', 'a'), 'discarded', 'anna', undefined, settled)).toBe(1);
      const counts = await Promise.all(Array.from({ length: 5 }, () => deadLetters.settle(read('a', 'b', 'c'), 'redelivered', 'bob', 'r', settled)));
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2);
      expect((await deadLetters.get('a'))?.state).toBe('discarded');
      expect((await deadLetters.get('b'))?.state).toBe('redelivered');
      expect(await deadLetters.settle([], 'discarded', 'anna', undefined, settled)).toBe(0);
    });

    test('are grouped by cause, most frequent first, open ones only', async () => {
      const { deadLetters } = subject.store;
      await deadLetters.add([
        letter('a', { group: 'G1', at: NOON + 1, reason: 'first' }),
        letter('b', { group: 'G2', at: NOON + 2, code: 'E300', endpoint: 'web.notify', route: 'r2', reason: 'bad date' }),
        letter('c', { group: 'G2', at: NOON + 5, code: 'E300', endpoint: 'web.notify', route: 'r2', reason: 'bad date' }),
        letter('d', { group: 'G2', at: NOON + 3, code: 'E300', endpoint: 'web.notify', route: 'r2', reason: 'bad date' }),
        letter('e', { group: 'G3', at: NOON + 4 }),
      ]);
      await deadLetters.settle([{ id: 'e', at: NOON + 4 }], 'discarded', 'anna', undefined, settled);
      expect(await deadLetters.groups()).toEqual([
        { group: 'G2', code: 'E300', endpoint: 'web.notify', route: 'r2', reason: 'bad date', count: 3, firstAt: NOON + 2, lastAt: NOON + 5 },
        { group: 'G1', code: 'E400', endpoint: 'erp.orders', route: 'orders-out', reason: 'first', count: 1, firstAt: NOON + 1, lastAt: NOON + 1 },
      ]);
      await deadLetters.settle(await deadLetters.list({ limit: 10 }), 'discarded', 'anna', undefined, settled);
      expect(await deadLetters.groups()).toEqual([]);
    });

    test('are listed oldest first, by group, endpoint, route and message, page by page', async () => {
      await subject.store.deadLetters.add([
        letter('d', { at: NOON + 1 }),
        letter('c', { at: NOON + 1, endpoint: 'web.notify' }),
        letter('b', { at: NOON + 1, route: 'r2' }),
        letter('a', { at: NOON + 3, group: 'G9' }),
        letter('e', { at: NOON, messageId: 'm-a' }),
      ]);
      expect(await ids()).toEqual(['e', 'b', 'c', 'd', 'a']);
      expect(await ids({ limit: 2 })).toEqual(['e', 'b']);
      expect(await ids({ limit: 2, after: { at: NOON + 1, id: 'b' } })).toEqual(['c', 'd']);
      expect(await ids({ after: { at: NOON + 1, id: 'd' } })).toEqual(['a']);
      expect(await ids({ group: 'G9' })).toEqual(['a']);
      expect(await ids({ endpoint: 'web.notify' })).toEqual(['c']);
      expect(await ids({ route: 'r2', endpoint: 'erp.orders' })).toEqual(['b']);
      expect(await ids({ messageId: 'm-a' })).toEqual(['e', 'a']);
      expect(await ids({ group: 'none' })).toEqual([]);
    });
  });
}

/** Letters as they were read when they failed at noon. */
function read(...ids: readonly string[]): { readonly id: string; readonly at: number }[] {
  return ids.map((id) => ({ id, at: NOON }));
}
