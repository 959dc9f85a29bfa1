import type { Clock } from '../../adapters/contract/index.js';
import { NotConnected } from '../errors.js';

/** `promise`, or the signal's reason when that is aborted first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    promise.then(
      (value) => {
        settled();
        resolve(value);
      },
      (error: unknown) => {
        settled();
        reject(error);
      },
    );
  });
}

/** Resolves when the signal is aborted; never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Sleeps; true when it was cut short by the signal. */
export async function interrupted(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, signal);
    return false;
  } catch (error) {
    if (signal.aborted) return true;
    throw error;
  }
}

/** On a blocked connection a request to the broker waits without end, so every one has a deadline. @throws NotConnected E512 */
export async function within<T>(clock: Clock, ms: number, what: string, work: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = clock.sleep(ms, timer.signal).then(() => {
    throw new NotConnected('E512', `${what}: no answer from RabbitMQ within ${ms / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}

/** Full jitter: anything from 0 to the doubled step, so that nodes that lost the broker together do not return together. */
export function backOff(attempt: number): number {
  return Math.random() * Math.min(30_000, 100 * 2 ** Math.min(attempt, 10));
}
