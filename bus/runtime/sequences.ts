import type { Clock } from '../../adapters/contract/services.js';
import { TryAgain } from '../errors.js';

/** Work by key: of one key one after the other, in the order it was given; different keys side by side. */
export class Sequences {
  private readonly last = new Map<string, Promise<unknown>>();

  constructor(private readonly clock: Clock) {}

  /**
   * Begins `work` when everything given for the key before has ended, well or not; at once when there is nothing.
   * @throws TryAgain when that is not within `patienceMs`, the signal's reason when it is aborted first, else what `work` throws
   */
  run(key: string, work: () => Promise<void>, patienceMs: number, signal: AbortSignal): Promise<void> {
    const before = this.last.get(key);
    const result = before ? this.until(before, patienceMs, signal).then(work) : work();
    // Who gives up waiting leaves its place, but those behind it still wait for the ones before it.
    const end: Promise<unknown> = Promise.allSettled([before, result]).then(() => {
      if (this.last.get(key) === end) this.last.delete(key);
    });
    this.last.set(key, end);
    return result;
  }

  private async until(before: Promise<unknown>, patienceMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const cut = new AbortController();
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const waits: Promise<unknown>[] = [before, aborted.promise];
    if (Number.isFinite(patienceMs)) {
      const late = this.clock.sleep(patienceMs, cut.signal).then(() => Promise.reject(new TryAgain('E504', 'a message of the same order waits for the bus')));
      late.catch(() => undefined); // it is cut short when the wait has ended
      waits.push(late);
    }
    try {
      await Promise.race(waits);
    } finally {
      cut.abort();
      signal.removeEventListener('abort', abort);
    }
  }
}
