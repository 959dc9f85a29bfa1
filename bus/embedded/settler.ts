import type { Settled } from './operations.js';

export type Settlement = keyof Settled;

/** Collects what consumers settled in one turn. Nobody waits for an ack: when writing fails, it is written with a later turn, or its message comes again after a restart. */
export class Settler {
  readonly #write: (settled: Settled) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #pending: Record<Settlement, number[]> = empty();
  #written: Promise<void> = Promise.resolve();

  /** @param failed called when a batch was not written and waits for the next flush */
  constructor(write: (settled: Settled) => Promise<void>, failed: (error: unknown) => void) {
    this.#write = write;
    this.#failed = failed;
  }

  add(how: Settlement, seq: number): void {
    this.#pending[how].push(seq);
  }

  /** Writes what was collected. The promise resolves when it is durable or failed. */
  flush(): Promise<void> {
    const batch = this.#pending;
    if (batch.acked.length + batch.requeued.length + batch.untouched.length > 0) {
      this.#pending = empty();
      this.#written = this.#write(batch).catch((error: unknown) => {
        for (const how of ['acked', 'requeued', 'untouched'] as const) this.#pending[how].unshift(...batch[how]);
        this.#failed(error);
      });
    }
    return this.#written;
  }

  /** The thread that knew these numbers has ended. */
  forget(): void {
    this.#pending = empty();
  }
}

function empty(): Record<Settlement, number[]> {
  return { acked: [], requeued: [], untouched: [] };
}
