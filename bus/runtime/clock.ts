import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../adapters/contract/services.js';

/** A longer one ends at once (Node: 2^31 - 1 ms); a monthly schedule waits longer. */
const LONGEST_TIMER_MS = 86_400_000;

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      for (let left = ms; left > LONGEST_TIMER_MS; left -= LONGEST_TIMER_MS) await sleep(LONGEST_TIMER_MS, undefined, signal ? { signal } : {});
      const [last, options] = [ms % LONGEST_TIMER_MS, signal ? { signal } : {}];
      // A timer of 0 takes 1 ms.
      await (last > 0 ? sleep(last, undefined, options) : turn(undefined, options));
    } catch (error) {
      signal?.throwIfAborted(); // node's own AbortError would hide the reason
      throw error;
    }
  },
  random: Math.random,
};
