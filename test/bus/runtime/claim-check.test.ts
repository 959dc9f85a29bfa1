import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { SourceRecord } from '../../../adapters/contract/index.js';
import { InvalidMessage, NotConnected } from '../../../bus/errors.js';
import { messageId } from '../../../bus/message.js';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { CLAIM_CHECK_BYTES, ClaimCheck, MAX_PAYLOAD_BYTES, MOST_UNDER_WAY } from '../../../bus/runtime/claim-check.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import type { Payloads } from '../../../bus/store/contract.js';
import { recordingLog } from '../../kit/fakes.js';
import { services } from '../../services/services.js';
import { plan, startWorld, system, testTarget, until, type World } from './harness.js';

const DAY = 86_400_000;
const idOf = (id: string): string => messageId('in.things', id, 'in');
const large = (id: string, bytes = 1_000_000): SourceRecord => ({ id, key: id, value: { n: id, text: `${id} ${'x'.repeat(bytes)}` } });

describe('a payload too large for a channel', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());

  const accept = (...records: SourceRecord[]) => world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(20_000) });
  const state = async (id: string) => (await world.store.history.message(idOf(id)))?.state;
  const prune = (days: number) => world.store.prune(new Date(Date.now() + days * DAY), { historyMs: DAY, dedupeMs: DAY, ledgerMs: DAY });
  const received = async (id: string) => (await world.store.history.events(idOf(id))).find(({ kind }) => kind === 'received');
  /** What lies in the channel. */
  const queued = async () => {
    const found: { readonly id: string; readonly bytes: number; readonly reference: unknown }[] = [];
    const consumer = await world.broker.consume('target.out.things', { prefetch: 100 }, ({ id, body, headers }) => {
      found.push({ id, bytes: body.byteLength, reference: headers['cloudEvents:dataref'] });
    });
    await until(async () => (await world.broker.depth('target.out.things')).ready === 0, 'all handed out');
    await consumer.close(AbortSignal.abort());
    return found;
  };

  test.each(['embedded', 'rabbitmq'])('waits in the store, over a restart, and is delivered whole (%s)', async (kind) => {
    const prefix = `c${process.pid}${Date.now().toString(36)}`;
    const restart = async (directory?: string): Promise<void> => {
      await world.close(directory !== undefined);
      const rabbitmq = async () => new RabbitmqBroker({ urls: [(await services.rabbitmq()).url], prefix, settleMs: 0, clock: systemClock, log: recordingLog() });
      world = await startWorld(directory, kind === 'rabbitmq' ? await rabbitmq() : undefined);
    };
    await restart();
    const records = [large('1'), large('2', CLAIM_CHECK_BYTES - 1_000), large('3', CLAIM_CHECK_BYTES)];
    await accept(...records);
    expect((await queued()).map(({ bytes, reference }) => [bytes > 0, typeof reference]).sort()).toEqual([
      [false, 'string'],
      [false, 'string'],
      [true, 'undefined'],
    ]);
    await restart(world.directory);
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await until(() => target.got.length === 3, 'delivered');
    expect(new Map(target.got.map(({ key, payload }) => [key, { ...payload }]))).toEqual(new Map(records.map(({ id, value }) => [id, value])));
    await until(async () => (await state('3')) === 'delivered', 'written down');
  });

  test('is not among the events, which refer to it; both are kept as long as the history', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(large('1'), { id: '2', value: { n: 'small' } });
    await until(async () => (await state('1')) === 'delivered' && (await state('2')) === 'delivered', 'delivered');
    expect(await received('2')).toMatchObject({ data: '{"n":"small"}' });
    const event = await received('1');
    expect(event?.data).toBeUndefined();
    const content = await world.store.payloads.get(event?.dataref ?? '');
    expect(JSON.parse(Buffer.from(content ?? '').toString())).toEqual(large('1').value);
    await prune(0.9);
    expect(await world.store.payloads.get(event?.dataref ?? '')).toBeDefined();
    await prune(2);
    expect(await world.store.payloads.get(event?.dataref ?? '')).toBeUndefined();
  });

  test('is tried again, dies and is redelivered by its reference, however late', async () => {
    let isRight = false;
    const target = testTarget(() => {
      if (!isRight) throw new InvalidMessage('E400', 'refused');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(large('1'));
    await until(async () => (await state('1')) === 'dead', 'dead');
    await prune(30);
    const [letter] = await world.store.deadLetters.list({ limit: 10 });
    expect(letter).toMatchObject({ stage: 'delivery', headers: { 'cloudEvents:dataref': expect.stringMatching(/^[0-9a-f]{64}$/) } });
    expect(letter?.content).toHaveLength(0);
    isRight = true;
    expect(await world.redelivery.redeliver([letter?.id ?? ''], { who: 'anna' })).toEqual({ redelivered: 1, failed: [] });
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect({ ...target.got[0]?.payload }).toEqual(large('1').value);
  });

  test('that is gone is a dead letter which says so', async () => {
    await accept(large('1'));
    const { payloads } = world.store;
    Object.assign(world.store, { payloads: { ...payloads, get: async () => undefined } });
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await until(async () => (await state('1')) === 'dead', 'dead');
    expect(target.got).toEqual([]);
    expect(await world.store.deadLetters.groups()).toMatchObject([{ code: 'E560', endpoint: 'out.things', count: 1 }]);
  });

  test('waits while the store cannot be asked, and counts no attempt', async () => {
    await accept(large('1'));
    const { payloads } = world.store;
    let asked = 0;
    const get: Payloads['get'] = async (reference) => {
      asked++;
      if (asked < 3) throw new NotConnected('E536', 'away');
      return payloads.get(reference);
    };
    Object.assign(world.store, { payloads: { ...payloads, get } });
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect(target.got).toMatchObject([{ attempt: 1 }]);
  });

  test('that cannot be stored is not accepted, and leaves nothing in the channel', async () => {
    const { payloads } = world.store;
    Object.assign(payloads, { put: async () => Promise.reject(new NotConnected('E536', 'away')) });
    await expect(accept({ id: '0', value: { n: '0' } }, large('1'))).rejects.toMatchObject({ code: 'E536' });
    expect(await received('0')).toBeUndefined();
    expect((await queued()).map(({ bytes }) => bytes > 0)).toEqual([true]);
  });

  test('above the hard limit the record is a dead letter with its content, and the others go on', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    const results = await accept(large('1', MAX_PAYLOAD_BYTES + 1), large('2'));
    expect(results.map(({ result }) => result)).toEqual(['accepted', 'accepted']);
    await until(async () => (await state('2')) === 'delivered', 'delivered');
    expect(await state('1')).toBe('dead');
    const [letter] = await world.store.deadLetters.list({ limit: 10 });
    expect(letter).toMatchObject({ code: 'E505', stage: 'inbound', route: 'out', rule: 'all' });
    expect(letter?.content.byteLength).toBeGreaterThan(MAX_PAYLOAD_BYTES);
    const events = await world.store.history.events(idOf('1'));
    expect(events.find(({ kind }) => kind === 'note')?.detail).toMatch(/its content of \d+ bytes is too large for the history/);
  }, 60_000);

  test('comes in no faster than it is stored', async () => {
    const { payloads } = world.store;
    let [now, most] = [0, 0];
    const put: Payloads['put'] = async (id, content) => {
      now += content.byteLength;
      most = Math.max(most, now);
      try {
        return await payloads.put(id, content);
      } finally {
        now -= content.byteLength;
      }
    };
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    const check = new ClaimCheck({ ...payloads, put });
    Object.assign(world.intake, { claimCheck: check });
    const bytes = 5_000_000;
    await Promise.all([0, 1].map((part) => accept(...Array.from({ length: 6 }, (_, n) => large(`${part}-${n}`, bytes)))));
    expect(most).toBeGreaterThan(MOST_UNDER_WAY / 2);
    // The content and what is mapped from it, of one record of each batch.
    expect(most).toBeLessThanOrEqual(MOST_UNDER_WAY + 2 * 2 * (bytes + 100));
    await until(async () => (await world.store.history.counts()).delivered === 12, 'delivered', 60_000);
  }, 90_000);

  test('letters of large records do not wait for the end of the batch', async () => {
    const adds: number[] = [];
    const { deadLetters } = world.store;
    const add: typeof deadLetters.add = async (letters) => {
      adds.push(letters.length);
      return deadLetters.add(letters);
    };
    Object.assign(world.store, { deadLetters: { ...deadLetters, add } });
    const bad = Array.from({ length: 10 }, (_, n): SourceRecord => ({ id: `${n}`, value: { bad: true, text: 'x'.repeat(3_000_000) } }));
    await accept(...bad);
    expect(adds).toEqual([3, 3, 3, 1]);
    expect((await world.store.deadLetters.groups())[0]?.count).toBe(10);
    expect(world.log.lines.filter(({ event }) => event === 'dead-letter')).toHaveLength(1);
  }, 60_000);
});
