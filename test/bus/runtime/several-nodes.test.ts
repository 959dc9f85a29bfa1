// Sources of several nodes on one store, in one process.
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Batch, Clock, PollingInbound, PollRequest } from '../../../adapters/contract/index.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { PolledSource } from '../../../bus/runtime/source.js';
import type { Nodes } from '../../../bus/runtime/tokens.js';
import type { Leases, Store } from '../../../bus/store/contract.js';
import { plan, startWorld, system, testTarget, until, type World } from './harness.js';

const schedule = { everyMs: 20, cron: undefined, between: undefined, zone: 'UTC' };

let world: World;
let sources: PolledSource[];
let target: ReturnType<typeof testTarget>;
beforeEach(async () => {
  world = await startWorld();
  sources = [];
  target = testTarget();
  await world.supervisor.apply(plan([system('out', { outbound: target })]));
});
afterEach(async () => {
  for (const source of sources) {
    source.abandon();
    await source.stop();
  }
  await world.close();
});

interface Extra {
  readonly clock?: Clock;
  readonly leases?: Partial<Leases>;
  readonly pollTimeoutMs?: number;
  readonly remake?: () => PollingInbound;
  readonly ttlMs?: number;
}

/** `in.things` on the node `holder`. */
function source(holder: string, inbound: PollingInbound, { clock = systemClock, leases = {}, pollTimeoutMs = 300_000, remake, ttlMs = 4_000 }: Extra = {}): PolledSource {
  const nodes: Nodes = {
    holder,
    timing: { ttlMs, renewMs: ttlMs / 10, marginMs: ttlMs / 10 },
    liveNodes: () => 2,
    readerOf: () => sources.map((each, at) => (each.isHeld ? `node ${at}` : undefined)).find(Boolean),
  };
  const store: Store = Object.create(world.store, { leases: { value: { ...world.store.leases, ...leases } } }) as Store;
  const services = { intake: world.intake, store, clock, log: world.log, telemetry: world.telemetry, nodes };
  const made = new PolledSource(inbound, { name: 'in.things', schedule, maxRecords: 10, expect: undefined, pollTimeoutMs }, services, remake);
  sources.push(made);
  return made;
}

/** One new record at each poll, numbered on from the checkpoint; `before` each batch. */
function endless(before: (request: PollRequest, next: number) => Promise<void> = async () => undefined): PollingInbound {
  return {
    kind: 'polling',
    async open() {},
    async *poll(request): AsyncGenerator<Batch> {
      const next = Number(request.checkpoint ?? 0) + 1;
      await before(request, next);
      yield { records: [{ id: `n${next}`, key: `n${next}`, value: { n: BigInt(next) } }], checkpoint: String(next) };
    },
    async close() {},
  };
}

const isNever = (signal: AbortSignal): Promise<void> => new Promise((_, fail) => signal.addEventListener('abort', () => fail(signal.reason), { once: true }));
const events = (event: string): number => world.log.lines.filter((line) => line.event === event).length;
const position = async (): Promise<number> => Number((await world.store.checkpoints.get('in.things')) ?? 0);
const keys = (): (string | undefined)[] => target.got.map(({ key }) => key);

describe('a source on several nodes', () => {
  test('is read by one; the other stands by, says who reads, and goes on where it ended', async () => {
    const one = source('one', endless());
    await one.start();
    await until(async () => (await position()) >= 3, 'the first reads');
    const two = source('two', endless());
    await two.start();
    await until(() => two.report.state === 'standby', 'the second stands by');
    expect(two.report.detail).toBe('read by node 0');
    expect([one.isHeld, two.isHeld]).toEqual([true, false]);
    await one.stop();
    const ended = await position();
    await until(async () => (await position()) >= ended + 3, 'the second reads');
    expect(two.report.state).toBe('ok');
    await two.stop();
    await until(async () => target.got.length === (await position()), 'delivered');
    expect(new Set(keys()).size).toBe(target.got.length);
    expect([events('source-standby'), events('source-taken-over')]).toEqual([1, 1]);
  });

  test('that stood still while another took over publishes nothing, stores nothing and moves nothing', async () => {
    let skipped = 0;
    const stopped: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skipped };
    const goesOn = Promise.withResolvers<void>();
    const acquire: Leases['acquire'] = async (...args) => {
      if (skipped > 0) await goesOn.promise;
      return world.store.leases.acquire(...args);
    };
    const two = source('two', endless());
    let fence: unknown;
    const zombie = endless(async (request, next) => {
      if (next !== 3) return;
      skipped = 60_000;
      await two.start();
      await until(async () => (await position()) >= 6, 'the other reads');
      try {
        request.fence?.();
      } catch (error) {
        fence = error;
      }
    });
    const one = source('one', zombie, { clock: stopped, leases: { acquire } });
    sources.reverse();
    await one.start();
    await until(() => events('source-lease-lost') === 1, 'it noticed');
    expect(String(fence)).toContain('it was not renewed in time');
    goesOn.resolve();
    await until(() => one.report.state === 'standby', 'it stands by');
    await two.stop();
    await one.stop();
    const last = await position();
    await until(() => target.got.length >= last, 'delivered');
    expect(keys().sort()).toEqual(Array.from({ length: last }, (_, at) => `n${at + 1}`).sort());
    const [message] = await world.store.history.search({ key: 'n3', limit: 2 });
    expect((await world.store.history.events(message?.id ?? '')).filter(({ kind }) => kind === 'received').length).toBe(1);
  });

  test('whose node cannot reach the system is left to another node', async () => {
    const one = source('one', { ...endless(), open: () => Promise.reject(new Error('no route to host')) });
    await one.start();
    await until(() => one.report.state === 'retrying', 'it fails');
    const two = source('two', endless());
    await two.start();
    await until(async () => (await position()) >= 3, 'the other reads');
    await until(() => one.report.state === 'standby', 'the first stands by');
  });

  test('refused at its checkpoint stops, even if it does not know yet that it lost its lease', async () => {
    const one = source('one', endless(), { ttlMs: 60_000 });
    await one.start();
    await until(async () => (await position()) >= 2, 'it reads');
    await world.store.leases.release('source:in.things', 'one');
    const epoch = await world.store.leases.acquire('source:in.things', 'other', 60_000, new Date());
    await world.store.checkpoints.set('in.things', '100', epoch ?? 0);
    await until(() => one.report.state === 'standby', 'it stands by');
    expect(await position()).toBe(100);
    expect(one.report.detail).toBe('read by another node');
  });
});

