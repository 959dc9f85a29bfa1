// What happens to a delivery when nobody knows whether the target has it.
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Delivery, Outbound, Receipt, SourceRecord, Verification } from '../../../adapters/contract/index.js';
import { InvalidMessage, NotConnected, TryAgain } from '../../../bus/errors.js';
import { deliveryId, messageId } from '../../../bus/message.js';
import type { OnUnknown } from '../../../bus/runtime/call-record.js';
import { handlerTo, plan, startWorld, system, until, type World } from './harness.js';

const record = (id: string, value: SourceRecord['value'] = { n: id }): SourceRecord => ({ id, value, key: id });
const messageOf = (id: string): string => messageId('in.things', id, 'in');
const deliveryOf = (id: string): string => deliveryId(messageOf(id), 'out', 'all', 'out.things', '');

const timeout = () => new TryAgain('E476', 'no answer within 30 s', { outcome: 'unknown' });
const reset = () => new NotConnected('E400', 'read ECONNRESET', { outcome: 'unknown' });

type Script = (apply: () => void) => void;

/** A partner that recognises nothing: what it gets twice it does twice. */
class Partner implements Outbound {
  readonly effects = new Map<string, number>();
  sent = 0;
  asked = 0;
  /** What becomes of the next sends; afterwards all is well. */
  readonly script: Script[] = [];
  /** What becomes of the first send of one key. */
  readonly first = new Map<string, Script>();
  /** What it says when it is asked, in place of the truth. */
  readonly says: (Verification | Error)[] = [];

  async open(): Promise<void> {}
  async close(): Promise<void> {}

  async send(delivery: Delivery): Promise<Receipt> {
    this.sent++;
    const apply = () => void this.effects.set(delivery.id, this.of(delivery.id) + 1);
    const next = this.first.get(delivery.key ?? '') ?? this.script.shift();
    this.first.delete(delivery.key ?? '');
    if (next) next(apply);
    else apply();
    return { detail: '201' };
  }

  async verify(delivery: Delivery): Promise<Verification> {
    this.asked++;
    const said = this.says.shift();
    if (Error.isError(said)) throw said;
    return (said as Verification | undefined) ?? (this.of(delivery.id) > 0 ? 'done' : 'not-done');
  }

  of(id: string): number {
    return this.effects.get(id) ?? 0;
  }
}

const lost =
  (failure: () => Error, applied: boolean) =>
  (apply: () => void): void => {
    if (applied) apply();
    throw failure();
  };

