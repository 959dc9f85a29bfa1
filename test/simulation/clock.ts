import type { Clock } from '../../adapters/contract/index.js';
import type { Random } from './random.js';
import type { Life, Scheduler } from './scheduler.js';

const EPOCH = Date.parse('2026-03-01T08:00:00.000Z');

/** The wall clock of one node, which can be set; it goes on over restarts. */
export interface WallClock {
  offsetMs: number;
}

/** Virtual time for one process. */
export class VirtualClock implements Clock {
  readonly random: () => number;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly wall: WallClock,
    private readonly life: Life,
    random: Random,
  ) {
    this.random = random.next;
  }

  now(): Date {
    return new Date(EPOCH + this.wall.offsetMs + this.scheduler.now);
  }

  monotonic(): number {
    return this.scheduler.now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.scheduler.after(ms, this.life, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}
