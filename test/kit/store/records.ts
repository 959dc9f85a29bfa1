import { describe, expect, test } from '@jest/globals';
import type { AuditEntry, LedgerEntry } from '../../../bus/store/contract.js';
import type { Subject } from './conformance.js';
import { NOON } from './samples.js';

export function recordScenarios(subject: Subject): void {
  describe('ledger', () => {
    const entry = (deliveryId: string, state: LedgerEntry['state'], more: Partial<LedgerEntry> = {}): LedgerEntry => ({
      deliveryId,
      endpoint: 'soap.book',
      state,
      at: NOON,
      ...more,
    });

    test('keeps the last state of each delivery, over a restart', async () => {
      await subject.store.ledger.put([entry('a', 'sending'), entry('b', 'sending', { detail: 'try 1' })]);
      await subject.store.ledger.put([entry('a', 'done', { at: NOON + 5, detail: 'Nr. 4711 é' })]);
      const { ledger } = await subject.reopen();
      expect(await ledger.get(['a', 'b', 'c'])).toEqual(
        new Map([
          ['a', entry('a', 'done', { at: NOON + 5, detail: 'Nr. 4711 é' })],
          ['b', entry('b', 'sending', { detail: 'try 1' })],
        ]),
      );
      expect(await ledger.get([])).toEqual(new Map());
    });

    test('a detail that is gone is gone', async () => {
      await subject.store.ledger.put([entry('a', 'sending', { detail: 'x' }), entry('a', 'unknown')]);
      expect((await subject.store.ledger.get(['a'])).get('a')).toEqual(entry('a', 'unknown'));
    });

    test('what is deleted is unknown again', async () => {
      await subject.store.ledger.put([entry('a', 'sending'), entry('b', 'unknown'), entry('c', 'done')]);
      await Promise.all([subject.store.ledger.delete(['b', 'a', 'nobody']), subject.store.ledger.delete(['a']), subject.store.ledger.delete([])]);
      const { ledger } = await subject.reopen();
      expect([...(await ledger.get(['a', 'b', 'c'])).keys()]).toEqual(['c']);
      await ledger.put([entry('a', 'done')]);
      expect((await ledger.list({ state: 'done', limit: 10 })).map(({ deliveryId }) => deliveryId)).toEqual(['a', 'c']);
    });

    test('of several who swap what they saw, one does; the others are told', async () => {
      const { ledger } = subject.store;
      const says = async (id: string) => (await ledger.get([id])).get(id);
      const begin = (by: string, seen?: LedgerEntry) => ledger.swap('a', seen, entry('a', 'sending', { detail: by }));
      const first = await Promise.all(Array.from({ length: 10 }, (_, index) => begin(`by ${index}`)));
      expect(first.filter(Boolean)).toHaveLength(1);
      const mine = entry('a', 'sending', { detail: `by ${first.indexOf(true)}` });
      expect(await says('a')).toEqual(mine);
      // Asked again after an answer was lost.
      expect(await begin(`by ${first.indexOf(true)}`)).toBe(true);
      expect(await ledger.swap('a', entry('a', 'sending', { detail: 'by nobody' }), undefined)).toBe(false);
      const unknown = entry('a', 'unknown', { at: NOON + 1 });
      expect([await ledger.swap('a', mine, unknown), await ledger.swap('a', mine, undefined), await begin('by late')]).toEqual([true, false, false]);
      const later = (await subject.reopen()).ledger;
      expect([await later.swap('a', unknown, undefined), await later.swap('a', unknown, undefined), await later.get(['a'])]).toEqual([true, true, new Map()]);
      // Who had it has forgotten it: there is nothing in the way.
      expect([await later.swap('a', unknown, mine), await later.get(['a'])]).toEqual([true, new Map([['a', mine]])]);
    });

    test('lists by state and endpoint, oldest first', async () => {
      const { ledger } = subject.store;
      await ledger.put([
        entry('c', 'unknown', { at: NOON + 3 }),
        entry('a', 'unknown', { at: NOON + 1 }),
        entry('b', 'unknown', { at: NOON + 2, endpoint: 'rest.book' }),
        entry('d', 'released', { at: NOON }),
        entry('e', 'done', { at: NOON }),
      ]);
      const ids = async (filter: Parameters<typeof ledger.list>[0]): Promise<readonly string[]> => (await ledger.list(filter)).map(({ deliveryId }) => deliveryId);
      expect(await ids({ state: 'unknown', limit: 10 })).toEqual(['a', 'b', 'c']);
      expect(await ids({ state: 'unknown', limit: 2 })).toEqual(['a', 'b']);
      expect(await ids({ state: 'unknown', endpoint: 'soap.book', limit: 10 })).toEqual(['a', 'c']);
      expect(await ids({ endpoint: 'soap.book', limit: 10 })).toEqual(['d', 'e', 'a', 'c']);
      expect(await ids({ endpoint: 'nobody', limit: 10 })).toEqual([]);
      expect(await ids({ limit: 10 })).toEqual(['d', 'e', 'a', 'b', 'c']);
      expect(await ledger.counts('unknown')).toEqual(
        new Map([
          ['soap.book', 2],
          ['rest.book', 1],
        ]),
      );
      expect(await ledger.counts('sending')).toEqual(new Map());
    });
  });

  describe('revisions', () => {
    test('are numbered from 1; the same content again is the same revision, an earlier one again is a new revision', async () => {
      const add = (digest: string, at: number) => subject.store.revisions.add({ digest, content: `content of ${digest} é😀`, by: 'anna', at });
      expect(await subject.store.revisions.latest()).toBeUndefined();
      const first = await add('aa', NOON);
      expect(first).toEqual({ number: 1, digest: 'aa', content: 'content of aa é😀', by: 'anna', at: NOON });
      expect(await add('aa', NOON + 5)).toEqual(first);
      expect((await add('bb', NOON + 6)).number).toBe(2);
      expect((await add('aa', NOON + 7)).number).toBe(3);
      const { revisions } = await subject.reopen();
      expect((await revisions.latest())?.number).toBe(3);
      expect(await revisions.get(1)).toEqual(first);
      expect(await revisions.get(4)).toBeUndefined();
      expect((await revisions.list(2)).map(({ number }) => number)).toEqual([3, 2]);
    });

    test('two who add the same at once get the same number', async () => {
      const added = await Promise.all(['x', 'x', 'x'].map((digest) => subject.store.revisions.add({ digest, content: '{}', by: 'b', at: NOON })));
      expect(added.map(({ number }) => number)).toEqual([1, 1, 1]);
    });
  });

  describe('audit', () => {
    test('keeps every entry, newest first', async () => {
      const entries: readonly AuditEntry[] = [
        { at: NOON, who: 'anna', action: 'pause', subject: 'erp', reason: 'Umbau ü', result: 'ok' },
        { at: NOON, who: 'bob', action: 'resume', subject: 'erp', result: 'refused: not paused' },
      ];
      for (const entry of entries) await subject.store.audit.append(entry);
      const { audit } = await subject.reopen();
      expect(await audit.list(10)).toEqual([...entries].reverse());
      expect(await audit.list(1)).toEqual([entries[1]]);
    });
  });
}
