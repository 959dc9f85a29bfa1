import type { Clock } from '../../adapters/contract/services.js';
import { systemClock } from './clock.js';

/** Waits until `work` has settled, but not longer than `ms`. @returns whether it has */
export async function settledWithin(ms: number, work: Promise<unknown>, clock: Pick<Clock, 'sleep'> = systemClock): Promise<boolean> {
  const over = new AbortController();
  const late = clock.sleep(ms, over.signal).then(
    () => false,
    () => true, // nobody waits any more
  );
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    over.abort();
  }
}