test('what another node paused or resumed is followed', async () => {
  const state = () => world.supervisor.reports().get('out')?.endpoints[0]?.state;
  await world.supervisor.setPaused('out', true);
  await world.store.endpointState.put('signalbox.pauses', new Map([['out.things', undefined]]));
  await world.supervisor.followPauses();
  expect(state()).not.toBe('paused');
  await world.store.endpointState.put('signalbox.pauses', new Map([['out.things', 'now']]));
  await Promise.all([world.supervisor.followPauses(), world.supervisor.followPauses()]);
  expect(state()).toBe('paused');
  await world.supervisor.setPaused('out', false);
  await world.supervisor.followPauses();
  expect([state() === 'paused', events('pause-followed')]).toEqual([false, 2]);
});

describe('a source that hangs', () => {
  /** Twenty times as fast. */
  const fast: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() * 20, sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) };

  test('is aborted, opened anew and reported', async () => {
    let hangs = true;
    const inbound = endless(async ({ signal }, next) => {
      if (next === 2 && hangs) {
        hangs = false;
        await isNever(signal);
      }
    });
    let opened = 0;
    const open = async (): Promise<void> => {
      opened += 1;
    };
    const made = source('one', { ...inbound, open }, { clock: fast, ttlMs: 600_000, pollTimeoutMs: 5_000 });
    await made.start();
    await until(async () => (await position()) >= 4, 'it goes on');
    expect(opened).toBe(2);
    expect(made.report.recycled).toMatchObject({ times: 1, reason: 'reading made no progress for 5 s' });
    expect(await world.telemetry.registry.metrics()).toContain('signalbox_watchdog_recycled_total{endpoint="in.things",reason="stalled"} 1');
    expect(events('source-recycled')).toBe(1);
  });

  test('and does not heed the abort either is left behind, another takes its place, and what it does later has no effect', async () => {
    const waking = Promise.withResolvers<void>();
    let fence: unknown;
    const hung = endless(async (request, next) => {
      if (next !== 2) return;
      await waking.promise;
      try {
        request.fence?.();
      } catch (error) {
        fence = error;
      }
    });
    const made = source('one', hung, { clock: fast, ttlMs: 600_000, pollTimeoutMs: 5_000, remake: () => endless() });
    await made.start();
    await until(async () => (await position()) >= 4, 'the other goes on');
    expect(made.report.recycled?.reason).toBe('reading made no progress for 5 s and did not end when told to');
    waking.resolve();
    await until(() => fence !== undefined, 'it wakes up');
    expect(String(fence)).toContain('made no progress');
    await made.stop();
    await until(async () => target.got.length === (await position()), 'delivered');
    expect(new Set(keys()).size).toBe(target.got.length);
  });

  test.each(['open', 'settle'] as const)('in %s is noticed as well', async (step) => {
    const inbound = endless();
    let hangs = true;
    const never = (): Promise<void> => new Promise(() => undefined);
    const hung: PollingInbound = {
      ...inbound,
      open: () => (step === 'open' ? never() : Promise.resolve()),
      async *poll(request) {
        for await (const batch of inbound.poll(request)) yield { ...batch, settle: hangs ? never : async () => undefined };
      },
    };
    const made = source('one', hung, {
      clock: fast,
      ttlMs: 600_000,
      pollTimeoutMs: 5_000,
      remake: () => {
        hangs = false;
        return inbound;
      },
    });
    await made.start();
    await until(async () => (await position()) >= 3, 'it goes on');
    expect(made.report.recycled?.times).toBe(1);
  });

  test('shows progress while it works long on one batch', async () => {
    const inbound = endless(async ({ progress }) => {
      for (let part = 0; part < 8; part += 1) {
        await fast.sleep(2_000);
        progress?.();
      }
    });
    const made = source('one', inbound, { clock: fast, ttlMs: 600_000, pollTimeoutMs: 5_000 });
    await made.start();
    await until(async () => (await position()) >= 1, 'it reads');
    expect(made.report.recycled).toBeUndefined();
  });
});