describe('an outcome that is unknown', () => {
  let world: World;
  let partner: Partner;
  beforeEach(async () => {
    world = await startWorld();
    partner = new Partner();
  });
  afterEach(() => world.close());

  const start = (onUnknown: OnUnknown, more: { readonly parallel?: number } = {}) => world.supervisor.apply(plan([system('out', { outbound: partner, onUnknown, ...more })]));
  const accept = (...ids: string[]) =>
    world.intake.accept(
      'in.things',
      ids.map((id) => record(id)),
      { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) },
    );
  const state = async (id: string) => (await world.store.history.message(messageOf(id)))?.state;
  const reaches = (id: string, wanted: string) => until(async () => (await state(id)) === wanted, `${id} is ${wanted}`);
  const ledger = async (id: string) => (await world.store.ledger.get([deliveryOf(id)])).get(deliveryOf(id));
  const events = async (id: string, kind: string) => (await world.store.history.events(messageOf(id))).filter((event) => event.kind === kind);
  const empty = () =>
    until(async () => {
      const { ready, unsettled, delayed = 0 } = await world.broker.depth('target.out.things');
      return ready + unsettled + delayed === 0;
    }, 'the channel is empty');
  /** A process that ended in the middle of a call leaves this behind. */
  const crashed = async (id: string, applied: boolean, ageMs = 1_000) => {
    await world.store.ledger.put([{ deliveryId: deliveryOf(id), endpoint: 'out.things', state: 'sending', at: Date.now() - ageMs }]);
    if (applied) partner.effects.set(deliveryOf(id), 1);
  };

  /** When the ledger has been read once. */
  const afterLook = (change: () => Promise<void>) => {
    const { ledger: own } = world.store;
    const get = own.get.bind(own);
    Object.assign(own, {
      get: async (ids: readonly string[]) => {
        Object.assign(own, { get });
        const found = await get(ids);
        await change();
        return found;
      },
    });
  };

  const troubles = [
    ['a timeout after the effect', timeout, true],
    ['a timeout without an effect', timeout, false],
    ['a reset after the effect', reset, true],
    ['a reset without an effect', reset, false],
    ['a crash after the effect', undefined, true],
    ['a crash before the effect', undefined, false],
  ] as const;

  describe('after a timeout, a reset, a crash, each with the effect and without', () => {
    const keys = troubles.map(([key]) => key);
    beforeEach(async () => {
      for (const [key, failure, applied] of troubles) {
        if (failure) partner.first.set(key, lost(failure, applied));
        else await crashed(key, applied);
      }
      await accept(...keys);
    });
    const effects = () => Object.fromEntries(keys.map((key) => [key, partner.of(deliveryOf(key))]));
    const wanted = (count: (applied: boolean) => number) => Object.fromEntries(troubles.map(([key, , applied]) => [key, count(applied)]));

    test('resend: it is sent again', async () => {
      await start('resend');
      for (const key of keys) await reaches(key, 'delivered');
      expect(effects()).toEqual(wanted((applied) => (applied ? 2 : 1)));
      for (const key of keys) expect((await ledger(key))?.state).toBe('done');
    });

    test('park: it is not sent again, a person finds it', async () => {
      await start('park');
      for (const key of keys) await reaches(key, 'parked');
      await empty();
      expect(effects()).toEqual(wanted((applied) => (applied ? 1 : 0)));
      for (const key of keys) {
        expect(await ledger(key)).toMatchObject({ state: 'unknown', endpoint: 'out.things' });
        expect(await world.store.parked.get(deliveryOf(key))).toMatchObject({ code: 'E580', key, messageId: messageOf(key), lane: deliveryOf(key) });
        expect(await events(key, 'parked')).toMatchObject([{ code: 'E580' }]);
      }
      expect(await world.store.ledger.counts('unknown')).toEqual(new Map([['out.things', keys.length]]));
      expect(await world.store.deadLetters.groups()).toEqual([]);
    });

    test('verify: the target is asked, and has it once', async () => {
      await start('verify');
      for (const key of keys) await reaches(key, 'delivered');
      await empty();
      expect(effects()).toEqual(wanted(() => 1));
      expect(partner.asked).toBe(keys.length);
      for (const [key, , applied] of troubles) {
        expect((await events(key, 'delivered'))[0]?.detail).toBe(applied ? 'verified: it was there' : '201');
        expect((await ledger(key))?.state).toBe('done');
      }
    });
  });

  test.each(['park', 'verify'] as const)('%s: what certainly did nothing is tried again, and leaves no trace in the ledger while it waits', async (policy) => {
    const seen: (string | undefined)[] = [];
    const known = (failure: Error) => () => {
      throw failure;
    };
    partner.script.push(known(new TryAgain('E472', '503')), known(new NotConnected('E400', 'connection refused')));
    const verify = partner.verify.bind(partner);
    partner.verify = async (delivery) => verify(delivery);
    await accept('1');
    await start(policy);
    await until(() => partner.sent >= 1, 'sent');
    seen.push((await ledger('1'))?.state);
    await reaches('1', 'delivered');
    expect(partner.sent).toBe(3);
    expect(partner.asked).toBe(0);
    expect(partner.of(deliveryOf('1'))).toBe(1);
    expect(seen).not.toContain('unknown');
    expect((await ledger('1'))?.state).toBe('done');
  });

  test.each([
    ['an answer it cannot use', () => new TryAgain('E581', 'GET answered 500')],
    ['a message it does not take', () => new InvalidMessage('E320', '{key} has no value')],
    ['a bug', () => new TypeError('x is not a function')],
  ])('verify: %s is asked again by the policy, then it is parked', async (_, said) => {
    partner.script.push(lost(timeout, true));
    partner.says.push(said(), said(), said());
    await accept('1');
    await start('verify');
    await reaches('1', 'parked');
    await empty();
    expect([partner.sent, partner.asked, partner.of(deliveryOf('1'))]).toEqual([1, 2, 1]);
    expect(await world.store.parked.get(deliveryOf('1'))).toMatchObject({ code: 'E581', reason: expect.stringContaining('(attempt 3 of 3)') });
    expect((await ledger('1'))?.state).toBe('unknown');
  });

  test('verify: a link that is lost while it is asked counts for nothing', async () => {
    partner.script.push(lost(reset, true));
    partner.says.push(new NotConnected('E400', 'connection refused'), 'unknown');
    await accept('1');
    await start('verify');
    await reaches('1', 'delivered');
    expect([partner.sent, partner.asked]).toEqual([1, 3]);
  });

  test('verify: it asks no sooner than the call must be over', async () => {
    let appliedAt = 0;
    partner.script.push((apply) => {
      // The partner goes on with what it got when the connection is long gone.
      setTimeout(() => {
        apply();
        appliedAt = Date.now();
      }, 250);
      throw reset();
    });
    await accept('1');
    await start('verify');
    await reaches('1', 'delivered');
    expect(appliedAt).toBeGreaterThan(0);
    expect(partner.of(deliveryOf('1'))).toBe(1);
  });

  test('a call that another node has begun is left to it as long as it may take', async () => {
    await crashed('1', false, 0);
    await accept('1');
    // The other node gets its answer in time.
    afterLook(() => world.store.ledger.put([{ deliveryId: deliveryOf('1'), endpoint: 'out.things', state: 'done', at: Date.now() }]));
    await start('park', { parallel: 1 });
    await until(async () => (await events('1', 'duplicate')).length > 0, 'it looked again');
    await empty();
    expect(partner.sent).toBe(0);
    expect(await events('1', 'parked')).toEqual([]);
    expect(await events('1', 'duplicate')).toHaveLength(1);
  });

  test('a known end of the call of another node lets it be sent', async () => {
    await crashed('1', false, 0);
    await accept('1');
    afterLook(() => world.store.ledger.delete([deliveryOf('1')]));
    await start('park');
    await reaches('1', 'delivered');
    expect(partner.sent).toBe(1);
  });

  test('parked twice is parked once: a crash between the parking and its end', async () => {
    await crashed('1', true);
    await accept('1');
    await start('park');
    await reaches('1', 'parked');
    await world.intake.accept('in.things', [record('1')], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
    await until(async () => (await events('1', 'parked')).length === 2, 'it came again');
    await empty();
    expect(await world.store.parked.lanes({ limit: 10 })).toHaveLength(1);
    expect(partner.of(deliveryOf('1'))).toBe(1);
  });

  test('a partner that answers nobody parks slowly, and everything is there afterwards', async () => {
    for (let count = 0; count < 6; count++) partner.script.push(lost(timeout, true));
    const ids = Array.from({ length: 9 }, (_, index) => String(index + 1));
    await accept(...ids);
    await start('park', { parallel: 2 });
    await until(async () => (await Promise.all(ids.map(state))).every((each) => each === 'parked' || each === 'delivered'), 'all at an end', 30_000);
    expect(ids.map((id) => partner.of(deliveryOf(id)))).toEqual(ids.map(() => 1));
    expect((await world.store.ledger.counts('unknown')).get('out.things')).toBe(6);
  }, 60_000);

  describe('in an order', () => {
    const done: string[] = [];
    const by = { who: 'anna' };
    /** The partner, and in which order it did what it did. */
    const send = async (delivery: Delivery): Promise<Receipt> => {
      const before = partner.of(delivery.id);
      try {
        return await Partner.prototype.send.call(partner, delivery);
      } finally {
        if (partner.of(delivery.id) > before) done.push(`${delivery.key} ${String(delivery.payload['n'])}`);
      }
    };
    const of = (key: string, n: number): SourceRecord => ({ id: `${key}-${n}`, value: { n: String(n) }, key });
    const acceptAll = (...records: SourceRecord[]) => world.intake.accept('in.things', records, { patienceMs: 5_000, signal: AbortSignal.timeout(10_000) });
    const startOrdered = (onUnknown: OnUnknown) => {
      partner.send = send;
      return world.supervisor.apply(plan([system('out', { outbound: partner, onUnknown })], handlerTo('out.things', 1, undefined, {})));
    };
    beforeEach(() => {
      done.length = 0;
    });
    const ofKey = (key: string) => done.filter((each) => each.startsWith(key));

    test.each([
      ['delivered', true, ['A 1', 'A 2', 'A 3']],
      ['resend', false, ['A 1', 'A 2', 'A 3']],
      ['discard', false, ['A 2', 'A 3']],
    ] as const)('park: the key waits with all behind it; a person says %s, and it goes on in order', async (verdict, applied, wanted) => {
      partner.first.set('A', lost(timeout, applied));
      await startOrdered('park');
      await acceptAll(of('A', 1), of('A', 2), of('B', 1));
      await reaches('A-2', 'parked');
      await reaches('B-1', 'delivered');
      expect(ofKey('A')).toEqual(applied ? ['A 1'] : []);
      const [lane] = await world.store.parked.lanes({ limit: 10 });
      expect(lane).toMatchObject({ lane: 'A', count: 2, code: 'E580' });
      const [first] = await world.store.parked.list('out.things', 'A', 1);
      expect(await world.resolution.resolve([first?.deliveryId ?? ''], verdict, by)).toEqual({ resolved: 1, failed: [] });
      await acceptAll(of('A', 3));
      await reaches('A-3', 'delivered');
      expect(ofKey('A')).toEqual(wanted);
      await until(async () => (await world.store.parked.lanes({ limit: 10 })).length === 0, 'nothing is parked');
      expect(await state('A-1')).toBe(verdict === 'discard' ? 'filtered' : 'delivered');
      expect(await world.store.ledger.counts('unknown')).toEqual(new Map());
    });

    test.each([true, false])('verify: the key waits until it is known (effect: %p), then goes on in order', async (applied) => {
      partner.first.set('A', lost(reset, applied));
      await startOrdered('verify');
      await acceptAll(of('A', 1), of('A', 2), of('B', 1));
      await reaches('A-2', 'delivered');
      expect(ofKey('A')).toEqual(['A 1', 'A 2']);
      expect(partner.asked).toBe(1);
      expect(await world.store.parked.lanes({ limit: 10 })).toEqual([]);
    });

    test('a copy of what was discarded while parked is not sent, and does not count as delivered', async () => {
      partner.first.set('A', lost(timeout, false));
      await startOrdered('park');
      await acceptAll(of('A', 1));
      await reaches('A-1', 'parked');
      const [first] = await world.store.parked.list('out.things', 'A', 1);
      await world.redelivery.parked.discard(first?.deliveryId ?? '', by);
      await world.intake.accept('in.things', [of('A', 1)], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
      await acceptAll(of('A', 2));
      await reaches('A-2', 'delivered');
      expect(ofKey('A')).toEqual(['A 2']);
      expect(await state('A-1')).toBe('filtered');
    });
  });

  describe('a person says', () => {
    const by = { who: 'anna', reason: 'asked the carrier' };
    const parked = async (applied: boolean) => {
      partner.script.push(lost(timeout, applied));
      await accept('1');
      await start('park');
      await reaches('1', 'parked');
      await empty();
    };
    const isSettled = async () => {
      expect(await world.store.parked.lanes({ limit: 10 })).toEqual([]);
      expect(await world.store.ledger.counts('unknown')).toEqual(new Map());
    };

    test('delivered', async () => {
      await parked(true);
      expect(await world.resolution.resolve([deliveryOf('1')], 'delivered', by)).toEqual({ resolved: 1, failed: [] });
      expect(await state('1')).toBe('delivered');
      expect(await events('1', 'delivered')).toMatchObject([{ detail: 'by anna: asked the carrier' }]);
      await isSettled();
      expect((await world.resolution.resolve([deliveryOf('1')], 'resend', by)).failed[0]?.reason).toContain('its outcome is known');
    });

    test('resend', async () => {
      await parked(false);
      await world.resolution.resolve([deliveryOf('1')], 'resend', by);
      await reaches('1', 'delivered');
      await empty();
      expect(partner.of(deliveryOf('1'))).toBe(1);
      await isSettled();
    });

    test('resend, and the answer is lost again', async () => {
      await parked(false);
      partner.script.push(lost(reset, true));
      await world.resolution.resolve([deliveryOf('1')], 'resend', by);
      await until(async () => (await events('1', 'parked')).length === 2, 'parked again');
      await empty();
      expect(await world.store.parked.get(deliveryOf('1'))).toMatchObject({ code: 'E580' });
      expect(partner.of(deliveryOf('1'))).toBe(1);
    });

    test('discard, also to a copy that comes later', async () => {
      await parked(false);
      await world.resolution.resolve([deliveryOf('1')], 'discard', by);
      expect(await state('1')).toBe('filtered');
      await world.intake.accept('in.things', [record('1')], { patienceMs: 5_000, signal: AbortSignal.timeout(10_000), again: true });
      await until(async () => (await events('1', 'discarded')).length === 2, 'the copy is recognised');
      expect(partner.of(deliveryOf('1'))).toBe(0);
      expect(await state('1')).toBe('filtered');
      await isSettled();
    });

    test('resend, and the process ended before it was taken out of what is parked', async () => {
      await parked(false);
      const copy = await world.store.parked.get(deliveryOf('1'));
      await world.resolution.resolve([deliveryOf('1')], 'resend', by);
      if (copy) await world.store.parked.add([copy]);
      await reaches('1', 'delivered');
      await empty();
      expect(partner.of(deliveryOf('1'))).toBe(1);
      // Whichever came first, saying it again ends it.
      await world.resolution.resolve([deliveryOf('1')], 'resend', by);
      expect(partner.of(deliveryOf('1'))).toBe(1);
      await isSettled();
    });

    test('resend, and the process ended before it was published', async () => {
      await parked(false);
      await world.store.ledger.put([{ deliveryId: deliveryOf('1'), endpoint: 'out.things', state: 'released', at: Date.now(), detail: 'by anna' }]);
      await world.resolution.resolve([deliveryOf('1')], 'resend', by);
      await reaches('1', 'delivered');
      expect(partner.of(deliveryOf('1'))).toBe(1);
      await isSettled();
    });

    test('delivered, and the process ended before the history', async () => {
      await parked(true);
      await world.store.ledger.put([{ deliveryId: deliveryOf('1'), endpoint: 'out.things', state: 'done', at: Date.now(), detail: 'by anna' }]);
      await world.resolution.resolve([deliveryOf('1')], 'delivered', by);
      expect(await state('1')).toBe('delivered');
      await isSettled();
    });

    test.each(['delivered', 'resend', 'discard'] as const)('%s, the history was away, and nobody says it again', async (verdict) => {
      await parked(verdict === 'delivered');
      const { history } = world.store;
      const append = jest.spyOn(history, 'append').mockRejectedValueOnce(new TryAgain('E560', 'database is locked'));
      expect((await world.resolution.resolve([deliveryOf('1')], verdict, by)).failed[0]?.reason).toContain('database is locked');
      append.mockRestore();
      expect(await state('1')).toBe('parked');
      expect(await world.resolution.finish(Date.now() - 60_000)).toBe(0);
      expect(await world.resolution.finish(Date.now() + 1)).toBe(1);
      await reaches('1', verdict === 'discard' ? 'filtered' : 'delivered');
      await empty();
      expect(partner.of(deliveryOf('1'))).toBe(verdict === 'discard' ? 0 : 1);
      await isSettled();
      expect(await world.resolution.finish(Date.now() + 1)).toBe(0);
    });

    test('something about what is not there, or under way', async () => {
      await world.store.ledger.put([{ deliveryId: 'busy', endpoint: 'out.things', state: 'sending', at: Date.now() }]);
      const { resolved, failed } = await world.resolution.resolve(['busy', 'nobody'], 'delivered', by);
      expect(resolved).toBe(0);
      expect(failed.map(({ reason }) => reason)).toEqual([expect.stringContaining('it is being sent'), 'the ledger has no such delivery']);
    });
  });
});
