import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { NotPublished } from '../../../bus/broker.js';
import { NotConnected, TryAgain } from '../../../bus/errors.js';
import { deliveryId, messageId } from '../../../bus/message.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { decodeDelivery } from '../../../bus/runtime/envelope.js';
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

  test.each([
    ['before its letter is closed', true],
    ['after', false],
  ])('discarded while the history does not yet say that it is dead, which it says %s: it stays discarded', async (_, isBefore) => {
    const { history, deadLetters } = world.store;
    const [append, settle] = [history.append.bind(history), deadLetters.settle.bind(deadLetters)];
    const [isDiscarded, isWritten] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    jest.spyOn(history, 'append').mockImplementation(async (events) => {
      const isDead = events.some(({ kind }) => kind === 'dead');
      if (isDead) await isDiscarded.promise;
      await append(events);
      if (isDead) isWritten.resolve();
      else if (isBefore && events.some(({ kind }) => kind === 'discarded')) isDiscarded.resolve();
    });
    jest.spyOn(deadLetters, 'settle').mockImplementation(async (...letters) => {
      if (isBefore) {
        await isWritten.promise;
        await until(isEmpty, 'the target has done with it');
      }
      return settle(...letters);
    });
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await deadLetters.get(delivery))?.state === 'open', 'a letter');
    await world.redelivery.discard([delivery], { who: 'anna' });
    isDiscarded.resolve();
    await until(isEmpty, 'the target has done with it');
    expect(await states()).toEqual(['discarded', 'filtered']);
  });

  test('one discards it right before another begins to hand it out, in vain: it stays discarded', async () => {
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    const append = jest.spyOn(world.store.history, 'append');
    append.mockImplementationOnce(async (events) => {
      append.mockRestore();
      await world.redelivery.discard([delivery], { who: 'one' });
      await world.store.history.append(events);
    });
    jest.spyOn(world.broker, 'publish').mockImplementationOnce(async (channel) => {
      throw new NotPublished('too-large', channel, 'refused');
    });
    expect((await world.redelivery.redeliver([delivery], { who: 'other' })).failed).toHaveLength(1);
    expect(await states()).toEqual(['discarded', 'filtered']);
  });

  test('one discards it while the store cannot say whether another has begun to hand it out: it stays discarded', async () => {
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    const { history } = world.store;
    const append = history.append.bind(history);
    jest.spyOn(history, 'append').mockImplementation(async (events) => {
      const isBegun = events.some(({ kind }) => kind === 'redelivered');
      if (isBegun) await world.redelivery.discard([delivery], { who: 'anna' });
      await append(events);
      if (isBegun) throw new NotConnected('E544', 'nobody knows whether it was stored');
    });
    expect((await world.redelivery.redeliver([delivery], { who: 'bert' })).failed).toMatchObject([{ id: delivery }]);
    expect(await states()).toEqual(['discarded', 'filtered']);
  });

  test('two hand it out at once and one fails: what the other published is delivered, and closes it', async () => {
    // Where failures are skipped, a copy of what is dead must not come behind those that have gone on.
    const retry = { attempts: 1, firstMs: 50, longestMs: 50, factor: 1, jitter: 0 };
    const skipping = handlerTo('out.things', 1, retry, { onFailure: 'skip' });
    await world.supervisor.apply(plan([system('out', { outbound: failing() })], skipping));
    await world.intake.accept('in.things', [{ id: '1', key: 'A', value: { n: '1' } }], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    await world.supervisor.apply(plan([system('out', { outbound: testTarget(), digest: '2' })], skipping));
    const send = world.broker.publish.bind(world.broker);
    const failed = Promise.withResolvers<void>();
    let publishes = 0;
    jest.spyOn(world.broker, 'publish').mockImplementation(async (channel, outgoing) => {
      if (publishes++ > 0) {
        await failed.promise;
        await send(channel, outgoing);
        await new Promise((resolve) => setTimeout(resolve, 200)); // the target is quicker than the confirm
        return;
      }
      await until(async () => (await world.store.history.events(message)).filter(({ kind }) => kind === 'redelivered').length === 2, 'the other has begun too');
      throw new NotPublished('too-large', channel, 'refused');
    });
    const one = world.redelivery.redeliver([delivery], { who: 'one' }).finally(failed.resolve);
    await until(() => publishes === 1, 'the first publishes');
    const other = world.redelivery.redeliver([delivery], { who: 'other' });
    expect([(await one).failed.length, (await other).redelivered]).toEqual([1, 1]);
    await until(async () => (await states())[1] === 'delivered', 'delivered', 5_000);
    expect(await states()).toEqual(['redelivered', 'delivered']);
  });

  test('a letter that was taken for dead again before what was handed out came to its end stays open', async () => {
    await accept();
    await world.supervisor.apply(plan([system('out', { outbound: failing() })]));
    await until(async () => (await states()).join() === 'open,dead', 'dead');
    await world.supervisor.setPaused('out.things', true);
    const send = world.broker.publish.bind(world.broker);
    jest.spyOn(world.broker, 'publish').mockImplementationOnce(async (channel, message) => {
      await send(channel, message);
      // As another node that repairs.
      await world.store.history.append([{ messageId: decodeDelivery(message).delivery.messageId, deliveryId: delivery, kind: 'dead', at: Date.now(), revision: 1, node: 'other' }]);
    });
    await world.redelivery.redeliver([delivery], { who: 'one' });
    expect(await states()).toEqual(['open', 'dead']);
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
