import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { type Fault, isFull, round } from './faults.js';
import { faultsAt } from './network.js';
import type { Mood } from './partner.js';

/** Longer than all attempts of one delivery take: whoever counted them would have given up. */
const LONG_MS = isFull ? 40_000 : 12_000;

const mood =
  (bad: Mood, ms: number): Fault =>
  async ({ partner }) => {
    partner.mood = bad;
    await sleep(ms);
    partner.mood = 'well';
  };

faultsAt(
  'partner',
  ['connections reset (RST), 5 times', 'latency 200 ms', 'packets of 1 byte'],
  (world) => {
    test.each<readonly [string, Mood, number]>([
      ['effect applied, connection dropped before the answer', 'lost', 4_000],
      ['answers 500 for longer than all attempts take', 'status-500', LONG_MS],
      ['answers 429 with Retry-After', 'status-429', 5_000],
    ])(
      '%s',
      async (name, bad, ms) => {
        await round(world(), 'partner', name, mood(bad, ms));
        expect(world().partner.refused).toBeGreaterThan(0);
        if (bad === 'lost') expect(world().partner.repeats).toBeGreaterThan(0);
      },
      180_000,
    );
  },
  { isOrdered: true },
);
