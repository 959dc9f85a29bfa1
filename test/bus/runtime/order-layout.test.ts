import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { SourceRecord } from '../../../adapters/contract/index.js';
import { NotConnected, TryAgain } from '../../../bus/errors.js';
import type { RetryPolicy } from '../../../bus/handler.js';
import { LayoutBook } from '../../../bus/runtime/layout-book.js';
import { layoutChannels } from '../../../bus/runtime/layouts.js';
import { handlerTo, plan, startWorld, system, type TestTarget, testTarget, until, type World } from './harness.js';
import { inversions, numberOf } from './order-checks.js';

const patient: RetryPolicy = { attempts: 100, firstMs: 10, longestMs: 10, factor: 1, jitter: 0 };
describe('the channels of an order change', () => {
  let world: World;
  let next = 0;
  beforeEach(async () => {
    next = 0;
    world = await startWorld();
  });
  afterEach(() => world.close());
  const handler = (by: string | undefined, revision = 1) => handlerTo('out.things', revision, patient, by === undefined ? undefined : { by });
  const batch = (size: number): SourceRecord[] =>
    Array.from({ length: size }, () => {
      const n = next++;
      return { id: String(n), value: { n: String(n) }, key: `K${n % 7}` };
    });
  const accept = (size: number) => world.intake.accept('in.things', batch(size), { patienceMs: 20_000, signal: AbortSignal.timeout(60_000) });
  const layouts = () => new LayoutBook(world.store.endpointState).read('out.things');
  const applyTo = (target: TestTarget, partitions: number, revision: number) =>
    world.supervisor.apply(plan([system('out', { outbound: target, partitions, digest: String(partitions) })], handler('key', revision)));
  const flaky = () =>
    testTarget(async () => {
      await new Promise(setImmediate);
      if (Math.random() < 0.05) throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });

  test('8 partitions become 3 under load: nothing lost, nothing twice, nothing inverted, the old channels are gone', async () => {
    const target = flaky();
    const apply = (partitions: number, revision: number) =>
      world.supervisor.apply(plan([system('out', { outbound: target, parallel: 8, partitions, digest: String(partitions) })], handler('key', revision)));
    await apply(8, 1);
    let isLoading = true;
    const load = (async () => {
      // Not further ahead than this, or what is to be delivered in the end depends on the machine.
      while (isLoading) await (next - target.got.length < 500 ? accept(20) : new Promise((wait) => setTimeout(wait, 5)));
    })();
    await until(() => target.got.length > 100, 'under way');
    await apply(3, 2);
    const before = target.got.length;
    await until(() => target.got.length > before + 300, 'goes on in the new channels');
    await apply(5, 3);
    isLoading = false;
    await load;
    await until(
      () => target.got.length === next,
      'all',
      90_000,
      () => `${target.got.length} of ${next}`,
    );
    expect(inversions(target.got)).toEqual([]);
    expect(new Set(target.got.map(numberOf)).size).toBe(next);
    await until(async () => (await layouts()).length === 1, 'the old layouts are forgotten');
    expect((await layouts()).map(({ partitions }) => partitions)).toEqual([5]);
    expect(await world.supervisor.channels('out.things')).toHaveLength(6);
  }, 180_000);

  test('the end of an old channel that could not be written down is written down later', async () => {
    const target = testTarget();
    await applyTo(target, 2, 1);
    await accept(10);
    await until(() => target.got.length === 10, 'delivered');
    const put = world.store.endpointState.put.bind(world.store.endpointState);
    let failed = 0;
    jest.spyOn(world.store.endpointState, 'put').mockImplementation(async (endpoint, entries) => {
      if (failed < 2 && [...entries.keys()].some((key) => key.includes(' finished '))) {
        failed++;
        throw new NotConnected('E536', 'the store is away');
      }
      await put(endpoint, entries);
    });
    await applyTo(target, 3, 2);
    await accept(10);
    await until(() => target.got.length === 20, 'delivered in the new channels', 20_000);
    await until(async () => (await layouts()).length === 1, 'the old layouts are forgotten', 20_000);
    expect(failed).toBe(2);
  }, 60_000);

  test('an old layout that another node has ended stays as long as this one publishes to it', async () => {
    const target = testTarget();
    await applyTo(target, 2, 1);
    const [old] = (await layouts()).slice(-1);
    const channels = old ? layoutChannels('out.things', old) : [];
    const gate = Promise.withResolvers<void>();
    const publish = world.broker.publish.bind(world.broker);
    jest.spyOn(world.broker, 'publish').mockImplementation(async (channel, message) => {
      if (channels.includes(channel)) await gate.promise;
      await publish(channel, message);
    });
    const slow = accept(3);
    await applyTo(target, 3, 2);
    const book = new LayoutBook(world.store.endpointState);
    for (const channel of channels) await book.finish('out.things', old?.generation ?? 0, channel);
    await new Promise((wait) => setTimeout(wait, 1_500));
    expect((await layouts()).map(({ partitions }) => partitions)).toEqual([2, 3]);
    gate.resolve();
    await slow;
    await until(() => target.got.length === 3, 'delivered', 20_000);
    await until(async () => (await layouts()).length === 1, 'the old layout is forgotten', 20_000);
  }, 60_000);

  test('a route that is ordered from now on: what it published before comes first', async () => {
    const gate = Promise.withResolvers<void>();
    const target = testTarget(async () => {
      await gate.promise;
      return { detail: 'ok' };
    });
    const systems = [system('out', { outbound: target, parallel: 1 })];
    await world.supervisor.apply(plan(systems, handler(undefined)));
    await accept(40);
    await world.supervisor.apply(plan(systems, handler('key', 2)));
    await accept(40);
    await new Promise((wait) => setTimeout(wait, 700));
    gate.resolve();
    await until(() => target.got.length === 80, 'all');
    expect(inversions(target.got)).toEqual([]);
    await world.supervisor.apply(plan(systems, handler(undefined, 3)));
    await accept(10);
    await until(() => target.got.length === 90, 'unordered again');
  });

  test('another expression is another layout; the same again is not', async () => {
    const target = testTarget();
    const systems = [system('out', { outbound: target })];
    await world.supervisor.apply(plan(systems, handler('order.customer')));
    await until(async () => (await layouts()).length === 1, 'the unordered channel is finished');
    await world.supervisor.apply(plan(systems, handler('order.customer', 2)));
    expect((await layouts()).map(({ generation }) => generation)).toEqual([2]);
    await world.supervisor.apply(plan(systems, handler('order.id', 3)));
    expect((await layouts()).length).toBeGreaterThan(1);
    await until(async () => (await layouts()).length === 1, 'finished');
    expect((await layouts()).map(({ generation }) => generation)).toEqual([4]);
  });

  test('paused, resumed, restarted: the order is kept', async () => {
    const target = flaky();
    const apply = (digest: string) => world.supervisor.apply(plan([system('out', { outbound: target, parallel: 4, digest })], handler('key')));
    await apply('1');
    for (let round = 0; round < 5; round++) {
      await accept(60);
      await until(() => target.got.length > round * 60 + 10, 'under way');
      await world.supervisor.setPaused('out.things', true);
      await world.supervisor.setPaused('out.things', false);
      await apply(`r${round}`);
    }
    await until(() => target.got.length === next, 'all', 90_000);
    expect(inversions(target.got)).toEqual([]);
  }, 180_000);
});
