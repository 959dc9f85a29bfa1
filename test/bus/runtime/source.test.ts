import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Batch, PollingInbound, Settlement } from '../../../adapters/contract/index.js';
import { NotConnected } from '../../../bus/errors.js';
import { handlerTo, plan, startWorld, system, testTarget, until, type World } from './harness.js';

interface Pollable extends PollingInbound {
  readonly settled: Settlement[];
  readonly checkpoints: (string | undefined)[];
  fail: Error | undefined;
}

/** Reads the numbers from its checkpoint up to `last`, three at a time. */
function counter(last: () => number): Pollable {
  const settled: Settlement[] = [];
  const checkpoints: (string | undefined)[] = [];
  const inbound: Pollable = {
    kind: 'polling',
    settled,
    checkpoints,
    fail: undefined,
    async open() {
      if (inbound.fail) throw inbound.fail;
    },
    async *poll({ checkpoint }): AsyncGenerator<Batch> {
      checkpoints.push(checkpoint);
      for (let from = Number(checkpoint ?? 0); from < last(); ) {
        const to = Math.min(from + 3, last());
        const records = Array.from({ length: to - from }, (_, i) => ({ id: `n${from + i}`, key: `n${from + i}`, value: { n: BigInt(from + i) } }));
        yield {
          records,
          checkpoint: String(to),
          settle: async (settlement) => {
            settled.push(settlement);
          },
        };
        from = to;
      }
    },
    async close() {},
  };
  return inbound;
}

describe('a polled source', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());

  test('reads everything once, moves its checkpoint, settles each batch', async () => {
    const inbound = counter(() => 10);
    const target = testTarget();
    await world.supervisor.apply(plan([system('in', { inbound }), system('out', { outbound: target })]));
    await until(() => target.got.length === 10, 'all delivered');
    await until(async () => (await world.store.checkpoints.get('in.things')) === '10', 'checkpoint');
    expect(inbound.settled.map(({ accepted }) => accepted)).toEqual([3, 3, 3, 1]);
    expect(new Set(target.got.map(({ key }) => key)).size).toBe(10);
  });

  test('goes on where it stopped, in another process too', async () => {
    await world.supervisor.apply(plan([system('in', { inbound: counter(() => 4) })]));
    await until(async () => (await world.store.checkpoints.get('in.things')) === '4', 'checkpoint');
    await world.close(true);
    world = await startWorld(world.directory);
    const inbound = counter(() => 6);
    await world.supervisor.apply(plan([system('in', { inbound })]));
    await until(async () => (await world.store.checkpoints.get('in.things')) === '6', 'checkpoint');
    expect(inbound.checkpoints[0]).toBe('4');
  });

  test('a link that is not there is reported and tried again', async () => {
    const inbound = counter(() => 1);
    inbound.fail = new NotConnected('E400', 'connection refused');
    await world.supervisor.apply(plan([system('in', { inbound })]));
    await until(() => world.supervisor.reports().get('in')?.endpoints[0]?.state === 'retrying', 'retrying');
    inbound.fail = undefined;
    await until(async () => (await world.store.checkpoints.get('in.things')) === '1', 'read after all');
    expect(world.log.lines.filter(({ event }) => event === 'source-failed').length).toBe(1);
    await until(() => world.log.lines.some(({ event }) => event === 'source-recovered'), 'said');
  });

  test('a failing settle loses and repeats nothing', async () => {
    const inbound = counter(() => 2);
    const settle = new Error('archive is read-only');
    const failing: PollingInbound = {
      ...inbound,
      async *poll(request) {
        for await (const batch of inbound.poll(request)) yield { ...batch, settle: () => Promise.reject(settle) };
      },
    };
    const target = testTarget();
    await world.supervisor.apply(plan([system('in', { inbound: failing }), system('out', { outbound: target })]));
    await until(() => target.got.length === 2, 'delivered');
    await until(() => world.log.lines.some(({ event }) => event === 'settle-failed'), 'reported');
    expect(await world.store.checkpoints.get('in.things')).toBe('2');
  });

  test('a reload restarts only what changed, and messages keep their revision', async () => {
    const unchanged = testTarget();
    const before = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: unchanged }), system('old', { outbound: before })]));
    const after = testTarget();
    const changed = await world.supervisor.apply(plan([system('out', { outbound: unchanged }), system('old', { outbound: after, digest: '2' })], handlerTo('old.things', 2)));
    expect(changed).toEqual(['old']);
    await until(() => after.opened() === 1, 'opened');
    expect(unchanged.opened()).toBe(1);
    await world.intake.accept('in.things', [{ id: '1', key: '1', value: { n: 1n } }], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    await until(() => after.got.length === 1, 'delivered by the new target');
    const [message] = await world.store.history.search({ key: '1', limit: 1 });
    await until(async () => (await world.store.history.events(message?.id ?? '')).some(({ kind }) => kind === 'delivered'), 'history');
    expect((await world.store.history.events(message?.id ?? '')).map(({ revision }) => revision)).toEqual([2, 2, 2]);
  });
});
