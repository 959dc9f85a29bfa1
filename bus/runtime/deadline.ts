import type { Clock } from '../../adapters/contract/services.js';

/** A signal that is aborted after `ms` of the clock's time, unless it is disposed of first. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

export function deadline(clock: Pick<Clock, 'sleep'>, ms: number): Deadline {
  const late = new AbortController();
  const over = new AbortController();
  clock.sleep(ms, over.signal).then(
    () => late.abort(new DOMException(`not within ${ms / 1000} s`, 'TimeoutError')),
    () => undefined, // disposed of
  );
  return { signal: late.signal, [Symbol.dispose]: () => over.abort() };
}
