import { expect, test } from '@jest/globals';
import type { Received } from '../../../bus/broker.js';
import { acking, aMoment, type BrokerHarness, eventually, Inbox, ids, message, publishAll, withPlace } from './harness.js';

export function consuming(harness: BrokerHarness): void {
  test('no more than prefetch are in the hands of a consumer', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'work' });
      await publishAll(broker, 'work', ids(50));
      const inbox = new Inbox();
      const consumer = await broker.consume('work', { prefetch: 7 }, inbox.onMessage);
      await inbox.until(7);
      await aMoment();
      expect(inbox.ids).toEqual(ids(7));
      expect(consumer.unsettled).toBe(7);
      for (const received of inbox.all.slice(0, 3)) received.ack();
      await inbox.until(10);
      await aMoment();
      expect(inbox.ids).toEqual(ids(10));
      expect(consumer.unsettled).toBe(7);
    }));

  test('requeued messages come again first, in order, flagged and counted', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'again' });
      await publishAll(broker, 'again', ids(10));
      const inbox = new Inbox();
      await broker.consume('again', { prefetch: 5 }, inbox.onMessage);
      const first = await inbox.until(5);
      for (const received of [...first].reverse()) received.requeue();
      const all = await inbox.until(10);
      expect(all.slice(5).map(({ id }) => id)).toEqual(ids(5));
      expect(all.slice(5).map(({ deliveryCount }) => deliveryCount)).toEqual([1, 1, 1, 1, 1]);
      expect(all.slice(5).every(({ redelivered }) => redelivered)).toBe(true);
      for (const received of all.slice(5)) received.ack();
      await inbox.until(15);
      expect(inbox.ids.slice(10)).toEqual(ids(5, 5));
      expect(inbox.all.slice(10).map(({ deliveryCount }) => deliveryCount)).toEqual([0, 0, 0, 0, 0]);
    }));

  test('a message is settled once: what comes later does nothing', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'once' });
      await publishAll(broker, 'once', ids(4));
      const inbox = new Inbox();
      const consumer = await broker.consume('once', { prefetch: 2 }, inbox.onMessage);
      const [a, b] = await inbox.until(2);
      a?.ack();
      a?.ack();
      a?.requeue();
      b?.requeue();
      b?.ack();
      await inbox.until(4);
      a?.ack();
      expect(inbox.ids).toEqual(['m000000', 'm000001', 'm000001', 'm000002']);
      expect(consumer.unsettled).toBe(2);
      for (const received of inbox.all.slice(2)) received.ack();
      await inbox.until(5);
      inbox.all.at(-1)?.ack();
      await aMoment();
      expect(inbox.ids).toEqual(['m000000', 'm000001', 'm000001', 'm000002', 'm000003']);
      await eventually('empty', async () => (await broker.depth('once')).ready === 0 && consumer.unsettled === 0);
    }));

  test('a paused consumer gets nothing and may settle; resumed it goes on where it was', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'pause' });
      await publishAll(broker, 'pause', ids(6));
      const inbox = new Inbox();
      const consumer = await broker.consume('pause', { prefetch: 2 }, inbox.onMessage);
      await inbox.until(2);
      await consumer.pause();
      for (const received of inbox.all) received.ack();
      await aMoment();
      expect(inbox.ids).toEqual(ids(2));
      expect(consumer.unsettled).toBe(0);
      await eventually('4 wait', async () => (await broker.depth('pause')).ready === 4);
      await consumer.resume();
      await inbox.until(4);
      expect(inbox.ids).toEqual(ids(4));
      // Paused and resumed with messages in work.
      await consumer.pause();
      inbox.all[2]?.ack();
      await consumer.resume();
      await inbox.until(5);
      inbox.all[3]?.ack();
      await inbox.until(6);
      expect(inbox.ids).toEqual(ids(6));
    }));

  test('closing waits for what is in work; without patience it goes back to the head, in order', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'leave' });
      await publishAll(broker, 'leave', ids(8));
      const inbox = new Inbox();
      const consumer = await broker.consume('leave', { prefetch: 4 }, inbox.onMessage);
      await inbox.until(4);
      inbox.all[1]?.ack();
      let closed = false;
      const closing = consumer.close(AbortSignal.timeout(400)).then(() => {
        closed = true;
      });
      inbox.all[0]?.ack();
      await aMoment();
      expect(closed).toBe(false);
      await closing;
      inbox.all[2]?.ack();
      const next = acking();
      await broker.consume('leave', { prefetch: 4 }, next.onMessage);
      await next.until(6);
      expect(next.ids).toEqual(ids(6, 2));
      expect(next.all.slice(0, 2).map(({ deliveryCount, redelivered }) => [deliveryCount, redelivered])).toEqual([
        [1, true],
        [1, true],
      ]);
    }));

  test('closing the broker in the middle of work leaves the messages to the next', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      await first.declare({ name: 'close' });
      await publishAll(first, 'close', ids(20));
      const inbox = new Inbox();
      await first.consume('close', { prefetch: 5 }, inbox.onMessage);
      await inbox.until(5);
      await first.close();
      await first.close();
      expect(first.health.connected).toBe(false);
      inbox.all[0]?.ack();
      const second = await open();
      await second.declare({ name: 'close' });
      const all = acking();
      await second.consume('close', { prefetch: 5 }, all.onMessage);
      await all.until(20);
      expect(all.ids).toEqual(ids(20));
      expect(all.all.map(({ deliveryCount }) => deliveryCount)).toEqual([1, 1, 1, 1, 1, ...Array<number>(15).fill(0)]);
    }));

  test('a consumer that throws, against its contract, harms neither its message nor the next', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'throws' });
      await publishAll(broker, 'throws', ids(3));
      const inbox = new Inbox((received) => {
        if (received.id === 'm000000' && !received.redelivered) throw new Error('a bug');
        received.ack();
      });
      const consumer = await broker.consume('throws', { prefetch: 2 }, inbox.onMessage);
      await inbox.until(3);
      expect(consumer.unsettled).toBe(1);
      inbox.all[0]?.requeue();
      await inbox.until(4);
      expect(inbox.ids).toEqual(['m000000', 'm000001', 'm000002', 'm000000']);
    }));

  test('several consumers share a channel', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'shared' });
      const [one, two] = [new Inbox(), new Inbox()];
      await broker.consume('shared', { prefetch: 5 }, one.onMessage);
      await broker.consume('shared', { prefetch: 5 }, two.onMessage);
      await publishAll(broker, 'shared', ids(20));
      await Promise.all([one.until(5), two.until(5)]);
      for (const received of [...one.all, ...two.all]) received.ack();
      await eventually('all 20 were handed out', () => one.all.length + two.all.length === 20);
      expect([...one.ids, ...two.ids].sort()).toEqual(ids(20));
    }));

  test('a single active consumer: the next gets its turn when the first has gone', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      const second = harness.severalNodes ? await open() : first;
      for (const broker of new Set([first, second])) await broker.declare({ name: 'single', singleActiveConsumer: true });
      await publishAll(first, 'single', ids(6));
      const [one, two] = [new Inbox(), acking()];
      const consumer = await first.consume('single', { prefetch: 2 }, one.onMessage);
      await one.until(2);
      await second.consume('single', { prefetch: 2 }, two.onMessage);
      await aMoment();
      expect(two.ids).toEqual([]);
      one.all[0]?.ack();
      await one.until(3);
      await consumer.close(AbortSignal.abort());
      await two.until(5);
      expect(two.ids).toEqual(ids(5, 1));
    }));

  test('hand-over of 300 ordered messages: nothing twice, nothing at the same time, nothing out of order', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      const second = harness.severalNodes ? await open() : first;
      for (const broker of new Set([first, second])) await broker.declare({ name: 'handover', singleActiveConsumer: true });
      await publishAll(first, 'handover', ids(300));
      const log: string[] = [];
      let running = 0;
      let overlaps = 0;
      const lane = (): { onMessage: (received: Received) => void; leave: () => void } => {
        const waiting: Received[] = [];
        let busy = false;
        let leaving = false;
        const next = (): void => {
          if (leaving) for (const unstarted of waiting.splice(0)) unstarted.requeue();
          const received = busy ? undefined : waiting.shift();
          if (!received) return;
          busy = true;
          if (running++ > 0) overlaps++;
          log.push(received.id);
          setTimeout(() => {
            running--;
            busy = false;
            received.ack();
            next();
          }, 1);
        };
        return {
          onMessage: (received) => {
            waiting.push(received);
            next();
          },
          leave: () => {
            leaving = true;
            next();
          },
        };
      };
      const [one, two] = [lane(), lane()];
      const consumer = await first.consume('handover', { prefetch: 16 }, one.onMessage);
      await second.consume('handover', { prefetch: 16 }, two.onMessage);
      await eventually('100 are done', () => log.length >= 100);
      one.leave();
      await consumer.close();
      await eventually('300 are done', () => log.length >= 300 && running === 0);
      await aMoment();
      expect(overlaps).toBe(0);
      expect(log).toEqual(ids(300));
    }));

  test('a new generation: the older messages come first, a running consumer follows, delayed ones are not lost', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      await first.declare({ name: 'switch' });
      await publishAll(first, 'switch', ids(20));
      await first.publishLater('switch', message('late'), 1_000);
      const inbox = new Inbox();
      await first.consume('switch', { prefetch: 5 }, inbox.onMessage);
      await inbox.until(5);
      await first.declare({ name: 'switch', generation: 2, singleActiveConsumer: true });
      await publishAll(first, 'switch', ids(20, 20));
      for (const received of inbox.all) received.ack();
      const rest = inbox.all.length;
      expect(rest).toBe(5);
      let settled = 5;
      await eventually('all came', () => {
        for (const received of inbox.all.slice(settled)) received.ack();
        settled = inbox.all.length;
        return inbox.all.length >= 41;
      });
      expect(inbox.ids.filter((id) => id !== 'late')).toEqual(ids(40));
      expect(inbox.ids).toContain('late');
    }));
}
