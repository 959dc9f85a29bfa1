import { describe, expect, test } from '@jest/globals';
import type { HistoryEvent, MessageState, MessageSummary } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { event, NOON, received, way } from './samples.js';

const d1 = { deliveryId: 'd1', endpoint: 'erp.orders' };
const d2 = { deliveryId: 'd2', endpoint: 'web.notify' };

/** Events in the order they are appended, each with the state of the message after it. */
const TRANSITIONS: readonly (readonly [name: string, steps: readonly (readonly [HistoryEvent, MessageState])[]])[] = [
  [
    'is active until every delivery is made',
    [
      [received('m'), 'active'],
      [event('m', 'mapped'), 'active'],
      [event('m', 'queued', d1), 'active'],
      [event('m', 'queued', d2), 'active'],
      [event('m', 'delivered', d1), 'active'],
      [event('m', 'retry', d2), 'active'],
      [event('m', 'note', d2), 'active'],
      [event('m', 'delivered', d2), 'delivered'],
    ],
  ],
  [
    'is filtered when no rule wanted it',
    [
      [received('m'), 'active'],
      [event('m', 'filtered', { route: 'orders-out' }), 'filtered'],
    ],
  ],
  [
    'is delivered when one route filtered it and another delivered it',
    [
      [received('m'), 'active'],
      [event('m', 'filtered', { route: 'a' }), 'filtered'],
      [event('m', 'queued', d1), 'active'],
      [event('m', 'filtered', { route: 'b' }), 'active'],
      [event('m', 'delivered', d1), 'delivered'],
    ],
  ],
  [
    'is dead while a delivery is dead, active when that is redelivered, then delivered',
    [
      [received('m'), 'active'],
      [event('m', 'queued', d1), 'active'],
      [event('m', 'queued', d2), 'active'],
      [event('m', 'dead', { ...d1, code: 'E400' }), 'dead'],
      [event('m', 'delivered', d2), 'dead'],
      [event('m', 'redelivered', d1), 'active'],
      [event('m', 'dead', { ...d1, code: 'E400' }), 'dead'],
      [event('m', 'redelivered', d1), 'active'],
      [event('m', 'delivered', d1), 'delivered'],
    ],
  ],
  [
    'is delivered when the dead delivery was discarded and another was made',
    [
      [event('m', 'queued', d1), 'active'],
      [event('m', 'queued', d2), 'active'],
      [event('m', 'delivered', d2), 'active'],
      [event('m', 'dead', d1), 'dead'],
      [event('m', 'discarded', d1), 'delivered'],
    ],
  ],
  [
    'is filtered when all of it was discarded',
    [
      [event('m', 'queued', d1), 'active'],
      [event('m', 'dead', d1), 'dead'],
      [event('m', 'discarded', d1), 'filtered'],
    ],
  ],
  [
    'is parked while an outcome is unknown, and goes on from there',
    [
      [event('m', 'queued', d1), 'active'],
      [event('m', 'parked', d1), 'parked'],
      [event('m', 'redelivered', d1), 'active'],
      [event('m', 'delivered', d1), 'delivered'],
    ],
  ],
  [
    'dies on the way in and is delivered after its record was redelivered',
    [
      [received('m'), 'active'],
      [event('m', 'dead', { code: 'E300', endpoint: 'legacy.orders' }), 'dead'],
      [event('m', 'redelivered', { endpoint: 'legacy.orders' }), 'active'],
      [received('m'), 'active'],
      [event('m', 'queued', d1), 'active'],
      [event('m', 'delivered', d1), 'delivered'],
    ],
  ],
  [
    'stays delivered when what came before is written late or comes twice after a crash',
    [
      [received('m'), 'active'],
      [event('m', 'delivered', d1), 'delivered'],
      [event('m', 'queued', d1), 'delivered'],
      [received('m'), 'delivered'],
      [event('m', 'queued', d1), 'delivered'],
      [event('m', 'duplicate', d1), 'delivered'],
      [event('m', 'duplicate'), 'delivered'],
      [event('m', 'dead', d1), 'delivered'],
    ],
  ],
  [
    'is delivered when the target had it already',
    [
      [event('m', 'queued', d1), 'active'],
      [event('m', 'duplicate', d1), 'delivered'],
    ],
  ],
];

