import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { RetryPolicy } from '../../../bus/handler.js';
import { handlerTo, plan, startWorld, system, until, type World } from './harness.js';
import { inversions, Partner, recordOf } from './order-checks.js';

const patient: RetryPolicy = { attempts: 1_000, firstMs: 5, longestMs: 20, factor: 2, jitter: 0.5 };

const SEEDS = Array.from({ length: process.env['SIGNALBOX_FAULTS'] === 'all' ? 60 : 2 }, (_, at) => at + 1);

/** mulberry32: a seed gives the same numbers everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('the order of a key, whatever happens', () => {
  test.each(SEEDS)(
    'seed %d: random keys, failures, crashes and changes of the partitions',
    async (seed) => {
      const random = randomOf(seed);
      const pick = (most: number): number => Math.floor(random() * most);
      const keys = 1 + pick(30);
      const total = 600;
      const partner = new Partner(0.05, () => pick(3), random);
      const directory = mkdtempSync(join(tmpdir(), 'signalbox-order-'));
      const counters = new Map<string, number>();
      const ended: Promise<void>[] = [];
      let sent = 0;
      let life = 0;
      let partitions = 1 + pick(8);
      const begin = async (): Promise<World> => {
        const own = ++life;
        const world = await startWorld(directory);
        const outbound = partner.outbound('one', () => own === life);
        await world.supervisor.apply(plan([system('out', { outbound, parallel: 1 + pick(8), partitions, digest: String(life) })], handlerTo('out.things', life, patient, {})));
        return world;
      };
      const feed = async (world: World): Promise<void> => {
        const records = Array.from({ length: Math.min(1 + pick(80), total - sent) }, () => {
          const key = `K${pick(keys)}`;
          const n = counters.get(key) ?? 0;
          counters.set(key, n + 1);
          return recordOf(key, n);
        });
        sent += records.length;
        await world.intake.accept('in.things', records, { patienceMs: 20_000, signal: AbortSignal.timeout(30_000) });
      };
      let world = await begin();
      while (sent < total) {
        await feed(world);
        await new Promise((next) => setTimeout(next, pick(40)));
        if (random() < 0.25) {
          // A crash: the process is gone, nothing is acknowledged, nothing is tidied up.
          life++;
          await world.broker.close();
          await world.store.close();
          ended.push(world.supervisor.stop());
          if (random() < 0.4) partitions = 1 + pick(8);
          world = await begin();
        }
      }
      await until(() => partner.applied.length >= total, `all of ${total}, with seed ${seed}`, 90_000);
      expect({ seed, inversions: inversions(partner.applied), applied: partner.applied.length }).toEqual({ seed, inversions: [], applied: total });
      expect(await world.store.deadLetters.groups()).toEqual([]);
      await world.close(true);
      await Promise.all(ended);
      rmSync(directory, { recursive: true, force: true });
    },
    180_000,
  );
});
