import type { Clock } from '../../adapters/contract/services.js';
import { describe } from '../errors.js';
import type { Leases } from '../store/contract.js';

export interface LeaseTiming {
  /** How long the store keeps a lease that is not renewed: after a crash nobody holds it for so long. */
  readonly ttlMs: number;
  /** How often it is renewed, and how often one that others hold is asked for. */
  readonly renewMs: number;
  /** The holder stops so much earlier than the store lets it go: for what is under way then. */
  readonly marginMs: number;
}

export interface LeaseServices {
  readonly leases: Leases;
  readonly clock: Clock;
  readonly holder: string;
  readonly timing: LeaseTiming;
}

/** The right to act was lost, or may have been: whatever is thrown away because of it is done again by whoever has it now. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** A store that is away is asked this often. */
const AGAIN_MS = 1_000;

/**
 * One tenure of one lease: from the moment it was acquired until it is released or lost, and never again after that. Renewed in the background.
 *
 * `check` is the fence: without asking anybody it knows whether the store can have given the lease to another process meanwhile. The time counts from
 * before the question that was last answered, so the holder's end always comes before the store's; both clocks of the machine are looked at, since
 * neither sleep (the monotonic one) nor a clock that is set back (the other one) may hide how long the process stood still.
 */
export class Lease {
  private readonly ending = new AbortController();
  private readonly keeping: Promise<void>;
  private renewing: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly name: string,
    /** Grows with each new holder: the store refuses a checkpoint with an older one. */
    readonly epoch: number,
    private good: Moment,
    private readonly services: LeaseServices,
  ) {
    this.keeping = this.keep();
  }

  /** @returns undefined while another process holds it. @throws what the store throws */
  static async acquire(name: string, services: LeaseServices): Promise<Lease | undefined> {
    const asked = momentOf(services.clock);
    const epoch = await services.leases.acquire(name, services.holder, services.timing.ttlMs, services.clock.now());
    return epoch === undefined ? undefined : new Lease(name, epoch, asked, services);
  }

  /** Aborted with a LeaseLost as soon as the tenure is over. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  get isOver(): boolean {
    return this.ending.signal.aborted;
  }

  /** Call right before every act that only the holder may do. No I/O. @throws LeaseLost */
  check(): void {
    if (!this.isOver && this.leftMs() <= 0) this.lose('it was not renewed in time');
    this.signal.throwIfAborted();
  }

  /** The tenure is over; the store is not told. */
  lose(reason: string): void {
    if (!this.isOver) this.ending.abort(new LeaseLost(`${this.name}: ${reason}`));
  }

  /** Gives it back, so that another can have it at once. Without effect when the tenure is over. @throws what the store throws: then it expires by itself */
  async release(): Promise<void> {
    if (this.isOver) return;
    this.lose('it was given back');
    await this.keeping;
    // A renewal that arrived after the release would take the lease again.
    await this.renewing;
    await this.services.leases.release(this.name, this.services.holder);
  }

  private async keep(): Promise<void> {
    const { clock, holder, leases, timing } = this.services;
    let trouble = 'it was not renewed in time';
    for (let wait = timing.renewMs; ; ) {
      await this.rest(Math.min(wait, this.leftMs()));
      if (this.isOver) return;
      if (this.leftMs() <= 0) return this.lose(trouble);
      const asked = momentOf(clock);
      const answer = leases.acquire(this.name, holder, timing.ttlMs, clock.now()).then(
        (epoch): Answer => ({ epoch }),
        (error: unknown): Answer => ({ trouble: describe(error) }),
      );
      this.renewing = answer;
      const found = await this.inTime(answer);
      if ('trouble' in found) {
        trouble = found.trouble;
        wait = Math.min(AGAIN_MS, timing.renewMs);
        continue;
      }
      if (found.epoch !== this.epoch) return this.lose('another node has it');
      this.good = asked;
      wait = timing.renewMs;
    }
  }

  private leftMs(): number {
    const { clock, timing } = this.services;
    const now = momentOf(clock);
    return timing.ttlMs - timing.marginMs - Math.max(now.monotonic - this.good.monotonic, now.wall - this.good.wall);
  }

  private async inTime(answer: Promise<Answer>): Promise<Answer> {
    const over = new AbortController();
    const late = this.rest(this.leftMs(), AbortSignal.any([this.signal, over.signal]));
    try {
      return await Promise.race([answer, late.then((): Answer => ({ trouble: 'the store did not answer in time' }))]);
    } finally {
      over.abort();
    }
  }

  /** Ends early when the tenure does. */
  private async rest(ms: number, signal: AbortSignal = this.signal): Promise<void> {
    await this.services.clock.sleep(Math.max(0, ms), signal).catch(() => undefined); // aborted: whoever waits looks why
  }
}

type Answer = { readonly epoch: number | undefined } | { readonly trouble: string };

interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), wall: clock.now().getTime() };
}
