import type { RetryPolicy } from '../handler.js';

/**
 * Milliseconds before attempt `attempt + 1`: exponential with jitter, never longer than the policy's longest wait, also when the target
 * asked for more (`Retry-After`).
 */
export function retryDelay(policy: RetryPolicy, attempt: number, askedMs: number | undefined, random: () => number = Math.random): number {
  const planned = Math.min(policy.longestMs, policy.firstMs * policy.factor ** (attempt - 1));
  const jittered = planned * (1 + policy.jitter * (random() * 2 - 1));
  // Cut at last: a little above the longest it would go to the next step of the ladder, which is several times longer.
  return Math.round(Math.min(policy.longestMs, Math.max(jittered, askedMs ?? 0)));
}

/** Full-jitter back-off for reopening a link (AWS Architecture Blog, "Exponential Backoff And Jitter"): 0.5 s growing to 60 s. */
export function reopenDelay(failures: number, random: () => number = Math.random): number {
  const ceiling = Math.min(60_000, 500 * 2 ** Math.min(failures, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
