import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Container } from 'inversify';
import { CLOCK, LOGGER } from '../../../adapters/contract/index.js';
import { BROKER } from '../../../bus/broker.js';
import { brokerModule } from '../../../bus/broker.module.js';
import { EmbeddedBroker } from '../../../bus/embedded/embedded-broker.js';
import { readHeaders, writeHeaders } from '../../../bus/embedded/headers.js';
import { acking, eventually, Inbox, ids, message, publishAll } from '../../kit/broker/harness.js';
import { clock, recorder } from '../../kit/broker/services.js';

const never = new AbortController().signal;

describe('the embedded broker alone', () => {
  let directory = '';
  const opened: EmbeddedBroker[] = [];
  const make = (maxBytes?: number): EmbeddedBroker => {
    const broker = new EmbeddedBroker({ directory, clock, log: recorder(), ...(maxBytes === undefined ? {} : { maxBytes }) });
    opened.push(broker);
    return broker;
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-embedded-'));
  });

  afterEach(async () => {
    for (const broker of opened.splice(0)) await broker.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a second owner is refused and told who the first is', async () => {
    const first = make();
    await first.open(never);
    expect(readFileSync(join(directory, 'bus.pid'), 'utf8')).toBe(`${process.pid}\n`);
    const second = make();
    await expect(second.open(never)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E515', message: `${directory} is in use by process ${process.pid}` });
    await first.declare({ name: 'a' });
    await first.publish('a', message('still there'));
    await first.close();
    await second.open(never);
    expect(second.health).toEqual({ connected: true, detail: undefined });
  });

  test('what is published after a restart is taken, also when the backlog before it was handed out and acked first', async () => {
    const first = make();
    await first.open(never);
    await first.declare({ name: 'a' });
    for (const id of ids(3)) await first.publish('a', message(id));
    await first.close();
    const second = make();
    await second.open(never);
    await second.declare({ name: 'a' });
    const inbox = acking();
    await second.consume('a', { prefetch: 10 }, inbox.onMessage);
    await inbox.until(3);
    await eventually('the acks are written', async () => (await second.depth('a')).unsettled === 0 && (await second.depth('a')).ready === 0);
    await second.publish('a', message('new'));
    await inbox.until(4);
    expect(inbox.ids.at(-1)).toBe('new');
  });

  test('a full disk rejects; what was stored stays, and room that is made can be used again', async () => {
    const broker = make(1024 * 1024);
    await broker.open(never);
    await broker.declare({ name: 'a' });
    const stored: string[] = [];
    const body = Buffer.alloc(10_000, 1);
    await eventually('the disk is full', async () => {
      const id = `m${stored.length}`;
      try {
        await broker.publish('a', message(id, body));
        stored.push(id);
        return false;
      } catch (error) {
        expect(error).toMatchObject({ name: 'NotPublished', reason: 'rejected' });
        return true;
      }
    });
    expect(stored.length).toBeGreaterThan(50);
    const inbox = acking();
    await broker.consume('a', { prefetch: 10 }, inbox.onMessage);
    await inbox.until(stored.length);
    expect(inbox.ids).toEqual(stored);
    await eventually('there is room again', () =>
      broker.publish('a', message('after', body)).then(
        () => true,
        () => false,
      ),
    );
    await inbox.until(stored.length + 1);
  });

  test('when the thread of the file ends, another takes over: what was in work comes again, old acks mean nothing', async () => {
    const posts = jest.spyOn(Worker.prototype, 'postMessage');
    const broker = make();
    await broker.open(never);
    await broker.declare({ name: 'a' });
    await publishAll(broker, 'a', ids(6));
    const inbox = new Inbox();
    const consumer = await broker.consume('a', { prefetch: 4 }, inbox.onMessage);
    const old = await inbox.until(4);
    const [worker] = posts.mock.contexts;
    posts.mockRestore();
    if (!(worker instanceof Worker)) throw new Error('no worker was used');
    const unsure = broker.publish('a', message('unsure')).catch((error: unknown) => error);
    await worker.terminate();
    expect(broker.health).toMatchObject({ connected: false });
    await expect(broker.publish('a', message('no'))).rejects.toMatchObject({ reason: 'rejected' });
    await eventually('it is open again', () => broker.health.connected);
    expect([undefined, 'unknown']).toContain(((await unsure) as { reason?: string } | undefined)?.reason);
    await inbox.until(8);
    for (const received of old) received.ack();
    expect(consumer.unsettled).toBe(4);
    expect(inbox.ids).toEqual([...ids(4), ...ids(4)]);
    expect(inbox.all.slice(4).map(({ deliveryCount }) => deliveryCount)).toEqual([1, 1, 1, 1]);
    for (const received of inbox.all.slice(4)) received.ack();
    await inbox.until(10);
    expect(inbox.ids.slice(8)).toEqual(ids(2, 4));
  });

  test('channels keep apart, and a removed one leaves its place to another', async () => {
    const broker = make();
    await broker.open(never);
    for (const name of ['a', 'b', 'c']) await broker.declare({ name });
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        publishAll(
          broker,
          name,
          ids(50).map((id) => `${name}-${id}`),
        ),
      ),
    );
    const b = acking();
    const consumer = await broker.consume('b', { prefetch: 10 }, b.onMessage);
    await b.until(50);
    expect(b.ids).toEqual(ids(50).map((id) => `b-${id}`));
    await consumer.close();
    expect(await broker.remove('b')).toBe(true);
    await broker.declare({ name: 'd' });
    await broker.publish('d', message('d'));
    const d = acking();
    await broker.consume('d', { prefetch: 10 }, d.onMessage);
    await d.until(1);
    expect(d.ids).toEqual(['d']);
    expect((await broker.depth('a')).ready).toBe(50);
    expect((await broker.depth('c')).ready).toBe(50);
  });

  test('using what is not there is Misconfigured; names are checked', async () => {
    const broker = make();
    await broker.open(never);
    await expect(broker.depth('x')).rejects.toMatchObject({ code: 'E514' });
    await expect(broker.consume('x', { prefetch: 1 }, () => undefined)).rejects.toMatchObject({ code: 'E514' });
    await expect(broker.declare({ name: 'no spaces' })).rejects.toThrow(RangeError);
    await broker.declare({ name: 'a' });
    await broker.close();
    await expect(broker.publish('a', message('x'))).rejects.toMatchObject({ reason: 'rejected' });
  });

  test('the module binds the broker that was chosen', async () => {
    const container = new Container();
    container.bind(CLOCK).toConstantValue(clock);
    container.bind(LOGGER).toConstantValue(recorder());
    container.load(brokerModule({ kind: 'embedded', directory }));
    expect(container.get(BROKER).kind).toBe('embedded');
    expect(container.get(BROKER)).toBe(container.get(BROKER));
  });

  test('headers survive as text', () => {
    const headers = { a: 'é', b: 1n << 62n, c: new Uint8Array([1, 2]), d: -0, e: Number.NaN, f: true, g: 1.5, h: Number.NEGATIVE_INFINITY };
    expect(readHeaders(writeHeaders(headers))).toEqual(headers);
    expect(readHeaders(writeHeaders({}))).toEqual({});
  });
});
