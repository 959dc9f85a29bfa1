import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Delivery, SourceRecord } from '../../../adapters/contract/index.js';
import { InvalidMessage, TryAgain } from '../../../bus/errors.js';
import type { RetryPolicy, RouteOrder } from '../../../bus/handler.js';
import { messageId } from '../../../bus/message.js';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { layoutChannels } from '../../../bus/runtime/layouts.js';
import { OpenLetters } from '../../../bus/runtime/open-letters.js';
import { unique } from '../../kit/broker/harness.js';
import { recordingLog } from '../../kit/fakes.js';
import { services } from '../../services/services.js';
import { handlerTo, plan, startWorld, system, testTarget, until, type World } from './harness.js';
import { numberOf, recordOf } from './order-checks.js';

const patient: RetryPolicy = { attempts: 100, firstMs: 20, longestMs: 20, factor: 1, jitter: 0 };
const record = recordOf;
const nameOf = (delivery: Delivery): string => `${delivery.key}-${numberOf(delivery)}`;

describe('ordered deliveries', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());
  const handler = (order: Partial<RouteOrder> = {}, retry = patient) => handlerTo('out.things', 1, retry, order);
  const accept = (...records: SourceRecord[]) => world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
  const state = async (key: string, n: number) => (await world.store.history.message(messageId('in.things', `${key}-${n}`, 'in')))?.state;
  const deliveryIdOf = async (key: string, n: number) =>
    (await world.store.history.events(messageId('in.things', `${key}-${n}`, 'in'))).find(({ deliveryId }) => deliveryId !== undefined)?.deliveryId ?? '';

  const refusing = () =>
    testTarget((delivery) => {
      if (nameOf(delivery) === 'A-1') throw new InvalidMessage('E300', 'no');
      return { detail: 'ok' };
    });

  test('a failing delivery holds back its own key only, and takes up no place', async () => {
    let isUp = false;
    const target = testTarget((delivery) => {
      if (nameOf(delivery) === 'A-1' && !isUp) throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target, parallel: 1 })], handler()));
    await accept(record('A', 1), record('A', 2), record('B', 1), record('A', 3), record('B', 2), record('C', 1));
    await until(() => target.got.length === 3, 'the others go on');
    expect(target.got.map(nameOf).sort()).toEqual(['B-1', 'B-2', 'C-1']);
    isUp = true;
    await until(() => target.got.length === 6, 'all');
    expect(target.got.map(nameOf).filter((name) => name.startsWith('A'))).toEqual(['A-1', 'A-2', 'A-3']);
    expect(await world.store.deadLetters.groups()).toEqual([]);
  });

  test('given up: parked with all of its key behind it; released: in order, before anything newer', async () => {
    let isRepaired = false;
    const target = testTarget((delivery) => {
      if (nameOf(delivery) === 'A-1' && !isRepaired) throw new InvalidMessage('E300', 'no such customer');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler()));
    await accept(record('A', 1), record('A', 2), record('B', 1));
    await until(async () => (await state('A', 2)) === 'parked', 'parked behind it');
    await accept(record('A', 3), record('B', 2));
    await until(async () => (await state('A', 3)) === 'parked', 'a later one too');
    await until(() => target.got.length === 2, 'the other key goes on');
    const [lane] = await world.store.parked.lanes({ limit: 10 });
    expect(lane).toMatchObject({ endpoint: 'out.things', lane: 'A', count: 3, code: 'E300', reason: 'no such customer' });

    await world.redelivery.parked.release('out.things', 'A', { who: 'test' });
    await until(async () => (await world.store.parked.lanes({ released: false, limit: 10 })).length === 1, 'held again');
    expect(target.got.length).toBe(2);
    isRepaired = true;
    await world.redelivery.parked.release('out.things', 'A', { who: 'test' });
    await accept(record('A', 4));
    await until(() => target.got.length === 6, 'all delivered');
    expect(target.got.map(nameOf).filter((name) => name.startsWith('A'))).toEqual(['A-1', 'A-2', 'A-3', 'A-4']);
    await until(async () => (await state('A', 3)) === 'delivered', 'the history knows');
    expect(await world.store.parked.lanes({ limit: 10 })).toEqual([]);
  });

  test('discarded: the first of a key is given up, the rest goes on when released', async () => {
    const target = refusing();
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler()));
    await accept(record('A', 1), record('A', 2));
    await until(async () => (await state('A', 2)) === 'parked', 'parked');
    const id = await deliveryIdOf('A', 1);
    await world.redelivery.parked.discard(id, { who: 'test', reason: 'a test order' });
    await world.redelivery.parked.release('out.things', 'A', { who: 'test' });
    await until(() => target.got.length === 1, 'the rest');
    expect(target.got.map(nameOf)).toEqual(['A-2']);
    expect(await state('A', 1)).toBe('filtered');
    // It comes again: a publish of unknown outcome was repeated.
    await world.intake.accept('in.things', [record('A', 1)], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
    await accept(record('A', 3));
    await until(() => target.got.length === 2, 'the next');
    expect(target.got.map(nameOf)).toEqual(['A-2', 'A-3']);
  });

  test('skip: a dead letter that names the gap, and the key goes on', async () => {
    const target = refusing();
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler({ onFailure: 'skip' })));
    await accept(record('A', 1), record('A', 2));
    await until(() => target.got.length === 1, 'the next');
    expect(await world.store.deadLetters.groups()).toMatchObject([{ count: 1, reason: 'no (a gap in the order of "A")' }]);
  });

  test('skip: a copy of what was skipped does not come after those behind it, until a person hands it out again', async () => {
    let isWell = false;
    const target = testTarget((delivery) => {
      if (nameOf(delivery) === 'A-1' && !isWell) throw new InvalidMessage('E300', 'no');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler({ onFailure: 'skip' })));
    await accept(record('A', 1), record('A', 2));
    await until(() => target.got.length === 1, 'the next');
    isWell = true;
    await world.intake.accept('in.things', [record('A', 1)], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
    await accept(record('A', 3));
    await until(() => target.got.length === 2, 'the one behind the copy');
    expect(target.got.map(nameOf)).toEqual(['A-2', 'A-3']);
    const [letter] = await world.store.deadLetters.list({ limit: 1 });
    await world.redelivery.redeliver([letter?.id ?? ''], { who: 'anna' });
    await until(() => target.got.length === 3, 'the one that was handed out');
    expect(target.got.map(nameOf)).toEqual(['A-2', 'A-3', 'A-1']);
  });

  test('skip: what was skipped and then discarded, and comes again because its acknowledgement was lost, is not sent', async () => {
    const target = refusing();
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler({ onFailure: 'skip' })));
    await accept(record('A', 1), record('A', 2));
    await until(() => target.got.length === 1, 'the next');
    const id = await deliveryIdOf('A', 1);
    const letters = new OpenLetters('out.things', world.store, systemClock, 'a');
    const wasSkipped = (): Promise<boolean> => letters.holds(id, messageId('in.things', 'A-1', 'in'), true);
    expect(await wasSkipped()).toBe(true);
    await world.redelivery.discard([id], { who: 'anna' });
    expect(await wasSkipped()).toBe(true);
  });

  test('an outcome that nobody knows parks the key, also where failures are skipped; released it is sent again', async () => {
    let isLost = true;
    const target = testTarget((delivery) => {
      if (nameOf(delivery) === 'A-1' && isLost) throw new TryAgain('E400', 'no answer', { outcome: 'unknown' });
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target, onUnknown: 'park' })], handler({ onFailure: 'skip' })));
    await accept(record('A', 1), record('A', 2), record('B', 1));
    await until(async () => (await state('A', 2)) === 'parked', 'parked behind it');
    expect((await world.store.parked.lanes({ limit: 10 }))[0]).toMatchObject({ lane: 'A', count: 2, code: 'E580' });
    const id = await deliveryIdOf('A', 1);
    expect((await world.store.ledger.get([id])).get(id)?.state).toBe('unknown');
    isLost = false;
    expect(await world.redelivery.parked.release('out.things', 'A', { who: 'test' })).toBe(2);
    await until(() => target.got.length === 3, 'all');
    expect(target.got.map(nameOf).filter((name) => name.startsWith('A'))).toEqual(['A-1', 'A-2']);
  });

  test('a key that waits longer than its time is parked', async () => {
    const target = testTarget(({ key }) => {
      if (key === 'A') throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler({ holdMs: 1_000 })));
    await accept(record('A', 1), record('A', 2));
    await until(async () => (await state('A', 2)) === 'parked', 'parked');
    expect((await world.store.parked.lanes({ limit: 10 }))[0]?.reason).toMatch(/^busy \(attempt \d+ of 100\)$/);
  });

  test('keys that wait must not keep the others of their partition from coming', async () => {
    const target = testTarget(({ key }) => {
      if (key === 'A') throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });
    const slow = { ...patient, firstMs: 60_000, longestMs: 60_000 };
    await world.supervisor.apply(plan([system('out', { outbound: target, partitions: 1 })], handler({ holdMs: 10_000 }, slow)));
    await accept(...Array.from({ length: 100 }, (_, n) => record('A', n)));
    await accept(record('B', 1));
    await until(() => target.got.length === 1, 'the one behind a hundred others');
    expect((await world.store.parked.lanes({ limit: 10 }))[0]?.reason).toContain('held up too many others');
  });

  test('a busy key that fails for a moment is not given up for the others', async () => {
    let failures = 0;
    const target = testTarget(({ key }) => {
      if (key === 'A' && failures++ < 5) throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target, partitions: 1 })], handler()));
    await accept(...Array.from({ length: 100 }, (_, n) => record('A', n)), record('B', 1));
    await until(() => target.got.length === 101, 'all');
    expect(await world.store.parked.lanes({ limit: 10 })).toEqual([]);
  });

  test('an outage of the target parks nobody', async () => {
    let isUp = false;
    const target = testTarget(() => {
      if (!isUp) throw new TryAgain('E400', 'maintenance');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler({ holdMs: 1_500 })));
    await accept(...['A', 'B', 'C', 'D', 'E', 'F', 'G'].flatMap((key) => [record(key, 1), record(key, 2)]));
    await new Promise((next) => setTimeout(next, 3_000));
    isUp = true;
    await until(() => target.got.length === 14, 'all', 40_000);
    for (const key of ['A', 'B', 'C', 'D', 'E', 'F', 'G']) expect(target.got.filter((got) => got.key === key).map(nameOf)).toEqual([`${key}-1`, `${key}-2`]);
    expect(await world.store.parked.lanes({ limit: 10 })).toEqual([]);
  }, 60_000);

  test.each(['embedded', 'rabbitmq'] as const)('paused and resumed while one is under way: what was given back comes before what came meanwhile (%s)', async (bus) => {
    await world.close();
    const log = recordingLog();
    const broker = bus === 'embedded' ? undefined : new RabbitmqBroker({ urls: [(await services.rabbitmq()).url], prefix: `o${unique()}`, settleMs: 0, clock: systemClock, log });
    world = await startWorld(undefined, broker);
    const gate = Promise.withResolvers<void>();
    const target = testTarget(async () => {
      await gate.promise;
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target, partitions: 1 })], handler()));
    await accept(record('A', 1), record('A', 2));
    const [channel = ''] = layoutChannels('out.things', { generation: 2, partitions: 1 });
    await until(async () => (await world.broker.depth(channel)).unsettled === 2, 'the second waits behind the first');
    await world.supervisor.setPaused('out.things', true);
    await accept(record('A', 3));
    await new Promise((resolve) => setTimeout(resolve, 300)); // it arrives
    await world.supervisor.setPaused('out.things', false);
    await new Promise((resolve) => setTimeout(resolve, 300));
    gate.resolve();
    await until(() => target.got.length >= 3, 'all');
    expect(target.got.map(nameOf)).toEqual(['A-1', 'A-2', 'A-3']);
  });
});
