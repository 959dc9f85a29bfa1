import type { Clock } from '../../adapters/contract/services.js';

/** An adapter was called and did not come back. */
export class Stalled extends Error {
  override readonly name = 'Stalled';

  constructor(
    what: string,
    limitMs: number,
    /** It did not heed the abort either: the call may go on for ever, and whoever made it must not be used again. */
    readonly isLeftBehind: boolean,
  ) {
    super(
      `${what} made no progress for ${limitMs >= 60_000 ? `${Math.round(limitMs / 6_000) / 10} min` : `${limitMs / 1_000} s`}${isLeftBehind ? ' and did not end when told to' : ''}`,
    );
  }
}

/** For one that heeds the abort. */
const GRACE_MS = 10_000;

/** Watches over calls of an adapter that may hang. */
export class Attention {
  private readonly ending = new AbortController();
  private progressAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly limitMs: number,
    /** Aborted when nobody wants to know any more. */
    private readonly abandoned: AbortSignal,
  ) {}

  /** Aborted when a call takes too long. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  /** The call under way is alive. */
  readonly progress = (): void => {
    this.progressAt = this.clock.monotonic();
  };

  /** What `work` gives. @throws Stalled when it shows no progress for too long */
  async during<T>(what: string, work: Promise<T>): Promise<T> {
    this.progress();
    for (let wait = this.limitMs; wait > 0; wait = this.progressAt + this.limitMs - this.clock.monotonic()) {
      if (await this.settles(work, wait)) return work;
    }
    this.ending.abort(new Stalled(what, this.limitMs, false));
    throw new Stalled(what, this.limitMs, !(await this.settles(work, GRACE_MS)));
  }

  private async settles(work: Promise<unknown>, ms: number): Promise<boolean> {
    const over = new AbortController();
    const settled = work.then(
      () => true,
      () => true,
    );
    const late = this.clock.sleep(ms, AbortSignal.any([over.signal, this.abandoned])).then(
      () => false,
      () => false, // settled, or abandoned
    );
    try {
      const isSettled = await Promise.race([settled, late]);
      if (!isSettled) this.abandoned.throwIfAborted();
      return isSettled;
    } finally {
      over.abort();
    }
  }
}
