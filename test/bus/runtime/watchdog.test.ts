import { describe, expect, test } from '@jest/globals';
import type { Broker, ChannelDepth, Consumer, Received } from '../../../bus/broker.js';
import type { EndpointReport } from '../../../bus/runtime/endpoint-health.js';
import { judge, type Sight } from '../../../bus/runtime/suspicion.js';
import { Telemetry } from '../../../bus/runtime/telemetry.js';
import { Watchdog, type WatchSubjects } from '../../../bus/runtime/watchdog.js';
import { type HeldClock, heldClock, realClock, recordingLog } from '../../kit/fakes.js';
import { plan, startWorld, system, testTarget, until } from './harness.js';

const idle: Sight = {
  pulse: { hasRoom: true, received: 4, settled: 4, unsettled: 0, oldestMs: undefined },
  depth: { ready: 0, unsettled: 0, delayed: 0, oldestMs: undefined, consumers: 1 },
  isSingle: false,
  owed: 0,
  link: { isOpen: true, oldestCallMs: undefined },
};
const waiting: ChannelDepth = { ready: 5, unsettled: 0, delayed: 0, oldestMs: undefined, consumers: 1 };
const busy = { ...idle.pulse, unsettled: 3, oldestMs: 7_200_000 };

describe('a consumer that did nothing since the last look', () => {
  test.each<[string, Partial<Sight>, string | undefined]>([
    ['of an empty channel is well', {}, undefined],
    ['with its hands full is well, however many wait', { pulse: { ...busy, hasRoom: false }, depth: undefined, link: { isOpen: true, oldestCallMs: 30_000 } }, undefined],
    ['whose target is out of order is well', { pulse: busy, depth: { ...waiting, ready: 0 }, link: { isOpen: false, oldestCallMs: undefined } }, undefined],
    ['whose target takes hours for a call is well', { pulse: busy, link: { isOpen: true, oldestCallMs: 7_200_000 } }, undefined],
    ['that stands by for another is well', { isSingle: true, depth: { ...waiting, consumers: 2 } }, undefined],
    ['alone in line for its place is not', { isSingle: true, depth: waiting }, 'silent'],
    ['although it has room and messages wait is not', { depth: { ...waiting, consumers: 3 } }, 'silent'],
    ['that the broker does not know is not', { depth: { ...waiting, ready: 0, consumers: 0 } }, 'consumer-gone'],
    ['that never got what was published is not', { owed: 1 }, 'swallowed'],
    ['that shares its channel may owe it to another', { owed: 1, depth: { ...waiting, ready: 0, consumers: 2 } }, undefined],
    ['that holds messages nobody works on is not', { pulse: busy }, 'lost'],
    ['that holds messages for the store is well for a while', { pulse: { ...busy, oldestMs: 600_000 } }, undefined],
  ])('%s', (_, part, suspicion) => {
    expect(judge({ ...idle, ...part })).toBe(suspicion);
  });
});

/** A broker with one channel, whose consumers may go deaf. */
class FakeBroker implements Broker {
  readonly kind = 'rabbitmq';
  readonly health = { connected: true, detail: undefined };
  readonly waiting: string[] = [];
  isDeaf = true;
  isAway = false;
  known = 1;
  consumed = 0;
  private hand: ((received: Received) => void) | undefined;

  async open(): Promise<void> {}
  async declare(): Promise<void> {}
  async close(): Promise<void> {}
  async publish(_channel: string, { id }: { readonly id: string }): Promise<void> {
    this.waiting.push(id);
    this.serve();
  }
  publishAll(): void {}
  async publishLater(): Promise<void> {}
  async remove(): Promise<boolean> {
    return false;
  }
  async depth(): Promise<ChannelDepth> {
    if (this.isAway) throw new Error('no answer');
    return { ...waiting, ready: this.waiting.length, consumers: this.known };
  }
  async consume(_channel: string, _options: unknown, onMessage: (received: Received) => void): Promise<Consumer> {
    this.consumed++;
    this.hand = onMessage;
    this.serve();
    return { pause: async () => undefined, resume: async () => undefined, close: async () => undefined, unsettled: 0 };
  }
  serve(): void {
    while (!this.isDeaf && this.waiting.length > 0) {
      const id = this.waiting.shift() ?? '';
      this.hand?.({
        id,
        headers: {},
        body: new Uint8Array(),
        redelivered: false,
        deliveryCount: 0,
        session: new AbortController().signal,
        ack: () => undefined,
        requeue: () => undefined,
      });
    }
  }
}

