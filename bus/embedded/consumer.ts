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
  /** By identity: after a restart of the thread the same number is handed out again, and an old ack must not settle it. */
  readonly #out = new Set<Pick<Handed, 'seq'>>();
  #drained: PromiseWithResolvers<void> | undefined;
  #closed: Promise<void> | undefined;
  #paused = false;
  #session = new AbortController();

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
    const out = { seq };
    this.#out.add(out);
    const settle = (how: Settlement) => (): void => this.#settle(out, how);
    this.#onMessage({ id, headers, body, redelivered: attempts > 0, deliveryCount: attempts, session: this.#session.signal, ack: settle('acked'), requeue: settle('requeued') });
  }

  /** The session ended: what is out comes again, its acks mean nothing. */
  forget(): void {
    this.#out.clear();
    this.#session.abort();
    this.#session = new AbortController();
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
    for (const out of this.#out) this.#settle(out, 'requeued');
    this.#session.abort();
    await this.#seat.written();
    this.#seat.leave(this);
  }

  #settle(out: Pick<Handed, 'seq'>, how: Settlement): void {
    if (!this.#out.delete(out)) return;
    this.#seat.settle(out.seq, how);
    if (this.#out.size === 0) this.#drained?.resolve();
  }
}
