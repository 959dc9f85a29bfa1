import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../adapters/contract/services.js';

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, signal ? { signal } : {});
    } catch (error) {
      signal?.throwIfAborted(); // node's own AbortError would hide the reason
      throw error;
    }
  },
};
