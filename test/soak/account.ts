// The books of a soak: which row arrived where, how often, and which did not.
import type { Arrived, FaultWorld } from '../faults/world.js';

export interface Figures {
  readonly sent: number;
  /** Rows that are at all targets. */
  readonly delivered: number;
  /** Rows older than the bound that a target does not have. */
  readonly lost: number;
  /** Effects beyond the first. */
  readonly duplicated: number;
  /** Effects after one of a later row of the same lane. */
  readonly inverted: number;
}

/** A row stays this long after it arrived everywhere before it is taken away: a second effect within it is seen in any case. */
const KEEP_MS = 180_000;
const TARGETS: readonly (keyof Arrived)[] = ['files', 'partner', 'reports'];
/** A folder does not tell in which order its files came. */
const IN_ORDER: readonly (keyof Arrived)[] = ['partner', 'reports'];

/** Rows have consecutive numbers. Those up to `forgotten` were delivered and taken away; one that turns up again is a duplicate. */
export class Account {
  private forgotten = 0;
  /** Being taken away: that may fail half-way, when a server is down. */
  private forgetting = 0;
  private readonly sentAt = new Map<number, number>();
  private readonly twice = new Set<string>();
  private readonly late = new Set<string>();
  private missing: readonly number[] = [];
  private figures: Figures = { sent: 0, delivered: 0, lost: 0, duplicated: 0, inverted: 0 };

  constructor(
    private readonly world: FaultWorld,
    private readonly lateMs: number,
    private readonly lanes: number,
  ) {}

  /** What went wrong, row by row: for whoever looks for the cause. */
  get wrong(): readonly string[] {
    return [...[...this.twice].map((row) => `twice: ${row}`), ...[...this.late].map((row) => `late: ${row}`), ...this.missing.map((row) => `lost: ${row}`)];
  }

  get now(): Figures {
    return this.figures;
  }

  async send(rows: number): Promise<void> {
    const from = this.world.added;
    await this.world.addRows(rows);
    for (let row = from + 1; row <= this.world.added; row++) this.sentAt.set(row, Date.now());
  }

  /** Counts; takes away what has been there long enough. @param isEnd nothing is under way any more: what is not there is lost */
  async look(isEnd = false): Promise<Figures> {
    if (this.forgetting > this.forgotten) await this.world.forget(this.forgetting);
    this.forgotten = this.forgetting;
    const arrived = await this.world.everything();
    for (const target of TARGETS) {
      for (const [row, effects] of arrived[target]) if (effects > 1 || Number(row) <= this.forgotten) this.twice.add(`${target} ${row}`);
    }
    for (const target of IN_ORDER) this.compare(target, [...arrived[target].keys()].map(Number));
    const now = Date.now();
    const isComplete = (row: number): boolean => TARGETS.every((target) => arrived[target].get(String(row)) === 1);
    const open = [...this.sentAt.keys()];
    const complete = open.filter(isComplete).length;
    const lost = open.filter(
      (row) => !isComplete(row) && TARGETS.some((target) => !arrived[target].has(String(row))) && (isEnd || now - (this.sentAt.get(row) ?? now) > this.lateMs),
    );
    this.missing = lost;
    this.figures = { sent: this.world.added, delivered: this.forgotten + complete, lost: lost.length, duplicated: this.twice.size, inverted: this.late.size };
    let upTo = this.forgotten;
    while (isComplete(upTo + 1) && now - (this.sentAt.get(upTo + 1) ?? now) > KEEP_MS) upTo++;
    this.forgetting = upTo;
    for (let row = this.forgotten + 1; row <= upTo; row++) this.sentAt.delete(row);
    return this.figures;
  }
  private compare(target: string, rows: readonly number[]): void {
    const last = new Map<number, number>();
    for (const row of rows) {
      const lane = row % this.lanes;
      const before = last.get(lane) ?? 0;
      if (row < before) this.late.add(`${target} ${row} after ${before}`);
      last.set(lane, Math.max(before, row));
    }
  }
}
