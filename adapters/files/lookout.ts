import type { Clock, EndpointState, Logger, PollRequest, Sighting } from '../contract/index.js';
import { Candidates } from './candidates.js';
import { type Marker, markerOf } from './marker.js';
import { globs, pathProblem, shownName } from './names.js';
import type { ReadOptions } from './options.js';
import { Sequence } from './sequence.js';
import { type Entry, type FileSpace, joinPath, type Listed } from './space.js';
import { filesBelow, kindProblem, Lowest, regular } from './survey.js';
import { Waiting } from './waiting.js';

/** A marker without its file is told of after so long. */
const ORPHAN_MS = 600_000;
const STATS_AT_ONCE = 100;
/** Files that are not watched because something else is missing are noted up to this number. */
const MOST_ASIDE = 1_000;

export interface Sight {
  /** Those that may be complete, in the order they are to be read. */
  readonly files: readonly Entry[];
  readonly ready: ReadonlySet<string>;
  /** There are more. */
  readonly isCut: boolean;
  /** By path: all that waits, with the reason where there is one. */
  readonly waits: Map<string, Omit<Sighting, 'at'>>;
}

/** Looks at the folder that is read: what is there, what of it is complete, in which order it is to be read, and what waits for what. */
export class Lookout {
  readonly waiting: Waiting;
  readonly sequence: Sequence | undefined;
  readonly marker: Marker | undefined;
  private readonly candidates: Candidates;
  private readonly wanted: (path: string) => boolean;
  private readonly ignored: (path: string) => boolean;
  private readonly told = new Set<string>();
  private orphans = new Map<string, number>();

  constructor(
    private readonly space: FileSpace,
    private readonly options: ReadOptions,
    private readonly excluded: readonly string[],
    state: EndpointState,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.wanted = globs(options.pattern);
    this.ignored = globs(options.ignore);
    this.candidates = new Candidates(options.stable, clock);
    this.marker = options.marker && markerOf(options.marker.name);
    this.sequence = options.sequence && new Sequence(options.sequence, state);
    this.waiting = new Waiting(state);
  }

  async load(): Promise<void> {
    await this.waiting.load();
    await this.sequence?.load();
  }

  /** @param released paths that a person wants to be read whatever is missing @param isPoll the first look of a poll */
  async look({ signal, progress }: PollRequest, released: ReadonlySet<string>, isPoll: boolean): Promise<Sight> {
    const waits: Sight['waits'] = new Map();
    const aside = ({ name, size = 0 }: Listed, reason: string): void => {
      if (waits.size < MOST_ASIDE) waits.set(name, { size, reason });
    };
    const marks = this.marker && (await this.marks(signal));
    const unmarked = new Set(marks);
    const lowest = new Lowest<Listed>(this.options.max_files, this.compare);
    for await (const page of this.below(signal)) {
      progress?.();
      for (const listed of page) {
        const { name } = listed;
        if (!this.wanted(name) || this.ignored(name) || this.marker?.subject(name) !== undefined) continue;
        const problem = pathProblem(name) ?? kindProblem(listed.kind);
        const number = this.sequence?.numberOf(name);
        if (problem) this.refuse(name, problem);
        else if (released.has(name)) lowest.add(listed);
        else if (this.marker && marks && !marks.has(this.marker.subjectOf(name))) aside(listed, `its marker ${this.marker.of(name)} is not there`);
        else if (this.sequence && number === undefined) aside(listed, 'its name has no number of the sequence');
        else if (number !== undefined && number < (this.sequence?.next ?? 0)) aside(listed, `number ${number} comes before ${this.sequence?.next}, which is the next`);
        else if (this.options.order === 'name') lowest.add(listed);
        else {
          const entry = await regular(this.space, this.options.path, listed, signal, this.refuse);
          if (entry) lowest.add(entry);
        }
        if (this.marker) unmarked.delete(this.marker.subjectOf(name));
      }
    }
    this.reportOrphans(unmarked, aside);
    const files = await this.entries(lowest.take(), signal);
    for (const { name, size } of files) waits.set(name, { size });
    return { files, ready: this.candidates.ready(files, isPoll), isCut: lowest.isCut, waits };
  }

  /** It changed under our hands. */
  forget(path: string): void {
    this.candidates.forget(path);
  }

  /** Says once why a file is left where it is. */
  readonly refuse = (path: string, problem: string): void => {
    if (this.told.has(path)) return;
    if (this.told.size > 10_000) this.told.clear();
    this.told.add(path);
    this.logger.warn('file.skipped', `${shownName(path)} is not read: ${problem}`);
  };

  readonly compare = (a: Listed, b: Listed): number => {
    if (this.sequence) return (this.sequence.numberOf(a.name) ?? 0) - (this.sequence.numberOf(b.name) ?? 0) || byName(a, b);
    return this.options.order === 'time' ? Number(a.modified) - Number(b.modified) || byName(a, b) : byName(a, b);
  };

  private below(signal: AbortSignal): AsyncGenerator<readonly Listed[]> {
    return filesBelow(this.space, this.options, this.excluded, signal, this.refuse);
  }

  /** What the markers that are there stand for: looked for before the files, so that a file that comes in between waits for the next poll. */
  private async marks(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const lowest = new Lowest<Listed>(this.options.max_files, this.compare);
    for await (const page of this.below(signal)) {
      for (const { name, ...rest } of page) {
        const subject = pathProblem(name) ? undefined : this.marker?.subject(name);
        if (subject !== undefined) lowest.add({ ...rest, name: subject });
      }
    }
    return new Set(lowest.take().map(({ name }) => name));
  }

  private reportOrphans(unmarked: ReadonlySet<string>, aside: (listed: Listed, reason: string) => void): void {
    if (!this.marker || this.options.marker?.remove === false) return;
    const now = this.clock.monotonic();
    this.orphans = new Map([...unmarked].map((subject) => [subject, this.orphans.get(subject) ?? now]));
    for (const [subject, since] of this.orphans) {
      if (now - since < ORPHAN_MS) continue;
      aside({ name: this.marker.of(subject) }, 'a marker without its file');
      if (this.told.has(this.marker.of(subject))) continue;
      this.told.add(this.marker.of(subject));
      this.logger.warn('file.marker-orphan', `${shownName(this.marker.of(subject))} marks a file that is not there`);
    }
  }

  private async entries(listed: readonly Listed[], signal: AbortSignal): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for (let at = 0; at < listed.length; at += STATS_AT_ONCE) {
      const some = await Promise.all(listed.slice(at, at + STATS_AT_ONCE).map((each) => regular(this.space, this.options.path, each, signal, this.refuse)));
      entries.push(...some.filter((entry) => entry !== undefined));
    }
    return entries;
  }

  markerPath(path: string): string | undefined {
    return this.marker && this.options.marker?.remove !== false ? joinPath(this.options.path, this.marker.of(path)) : undefined;
  }
}

function byName(a: Listed, b: Listed): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
