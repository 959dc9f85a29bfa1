import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Accept, ListeningInbound } from '../../../adapters/contract/index.js';
import { handlerTo, plan, startWorld, system, testTarget, until, type World } from './harness.js';

const options = () => ({ patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });

describe('a change of what runs', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());
  const send = (id: string) => world.intake.accept('in.things', [{ id, value: { n: id } }], options());

  test('that cannot be recorded changes nothing', async () => {
    const [target, other] = [testTarget(), testTarget()];
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    const record = async () => {
      throw new Error('no space');
    };
    const changed = plan([system('out', { outbound: other, digest: '2' })], handlerTo('out.nothing', 2));
    await expect(world.supervisor.apply(changed, { record })).rejects.toThrow('no space');
    await send('1');
    await until(() => target.got.length === 1, 'delivered as before');
    expect([target.opened(), other.opened()]).toEqual([1, 0]);
    expect(await world.supervisor.apply(changed)).toEqual(['out']);
  });

  test('is recorded after all that can fail', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    let isRecorded = false;
    const record = async () => {
      isRecorded = true;
      return handlerTo('out.things', 2);
    };
    const impossible = system('o'.repeat(300), { outbound: testTarget() });
    await expect(world.supervisor.apply(plan([impossible], handlerTo('out.things', 2)), { record })).rejects.toThrow();
    expect(isRecorded).toBe(false);
    await send('1');
    await until(() => target.got.length === 1, 'delivered as before');
  });

  test('runs under the number it was recorded with', async () => {
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]), { record: async () => handlerTo('out.things', 7) });
    const [accepted] = await send('1');
    expect((await world.store.history.events(accepted?.messageId ?? '')).map(({ revision }) => revision)).toContain(7);
  });

  test('waits for a call that hangs without holding up other systems, or the sources of the same', async () => {
    const finish = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const slow = testTarget(async () => {
      begun.resolve();
      await finish.promise;
      return { detail: 'ok' };
    });
    let opened = 0;
    const hook: ListeningInbound = {
      kind: 'listening',
      async open(_accept: Accept) {
        opened++;
      },
      async close() {},
    };
    const [changed, same] = [testTarget(), testTarget()];
    const systems = (digest: string, target = testTarget()) => [
      system('out', { outbound: target, inbound: hook, digest }),
      system('changed', { outbound: changed, digest }),
      system('same', { outbound: same }),
    ];
    await world.supervisor.apply(plan(systems('1', slow)));
    await send('1');
    await begun.promise;
    const ends: (readonly [string, boolean])[] = [];
    const next = testTarget();
    const applied = world.supervisor.apply(
      { ...plan(systems('2', next), handlerTo('same.things', 2)), drainMs: 60_000 },
      { ended: (name, _, isOver) => ends.push([name, isOver]) },
    );
    await until(() => opened === 2 && changed.opened() === 2, 'what need not wait is back');
    await send('2');
    await until(() => same.got.length === 1, 'the others deliver, by the new routes');
    expect(world.supervisor.ending().map(({ name }) => name)).toEqual(['out.things']);
    expect([slow.got.length, next.opened(), same.opened()]).toEqual([0, 0, 1]);
    finish.resolve();
    expect(await applied).toEqual(['changed', 'out']);
    await until(() => next.opened() === 1, 'open');
    expect([slow.got.length, world.supervisor.ending()]).toEqual([1, []]);
    expect(ends.filter(([name]) => name.startsWith('out'))).toEqual([
      ['out.things', true],
      ['out.things', true],
      ['out', true],
    ]);
  });
});
