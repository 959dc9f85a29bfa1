import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Delivery, SourceRecord } from '../../../adapters/contract/index.js';
import { NotConnected, TryAgain } from '../../../bus/errors.js';
import { messageId } from '../../../bus/message.js';
import { aMoment } from '../../kit/broker/harness.js';
import { plan, startWorld, system, testTarget, until, type World } from './harness.js';

const record = (id: string): SourceRecord => ({ id, value: { n: id }, key: id });
const full = () => new TryAgain('E533', 'the disk is full');

describe('a target in disturbed times', () => {
  let world: World;
  const workers = jest.spyOn(Worker.prototype, 'postMessage');
  beforeEach(async () => {
    workers.mockClear();
    world = await startWorld();
  });
  afterEach(() => world.close());
  const accept = (...records: SourceRecord[]) => world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
  const idOf = (id: string) => messageId('in.things', id, 'in');
  const kinds = async (id: string) => (await world.store.history.events(idOf(id))).map(({ kind }) => kind);
  const state = async (id: string) => (await world.store.history.message(idOf(id)))?.state;
  const isEmpty = async () => {
    const { ready, unsettled, delayed } = await world.broker.depth('target.out.things');
    return ready + unsettled + (delayed ?? 0) === 0;
  };

  test('the same delivery twice, side by side: one effect', async () => {
    const target = testTarget(async () => {
      await new Promise((next) => setTimeout(next, 50));
      return { detail: 'ok' };
    });
    await accept(record('1'));
    await accept(record('1'));
    await world.supervisor.apply(plan([system('out', { outbound: target, parallel: 4 })]));
    await until(isEmpty, 'channel empty');
    expect(target.got.length).toBe(1);
  });

  test.each(['ledger', 'history'] as const)('made but not recorded, because the %s cannot be written: recorded later, not made again', async (which) => {
    const failing = which === 'ledger' ? jest.spyOn(world.store.ledger, 'put') : jest.spyOn(world.store.history, 'append');
    let effects = 0;
    const target = testTarget(() => {
      if (++effects === 1) failing.mockRejectedValueOnce(full()).mockRejectedValueOnce(full());
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    await until(isEmpty, 'channel empty');
    expect(effects).toBe(1);
    expect(await world.store.deadLetters.groups()).toEqual([]);
  });

  test('a retry that cannot be recorded is one retry all the same', async () => {
    const append = jest.spyOn(world.store.history, 'append');
    const attempts: number[] = [];
    const target = testTarget(({ attempt }) => {
      attempts.push(attempt);
      if (attempt > 1) return { detail: 'ok' };
      append.mockRejectedValueOnce(full());
      throw new TryAgain('E400', 'busy');
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect(attempts).toEqual([1, 2]);
  });

  test.each(['history', 'deadLetters'] as const)('a record that the %s could not take is not taken for known when it comes again', async (which) => {
    const failing = which === 'history' ? jest.spyOn(world.store.history, 'append') : jest.spyOn(world.store.deadLetters, 'add');
    failing.mockRejectedValueOnce(full());
    const take = () => world.intake.accept('in.things', [{ id: 'b', value: { bad: 'yes' } }], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    await expect(take()).rejects.toThrow('the disk is full');
    expect((await take()).map(({ result }) => result)).toEqual(['dead']);
    expect(await state('b')).toBe('dead');
    expect((await world.store.deadLetters.list({ limit: 10 })).map(({ messageId: id }) => id)).toEqual([idOf('b')]);
    expect((await take()).map(({ result }) => result)).toEqual(['duplicate']);
  });

  test('a store whose thread ended is opened again, and nothing is done twice', async () => {
    let effects = 0;
    // Until then the store is needed by who accepts, too.
    const accepted = Promise.withResolvers<void>();
    const target = testTarget(async () => {
      if (++effects === 1) {
        await accepted.promise;
        // The broker was asked first: it declared a channel.
        const [, store] = new Set(workers.mock.contexts as Worker[]);
        await store?.terminate();
      }
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    accepted.resolve();
    await until(async () => {
      try {
        return (await state('1')) === 'delivered';
      } catch {
        return false; // still closed
      }
    }, 'delivered');
    expect(effects).toBe(1);
  });

  test('restarts and pauses say nothing against a message that was never tried', async () => {
    let isUp = false;
    const target = () =>
      testTarget(undefined, async () => {
        if (!isUp) throw new NotConnected('E400', 'refused');
      });
    await world.supervisor.apply(plan([system('out', { outbound: target(), parallel: 2 })]));
    await accept(...Array.from({ length: 8 }, (_, i) => record(String(i))));
    for (let round = 0; round < 8; round++) {
      await until(async () => (await world.broker.depth('target.out.things')).unsettled === 8, 'handed out');
      await world.supervisor.setPaused('out', true);
      await world.supervisor.setPaused('out', false);
      await until(async () => (await world.broker.depth('target.out.things')).unsettled === 8, 'handed out');
      await world.supervisor.apply(plan([system('out', { outbound: target(), parallel: 2, digest: String(round) })]));
    }
    isUp = true;
    const last = target();
    await world.supervisor.apply(plan([system('out', { outbound: last, parallel: 2, digest: 'last' })]));
    await until(isEmpty, 'channel empty', 30_000);
    expect(last.got.map(({ key }) => key).sort()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(await world.store.deadLetters.groups()).toEqual([]);
  }, 60_000);

  test('crashes say nothing against a message that waits for its target', async () => {
    const away = () => testTarget(undefined, async () => Promise.reject(new NotConnected('E400', 'refused')));
    await accept(record('1'));
    for (let round = 0; round < 10; round++) {
      await world.supervisor.apply(plan([system('out', { outbound: away() })]));
      await until(async () => (await world.broker.depth('target.out.things')).unsettled === 1, 'handed out');
      await aMoment();
      const crashed = world;
      await crashed.broker.close();
      await crashed.store.close();
      world = await startWorld(world.directory);
    }
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]));
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect(await world.store.deadLetters.groups()).toEqual([]);
  }, 60_000);

  test('a message whose handling never comes to an end is set aside, those around it are not', async () => {
    const started: string[] = [];
    const stuck = () =>
      testTarget(async ({ key }: Delivery) => {
        started.push(key ?? '');
        if (key === 'poison') await new Promise(() => undefined);
        return { detail: 'ok' };
      });
    await accept(record('poison'), record('innocent'));
    // A crash: the broker goes without a word from the target, and nothing is cleaned up.
    for (let round = 0; round < 12 && (await world.store.deadLetters.list({ limit: 1 })).length === 0; round++) {
      const before = started.length;
      await world.supervisor.apply(plan([system('out', { outbound: stuck(), parallel: 1 })]));
      await until(async () => started.length > before || (await isEmpty()), 'under way');
      if (await isEmpty()) break;
      const crashed = world;
      await crashed.broker.close();
      await crashed.store.close();
      world = await startWorld(world.directory);
    }
    await until(async () => (await world.store.deadLetters.list({ limit: 5 })).length === 1, 'set aside');
    expect((await world.store.deadLetters.list({ limit: 5 })).map(({ key, code }) => [key, code])).toEqual([['poison', 'E502']]);
    await until(async () => (await state('innocent')) === 'delivered', 'the other one');
    expect(started.filter((key) => key === 'poison').length).toBeLessThanOrEqual(8);
  }, 60_000);

  test('a late failure of the link before does not tear down the one that came after', async () => {
    const late = Promise.withResolvers<void>();
    let isFirst = true;
    const target = testTarget(async ({ key, attempt }) => {
      if (key === 'slow' && isFirst) {
        await late.promise;
        isFirst = false;
        throw new NotConnected('E400', 'gone');
      }
      if (key === 'quick' && target.opened() === 1) throw new NotConnected('E400', 'gone');
      return { detail: `attempt ${attempt}` };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('slow'), record('quick'));
    await until(() => target.got.length === 1, 'the quick one on the second link');
    late.resolve();
    await until(() => target.got.length === 2, 'the slow one too');
    expect(target.opened()).toBe(2);
    expect(await kinds('slow')).not.toContain('retry');
  });
});
