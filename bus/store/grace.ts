import type { Retention } from './contract.js';

const LEAST_MS = 3_600_000;

/** A payload is stored before its message is in the history, and that may take long while a channel takes nothing: what was put after this is kept without a message. */
export function payloadsBefore(now: Date, { historyMs }: Retention): number {
  return now.getTime() - Math.max(historyMs, LEAST_MS);
}
