import type { Clock } from '../contract/index.js';
import type { ReadOptions } from './options.js';
import type { Entry } from './space.js';

interface Seen {
  readonly size: number;
  readonly modified: string;
  readonly since: number;
  readonly polls: number;
}

/**
 * Which files of a listing are complete: same size and time at several polls and for some time on our own clock. Times are compared for equality
 * only. Remembered in memory: after a restart a file is watched anew, because a monotonic clock does not outlive its process.
 */
export class Candidates {
  private seen = new Map<string, Seen>();

  constructor(
    private readonly stable: ReadOptions['stable'],
    private readonly clock: Clock,
  ) {}

  /** Call with everything that is watched. @param isPoll the first look of a poll: further looks do not count as polls */
  ready(listing: readonly Entry[], isPoll: boolean): ReadonlySet<string> {
    const now = this.clock.monotonic();
    const seen = new Map<string, Seen>();
    const ready = new Set<string>();
    for (const { name, size, modified } of listing) {
      const before = this.seen.get(name);
      const same = before?.size === size && before.modified === modified ? before : undefined;
      const sighting = { size, modified, since: same?.since ?? now, polls: same ? same.polls + (isPoll ? 1 : 0) : 1 };
      seen.set(name, sighting);
      if (sighting.polls >= this.stable.polls && now - sighting.since >= this.stable.for) ready.add(name);
    }
    this.seen = seen;
    return ready;
  }

  /** It changed under our hands: watch it from the start. */
  forget(name: string): void {
    this.seen.delete(name);
  }
}
