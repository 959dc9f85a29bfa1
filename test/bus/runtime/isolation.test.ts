import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { PollingInbound } from '../../../adapters/contract/index.js';
import { InvalidMessage } from '../../../bus/errors.js';
import type { Handler } from '../../../bus/handler.js';
import { deliveryId, messageId } from '../../../bus/message.js';
import { handlerTo, plan, startWorld, system, testTarget, until, type World } from './harness.js';

const options = () => ({ patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
const idOf = (id: string) => messageId('in.things', id, 'in');

describe('one that fails takes no other with it', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());
  const report = (name: string, at = 0) => world.supervisor.reports().get(name)?.endpoints[at];

  test('a system whose adapter throws is reported, the others run, and the next reload tries again', async () => {
    let isBroken = true;
    const target = testTarget();
    const late = testTarget();
    const fragile = system('bad', { outbound: late });
    const bad = {
      ...fragile,
      connect: () => {
        if (isBroken) throw new TypeError('no such driver');
        return fragile.connect();
      },
    };
    await world.supervisor.apply(plan([bad, system('out', { outbound: target })]));
    expect(report('bad')).toMatchObject({ state: 'misconfigured', detail: 'E508 no such driver; a reload tries again' });
    expect(await world.supervisor.probe('bad', AbortSignal.timeout(1_000))).toEqual([{ name: 'connect', ok: false, detail: 'no such driver' }]);
    await world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], options());
    await until(() => target.got.length === 1, 'delivered');
    isBroken = false;
    expect(await world.supervisor.apply(plan([bad, system('out', { outbound: target })]))).toEqual(['bad']);
    await until(() => late.opened() === 1, 'open');
  });

  test('an endpoint the adapter does not offer is reported', async () => {
    const without = {
      ...system('in', {}),
      inbound: [{ name: 'in.things', config: {}, schedule: { everyMs: 20, cron: undefined, between: undefined, zone: 'UTC' }, maxRecords: 1, expect: undefined }],
    };
    await world.supervisor.apply(plan([without]));
    expect(report('in')?.state).toBe('misconfigured');
  });

  test('messages of a target that was removed are seen, also after a restart, and delivered when it is back', async () => {
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]));
    await world.supervisor.setPaused('out', true);
    await world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], options());
    await world.supervisor.apply(plan([]));
    expect(report('out')).toMatchObject({ state: 'misconfigured', detail: expect.stringContaining('E509 1 messages wait for out.things') });
    await world.close(true);
    world = await startWorld(world.directory);
    await world.supervisor.apply(plan([]));
    expect(report('out')?.state).toBe('misconfigured');
    const back = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: back })]));
    await world.supervisor.setPaused('out', false);
    await until(() => back.got.length === 1, 'delivered');
    await world.supervisor.apply(plan([]));
    expect(report('out')).toBeUndefined();
  });

  test('what no route reads is not taken; when a route comes, it is', async () => {
    let polls = 0;
    const inbound: PollingInbound = {
      kind: 'polling',
      open: async () => undefined,
      async *poll() {
        polls++;
        yield { records: [{ id: '1', value: { n: '1' } }], checkpoint: '1' };
      },
      close: async () => undefined,
    };
    const unrouted: Handler = { ...handlerTo('out.things'), sources: [], receive: () => [] };
    const target = testTarget();
    const systems = [system('in', { inbound }), system('out', { outbound: target })];
    await world.supervisor.apply(plan(systems, unrouted));
    await until(() => report('in')?.state === 'misconfigured', 'reported');
    expect([polls, await world.store.checkpoints.get('in.things')]).toEqual([0, undefined]);
    await expect(world.intake.accept('in.things', [{ id: '1', value: {} }], options())).rejects.toMatchObject({ code: 'E507' });
    await world.supervisor.apply(plan(systems, handlerTo('out.things', 2)));
    await until(() => target.got.length === 1, 'delivered');
  });

  test('a record that a bug stumbles over goes to the dead letters, those around it go on', async () => {
    const sound = handlerTo('out.things');
    const handler: Handler = {
      ...sound,
      receive(endpoint, record, now) {
        if (record.id === 'bad') throw new TypeError('x is undefined');
        return sound.receive(endpoint, record, now);
      },
    };
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })], handler));
    const results = await world.intake.accept(
      'in.things',
      ['1', 'bad', '2', '1'].map((id) => ({ id, key: id, value: { n: id } })),
      options(),
    );
    expect(results.map(({ result }) => result)).toEqual(['accepted', 'dead', 'accepted', 'duplicate']);
    await until(() => target.got.length === 2, 'delivered');
    expect(await world.store.deadLetters.groups()).toMatchObject([{ code: 'E500', reason: 'x is undefined', count: 1 }]);
  });

  describe('redelivering a record after its routes have changed', () => {
    const partId = deliveryId(idOf('1'), 'out', 'all', 'out.things', '');
    const refusing: Handler = {
      ...handlerTo('out.things'),
      receive: (endpoint, record, now) =>
        handlerTo('out.things')
          .receive(endpoint, record, now)
          .map((outcome) => ({
            ...outcome,
            deliveries: [],
            failures: [{ failure: new InvalidMessage('E300', 'no such field'), route: 'out', rule: 'all', endpoint: 'out.things', id: partId }],
          })),
    };
    const state = async () => (await world.store.history.message(idOf('1')))?.state;

    test('its route is gone: the letter stays open', async () => {
      await world.supervisor.apply(plan([], refusing));
      await world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], options());
      await world.supervisor.apply(plan([], { ...refusing, sources: [], receive: () => [] }));
      const result = await world.redelivery.redeliver([partId], { who: 'test' });
      expect(result).toMatchObject({ redelivered: 0, failed: [{ reason: expect.stringContaining('does not read in.things any more') }] });
      expect([(await world.store.deadLetters.get(partId))?.state, await state()]).toEqual(['open', 'dead']);
    });

    test('its rule fails again: that is said, and the letter stays open', async () => {
      await world.supervisor.apply(plan([], refusing));
      await world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], options());
      const result = await world.redelivery.redeliver([partId], { who: 'test' });
      expect(result).toMatchObject({ redelivered: 0, failed: [{ reason: expect.stringContaining('failed again') }] });
      expect([(await world.store.deadLetters.get(partId))?.state, await state()]).toEqual(['open', 'dead']);
    });

    test('its rule does not want it now: the message comes to an end', async () => {
      await world.supervisor.apply(plan([], refusing));
      await world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], options());
      const dropping: Handler = {
        ...refusing,
        receive: (endpoint, record, now) =>
          refusing.receive(endpoint, record, now).map(({ message: _, ...outcome }) => ({ ...outcome, failures: [], filtered: 'no rule wants it' })),
      };
      await world.supervisor.apply(plan([], dropping));
      expect((await world.redelivery.redeliver([partId], { who: 'test' })).redelivered).toBe(1);
      expect([(await world.store.deadLetters.get(partId))?.state, await state()]).toEqual(['redelivered', 'filtered']);
    });
  });
});