const nothing: WatchSubjects = { links: new Map(), sources: [] };

function watched(subjects: () => WatchSubjects = () => nothing) {
  const clock = heldClock();
  const log = recordingLog();
  const telemetry = new Telemetry('test');
  const broker = new FakeBroker();
  const watchdog = new Watchdog(broker, clock, log, telemetry);
  watchdog.start(subjects);
  const warnings = (): readonly string[] => log.lines.filter(({ level }) => level === 'warn').map(({ event, message }) => `${event} ${message}`);
  return { clock, log, telemetry, broker, watchdog, warnings };
}

/** In steps, as time goes: every look ends before the next. */
async function pass(clock: HeldClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    await clock.advance(5_000);
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
  }
}

const report = (part: Partial<EndpointReport>): EndpointReport => ({
  name: 'in.things',
  direction: 'inbound',
  state: 'ok',
  detail: undefined,
  since: undefined,
  lastSuccessAt: undefined,
  lastFailureAt: undefined,
  nextAt: undefined,
  count: 0,
  failed: 0,
  ...part,
});

describe('the watchdog', () => {
  test('consumes anew when messages wait and none is handed out, and says so', async () => {
    const { clock, broker, watchdog, warnings, telemetry } = watched();
    const got: string[] = [];
    await watchdog.broker.consume('target.out.things', { prefetch: 16 }, (received) => {
      got.push(received.id);
      received.ack();
    });
    await broker.publish('', { id: 'a' });
    await pass(clock, 40_000);
    expect(broker.consumed).toBe(1); // it may be a moment's pause
    broker.isDeaf = false;
    await pass(clock, 40_000);
    expect([broker.consumed, got]).toEqual([2, ['a']]);
    expect(warnings()).toEqual(['watchdog-recycled target.out.things: messages wait, and the broker hands out none; it is consumed anew']);
    const metrics = await telemetry.registry.metrics();
    expect(metrics).toContain('signalbox_watchdog_recycled_total{endpoint="out.things",reason="silent"} 1');
    expect(metrics).toContain('signalbox_consumer_present{endpoint="out.things"} 1');
    const status = watchdog.annotate(report({ name: 'out.things', direction: 'outbound' }));
    expect(status).toMatchObject({ state: 'ok', detail: expect.stringMatching(/^recycled at 2026-03-01T08:01:\S+: messages wait/), recycled: { times: 1 } });
    expect(watchdog.diagnoses()).toEqual([expect.objectContaining({ result: 'warning', found: expect.stringContaining('was recycled (1 in all)') })]);
    await pass(clock, 3_600_000);
    expect(watchdog.annotate(report({ name: 'out.things', direction: 'outbound' })).detail).toBeUndefined();
    expect(watchdog.diagnoses()).toEqual([expect.objectContaining({ result: 'ok', found: expect.stringMatching(/^1 consumers and 0 sources at work/) })]);
    await watchdog.stop();
  });

  test('rests longer and longer between two attempts that do not help', async () => {
    const { clock, broker, watchdog, warnings } = watched();
    await watchdog.broker.consume('target.out.things', { prefetch: 16 }, () => undefined);
    await broker.publish('', { id: 'a' });
    await pass(clock, 600_000);
    // After 1, 2, 4 and 8 minutes, each at the next look with enough patience.
    expect(warnings().length).toBeGreaterThanOrEqual(3);
    expect(warnings().length).toBeLessThanOrEqual(4);
    expect(watchdog.annotate(report({ name: 'out.things', direction: 'outbound' }))).toMatchObject({
      state: 'failing',
      detail: expect.stringContaining('made anew without success'),
    });
    await watchdog.stop();
  });

  test('consumes anew when the broker does not know the consumer, not while it cannot be asked or nothing is expected', async () => {
    const { clock, broker, watchdog } = watched();
    const consumer = await watchdog.broker.consume('target.out.things', { prefetch: 16 }, () => undefined);
    broker.known = 0;
    broker.isAway = true;
    await pass(clock, 300_000);
    expect(broker.consumed).toBe(1);
    broker.isAway = false;
    await consumer.pause();
    await pass(clock, 300_000);
    expect(broker.consumed).toBe(1);
    await consumer.resume();
    await pass(clock, 100_000);
    expect(broker.consumed).toBe(2);
    broker.known = 1;
    await pass(clock, 600_000);
    expect(broker.consumed).toBe(2);
    await consumer.close();
    await pass(clock, 100_000);
    expect(watchdog.broker.consuming).toEqual([]);
    await watchdog.stop();
  });

  test('tells how long the oldest message has been in hand', async () => {
    const { clock, broker, watchdog, telemetry } = watched();
    const held: Received[] = [];
    broker.isDeaf = false;
    await watchdog.broker.consume('target.out.things', { prefetch: 16 }, (received) => void held.push(received));
    await broker.publish('', { id: 'a' });
    await pass(clock, 60_000);
    const age = async (): Promise<number> => Number(/oldest_unsettled_seconds\{endpoint="out\.things"\} (\S+)/.exec(await telemetry.registry.metrics())?.[1]);
    expect(await age()).toBe(60);
    held[0]?.ack();
    await pass(clock, 20_000);
    expect(await age()).toBe(0);
    await watchdog.stop();
  });

  test('reports a source whose poll does not end, and not one that brings something, waits for its time or fails', async () => {
    const start = Date.parse('2026-03-01T08:00:00.000Z');
    let source = report({ nextAt: start });
    const { clock, watchdog, warnings, telemetry } = watched(() => ({ links: new Map(), sources: [{ report: source, everyMs: 30_000 }] }));
    await pass(clock, 300_000);
    expect(warnings()).toEqual([]);
    for (let minute = 0; minute < 10; minute++) {
      telemetry.received.inc({ system: 'in', source: 'in.things' });
      await pass(clock, 60_000);
    }
    expect(warnings()).toEqual([]);
    await pass(clock, 400_000);
    expect(warnings()).toEqual([expect.stringMatching(/^watchdog-source in\.things: the poll that was due \d+ min ago has not ended$/)]);
    expect(watchdog.annotate(source)).toMatchObject({ state: 'silent', detail: expect.stringContaining('has not ended') });
    expect(watchdog.annotate({ ...source, state: 'paused' }).state).toBe('paused');
    for (const next of [report({ nextAt: start + 86_400_000 }), report({ nextAt: start, state: 'failing' }), report({})]) {
      source = next;
      await pass(clock, 900_000);
      expect(watchdog.annotate(source).state).toBe(source.state);
    }
    expect(warnings()).toHaveLength(1);
    await watchdog.stop();
  });
});

