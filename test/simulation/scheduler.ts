import type { Random } from './random.js';

/** One run of one process. What is scheduled for it never happens once it is dead, and waits while it is stopped (SIGSTOP). */
export class Life {
  alive = true;
  stoppedUntil = 0;
  /** Scheduled for it and not over. */
  pending = 0;

  constructor(
    readonly name: string,
    readonly node: string,
  ) {}
}

interface Entry {
  time: number;
  tie: number;
  readonly order: number;
  readonly life: Life | undefined;
  readonly action: () => void;
  isOver: boolean;
}

/** Microtasks are drained after each immediate; many are queued at once, since a turn of the event loop costs more than an immediate. */
const BATCH = 64;

/**
 * Everything that happens in a simulated world, one thing after the other in the order of virtual time. The next happens only when nothing is left to run
 * of the one before.
 */
export class Scheduler {
  now = 0;
  steps = 0;
  readonly #heap: Entry[] = [];
  readonly #random: Random;
  #order = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @returns takes it back */
  after(ms: number, life: Life | undefined, action: () => void): () => void {
    const entry: Entry = { time: this.now + Math.max(0, ms), tie: this.#random.next(), order: this.#order++, life, action, isOver: false };
    if (life) life.pending++;
    this.#push(entry);
    return () => this.#over(entry);
  }

  /** Runs until `done`, or until nothing is left, or `limit` (virtual milliseconds) is reached. @returns whether it is done */
  run(done: () => boolean, limit: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let ended = false;
      const end = (settle: () => void): void => {
        ended = true;
        settle();
      };
      const step = (): void => {
        if (ended) return;
        try {
          const entry = done() ? 'done' : this.#next(limit);
          if (entry === 'done' || !entry) {
            end(() => resolve(entry === 'done'));
            return;
          }
          this.now = entry.time;
          this.steps++;
          entry.action();
        } catch (error) {
          end(() => reject(error));
        }
      };
      const batch = (): void => {
        if (ended) return;
        for (let i = 0; i < BATCH; i++) setImmediate(step);
        setImmediate(batch);
      };
      batch();
    });
  }

  #next(limit: number): Entry | undefined {
    for (;;) {
      const entry = this.#heap[0];
      if (!entry || (!entry.isOver && entry.time > limit)) return undefined;
      this.#pop();
      if (entry.isOver) continue;
      const { life } = entry;
      if (life && !life.alive) continue;
      if (life && life.stoppedUntil > entry.time) {
        // In the order in which they would have come.
        entry.tie = entry.time / 1e12;
        entry.time = life.stoppedUntil;
        this.#push(entry);
        continue;
      }
      this.#over(entry);
      return entry;
    }
  }

  #over(entry: Entry): void {
    if (entry.isOver) return;
    entry.isOver = true;
    if (entry.life) entry.life.pending--;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || !before(entry, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (!left) break;
      const right = heap[child + 1];
      const smaller = right && before(right, left) ? right : left;
      if (smaller === right) child++;
      if (!before(smaller, last)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.time !== b.time ? a.time < b.time : a.tie !== b.tie ? a.tie < b.tie : a.order < b.order;
}
