import { setTimeout as sleep } from 'node:timers/promises';
import { NotConnected } from '../contract/index.js';

/** Waits for `work` no longer than until `signal`; `late` is called when it was given up, to clean up behind it. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal, late?: () => void): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined);
    late?.();
    throw signal.reason;
  }
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => {
    work.catch(() => undefined);
    late?.();
    reject(signal.reason);
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Like `abortable`; a server that says nothing for `ms` counts as gone. @throws NotConnected */
export async function answered<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new NotConnected('E420', `no answer within ${ms} ms`)), ms);
  try {
    return await abortable(Promise.race([work, promise]), signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for `work` at most `ms`: closing must not hang on a dead link. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const stop = new AbortController();
  try {
    await Promise.race([work, sleep(ms, undefined, { signal: stop.signal })]);
  } finally {
    stop.abort();
  }
}
