import { expect, test } from '@jest/globals';
import { LADDER_MS, MAX_MESSAGE_BYTES, NotPublished } from '../../../bus/broker.js';
import { acking, type BrokerHarness, eventually, Inbox, ids, message, publishAll, withPlace } from './harness.js';

export function publishing(harness: BrokerHarness): void {
  test('what was published is there after a restart, in order', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      await first.declare({ name: 'orders' });
      await publishAll(first, 'orders', ids(100));
      await first.close();
      const second = await open();
      await second.declare({ name: 'orders' });
      const inbox = acking();
      await second.consume('orders', { prefetch: 20 }, inbox.onMessage);
      await inbox.until(100);
      expect(inbox.ids).toEqual(ids(100));
      expect(inbox.all.some(({ redelivered }) => redelivered)).toBe(false);
    }));

  test('publishing to a channel nobody declared is an error', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await expect(broker.publish('nowhere', message('a'))).rejects.toMatchObject({ name: 'NotPublished', reason: 'no-route', channel: 'nowhere' });
      await expect(broker.publishLater('nowhere', message('a'), 1_000)).rejects.toMatchObject({ reason: 'no-route' });
    }));

  test('many at once: each is settled once, stored in their order or refused for its own reason', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      await first.declare({ name: 'many' });
      await first.declare({ name: 'full', maxMessages: 0 });
      const many = ids(1_000).map((id) => ({ channel: 'many', message: message(id) }));
      const odd = [
        { channel: 'nowhere', message: message('a') },
        { channel: 'many', message: message('large', Buffer.alloc(MAX_MESSAGE_BYTES + 1)) },
        { channel: 'full', message: message('b') },
      ];
      const all = [...many.slice(0, 500), ...odd, ...many.slice(500)];
      const problems = all.map(() => [] as unknown[]);
      first.publishAll(all, (place, problem) => problems[place]?.push(problem));
      await eventually('all are settled', async () => problems.every((told) => told.length > 0));
      expect(problems.slice(500, 503)).toMatchObject([
        [{ reason: 'no-route', channel: 'nowhere' }],
        [{ reason: 'too-large', channel: 'many' }],
        [{ reason: 'rejected', channel: 'full' }],
      ]);
      for (const [{ name }] of problems.slice(500, 503) as [Error][]) expect(name).toBe('NotPublished');
      expect([...problems.slice(0, 500), ...problems.slice(503)]).toEqual(many.map(() => [undefined]));
      await first.close();
      const refused: unknown[] = [];
      first.publishAll([{ channel: 'many', message: message('late') }], (_, problem) => refused.push(problem));
      await eventually('a closed broker refuses', async () => refused.length === 1);
      expect(refused).toMatchObject([{ reason: 'rejected' }]);
      const second = await open();
      await second.declare({ name: 'many' });
      const inbox = acking();
      await second.consume('many', { prefetch: 100 }, inbox.onMessage);
      await inbox.until(1_000);
      expect(inbox.ids).toEqual(ids(1_000));
    }));

  test('a message of 16 MiB passes, one byte more is too large', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'large' });
      const body = Buffer.alloc(MAX_MESSAGE_BYTES + 1, 7);
      const refused = await broker.publish('large', message('b', body)).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(NotPublished);
      expect(refused).toMatchObject({ reason: 'too-large' });
      await expect(broker.publish('large', message('c', 'x', { h: 'x'.repeat(70_000) }))).rejects.toMatchObject({ reason: 'too-large' });
      await broker.publish('large', message('a', body.subarray(1)));
      const inbox = acking();
      await broker.consume('large', { prefetch: 1 }, inbox.onMessage);
      const [received] = await inbox.until(1);
      expect(received?.body.byteLength).toBe(MAX_MESSAGE_BYTES);
      expect(Buffer.compare(received?.body ?? Buffer.alloc(0), body.subarray(1))).toBe(0);
    }));

  test('headers and bodies come back as they were given', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'headers' });
      const headers = {
        text: 'Grüße 你好 🚂',
        empty: '',
        whole: 42,
        negative: -70_000,
        large: 2 ** 52 + 1,
        fraction: 0.1,
        huge: 1e300,
        int64: 9_223_372_036_854_775_807n,
        low: -9_223_372_036_854_775_808n,
        small: 5n,
        yes: true,
        no: false,
        bytes: new Uint8Array([0, 255, 128, 10]),
      };
      await broker.publish('headers', message('Ärger-1', new Uint8Array(0), headers));
      await broker.publish('headers', message('b', new Uint8Array([0, 1, 2, 255])));
      const inbox = acking();
      await broker.consume('headers', { prefetch: 10 }, inbox.onMessage);
      const [first, second] = await inbox.until(2);
      expect(first?.id).toBe('Ärger-1');
      const bytes = first?.headers['bytes'];
      expect({ ...first?.headers, bytes: bytes instanceof Uint8Array ? [...bytes] : bytes }).toEqual({ ...headers, bytes: [...headers.bytes] });
      expect(first?.body.byteLength).toBe(0);
      expect([...(second?.body ?? [])]).toEqual([0, 1, 2, 255]);
      expect(second?.headers).toEqual({});
    }));

  test('a full channel rejects, and takes messages again once it was drained', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'full', maxMessages: 10 });
      const results = await Promise.allSettled(ids(400).map((id) => broker.publish('full', message(id))));
      const refused = results.filter(({ status }) => status === 'rejected');
      const stored = results.length - refused.length;
      expect(stored).toBeGreaterThanOrEqual(10);
      expect(stored).toBeLessThanOrEqual(10 + 256);
      for (const result of refused) expect(result).toMatchObject({ reason: { reason: 'rejected' } });
      const inbox = acking();
      await broker.consume('full', { prefetch: 10 }, inbox.onMessage);
      await inbox.until(stored);
      await eventually('it takes messages again', () =>
        broker
          .publish('full', message('again'))
          .then(() => true)
          .catch(() => false),
      );
      await inbox.until(stored + 1);
      expect(inbox.ids.at(-1)).toBe('again');
    }));

  test('a delayed message comes after its step of the ladder, also through a restart, and does not hold up others', () =>
    withPlace(harness, async (_place, open) => {
      const first = await open();
      await first.declare({ name: 'later' });
      const started = Date.now();
      await first.publishLater('later', message('long'), 9_000);
      await first.publishLater('later', message('short', 'body', { attempt: 3 }), 500);
      if (harness.knowsWaiting) expect((await first.depth('later')).delayed).toBe(2);
      await first.close();
      const second = await open();
      await second.declare({ name: 'later' });
      const arrived: number[] = [];
      const inbox = new Inbox((received) => {
        arrived.push(Date.now() - started);
        received.ack();
      });
      await second.consume('later', { prefetch: 10 }, inbox.onMessage);
      await inbox.until(2);
      expect(inbox.ids).toEqual(['short', 'long']);
      expect(inbox.all[0]).toMatchObject({ deliveryCount: 0, headers: { attempt: 3 } });
      expect(inbox.all[0]?.headers).toEqual({ attempt: 3 });
      for (const [index, step] of [LADDER_MS[0] ?? 0, LADDER_MS[1] ?? 0].entries()) {
        expect(arrived[index]).toBeGreaterThan(step - 1_000);
        expect(arrived[index]).toBeLessThan(step + 3_000);
      }
    }));

  test('depth counts what is ready and what is in work', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'depth' });
      expect(await broker.depth('depth')).toMatchObject({ ready: 0, unsettled: 0, consumers: 0, oldestMs: undefined });
      await publishAll(broker, 'depth', ids(10));
      await eventually('10 ready', async () => (await broker.depth('depth')).ready === 10);
      if (harness.knowsWaiting) expect((await broker.depth('depth')).oldestMs).toBeGreaterThanOrEqual(0);
      const inbox = new Inbox();
      await broker.consume('depth', { prefetch: 3 }, inbox.onMessage);
      await inbox.until(3);
      await eventually('7 ready, 3 unsettled', async () => {
        const { ready, unsettled, consumers } = await broker.depth('depth');
        return ready === 7 && unsettled === 3 && consumers === 1;
      });
    }));

  test('only an empty channel without consumers can be removed', () =>
    withPlace(harness, async (_place, open) => {
      const broker = await open();
      await broker.declare({ name: 'gone' });
      await broker.publish('gone', message('a'));
      await eventually('1 ready', async () => (await broker.depth('gone')).ready === 1);
      expect(await broker.remove('gone')).toBe(false);
      const inbox = acking();
      const consumer = await broker.consume('gone', { prefetch: 1 }, inbox.onMessage);
      await inbox.until(1);
      expect(await broker.remove('gone')).toBe(false);
      await consumer.close();
      await eventually('it can be removed', () => broker.remove('gone'));
      await expect(broker.publish('gone', message('b'))).rejects.toMatchObject({ reason: 'no-route' });
    }));
}
