import { expect, test } from '@jest/globals';
import { acking, type BrokerHarness, eventually, Inbox, ids, publishAll, withPlace } from './harness.js';

export function crashing(harness: BrokerHarness): void {
  test('after a crash what was in work comes again at the head, counted each time; old acks mean nothing', () =>
    withPlace(harness, async (place, open) => {
      let broker = await open();
      await broker.declare({ name: 'crash' });
      await publishAll(broker, 'crash', ids(10));
      for (const crashes of [0, 1, 2]) {
        const inbox = new Inbox();
        await broker.consume('crash', { prefetch: 4 }, inbox.onMessage);
        await inbox.until(4);
        expect(inbox.ids).toEqual(ids(4));
        expect(inbox.all.map(({ deliveryCount }) => deliveryCount)).toEqual([crashes, crashes, crashes, crashes]);
        expect(inbox.all.map(({ redelivered }) => redelivered)).toEqual(Array(4).fill(crashes > 0));
        expect(new Set(inbox.all.map(({ session }) => session)).size).toBe(1);
        expect(inbox.all[0]?.session.aborted).toBe(false);
        await place.crash(broker);
        expect(inbox.all[0]?.session.aborted).toBe(true);
        for (const received of inbox.all) received.ack();
        broker = await open();
        await broker.declare({ name: 'crash' });
      }
      const all = acking();
      await broker.consume('crash', { prefetch: 10 }, all.onMessage);
      await all.until(10);
      expect(all.ids).toEqual(ids(10));
      expect(all.all.map(({ deliveryCount }) => deliveryCount)).toEqual([3, 3, 3, 3, 0, 0, 0, 0, 0, 0]);
    }));

  test(
    'SIGKILL under load loses no confirmed message; twice comes only what was not confirmed',
    () =>
      withPlace(harness, async (place) => {
        const { confirmed, attempted } = await place.killUnderLoad('load');
        expect(confirmed.length).toBeGreaterThan(100);
        const broker = await place.open();
        try {
          await broker.declare({ name: 'load' });
          // A careful publisher publishes again what was not confirmed, with the same id.
          const known = new Set(confirmed);
          const unknown = attempted.filter((id) => !known.has(id));
          await publishAll(broker, 'load', unknown);
          const inbox = acking();
          await broker.consume('load', { prefetch: 200 }, inbox.onMessage);
          await inbox.until(attempted.length, 30_000);
          const idle = async (): Promise<boolean> => {
            const { ready, unsettled } = await broker.depth('load');
            return ready + unsettled === 0;
          };
          await eventually('nothing is left', idle);
          const times = new Map<string, number>();
          for (const id of inbox.ids) times.set(id, (times.get(id) ?? 0) + 1);
          expect(attempted.filter((id) => !times.has(id))).toEqual([]);
          expect(confirmed.filter((id) => times.get(id) !== 1)).toEqual([]);
        } finally {
          await broker.close();
        }
      }),
    90_000,
  );

  test(
    'a large backlog does not hold up the start',
    () =>
      withPlace(harness, async (_place, open) => {
        const first = await open();
        await first.declare({ name: 'backlog', maxMessages: 1_000_000 });
        await publishAll(first, 'backlog', ids(harness.backlog));
        await first.close();
        const started = Date.now();
        const second = await open();
        await second.declare({ name: 'backlog', maxMessages: 1_000_000 });
        const inbox = acking();
        await second.consume('backlog', { prefetch: 200 }, inbox.onMessage);
        await inbox.until(200);
        expect(Date.now() - started).toBeLessThan(5_000);
        expect(inbox.ids.slice(0, 200)).toEqual(ids(200));
      }),
    240_000,
  );
}
