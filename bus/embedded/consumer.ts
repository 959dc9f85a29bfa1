import type { Consumer, Received } from '../broker.js';
import type { Settlement } from './settler.js';

/** What a consumer needs of its channel. */
export interface Seat {
  settle(seq: number, how: Settlement): void;
  /** The consumer can take more, or less, than before. */
  changed(): void;
  /** Resolves when everything settled so far is written. */
  written(): Promise<void>;
  leave(consumer: EmbeddedConsumer): void;
}

export interface Handed {
  readonly seq: number;
  readonly id: string;
  readonly headers: Received['headers'];
  readonly body: Uint8Array;
  readonly attempts: number;
}

export class EmbeddedConsumer implements Consumer {
  readonly prefetch: number;
  readonly #seat: Seat;
  readonly #onMessage: (received: Received) => void;
  readonly #out = new Set<number>();
  #drained: PromiseWithResolvers<void> | undefined;
  #closed: Promise<void> | undefined;
  #paused = false;

  constructor(seat: Seat, prefetch: number, onMessage: (received: Received) => void) {
    this.#seat = seat;
    this.prefetch = prefetch;
    this.#onMessage = onMessage;
  }

  get unsettled(): number {
    return this.#out.size;
  }

  /** Takes nothing now: paused or leaving. */
  get holding(): boolean {
    return this.#paused || this.#closed !== undefined;
  }

  get room(): number {
    return this.holding ? 0 : this.prefetch - this.#out.size;
  }

  hand({ seq, id, headers, body, attempts }: Handed): void {
    this.#out.add(seq);
    let open = true;
    const settle = (how: Settlement): void => {
      if (!open) return;
      open = false;
      this.#settle(seq, how);
    };
    this.#onMessage({ id, headers, body, redelivered: attempts > 0, deliveryCount: attempts, ack: () => settle('acked'), requeue: () => settle('requeued') });
  }

  /** The session ended: what is out comes again, its acks mean nothing. */
  forget(): void {
    this.#out.clear();
    this.#drained?.resolve();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    this.#seat.changed();
  }

  async resume(): Promise<void> {
    this.#paused = false;
    this.#seat.changed();
  }

  close(signal?: AbortSignal): Promise<void> {
    this.#closed ??= this.#leave(signal ?? AbortSignal.timeout(30_000));
    return this.#closed;
  }

  async #leave(signal: AbortSignal): Promise<void> {
    if (this.#out.size > 0 && !signal.aborted) {
      this.#drained = Promise.withResolvers();
      const { resolve } = this.#drained;
      const stop = (): void => resolve();
      signal.addEventListener('abort', stop, { once: true });
      await this.#drained.promise;
      signal.removeEventListener('abort', stop);
    }
    for (const seq of this.#out) this.#settle(seq, 'requeued');
    await this.#seat.written();
    this.#seat.leave(this);
  }

  #settle(seq: number, how: Settlement): void {
    if (!this.#out.delete(seq)) return;
    this.#seat.settle(seq, how);
    if (this.#out.size === 0) this.#drained?.resolve();
  }
}
