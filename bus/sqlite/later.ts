import type { Deferred } from './protocol.js';

/** After a step that failed: the disk is full, and this is not what makes room. */
const RETRY_MS = 2_000;

/** Times the amount that is too much: more comes in than is worked off, so it has to wait. */
const FAR_TOO_MUCH = 4;

/** Does the deferred work of a database when nobody waits for an answer. */
export class Later {
  readonly #deferred: Deferred;
  readonly #failed: (error: unknown) => boolean;
  #timer: NodeJS.Timeout | undefined;
  #next: NodeJS.Immediate | undefined;

  /** @param failed is told what a step threw; true means that it may be tried again */
  constructor(deferred: Deferred, failed: (error: unknown) => boolean) {
    this.#deferred = deferred;
    this.#failed = failed;
  }

  /** After each group. When it is much, a step follows whatever was asked meanwhile, so that who asks waits for one step at most; the rest is done when it is quiet. */
  after(): void {
    const deferred = this.#deferred;
    while (deferred.amount() > FAR_TOO_MUCH * deferred.most) if (!this.#step()) return;
    if (this.#next !== undefined || deferred.amount() === 0) return;
    if (deferred.amount() > deferred.most) this.#soon();
    else this.#wait(deferred.idleMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#next);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#work(), ms);
  }

  /** One step; the next one after what was asked meanwhile. */
  #work(): void {
    this.#next = undefined;
    if (this.#deferred.amount() > 0 && this.#step()) this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    this.#next = setImmediate(() => this.#work());
  }

  #step(): boolean {
    try {
      this.#deferred.step();
      return true;
    } catch (error) {
      if (this.#failed(error)) this.#wait(RETRY_MS);
      return false;
    }
  }
}
