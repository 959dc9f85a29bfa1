import { afterEach, describe, expect, test } from '@jest/globals';
import { connect } from 'amqplib';
import type { Broker } from '../../../bus/broker.js';
import { NotConnected } from '../../../bus/errors.js';
import { fromAmqp, toAmqp } from '../../../bus/rabbitmq/headers.js';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { type FaultProxy, startProxy } from '../../faults/proxy.js';
import { acking, aMoment, eventually, Inbox, ids, message, publishAll, unique } from '../../kit/broker/harness.js';
import { clock, recorder } from '../../kit/broker/services.js';
import { freePort, startRabbitmq } from '../../services/servers.js';
import { services } from '../../services/services.js';

describe('the RabbitMQ broker alone', () => {
  const cleanups: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function through(change: (url: URL) => void = () => undefined, prefix = `t${unique()}`): Promise<{ broker: Broker; proxy: FaultProxy; prefix: string }> {
    const url = new URL((await services.rabbitmq()).url);
    const proxy = await startProxy(Number(url.port));
    url.port = String(proxy.port);
    change(url);
    const broker = new RabbitmqBroker({ urls: [url.href], prefix, settleMs: 0, clock, log: recorder() });
    cleanups.push(
      () => proxy.close(),
      () => broker.close(),
    );
    await broker.open(AbortSignal.timeout(20_000));
    return { broker, proxy, prefix };
  }

  /** Another client, as an administrator's. */
  async function beside<T>(work: (channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>) => Promise<T>): Promise<T> {
    const connection = await connect((await services.rabbitmq()).url);
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined); // the request rejects
      return await work(channel);
    } finally {
      await connection.close();
    }
  }

  test('after a lost connection it consumes again by itself; acks of the old session are dropped', async () => {
    const { broker, proxy } = await through();
    await broker.declare({ name: 'orders' });
    await publishAll(broker, 'orders', ids(10));
    const inbox = new Inbox();
    const consumer = await broker.consume('orders', { prefetch: 4 }, inbox.onMessage);
    const old = await inbox.until(4);
    proxy.reset();
    await eventually('it notices', () => !broker.health.connected);
    expect(broker.health.detail).toMatch(/connection lost \d+ s ago/);
    expect(consumer.unsettled).toBe(0);
    await inbox.until(8);
    for (const received of old) received.ack();
    await aMoment();
    expect(inbox.ids).toEqual([...ids(4), ...ids(4)]);
    expect(inbox.all.slice(4).map(({ deliveryCount, redelivered }) => [deliveryCount, redelivered])).toEqual(Array(4).fill([1, true]));
    await eventually('it is back', () => broker.health.connected);
    await broker.publish('orders', message('more'));
    for (const received of inbox.all.slice(4)) received.ack();
    await inbox.until(12);
    expect(inbox.ids.slice(8)).toEqual(ids(4, 4));
  });

  test('a publish whose confirm was lost is unknown; one that was never sent is rejected', async () => {
    const { broker, proxy } = await through();
    await broker.declare({ name: 'orders' });
    proxy.freeze();
    const sent = Promise.allSettled(ids(300).map((id) => broker.publish('orders', message(id))));
    await aMoment();
    await proxy.close();
    const results = await sent;
    const reasons = results.map((result) => (result.status === 'rejected' ? (result.reason as { reason: string }).reason : 'stored'));
    expect(reasons.slice(0, 256)).toEqual(Array(256).fill('unknown'));
    expect(reasons.slice(256)).toEqual(Array(44).fill('rejected'));
  });

  test('a connection that went silent is noticed by its heartbeat', async () => {
    const { broker, proxy } = await through((url) => url.searchParams.set('heartbeat', '1'));
    await broker.declare({ name: 'orders' });
    const inbox = acking();
    await broker.consume('orders', { prefetch: 4 }, inbox.onMessage);
    proxy.freeze();
    await eventually('it notices', () => !broker.health.connected);
    await eventually('it is back', () => broker.health.connected);
    await broker.publish('orders', message('after'));
    await inbox.until(1);
    expect(inbox.ids).toEqual(['after']);
  });

  test('of several nodes one that answers is enough', async () => {
    const { url } = await services.rabbitmq();
    const dead = new URL(url);
    dead.port = String(await freePort());
    const broker = new RabbitmqBroker({ urls: [dead.href, url, dead.href], prefix: `t${unique()}`, settleMs: 0, clock, log: recorder() });
    cleanups.push(() => broker.close());
    await broker.open(AbortSignal.timeout(20_000));
    const { health } = broker;
    expect(health).toMatchObject({
      connected: true,
      nodes: [
        { address: dead.host, connected: false },
        { address: new URL(url).host, connected: true, problem: undefined },
      ],
    });
  });

  test('nobody there is NotConnected, a wrong password or virtual host is Misconfigured; no password is told', async () => {
    const { url } = await services.rabbitmq();
    const attempt = async (part: 'port' | 'password' | 'pathname', value: string): Promise<unknown> => {
      const wrong = new URL(url);
      wrong[part] = value;
      const broker = new RabbitmqBroker({ urls: [wrong.href], clock, log: recorder() });
      cleanups.push(() => broker.close());
      return broker.open(AbortSignal.timeout(20_000)).catch((error: unknown) => error);
    };
    const free = await freePort();
    expect(await attempt('port', String(free))).toMatchObject({ name: 'NotConnected', code: 'E510' });
    const refused = await attempt('password', 'hunter2');
    expect(refused).toMatchObject({ name: 'Misconfigured', code: 'E511' });
    expect(String(refused)).not.toContain('hunter2');
    expect(await attempt('pathname', '/nowhere')).toMatchObject({ name: 'Misconfigured', code: 'E511' });
  });

  test('queues are quorum queues with an unlimited delivery limit, named by prefix and generation', async () => {
    const { broker, prefix } = await through();
    await broker.declare({ name: 'a', generation: 3, singleActiveConsumer: true });
    const as = (args: Record<string, unknown>) => beside((channel) => channel.assertQueue(`${prefix}.a.g3`, { arguments: args }));
    await as({ 'x-queue-type': 'quorum', 'x-delivery-limit': 2_147_483_647, 'x-single-active-consumer': true });
    await expect(as({ 'x-queue-type': 'quorum' })).rejects.toThrow(/PRECONDITION/);
    await expect(broker.declare({ name: 'a', generation: 3 })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E513' });
    await broker.publish('a', message('still works'));
  });

  test('a queue that somebody deleted is made again, by its publisher or by its consumer', async () => {
    const { broker, prefix } = await through();
    await broker.declare({ name: 'a' });
    const inbox = acking();
    await broker.consume('a', { prefetch: 2 }, inbox.onMessage);
    await broker.publish('a', message('one'));
    await inbox.until(1);
    await beside((channel) => channel.deleteQueue(`${prefix}.a.g1`));
    await broker.publish('a', message('two'));
    await inbox.until(2, 45_000);
    await beside((channel) => channel.deleteQueue(`${prefix}.a.g1`));
    // RabbitMQ 3.10 now and then ends the connection itself over this (541).
    const isConsumed = async (): Promise<boolean> => {
      try {
        return (await broker.depth('a')).consumers === 1;
      } catch (error) {
        if (error instanceof NotConnected) return false;
        throw error;
      }
    };
    await eventually('it is there again', isConsumed, 45_000);
    // The consumer may have been renewed while it had `two`, which then came again.
    expect([...new Set(inbox.ids)]).toEqual(['one', 'two']);
  }, 120_000);

  test('a new queue rests before the first publish, an old one does not', async () => {
    const { url } = await services.rabbitmq();
    const prefix = `t${unique()}`;
    const publishOnce = async (): Promise<number> => {
      const broker = new RabbitmqBroker({ urls: [url], prefix, settleMs: 1_500, clock, log: recorder() });
      cleanups.push(() => broker.close());
      await broker.open(AbortSignal.timeout(20_000));
      await broker.declare({ name: 'a' });
      const started = performance.now();
      await broker.publish('a', message('x'));
      return performance.now() - started;
    };
    expect(await publishOnce()).toBeGreaterThan(1_000);
    expect(await publishOnce()).toBeLessThan(1_000);
  });

  test('during an alarm of the broker publishing says why it stops, and everything else goes on', async () => {
    const server = await startRabbitmq(['vm_memory_high_watermark.absolute = 1KB']);
    cleanups.push(() => server.stop());
    const broker = new RabbitmqBroker({ urls: [server.access.url], settleMs: 0, clock, log: recorder() });
    cleanups.push(() => broker.close());
    await broker.open(AbortSignal.timeout(20_000));
    await broker.declare({ name: 'a' });
    // The broker stops reading when it sees the first publish.
    const first = broker.publish('a', message('one')).catch((error: unknown) => error);
    await eventually('it is blocked', () => broker.health.detail !== undefined);
    expect(broker.health).toEqual({ connected: true, detail: 'memory alarm' });
    await expect(broker.publish('a', message('two'))).rejects.toMatchObject({ reason: 'rejected', message: 'publishing to a: not sent: memory alarm' });
    await broker.declare({ name: 'b' });
    const consumer = await broker.consume('b', { prefetch: 1 }, () => undefined);
    expect(await broker.depth('b')).toMatchObject({ ready: 0, consumers: 1 });
    await consumer.close();
    await broker.close();
    expect(await first).toMatchObject({ reason: 'unknown' });
  }, 60_000);

  test('headers: exact integers, no header of the broker', () => {
    expect(toAmqp({ a: 1n, b: 2, c: 2.5 })).toEqual({ a: { int64: '1' }, b: 2, c: { '!': 'double', value: 2.5 } });
    const table = { 'x-death': [{}], 'x-first-death-queue': 'q', 'x-last-death-reason': 'expired', 'x-delivery-count': 3, 'x-mine': 'kept', a: { int64: '-5' } };
    expect(fromAmqp(table)).toEqual({ 'x-mine': 'kept', a: -5n });
  });
});
