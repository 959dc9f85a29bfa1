import type { Deferred } from './protocol.js';

/** After a step that failed: the disk is full, and this is not what makes room. */
const RETRY_MS = 2_000;

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

  /** After each group: what is too much now, the rest when it is quiet. */
  after(): void {
    const deferred = this.#deferred;
    if (this.#next !== undefined) return;
    while (deferred.amount() > deferred.most) if (!this.#step()) return;
    if (deferred.amount() > 0) this.#wait(deferred.idleMs);
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
    if (this.#deferred.amount() > 0 && this.#step()) this.#next = setImmediate(() => this.#work());
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
