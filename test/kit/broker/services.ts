import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock, Logger } from '../../../adapters/contract/index.js';

export const clock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
  random: Math.random,
};

export interface Line {
  readonly event: string;
  readonly message: string;
}

/** A log that keeps its warnings. */
export function recorder(): Logger & { readonly warnings: readonly Line[] } {
  const warnings: Line[] = [];
  const keep = (event: string, message: string): void => void warnings.push({ event, message });
  const log = { debug: (): void => undefined, info: (): void => undefined, warn: keep, error: keep, with: () => log, warnings };
  return log;
}
