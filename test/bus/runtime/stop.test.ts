import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Accept, Accepted, ListeningInbound, PollingInbound, SourceRecord } from '../../../adapters/contract/index.js';
import { Misconfigured, NotConnected } from '../../../bus/errors.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { untilNext } from '../../../bus/runtime/schedule.js';
import { plan, startWorld, system, testTarget, until, type World } from './harness.js';

const unreachable = (): PollingInbound => ({
  kind: 'polling',
  open: async () => {
    throw new NotConnected('E400', 'connection refused');
  },
  async *poll() {},
  close: async () => undefined,
});

function listener(): ListeningInbound & { readonly opened: () => number; fail: Error | undefined; call(record: SourceRecord): Promise<Accepted> } {
  let isOpen = false;
  let opened = 0;
  let taker: Accept | undefined;
  const inbound = {
    kind: 'listening' as const,
    fail: undefined as Error | undefined,
    opened: () => opened,
    call: (record: SourceRecord) => (taker ? taker(record, AbortSignal.timeout(5_000)) : Promise.reject(new Error('not open'))),
    async open(accept: Accept) {
      if (inbound.fail) throw inbound.fail;
      if (isOpen) throw new Misconfigured('E468', 'the path is taken');
      isOpen = true;
      taker = accept;
      opened++;
    },
    async close() {
      isOpen = false;
    },
  };
  return inbound;
}

describe('stopping, pausing and going on', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());
  const report = (name: string) => world.supervisor.reports().get(name)?.endpoints[0];

  test('a source that waits after a failure can be reloaded and stopped, and gives its lease back', async () => {
    await world.supervisor.apply(plan([system('in', { inbound: unreachable() })]));
    await until(() => report('in')?.state === 'retrying', 'retrying');
    expect(await world.supervisor.apply(plan([system('in', { inbound: unreachable(), digest: '2' })]))).toEqual(['in']);
    await until(() => report('in')?.state === 'retrying', 'retrying');
    await world.supervisor.stop();
    expect(await world.store.leases.acquire('source:in.things', 'another', 1_000, new Date())).toBeDefined();
  });

  test('an endpoint that does not come to an end does not hold up the stop of others', async () => {
    const stuck: PollingInbound = { ...unreachable(), open: () => new Promise(() => undefined) };
    const throwing: PollingInbound = { ...unreachable(), close: () => Promise.reject(new Error('no')) };
    await world.supervisor.apply({ ...plan([system('in', { inbound: stuck }), system('also', { inbound: throwing }), system('out', { outbound: testTarget() })]), drainMs: 200 });
    await world.supervisor.stop();
    expect(world.supervisor.reports().size).toBe(0);
  });

  test('resuming a listener that is open leaves it open; one that failed tries again at once', async () => {
    const inbound = listener();
    await world.supervisor.apply(plan([system('in', { inbound })]));
    await until(() => report('in')?.state === 'ok', 'open');
    await world.supervisor.setPaused('in', false);
    expect([inbound.opened(), report('in')?.state]).toEqual([1, 'ok']);
    const failing = listener();
    failing.fail = new Misconfigured('E468', 'the path is taken');
    await world.supervisor.apply(plan([system('in', { inbound: failing, digest: '2' })]));
    await until(() => report('in')?.state === 'misconfigured', 'misconfigured');
    failing.fail = undefined;
    await world.supervisor.setPaused('in', false);
    await until(() => report('in')?.state === 'ok', 'open again');
  });

  test('a paused listener goes on listening and tells its callers to come again', async () => {
    const inbound = listener();
    await world.supervisor.apply(plan([system('in', { inbound })]));
    await until(() => report('in')?.state === 'ok', 'open');
    await world.supervisor.setPaused('in', true);
    await expect(inbound.call({ id: '1', value: { n: '1' } })).rejects.toMatchObject({ code: 'E520' });
    await world.supervisor.setPaused('in', false);
    const { messageId } = await inbound.call({ id: '1', value: { n: '1' } });
    expect(await inbound.call({ id: '1', value: { n: '1' } })).toEqual({ result: 'duplicate', messageId });
  });

  test('paused is said as long as it is so, and afterwards what was before', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const target = testTarget(async () => {
      started.resolve();
      await finish.promise;
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    await started.promise;
    await world.supervisor.setPaused('out', true);
    finish.resolve();
    await until(() => report('out')?.count === 1, 'delivered');
    expect(report('out')?.state).toBe('paused');
    await world.supervisor.setPaused('out', false);
    expect(report('out')?.state).toBe('ok');
  });

  test('two that resume at once make one consumer; none is left after a reload', async () => {
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]));
    await world.supervisor.setPaused('out', true);
    await world.supervisor.apply(plan([system('out', { outbound: testTarget(), digest: '2' })]));
    await Promise.all([
      world.supervisor.setPaused('out', false),
      world.supervisor.setPaused('out', false),
      world.supervisor.apply(plan([system('out', { outbound: testTarget(), digest: '3' })])),
    ]);
    expect((await world.broker.depth('target.out.things')).consumers).toBe(1);
    await world.supervisor.apply(plan([]));
    await world.broker.declare({ name: 'target.out.things' });
    expect((await world.broker.depth('target.out.things')).consumers).toBe(0);
  });
});

test('a poll that failed is tried again after its back-off, not at the next time of its calendar', () => {
  const nightly = { everyMs: undefined, cron: '0 2 * * *', between: undefined, zone: 'UTC' };
  expect(untilNext(nightly, new Date('2026-07-01T02:00:05Z'), 'again')).toBe(0);
  const daily = { ...nightly, between: { from: '02:00', to: '03:00' } };
  expect(untilNext(daily, new Date('2026-07-01T03:00:00Z'), 'again')).toBe(23 * 3_600_000);
});

test('a wait longer than a timer of Node takes does not end at once', async () => {
  const stop = new AbortController();
  const slept = systemClock.sleep(40 * 86_400_000, stop.signal);
  const first = await Promise.race([slept.then(() => 'slept'), new Promise((next) => setTimeout(next, 100, 'waits'))]);
  stop.abort(new Error('enough'));
  await expect(slept).rejects.toThrow('enough');
  expect(first).toBe('waits');
});
