import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { InvalidMessage, type Outbound, type Receipt, type SourceRecord } from '../../../adapters/contract/index.js';
import { Misconfigured, NotConnected, TryAgain } from '../../../bus/errors.js';
import { messageId } from '../../../bus/message.js';
import { plan, startWorld, system, testTarget, until, type World } from './harness.js';

const record = (id: string, value: SourceRecord['value'] = { n: id }): SourceRecord => ({ id, value, key: id });
const idOf = (id: string): string => messageId('in.things', id, 'in');

describe('delivery', () => {
  let world: World;
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());

  const accept = (...records: SourceRecord[]) => world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
  const kinds = async (id: string) => (await world.store.history.events(idOf(id))).map(({ kind }) => kind);
  const state = async (id: string) => (await world.store.history.message(idOf(id)))?.state;

  test('an accepted record is delivered, and its history says so', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    expect(await accept(record('1'))).toEqual([{ result: 'accepted', messageId: idOf('1') }]);
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect(target.got.map(({ key, attempt, payload }) => [key, attempt, payload['n']])).toEqual([['1', 1, '1']]);
    expect((await kinds('1')).sort()).toEqual(['delivered', 'queued', 'received']);
  });

  test('every accepted record reaches exactly one terminal state', async () => {
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]));
    expect(await accept(record('1'), record('2', { skip: true }), record('3', { bad: true }))).toEqual([
      { result: 'accepted', messageId: idOf('1') },
      { result: 'filtered', messageId: idOf('2') },
      { result: 'dead', messageId: idOf('3') },
    ]);
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect([await state('2'), await state('3')]).toEqual(['filtered', 'dead']);
    expect(await world.store.deadLetters.groups()).toMatchObject([{ code: 'E300', count: 1, route: 'in' }]);
  });

  test('of what was delivered nothing is kept in memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const receipts: WeakRef<Receipt>[] = [];
    const outbound: Outbound = {
      open: async () => undefined,
      close: async () => undefined,
      async send() {
        const receipt = { detail: 'ok' };
        receipts.push(new WeakRef(receipt));
        return receipt;
      },
    };
    await world.supervisor.apply(plan([system('out', { outbound })]));
    await accept(...Array.from({ length: 100 }, (_, n) => record(`${n}`)));
    await until(async () => (await state('99')) === 'delivered' && receipts.length === 100, 'delivered');
    await until(() => {
      collect();
      return receipts.filter((receipt) => receipt.deref() !== undefined).length <= 2;
    }, 'all but the last are let go');
  });

  test('a record that was accepted before is recognised', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    expect((await accept(record('1'), record('2')))[0]?.result).toBe('duplicate');
    await until(async () => (await state('2')) === 'delivered', 'delivered');
    expect(target.got.length).toBe(2);
  });

  test('the same delivery twice in the channel has one effect', async () => {
    const target = testTarget();
    await accept(record('1'));
    await world.intake.accept('in.things', [record('1')], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
    await world.supervisor.apply(plan([system('out', { outbound: target, parallel: 1 })]));
    await until(async () => (await world.broker.depth('target.out.things')).ready + (await world.broker.depth('target.out.things')).unsettled === 0, 'channel empty');
    expect(target.got.length).toBe(1);
  });

  test('a passing failure is tried again by the policy, then goes to the dead letters', async () => {
    const attempts: number[] = [];
    const target = testTarget(({ attempt }) => {
      attempts.push(attempt);
      throw new TryAgain('E400', 'busy');
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    await until(async () => (await state('1')) === 'dead', 'dead');
    expect(attempts).toEqual([1, 2, 3]);
    const [group] = await world.store.deadLetters.groups();
    expect(group).toMatchObject({ code: 'E400', endpoint: 'out.things', reason: 'busy (attempt 3 of 3)' });
    expect((await kinds('1')).filter((kind) => kind === 'retry').length).toBe(2);
  });

  test('a target that fails for every message fills no dead letters, however long; a message that fails alone still ends there', async () => {
    let isUp = false;
    let sent = 0;
    const target = testTarget(({ key }) => {
      sent++;
      if (!isUp || key === '3') throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target, parallel: 2 })]));
    const numbers = Array.from({ length: 8 }, (_, index) => String(index + 1));
    await accept(...numbers.map((number) => record(number)));
    await until(() => sent >= 9, 'attempts go on', 30_000);
    expect(await world.store.deadLetters.groups()).toEqual([]);
    expect(world.supervisor.reports().get('out')?.endpoints[0]?.detail).toContain('busy; next try in');
    isUp = true;
    await until(async () => (await state('3')) === 'dead', 'the one it does not take is dead', 30_000);
    for (const number of numbers.filter((each) => each !== '3')) await until(async () => (await state(number)) === 'delivered', 'the others are delivered');
    expect(await world.store.deadLetters.groups()).toMatchObject([{ count: 1 }]);
  }, 90_000);

  test('a dead letter is redelivered with its payload, once', async () => {
    let isRepaired = false;
    const target = testTarget(() => {
      if (!isRepaired) throw new InvalidMessage('E300', 'no');
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    await until(async () => (await state('1')) === 'dead', 'dead');
    const [letter] = await world.store.deadLetters.list({ limit: 10 });
    const id = letter?.id ?? '';
    expect((await world.redelivery.redeliver([id], { who: 'test' })).redelivered).toBe(1);
    await until(async () => (await kinds('1')).filter((kind) => kind === 'dead').length === 2, 'dead again');
    expect((await world.store.deadLetters.get(id))?.state).toBe('open');
    isRepaired = true;
    await world.redelivery.redeliver([id], { who: 'test', reason: 'repaired' });
    await until(async () => (await state('1')) === 'delivered', 'delivered');
    expect(target.got.map(({ payload }) => payload['n'])).toEqual(['1']);
    expect((await world.redelivery.redeliver([id], { who: 'test' })).failed).toEqual([{ id, reason: 'it is redelivered already' }]);
  });

  test('a lost link holds messages in place and counts no attempt', async () => {
    let isUp = false;
    const target = testTarget(
      () => {
        if (!isUp) throw new NotConnected('E400', 'gone');
        return { detail: 'ok' };
      },
      async () => {
        if (!isUp) throw new NotConnected('E400', 'refused');
      },
    );
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'), record('2'));
    await until(() => (world.supervisor.reports().get('out')?.endpoints[0]?.detail ?? '').includes('refused'), 'the report says why');
    isUp = true;
    await until(() => target.got.length === 2, 'delivered after the link came back');
    expect(target.got.every(({ attempt }) => attempt === 1)).toBe(true);
    expect(await world.store.deadLetters.groups()).toEqual([]);
  });

  test('wrong credentials stop this endpoint only; resuming tries again at once', async () => {
    let isRight = false;
    const locked = testTarget(
      () => ({ detail: 'ok' }),
      async () => {
        if (!isRight) throw new Misconfigured('E400', 'wrong password');
      },
    );
    await world.supervisor.apply(plan([system('out', { outbound: locked })]));
    await accept(record('1'));
    await until(() => world.supervisor.reports().get('out')?.endpoints[0]?.state === 'misconfigured', 'misconfigured');
    isRight = true;
    await world.supervisor.setPaused('out', false);
    await until(() => locked.got.length === 1, 'delivered');
  });

  test('a bug in an adapter becomes a dead letter with its stack', async () => {
    const target = testTarget(() => {
      throw new TypeError('x is undefined');
    });
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    await accept(record('1'));
    await until(async () => (await state('1')) === 'dead', 'dead');
    const [letter] = await world.store.deadLetters.list({ limit: 1 });
    expect(letter).toMatchObject({ code: 'E500', reason: 'x is undefined' });
    expect(letter?.stack).toContain('delivery.test');
  });

  test('a paused system takes nothing, also after a restart; resumed it goes on', async () => {
    const target = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: target })]));
    expect(await world.supervisor.setPaused('out', true)).toEqual(['out.things']);
    await accept(record('1'));
    await world.close(true);
    world = await startWorld(world.directory);
    const again = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: again })]));
    await new Promise((next) => setTimeout(next, 300));
    expect([target.got.length, again.got.length]).toEqual([0, 0]);
    await world.supervisor.setPaused('out', false);
    await until(() => again.got.length === 1, 'delivered');
  });

  test('a foreign message in a channel is set aside as it is', async () => {
    await world.supervisor.apply(plan([system('out', { outbound: testTarget() })]));
    await world.broker.publish('target.out.things', { id: 'foreign', headers: {}, body: Buffer.from('hello') });
    await until(async () => (await world.store.deadLetters.list({ limit: 1 })).length === 1, 'dead letter');
    const [letter] = await world.store.deadLetters.list({ limit: 1 });
    expect([letter?.code, Buffer.from(letter?.content ?? []).toString()]).toEqual(['E501', 'hello']);
  });

  test('stopping finishes what is under way and leaves the rest in the channel', async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    const slow = testTarget(async () => {
      started.resolve();
      await finish.promise;
      return { detail: 'ok' };
    });
    await world.supervisor.apply(plan([system('out', { outbound: slow, parallel: 1 })]));
    await accept(record('1'), record('2'), record('3'));
    await started.promise;
    const stopped = world.supervisor.stop();
    finish.resolve();
    await stopped;
    expect(slow.got.map(({ key }) => key)).toEqual(['1']);
    const next = testTarget();
    await world.supervisor.apply(plan([system('out', { outbound: next, parallel: 1 })]));
    await until(() => next.got.length === 2, 'the others');
    expect(next.got.map(({ key }) => key)).toEqual(['2', '3']);
  });
});
