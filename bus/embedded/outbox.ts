import { NotPublished, type OutgoingMessage } from '../broker.js';
import { describe, failureOf } from '../errors.js';
import { writeHeaders } from './headers.js';
import type { Enqueued } from './operations.js';

export interface Place {
  readonly channel: string;
  readonly queue: number;
  /** Of ready messages. */
  readonly limit: number | undefined;
  /** When it becomes ready; 0: at once. */
  readonly due: number;
}

interface Waiting extends Place {
  readonly id: string;
  readonly headers: string;
  readonly body: Uint8Array;
  readonly settled: (problem: NotPublished | undefined) => void;
}

/** One request to the worker holds at most this much; more of one turn goes into the next. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH = 1_024;

/** Collects what is published in one turn of the event loop; the worker commits all that has come in during its last commit. */
export class Outbox {
  readonly #write: (batch: Enqueued) => Promise<readonly number[]>;
  readonly #now: () => number;
  readonly #stored: (queues: ReadonlySet<number>) => void;
  #waiting: Waiting[] = [];

  /** @param stored called after a commit with the queues that have new messages */
  constructor(write: (batch: Enqueued) => Promise<readonly number[]>, now: () => number, stored: (queues: ReadonlySet<number>) => void) {
    this.#write = write;
    this.#now = now;
    this.#stored = stored;
  }

  /** `settled` is called once: without a problem when it is stored. */
  add({ channel, queue, limit, due }: Place, message: OutgoingMessage, settled: Waiting['settled']): void {
    this.#waiting.push({ channel, queue, limit, due, id: message.id, headers: writeHeaders(message.headers), body: message.body, settled });
    if (this.#waiting.length === 1) setImmediate(() => this.flush());
  }

  flush(): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < all.length; ) {
      let bytes = 0;
      let to = from;
      while (to < all.length && to - from < BATCH && bytes < BATCH_BYTES) bytes += all[to++]?.body.byteLength ?? 0;
      const batch = all.slice(from, to);
      from = to;
      void this.#send(batch, bytes); // answers every message itself and does not throw
    }
  }

  async #send(batch: readonly Waiting[], bytes: number): Promise<void> {
    const bodies = new Uint8Array(bytes);
    const limits: Record<number, number> = {};
    let offset = 0;
    for (const { body, queue, limit } of batch) {
      bodies.set(body, offset);
      offset += body.byteLength;
      if (limit !== undefined) limits[queue] = limit;
    }
    let refused: ReadonlySet<number>;
    try {
      refused = new Set(
        await this.#write({
          queues: batch.map(({ queue }) => queue),
          dues: batch.map(({ due }) => due),
          ids: batch.map(({ id }) => id),
          headers: batch.map(({ headers }) => headers),
          lengths: batch.map(({ body }) => body.byteLength),
          bodies,
          limits,
          now: this.#now(),
        }),
      );
    } catch (error) {
      // A full disk rolled the commit back; when the thread ended, the commit may have been written.
      const reason = failureOf(error)?.code === 'E533' ? 'rejected' : 'unknown';
      for (const { channel, settled } of batch) settled(new NotPublished(reason, channel, describe(error), error));
      return;
    }
    for (const [index, { channel, settled }] of batch.entries()) {
      settled(refused.has(index) ? new NotPublished('rejected', channel, 'the channel is full') : undefined);
    }
    this.#stored(new Set(batch.map(({ queue }) => queue)));
  }
}
