import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../adapters/contract/services.js';

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
};
