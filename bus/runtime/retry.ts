import type { RetryPolicy } from '../handler.js';

/**
 * Milliseconds before attempt `attempt + 1`: exponential with jitter, never longer than the policy's longest wait, also when the target
 * asked for more (`Retry-After`).
 */
export function retryDelay(policy: RetryPolicy, attempt: number, askedMs: number | undefined, random: () => number = Math.random): number {
  const planned = Math.min(policy.longestMs, policy.firstMs * policy.factor ** (attempt - 1));
  const wait = Math.max(planned, Math.min(askedMs ?? 0, policy.longestMs));
  return Math.round(wait * (1 + policy.jitter * (random() * 2 - 1)));
}

/** Full-jitter back-off for reopening a link (AWS Architecture Blog, "Exponential Backoff And Jitter"): 0.5 s growing to 60 s. */
export function reopenDelay(failures: number, random: () => number = Math.random): number {
  const ceiling = Math.min(60_000, 500 * 2 ** Math.min(failures, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