describe('a call that hangs', () => {
  test('is left behind when it takes much longer than its adapter allows, and only then', async () => {
    let shift = 0;
    const world = await startWorld(undefined, undefined, { ...realClock, monotonic: () => performance.now() + shift });
    const { supervisor, watchdog, intake, log } = world;
    try {
      let calls = 0;
      const target = testTarget(() => (++calls === 1 ? new Promise(() => undefined) : { detail: 'ok' }));
      await supervisor.apply(plan([system('out', { outbound: target, parallel: 1, callLimitMs: 30_000 })]));
      await intake.accept('in.things', [{ id: '1', value: { name: 'one' } }], { patienceMs: 5_000, signal: AbortSignal.timeout(5_000) });
      await until(() => calls === 1, 'it is called');
      const look = async (ms: number): Promise<readonly string[]> => {
        shift += ms;
        await watchdog.look(supervisor.watched());
        return log.lines.filter(({ event }) => event.startsWith('watchdog-')).map(({ message }) => message);
      };
      for (let half = 0; half < 2; half++) expect(await look(30_000)).toEqual([]);
      expect(await look(40_000)).toEqual(['out.things: a call did not end within 90 s; its link is opened anew']);
      await until(() => target.got.length === 1, 'it is delivered');
      expect(calls).toBe(2);
      expect(target.opened()).toBe(2);
      expect(supervisor.reports().get('out')?.endpoints[0]).toMatchObject({ state: 'ok', detail: expect.stringMatching(/^recycled at .*: a call did not end within 90 s$/) });
    } finally {
      await world.close();
    }
  });

  test('is told of when its adapter does not say how long it may take', async () => {
    let oldestCallMs = 30_000;
    const gone: string[] = [];
    const link = { isOpen: true, limitMs: undefined, giveUp: (reason: string) => void gone.push(reason) };
    const { clock, watchdog, warnings } = watched(() => ({ links: new Map([['out.things', { ...link, oldestCallMs }]]), sources: [] }));
    await pass(clock, 60_000);
    expect(warnings()).toEqual([]);
    oldestCallMs = 3_000_000;
    await pass(clock, 60_000);
    expect(warnings()).toEqual(['watchdog-call out.things: a call has been running for 50 min']);
    expect(gone).toEqual([]);
    await watchdog.stop();
  });
});
