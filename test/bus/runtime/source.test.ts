import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Batch, PollingInbound, Settlement } from '../../../adapters/contract/index.js';
import { NotPublished } from '../../../bus/broker.js';
import { NotConnected } from '../../../bus/errors.js';
import { systemClock } from '../../../bus/runtime/clock.js';
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

  test('reset: the next poll begins without a checkpoint, and what was taken before is not taken again', async () => {
    let last = 4;
    const inbound = counter(() => last);
    const target = testTarget();
    await world.supervisor.apply(plan([system('in', { inbound }), system('out', { outbound: target })]));
    await until(async () => (await world.store.checkpoints.get('in.things')) === '4', 'checkpoint');
    await world.supervisor.setPaused('in.things', true);
    inbound.checkpoints.length = 0;
    last = 5;
    expect([await world.supervisor.reset('in.things', 'somebody'), await world.supervisor.reset('out.things', 'somebody')]).toEqual([true, undefined]);
    // Nothing happens to a paused one before it is resumed.
    expect(await world.store.checkpoints.get('in.things')).toBe('4');
    await world.supervisor.setPaused('in.things', false);
    await until(() => target.got.length === 5, 'the new one came');
    await until(async () => (await world.store.checkpoints.get('in.things')) === '5', 'checkpoint');
    await until(() => inbound.checkpoints.at(-1) === '5', 'polled again');
    expect(inbound.checkpoints.filter((checkpoint) => checkpoint === undefined)).toHaveLength(1);
    expect(new Set(target.got.map(({ key }) => key)).size).toBe(5);
    expect(world.log.lines.filter(({ event }) => event === 'checkpoint-reset')).toHaveLength(1);
  });

  /** One record a batch: `read` tells which were asked for, `store` what is stored meanwhile. */
  function oneByOne(count: number, ahead: boolean) {
    const events: string[] = [];
    const inbound: PollingInbound = {
      kind: 'polling',
      async open() {},
      async *poll({ checkpoint }): AsyncGenerator<Batch> {
        for (let n = Number(checkpoint ?? 0); n < count; n++) {
          events.push(`read ${n}`);
          yield {
            records: [{ id: `n${n}`, key: `n${n}`, value: { n: BigInt(n) } }],
            checkpoint: String(n + 1),
            settle: async () => void events.push(`settled ${n}`),
            ahead,
          };
        }
      },
      async close() {},
    };
    return { inbound, events };
  }

  test('a batch that depends on none before it is read while that is being stored, and everything is stored in order', async () => {
    const { inbound, events } = oneByOne(5, true);
    const target = testTarget();
    await world.supervisor.apply(plan([system('in', { inbound }), system('out', { outbound: target })]));
    await until(() => target.got.length === 5, 'all delivered');
    await until(() => events.includes('settled 4'), 'all settled');
    expect(events.filter((event) => event.startsWith('settled'))).toEqual(['settled 0', 'settled 1', 'settled 2', 'settled 3', 'settled 4']);
    for (const n of [1, 2, 3, 4]) expect(events.indexOf(`read ${n}`)).toBeLessThan(events.indexOf(`settled ${n - 1}`));
    // Never more than one ahead of the one that is being routed.
    for (const n of [3, 4]) expect(events.indexOf(`read ${n}`)).toBeGreaterThan(events.indexOf(`settled ${n - 3}`));
    expect(await world.store.checkpoints.get('in.things')).toBe('5');
  });

  test('any other batch is read when the one before it is settled', async () => {
    const { inbound, events } = oneByOne(3, false);
    await world.supervisor.apply(plan([system('in', { inbound })]));
    await until(() => events.includes('settled 2'), 'all settled');
    expect(events.slice(0, 6)).toEqual(['read 0', 'settled 0', 'read 1', 'settled 1', 'read 2', 'settled 2']);
  });

  test('when a batch cannot be stored, none behind it moves the checkpoint, and all are read again', async () => {
    const { inbound, events } = oneByOne(4, true);
    const { history } = world.store;
    const append = jest.spyOn(history, 'append');
    append.mockImplementationOnce(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50)); // those behind it are quicker
      throw new NotConnected('E536', 'the store is away');
    });
    const checkpoints = jest.spyOn(world.store.checkpoints, 'set');
    const target = testTarget();
    await world.supervisor.apply(plan([system('in', { inbound }), system('out', { outbound: target })]));
    await until(() => events.includes('settled 3'), 'all settled');
    expect(checkpoints.mock.calls.map(([, position]) => position)).toEqual(['1', '2', '3', '4']);
    expect(events.filter((event) => event === 'read 0')).toHaveLength(2);
    await until(async () => (await world.store.history.counts()).delivered === 4, 'delivered');
    expect(new Set(target.got.map(({ key }) => key)).size).toBe(4);
  });

  test('a record that comes again while it is being stored is taken once', async () => {
    const inbound: PollingInbound = {
      kind: 'polling',
      async open() {},
      async *poll({ checkpoint }): AsyncGenerator<Batch> {
        if (checkpoint !== undefined) return;
        for (const ids of [
          ['a', 'b'],
          ['b', 'c'],
        ])
          yield { records: ids.map((id) => ({ id, key: id, value: {} })), checkpoint: ids.join(), ahead: true };
      },
      async close() {},
    };
    const target = testTarget();
    await world.supervisor.apply(plan([system('in', { inbound }), system('out', { outbound: target })]));
    await until(async () => (await world.store.checkpoints.get('in.things')) === 'b,c', 'read');
    await until(async () => (await world.store.history.counts()).delivered === 3, 'delivered');
    expect(target.got.map(({ key }) => key).sort()).toEqual(['a', 'b', 'c']);
  });

  test('a batch that is routed in slices is whole: accepted, filtered, bad and known records in their order', async () => {
    world.intake.slice = 2;
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    const records = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => ({ id, key: id, value: id === 'c' ? { skip: true } : id === 'f' ? { bad: true } : {} }));
    const options = () => ({ patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    await world.intake.accept('in.things', records.slice(1, 2), options());
    const results = await world.intake.accept('in.things', records, options());
    expect(results.map(({ result }) => result)).toEqual(['accepted', 'duplicate', 'filtered', 'accepted', 'accepted', 'dead', 'accepted']);
    expect(
      [
        ...(await world.store.dedupe.seen(
          'in.things',
          records.map(({ id }) => id),
        )),
      ].sort(),
    ).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    await until(() => target.got.length === 5, 'delivered');
    await until(async () => (await world.store.history.counts()).delivered === 5, 'told');
    expect(await world.store.history.counts()).toMatchObject({ filtered: 1, dead: 1, active: 0 });
  });

  test('of a batch, two slices are on their way to the bus at most', async () => {
    world.intake.slice = 2;
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]));
    const held: (() => void)[] = [];
    const publishAll = world.broker.publishAll.bind(world.broker);
    const asked = jest.spyOn(world.broker, 'publishAll').mockImplementation((messages, settled) => void held.push(() => publishAll(messages, settled)));
    const records = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map((id) => ({ id, key: id, value: {} }));
    const accepted = world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    const given: number[] = [];
    while (given.length < 5) {
      await until(() => held.length > 0, 'something to publish');
      await systemClock.sleep(20);
      given.push(held.length);
      held.shift()?.();
    }
    expect(given).toEqual([2, 2, 2, 2, 1]);
    expect((await accepted).map(({ result }) => result)).toEqual(records.map(() => 'accepted'));
    expect(asked.mock.calls.map(([messages]) => messages.length)).toEqual([2, 2, 2, 2, 1]);
    asked.mockRestore();
  });

  test('of messages published together, what the bus refuses is tried again, and what it can never take is a dead letter', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    const publishAll = world.broker.publishAll.bind(world.broker);
    const asked = jest.spyOn(world.broker, 'publishAll').mockImplementationOnce((messages, settled) => {
      const odd = [
        new NotPublished('rejected', 'c', 'full'),
        undefined,
        new NotPublished('too-large', 'c', '17 MiB'),
        new NotPublished('unknown', 'c', 'lost'),
        new Error('a bug'),
      ];
      for (const [place, problem] of odd.entries()) {
        const message = messages[place];
        if (problem || !message) settled(place, problem);
        else publishAll([message], (_, result) => settled(place, result));
      }
    });
    const records = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, key: id, value: {} }));
    const results = await world.intake.accept('in.things', records, { patienceMs: 20_000, signal: AbortSignal.timeout(20_000) });
    expect(results.map(({ result }) => result)).toEqual(records.map(() => 'accepted'));
    expect(asked.mock.calls.map(([messages]) => messages.length)).toEqual([5, 2]);
    await until(() => target.got.length === 3, 'delivered');
    expect(target.got.map(({ key }) => key).sort()).toEqual(['a', 'b', 'd']);
    const letters = await world.store.deadLetters.list({ limit: 10 });
    expect(letters.map(({ key, code }) => [key, code]).sort()).toEqual([
      ['c', 'E505'],
      ['e', 'E500'],
    ]);
    asked.mockRestore();
  });

  test('a record that comes twice in one batch is taken once, also when the first is stored before the other is routed', async () => {
    world.intake.slice = 1;
    const appended = jest.spyOn(world.store.dedupe, 'add');
    const sleep = jest.spyOn(systemClock, 'sleep').mockImplementation(async () => {
      while (appended.mock.results.length < 1) await new Promise(setImmediate);
      await Promise.all(appended.mock.results.map(({ value }) => value));
      await new Promise(setImmediate);
    });
    const records = ['a', 'b', 'a'].map((id) => ({ id, key: id, value: {} }));
    const results = await world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    sleep.mockRestore();
    expect(results.map(({ result }) => result)).toEqual(['accepted', 'accepted', 'duplicate']);
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
