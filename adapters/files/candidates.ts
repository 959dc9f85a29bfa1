import type { Clock, Logger } from '../contract/index.js';
import { globs, nameProblem, shownName } from './names.js';
import type { ReadOptions } from './options.js';
import type { Entry } from './space.js';

interface Seen {
  readonly size: number;
  readonly modified: string;
  readonly since: number;
  readonly polls: number;
}

/**
 * Which files of a listing are complete: same size and time at several polls and for some time on our own clock. Remembered in memory
 * only: after a restart a file is watched anew, because a monotonic clock does not outlive its process.
 */
export class Candidates {
  private seen = new Map<string, Seen>();
  private readonly refused = new Set<string>();
  private readonly wanted: (name: string) => boolean;
  private readonly ignored: (name: string) => boolean;

  constructor(
    private readonly options: ReadOptions,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.wanted = globs(options.pattern);
    this.ignored = globs(options.ignore);
  }

  /** Call once per poll with everything that is in the folder. */
  ready(listing: readonly Entry[]): readonly Entry[] {
    const now = this.clock.monotonic();
    const seen = new Map<string, Seen>();
    const ready: Entry[] = [];
    for (const entry of listing) {
      if (!this.wanted(entry.name) || this.ignored(entry.name) || entry.kind === 'folder') continue;
      const problem = nameProblem(entry.name) ?? (entry.kind === 'file' ? undefined : entry.kind === 'link' ? 'it is a symbolic link' : 'it is no regular file');
      if (problem) {
        this.refuse(entry.name, problem);
        continue;
      }
      const before = this.seen.get(entry.name);
      const same = before?.size === entry.size && before.modified === entry.modified ? before : undefined;
      const { size, modified } = entry;
      const sighting = { size, modified, since: same?.since ?? now, polls: (same?.polls ?? 0) + 1 };
      seen.set(entry.name, sighting);
      if (sighting.polls >= this.options.stable.polls && now - sighting.since >= this.options.stable.for) ready.push(entry);
    }
    this.seen = seen;
    return ready.sort((a, b) => (this.options.order === 'time' ? byTime(a, b) || byName(a, b) : byName(a, b)));
  }

  /** It changed under our hands: watch it from the start. */
  forget(name: string): void {
    this.seen.delete(name);
  }

  /** Says once why a file is left where it is. */
  refuse(name: string, problem: string): void {
    if (this.refused.has(name)) return;
    if (this.refused.size > 10_000) this.refused.clear();
    this.refused.add(name);
    this.logger.warn('file.skipped', `${shownName(name)} is not read: ${problem}`);
  }
}

function byName(a: Entry, b: Entry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function byTime(a: Entry, b: Entry): number {
  return Number(a.modified) - Number(b.modified);
}
