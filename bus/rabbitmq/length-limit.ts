import type { Clock } from '../../adapters/contract/index.js';

/** A count older than this is asked again: other nodes publish too. */
const FRESH_MS = 1_000;
/** While full, the broker is asked at most this often. */
const FULL_MS = 100;

/**
 * Keeps a channel's `maxMessages` on our side. A `max-length` of the queue would be an argument that cannot change, or a policy that
 * only an administrator can set; and it overshoots and keeps rejecting after a message was taken. Publishing is counted against the last
 * known depth; consuming is seen when the broker is asked again. Several nodes may overshoot together by what each publishes within a second.
 */
export class LengthLimit {
  readonly #max: number;
  readonly #clock: Clock;
  readonly #count: () => Promise<number>;
  #room = 0;
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(max: number, clock: Clock, count: () => Promise<number>) {
    this.#max = max;
    this.#clock = clock;
    this.#count = count;
  }

  /** Takes room for one message; false when the channel is full. @throws what counting throws */
  async take(): Promise<boolean> {
    const age = this.#clock.monotonic() - this.#asked;
    if (age > FRESH_MS || (this.#room <= 0 && age > FULL_MS)) {
      this.#asking ??= this.#ask();
      await this.#asking;
    }
    if (this.#room <= 0) return false;
    this.#room--;
    return true;
  }

  async #ask(): Promise<void> {
    try {
      this.#room = this.#max - (await this.#count());
      this.#asked = this.#clock.monotonic();
    } finally {
      this.#asking = undefined;
    }
  }
}