export function historyScenarios(subject: Subject): void {
  const message = async (id: string): Promise<MessageSummary> => {
    const found = await subject.store.history.message(id);
    if (found === undefined) throw new Error(`no message ${id}`);
    return found;
  };

  describe('the state of a message', () => {
    test.each(TRANSITIONS)('%s', async (_, steps) => {
      const { history } = subject.store;
      for (const [added, state] of steps) {
        await history.append([added]);
        expect([added.kind, (await message('m')).state]).toEqual([added.kind, state]);
        expect((await history.search({ state, limit: 5 })).map(({ id }) => id)).toEqual(['m']);
        expect(Object.entries(await history.counts()).filter(([, count]) => count !== 0)).toEqual([[state, 1]]);
      }
      // All of them in one append end the same way.
      await history.append(steps.map(([added]) => ({ ...added, messageId: 'other' })));
      expect((await message('other')).state).toBe(steps.at(-1)?.[1]);
    });

    test('its counts are deliveries, not events', async () => {
      await subject.store.history.append([event('m', 'queued', d1), event('m', 'queued', d1), event('m', 'queued', d2), event('m', 'dead', d2), event('m', 'delivered', d1)]);
      expect(await message('m')).toMatchObject({ queued: 2, delivered: 1, dead: 1, state: 'dead' });
      await subject.store.history.append([event('m', 'discarded', d2)]);
      expect(await message('m')).toMatchObject({ queued: 2, delivered: 1, dead: 0, state: 'delivered' });
    });
  });

  describe('history', () => {
    test('knows nothing of a message it never saw', async () => {
      expect(await subject.store.history.message('m')).toBeUndefined();
      expect(await subject.store.history.events('m')).toEqual([]);
      expect(await subject.store.history.counts()).toEqual({ active: 0, delivered: 0, filtered: 0, dead: 0, parked: 0 });
      await subject.store.history.append([]);
      expect(await subject.store.history.since(0, 10)).toEqual([]);
    });

    test('an event comes back as it was written, over a restart', async () => {
      const full: HistoryEvent = {
        messageId: '日本-é😀',
        kind: 'received',
        at: Number.MAX_SAFE_INTEGER - 1,
        revision: 2 ** 31,
        node: 'knoten-ü',
        route: 'orders-in',
        rule: 'r',
        endpoint: 'legacy.orders',
        deliveryId: 'd\n1',
        code: 'E400',
        detail: 'eine Zeile "mit" \'allem\' \\ %',
        place: 'legacy.orders ORD_NO=4711',
        attempt: 3,
        durationMs: 5_000_000_000,
        message: { type: 'Order', source: 'legacy.orders', key: '00123', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', size: 2 ** 40 },
        data: '{"total":"12345678901234567890.10","id":9223372036854775807,"t":"😀\\u0000"}',
        dataref: 'ab'.repeat(32),
      };
      const bare = event('日本-é😀', 'note', { at: 0 });
      const partly = event('p', 'received', { message: { source: 's' } });
      await subject.store.history.append([full, bare, partly]);
      const { history } = await subject.reopen();
      const [first, second] = await history.events('日本-é😀');
      expect(first).toEqual({ ...full, seq: expect.any(Number) });
      expect(second).toEqual({ ...bare, seq: expect.any(Number) });
      expect(await history.events('p')).toEqual([{ ...partly, seq: expect.any(Number) }]);
      expect(await history.message('日本-é😀')).toEqual({
        id: '日本-é😀',
        type: 'Order',
        source: 'legacy.orders',
        key: '00123',
        at: full.at,
        lastAt: full.at,
        state: 'active',
        queued: 0,
        delivered: 0,
        dead: 0,
        traceparent: full.message?.traceparent,
      });
    });

    test('events of a message are in the order they were appended, also from several appends', async () => {
      const [first, ...rest] = way('m', NOON, ['a', 'b']);
      await subject.store.history.append(first === undefined ? [] : [first]);
      await subject.store.history.append(way('other', NOON));
      await subject.store.history.append(rest);
      expect((await subject.store.history.events('m')).map(({ kind }) => kind)).toEqual(['received', 'queued', 'queued', 'delivered', 'delivered']);
      expect(await message('m')).toMatchObject({ at: NOON, lastAt: NOON + 2 });
    });

    test('the live tail gives every event once, in order', async () => {
      const { history } = subject.store;
      await history.append([received('a'), received('b'), event('a', 'queued', d1)]);
      const first = await history.since(0, 2);
      expect(first.map(({ messageId, kind }) => [messageId, kind])).toEqual([
        ['a', 'received'],
        ['b', 'received'],
      ]);
      await history.append([event('b', 'filtered')]);
      const rest = await history.since(first.at(-1)?.seq ?? 0, 10);
      expect(rest.map(({ messageId, kind }) => [messageId, kind])).toEqual([
        ['a', 'queued'],
        ['b', 'filtered'],
      ]);
      expect(await history.since(rest.at(-1)?.seq ?? 0, 10)).toEqual([]);
    });

    test('ids are found by their first characters', async () => {
      const ids = ['ab12', 'ab1', 'ab', 'AB1', 'a_1', 'ab%', 'ac', 'é1', '😀1', '😀2'];
      await subject.store.history.append(ids.map((id) => received(id)));
      const { history } = subject.store;
      expect(await history.byPrefix('ab1', 10)).toEqual(['ab1', 'ab12']);
      expect([...(await history.byPrefix('ab', 10))].sort()).toEqual(['ab', 'ab%', 'ab1', 'ab12']);
      expect(await history.byPrefix('ab', 2)).toHaveLength(2);
      expect(await history.byPrefix('a_', 10)).toEqual(['a_1']);
      expect(await history.byPrefix('😀', 10)).toEqual(['😀1', '😀2']);
      expect(await history.byPrefix('zz', 10)).toEqual([]);
    });

    test('an append that cannot be stored fails whole and alone', async () => {
      const { history } = subject.store;
      await history.append([received('known')]);
      const bad = [event('known', 'queued', d1), event('half', 'queued', { endpoint: 'new.name', code: 'E999' }), { ...received('bad'), revision: Number.NaN }];
      const results = await Promise.allSettled([
        history.append([event('known', 'note', { endpoint: 'first.name' })]),
        history.append(bad),
        history.append([event('later', 'filtered', { endpoint: 'other.name' }), event('known', 'filtered')]),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      await history.append([event('last', 'filtered', { endpoint: 'last.name' })]);
      const store = await subject.reopen();
      expect(await store.history.counts()).toEqual({ active: 0, delivered: 0, filtered: 3, dead: 0, parked: 0 });
      expect((await store.history.events('known')).map(({ kind, endpoint }) => [kind, endpoint])).toEqual([
        ['received', 'legacy.orders'],
        ['note', 'first.name'],
        ['filtered', undefined],
      ]);
      for (const [endpoint, id] of [
        ['first.name', 'known'],
        ['other.name', 'later'],
        ['last.name', 'last'],
      ] as const) {
        expect((await store.history.search({ endpoint, limit: 5 })).map((found) => found.id)).toEqual([id]);
      }
      expect(await store.history.search({ endpoint: 'new.name', limit: 5 })).toEqual([]);
      expect(await store.history.byPrefix('', 10)).toEqual(['known', 'last', 'later']);
    });

    test('many who append at once about the same message lose nothing', async () => {
      const { history } = subject.store;
      const parts = Array.from({ length: 100 }, (_, index) => `d${index}`);
      await Promise.all(parts.map((deliveryId) => history.append([event('m', 'queued', { deliveryId }), received(`own-${deliveryId}`)])));
      await Promise.all(parts.map((deliveryId) => history.append([event('m', 'delivered', { deliveryId })])));
      expect(await message('m')).toMatchObject({ state: 'delivered', queued: 100, delivered: 100 });
      expect(await history.events('m')).toHaveLength(200);
      expect(await history.counts()).toMatchObject({ active: 100, delivered: 1 });
    });
  });
}
