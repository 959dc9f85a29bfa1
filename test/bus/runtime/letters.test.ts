import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { NotPublished } from '../../../bus/broker.js';
import { TryAgain } from '../../../bus/errors.js';
import { deliveryId, messageId } from '../../../bus/message.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { LetterRepair } from '../../../bus/runtime/letter-repair.js';
import type { EventKind } from '../../../bus/store/contract.js';
import { handlerTo, plan, startWorld, system, testTarget, until, type World } from './harness.js';

describe('dead letters and the history', () => {
  let world: World;
  const message = messageId('in.things', '1', 'in');
  const delivery = deliveryId(message, 'out', 'all', 'out.things', '');
  beforeEach(async () => {
    world = await startWorld();
  });
  afterEach(() => world.close());

  const accept = () => world.intake.accept('in.things', [{ id: '1', value: { n: '1' } }], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
  const failing = () =>
    testTarget(() => {
      throw new TryAgain('E400', 'busy');
    });
  const states = async () => [(await world.store.deadLetters.get(delivery))?.state, (await world.store.history.message(message))?.state];
  const isEmpty = async () => {
    const { ready, unsettled, delayed } = await world.broker.depth('target.out.things');
    return ready + unsettled + (delayed ?? 0) === 0;
  };

  test.each([
    ['the copy that fails comes first', true],
    ['the copy that fails comes last', false],
  ])('two copies of a delivery with different ends: delivered, no letter is open (%s)', async (_, failsFirst) => {
    await accept();
    await accept();
    let calls = 0;
    const target = testTarget(() => {
      calls++;
      // Remembers nothing and is not asked about the ledger: each copy goes its own way.
      if (failsFirst ? calls === 1 : calls > 1) throw new TryAgain('E400', 'busy');
      return { detail: 'ok' };
    });
    const once = handlerTo('out.things', 1, { attempts: 1, firstMs: 50, longestMs: 50, factor: 1, jitter: 0 });
    const out = system('out', { outbound: target, parallel: 1 });
    await world.supervisor.apply(plan([{ ...out, outbound: out.outbound.map((endpoint) => ({ ...endpoint, usesLedger: false })) }], once));
    await until(async () => calls >= 2 && (await isEmpty()), 'both copies at their end');
    expect(await states()).toEqual(['redelivered', 'delivered']);
  });

  test.each<[string, EventKind]>([
    ['handed it out', 'redelivered'],
    ['discarded it', 'discarded'],
  ])('the process ended while it %s: the history says dead again', async (_, kind) => {
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    const at = Date.now();
    await world.store.history.append([{ messageId: message, deliveryId: delivery, kind, at, revision: 1, node: 'other' }]);
    expect(await states()).not.toEqual(['open', 'dead']);
    const repair = new LetterRepair(world.store, systemClock, 'node-1');
    expect([await repair.run(at - 1_000), await repair.run(at + 1_000), await repair.run(at + 1_000)]).toEqual([0, 1, 0]);
    expect(await states()).toEqual(['open', 'dead']);
  });

  test('one discards it while another tries to hand it out: it stays discarded', async () => {
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    const publish = jest.spyOn(world.broker, 'publish').mockImplementationOnce(async (channel) => {
      await world.redelivery.discard([delivery], { who: 'one' });
      throw new NotPublished('too-large', channel, 'refused');
    });
    expect((await world.redelivery.redeliver([delivery], { who: 'other' })).failed).toHaveLength(1);
    publish.mockRestore();
    expect(await states()).toEqual(['discarded', 'filtered']);
  });

  test('a letter whose delivery was made on another node is closed', async () => {
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    await world.store.history.append([{ messageId: message, deliveryId: delivery, kind: 'delivered', at: Date.now(), revision: 1, node: 'other' }]);
    expect(await new LetterRepair(world.store, systemClock, 'node-1').run(Date.now())).toBe(1);
    expect(await states()).toEqual(['redelivered', 'delivered']);
  });
});
