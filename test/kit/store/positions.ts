import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Subject } from './conformance.js';
import { NOON } from './samples.js';

const at = (ms: number): Date => new Date(NOON + ms);

export function positionScenarios(subject: Subject): void {
  describe('checkpoints', () => {
    test('a source that was never read has none', async () => {
      expect(await subject.store.checkpoints.get('legacy.orders')).toBeUndefined();
      expect(await subject.store.checkpoints.list()).toEqual([]);
    });

    test('the last position is kept over a restart, character by character', async () => {
      const position = '{"ts":"2026-03-10T12:00:00.123456Z","id":"9223372036854775807","é":"日本 \\u0000 😀"}';
      expect(await subject.store.checkpoints.set('legacy.orders', 'first', 1)).toBe(true);
      expect(await subject.store.checkpoints.set('legacy.orders', position, 1)).toBe(true);
      expect(await subject.store.checkpoints.set('étage.日本', '0', 1)).toBe(true);
      const store = await subject.reopen();
      expect(await store.checkpoints.get('legacy.orders')).toBe(position);
      const list = await store.checkpoints.list();
      expect(list.map(({ source, position: kept }) => [source, kept])).toEqual([
        ['legacy.orders', position],
        ['étage.日本', '0'],
      ]);
      for (const entry of list) expect(Math.abs(Date.now() - entry.at)).toBeLessThan(60_000);
    });

    test('a holder that lost its lease cannot write any more, not even after a reset', async () => {
      const { checkpoints } = subject.store;
      expect(await checkpoints.set('s', 'old holder', 1)).toBe(true);
      expect(await checkpoints.set('s', 'new holder', 2)).toBe(true);
      expect(await checkpoints.set('s', 'old holder again', 1)).toBe(false);
      expect(await checkpoints.get('s')).toBe('new holder');
      await checkpoints.delete('s');
      expect(await checkpoints.get('s')).toBeUndefined();
      expect(await checkpoints.list()).toEqual([]);
      expect(await checkpoints.set('s', 'old holder again', 1)).toBe(false);
      expect(await checkpoints.get('s')).toBeUndefined();
      expect(await checkpoints.set('s', 'from the start', 2)).toBe(true);
      expect(await checkpoints.get('s')).toBe('from the start');
    });
  });

  describe('leases', () => {
    const MINUTE = 60_000;
    let moment = 0;

    beforeEach(() => {
      moment = 0;
    });
    /** Asks `minutes` after the start of the test. */
    const acquire = async (holder: string, minutes: number): Promise<number | undefined> => {
      await subject.harness.letPass?.(subject.place, minutes * MINUTE - moment);
      moment = minutes * MINUTE;
      return subject.store.leases.acquire('s', holder, MINUTE, at(moment));
    };

    test('one holder at a time; renewing keeps the epoch and moves the end', async () => {
      expect(await acquire('a', 0)).toBe(1);
      expect(await acquire('b', 0.5)).toBeUndefined();
      expect(await acquire('a', 0.8)).toBe(1);
      expect(await acquire('b', 1.5)).toBeUndefined();
    });

    test('a lease that ran out is taken by another with a greater epoch, and the old holder is refused', async () => {
      expect(await acquire('a', 0)).toBe(1);
      expect(await acquire('b', 1)).toBe(2);
      expect(await acquire('a', 1.1)).toBeUndefined();
      expect(await acquire('a', 2)).toBe(3);
    });

    test('one that ran out and was taken by nobody is still the same', async () => {
      expect(await acquire('a', 0)).toBe(1);
      expect(await acquire('a', 5)).toBe(1);
    });

    test('a released lease is free at once; its epoch grows also over a restart', async () => {
      const { leases } = subject.store;
      expect(await acquire('a', 0)).toBe(1);
      await leases.release('s', 'b');
      expect(await acquire('b', 0)).toBeUndefined();
      await leases.release('s', 'a');
      const store = await subject.reopen();
      expect(await acquire('b', 0)).toBe(2);
      expect(await store.leases.acquire('other', 'b', MINUTE, at(0))).toBe(1);
    });

    test('of many who ask at once exactly one gets it', async () => {
      const epochs = await Promise.all(Array.from({ length: 20 }, (_, index) => acquire(`h${index}`, 0)));
      expect(epochs.filter((epoch) => epoch !== undefined)).toEqual([1]);
    });
  });

  describe('dedupe', () => {
    test('knows the ids added before, per scope, over a restart', async () => {
      await subject.store.dedupe.add('in', ['a', 'b', 'é😀'], at(0));
      await subject.store.dedupe.add('in', ['b', 'c'], at(0));
      const { dedupe } = await subject.reopen();
      expect(await dedupe.seen('in', ['a', 'x', 'é😀', 'c', 'A'])).toEqual(new Set(['a', 'é😀', 'c']));
      expect(await dedupe.seen('other', ['a'])).toEqual(new Set());
      expect(await dedupe.seen('in', [])).toEqual(new Set());
    });
  });

  describe('endpoint state', () => {
    test('entries are put, changed and removed in one step', async () => {
      const { endpointState } = subject.store;
      await endpointState.put(
        'drop.in',
        new Map([
          ['a', '1'],
          ['b', '2'],
        ]),
      );
      await endpointState.put(
        'drop.in',
        new Map([
          ['a', undefined],
          ['b', 'zwei'],
          ['c', '9223372036854775807'],
          ['none', undefined],
        ]),
      );
      const store = await subject.reopen();
      expect(await store.endpointState.get('drop.in', 'a')).toBeUndefined();
      expect(await store.endpointState.get('drop.in', 'b')).toBe('zwei');
      expect(await store.endpointState.get('other', 'b')).toBeUndefined();
      expect([...(await store.endpointState.list('drop.in', '', 10)).keys()]).toEqual(['b', 'c']);
    });

    test('lists by prefix, in order, up to the limit', async () => {
      const { endpointState } = subject.store;
      const keys = ['file:b', 'file:a', 'file:%', 'file:é', 'file:😀', 'filf', 'gap:1', 'FILE:a'];
      await endpointState.put('e', new Map(keys.map((key) => [key, key])));
      expect([...(await endpointState.list('e', 'file:', 10)).keys()]).toEqual(['file:%', 'file:a', 'file:b', 'file:é', 'file:😀']);
      expect([...(await endpointState.list('e', 'file:', 2)).keys()]).toEqual(['file:%', 'file:a']);
      expect(await endpointState.list('e', '%', 10)).toEqual(new Map());
    });
  });
}
