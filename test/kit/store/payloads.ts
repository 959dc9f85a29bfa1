import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Subject } from './conformance.js';
import { DAY, event, letter, parked, received } from './samples.js';

const HOUR = 3_600_000;

export function payloadScenarios(subject: Subject): void {
  describe('payloads', () => {
    const there = async (references: readonly string[]): Promise<readonly boolean[]> => {
      const found = await Promise.all(references.map((reference) => subject.store.payloads.get(reference)));
      return found.map((content) => content !== undefined);
    };
    /** So much later than now, with a history that is kept a day. */
    const prune = async (later: number, historyMs = DAY): Promise<number> => subject.store.prune(new Date(Date.now() + later), { historyMs, dedupeMs: DAY, ledgerMs: DAY });

    test('come back byte by byte, over a restart, by the SHA-256 of their content', async () => {
      const large = randomBytes(5_000_000);
      const view = new Uint8Array(large.buffer, large.byteOffset + 1, 70_000);
      const contents = [large, view, new Uint8Array(), Uint8Array.of(0, 255, 0)];
      const references = await Promise.all(contents.map((content) => subject.store.payloads.put('m', content)));
      expect(references).toEqual(contents.map((content) => createHash('sha256').update(content).digest('hex')));
      const { payloads } = await subject.reopen();
      for (const [index, reference] of references.entries()) {
        const found = await payloads.get(reference);
        expect(Buffer.compare(found ?? Buffer.from('missing'), contents[index] ?? Buffer.from('?'))).toBe(0);
        expect(found?.buffer.byteLength).toBe(found?.byteLength);
      }
    });

    test('nothing is there under another reference', async () => {
      expect(await subject.store.payloads.get('0'.repeat(64))).toBeUndefined();
      expect(await subject.store.payloads.get('')).toBeUndefined();
    });

    test('the same content, again and at once, is stored once', async () => {
      const content = randomBytes(1_000_000);
      await subject.store.payloads.put('m0', content);
      const size = await subject.store.size();
      const references = await Promise.all(Array.from({ length: 20 }, (_, index) => subject.store.payloads.put(`m${index % 10}`, content)));
      expect(new Set(references).size).toBe(1);
      expect(await subject.store.size()).toBeLessThan(size + 1_000_000);
    });

    test('prune removes what no message in the history refers to, but not what was just put', async () => {
      const { history, payloads } = subject.store;
      const now = Date.now();
      const [shared, own, unknown] = await Promise.all([
        payloads.put('old', Buffer.from('shared')),
        payloads.put('old', Buffer.from('own')),
        payloads.put('none', Buffer.from('x')),
      ]);
      await payloads.put('young', Buffer.from('shared'));
      const later = now + 5 * HOUR;
      await history.append([received('old', { at: now }), event('old', 'filtered', { at: now }), received('young', { at: later }), event('young', 'filtered', { at: later })]);
      expect(await prune(23 * HOUR)).toBe(0);
      expect(await there([shared, own, unknown])).toEqual([true, true, true]);
      expect(await prune(25 * HOUR)).toBe(1);
      expect(await there([shared, own, unknown])).toEqual([true, false, false]);
      expect(await prune(30 * HOUR)).toBe(1);
      expect(await there([shared])).toEqual([false]);
    });

    test('prune keeps what was put in the last hour, however short the history is kept', async () => {
      const reference = await subject.store.payloads.put('m', Buffer.from('content'));
      await prune(HOUR / 2, 0);
      expect(await there([reference])).toEqual([true]);
      await prune(2 * HOUR, 0);
      expect(await there([reference])).toEqual([false]);
    });

    test('prune keeps those of messages that are not finished, have an open letter or a parked delivery, however old', async () => {
      const { history, payloads, deadLetters, parked: deliveries } = subject.store;
      const names = ['active', 'dead', 'parked', 'letter', 'only-letter', 'only-parked'];
      const references = await Promise.all(names.map((name) => payloads.put(name, Buffer.from(name))));
      const at = Date.now() - 30 * DAY;
      await history.append([
        received('active', { at }),
        event('dead', 'dead', { at, deliveryId: 'd' }),
        event('parked', 'parked', { at, deliveryId: 'p' }),
        received('letter', { at }),
        event('letter', 'filtered', { at }),
      ]);
      await deadLetters.add([letter('a', { at, messageId: 'letter' }), letter('b', { at, messageId: 'only-letter' })]);
      await deliveries.add([parked('p', { messageId: 'only-parked' })]);
      expect(await prune(8 * DAY)).toBe(0);
      expect(await there(references)).toEqual(names.map(() => true));
      await deliveries.remove(['p']);
      expect(await prune(8 * DAY)).toBe(0);
      expect(await there(references)).toEqual(names.map((name) => name !== 'only-parked'));
    });

    test('putting it again keeps it for another time', async () => {
      const reference = await subject.store.payloads.put('m', Buffer.from('content'));
      await prune(2 * DAY);
      expect(await there([reference])).toEqual([false]);
      expect(await subject.store.payloads.put('m', Buffer.from('content'))).toBe(reference);
      await prune(0);
      expect(await there([reference])).toEqual([true]);
    });

    test('prune looks at all of them, also where they need many steps', async () => {
      const references = await Promise.all(Array.from({ length: 1_300 }, (_, index) => subject.store.payloads.put(`m${index}`, Buffer.from(`${index}`))));
      await subject.store.history.append([received('m700')]);
      await prune(2 * DAY);
      expect((await there(references)).flatMap((found, index) => (found ? [index] : []))).toEqual([700]);
    });

    test('prune while others put the same content loses nothing', async () => {
      for (let round = 0; round < 20; round += 1) {
        const content = Buffer.from(`${round}`);
        const reference = await subject.store.payloads.put('gone', content);
        await Promise.all([prune(2 * DAY), subject.store.payloads.put('new', content)]);
        const kept = await subject.store.payloads.get(reference);
        // All puts are old for that prune: so either one may have come first.
        expect(kept === undefined || Buffer.compare(kept, content) === 0).toBe(true);
        expect(await subject.store.payloads.put('new', content)).toBe(reference);
        expect(await there([reference])).toEqual([true]);
      }
    });
  });
}
