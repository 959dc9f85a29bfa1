import { Random } from './random.js';
import type { Life } from './scheduler.js';
import { Scheduler } from './scheduler.js';
import { Trace } from './trace.js';

/** How often things go wrong, each 0 to 1; all 0 once the world has healed. */
export interface Rates {
  publishRejected: number;
  confirmLost: number;
  deadLetteredTwice: number;
  storeFails: number;
  storeUnknown: number;
  slow: number;
  pollFails: number;
  settleFails: number;
  callBusy: number;
  callLost: number;
  callHangs: number;
  callDisconnects: number;
}

export const CALM: Readonly<Rates> = {
  publishRejected: 0,
  confirmLost: 0,
  deadLetteredTwice: 0,
  storeFails: 0,
  storeUnknown: 0,
  slow: 0,
  pollFails: 0,
  settleFails: 0,
  callBusy: 0,
  callLost: 0,
  callHangs: 0,
  callDisconnects: 0,
};

/** What all parts of one simulated world share. */
export class Context {
  readonly scheduler: Scheduler;
  /** Latencies, and what is lost with a process or a connection. */
  readonly random: Random;
  readonly trace: Trace;
  readonly rates: Rates = { ...CALM };
  /** Broken invariants, as they are found. */
  readonly violations: string[] = [];

  constructor(seed: number, print?: (line: string) => void) {
    this.random = new Random(seed, 1);
    this.scheduler = new Scheduler(new Random(seed, 2));
    this.trace = new Trace(print);
  }

  note(text: string): void {
    this.trace.add(this.scheduler.now, text);
  }

  violated(text: string): void {
    this.note(`VIOLATION ${text}`);
    if (this.violations.length < 20) this.violations.push(text);
  }

  /** Milliseconds one way to a server and its work there take. */
  latency(low = 0.1, high = 4): number {
    return this.random.chance(this.rates.slow) ? this.random.between(50, 3_000) : this.random.skewed(low, high);
  }

  /** What a process that is gone had sent arrives all the same, or does not. */
  arrives(life: Life): boolean {
    return life.alive || this.random.chance(0.5);
  }
}

/** Messages of one direction of one connection arrive in the order they were sent. */
export class Wire {
  #last = 0;

  constructor(private readonly context: Context) {}

  send(life: Life | undefined, arrive: () => void): void {
    const { scheduler } = this.context;
    this.#last = Math.max(this.#last + 0.001, scheduler.now + this.context.latency(0.05, 2));
    scheduler.after(this.#last - scheduler.now, life, arrive);
  }
}
