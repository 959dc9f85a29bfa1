import { describe, expect, test } from '@jest/globals';
import { Lease, LeaseLost } from '../../../bus/runtime/lease.js';
import type { Leases } from '../../../bus/store/contract.js';
import { type HeldClock, heldClock } from '../../kit/fakes.js';

const timing = { ttlMs: 20_000, renewMs: 5_000, marginMs: 3_000 };

/** As the stores do it, in memory, by a clock of its own; `away` makes it refuse, `hangs` makes it keep quiet. */
function memory(clock: HeldClock) {
  let row: { holder: string | undefined; epoch: number; expires: number } | undefined;
  const leases = {
    away: false,
    hangs: false,
    asked: 0,
    get holder() {
      return row?.holder;
    },
    async acquire(_: string, holder: string, ttlMs: number): Promise<number | undefined> {
      leases.asked += 1;
      if (leases.hangs) return new Promise(() => undefined);
      if (leases.away) throw new Error('connection refused');
      const now = clock.monotonic();
      if (row?.holder !== undefined && row.holder !== holder && row.expires > now) return undefined;
      row = { holder, epoch: (row?.epoch ?? 0) + (row?.holder === holder ? 0 : 1), expires: now + ttlMs };
      return row.epoch;
    },
    async release(_: string, holder: string): Promise<void> {
      if (row?.holder === holder) row.holder = undefined;
    },
  };
  return leases satisfies Leases;
}

function world() {
  const clock = heldClock();
  const leases = memory(clock);
  const acquire = (holder: string, own: HeldClock = clock) => Lease.acquire('source:s', { leases, clock: own, holder, timing });
  const held = async (holder: string, own: HeldClock = clock): Promise<Lease> => {
    const lease = await acquire(holder, own);
    if (!lease) throw new Error('not acquired');
    return lease;
  };
  return { clock, leases, acquire, held };
}

describe('a lease', () => {
  test('is renewed while it is held, refused to others, and free at once when it is given back', async () => {
    const { clock, leases, acquire, held } = world();
    const lease = await held('a');
    await clock.advance(60_000);
    lease.check();
    expect(leases.asked).toBe(13);
    expect(await acquire('b')).toBeUndefined();
    await lease.release();
    expect(() => lease.check()).toThrow(LeaseLost);
    expect((await held('b')).epoch).toBe(lease.epoch + 1);
    await clock.advance(60_000);
    await lease.release();
    expect(leases.holder).toBe('b');
  });

  test('of a process that stood still refuses everything before it asks anybody', async () => {
    const { clock, held, leases } = world();
    const stopped = heldClock();
    const zombie = await held('a', stopped);
    await clock.advance(60_000);
    const next = await held('b');
    // Time has passed for the process, none of its timers has run yet.
    const asked = leases.asked;
    stopped.jump(60_000);
    expect(() => zombie.check()).toThrow('it was not renewed in time');
    expect(zombie.signal.reason).toBeInstanceOf(LeaseLost);
    expect(leases.asked).toBe(asked);
    next.check();
    await zombie.release();
    expect(leases.holder).toBe('b');
  });

  test('ends before the store lets it go, also when only the wall clock shows that time has passed', async () => {
    const { held } = world();
    const clock = heldClock();
    const lease = await held('a', clock);
    clock.jump(16_900);
    lease.check();
    clock.jump(200);
    expect(() => lease.check()).toThrow(LeaseLost);
    const suspended = heldClock();
    const other = await held('a', suspended);
    suspended.set(Date.parse('2026-03-01T08:00:17.100Z'));
    expect(() => other.check()).toThrow(LeaseLost);
    const back = heldClock();
    const third = await held('a', back);
    back.set(Date.parse('2026-02-01T08:00:00Z'));
    third.check();
  });

  test.each(['away', 'hangs'] as const)('of a store that is %s lasts as long as it is safe, and says why it ended', async (trouble) => {
    const { clock, leases, held } = world();
    const lease = await held('a');
    leases[trouble] = true;
    await clock.advance(16_000);
    lease.check();
    expect(lease.signal.aborted).toBe(false);
    await clock.advance(1_100);
    expect(lease.signal.aborted).toBe(true);
    expect(String(lease.signal.reason)).toContain(trouble === 'away' ? 'connection refused' : 'did not answer in time');
  });

  test('survives a short trouble of the store', async () => {
    const { clock, leases, held } = world();
    const lease = await held('a');
    leases.away = true;
    await clock.advance(12_000);
    leases.away = false;
    await clock.advance(60_000);
    lease.check();
    await lease.release();
    expect(leases.holder).toBeUndefined();
  });

  test('is lost when another one has it, with the next renewal at the latest', async () => {
    const { clock, leases, held } = world();
    const lease = await held('a');
    await leases.release('source:s', 'a');
    await leases.acquire('source:s', 'b', 20_000);
    await clock.advance(5_100);
    expect(() => lease.check()).toThrow('another node has it');
  });
});
