import type { ChannelSpec, Received } from '../broker.js';
import { EmbeddedConsumer, type Handed, type Seat } from './consumer.js';
import { readHeaders } from './headers.js';
import type { Taken } from './operations.js';
import type { Settlement } from './settler.js';

export interface ChannelServices {
  /** Takes the next messages from the file. */
  take(queue: number, count: number): Promise<Taken>;
  settle(seq: number, how: Settlement): void;
  written(): Promise<void>;
  /** Asks for `pump` at the end of this turn. */
  schedule(channel: EmbeddedChannel): void;
  /** Taking failed: `pump` is to be called later. */
  failed(channel: EmbeddedChannel, error: unknown): void;
}

/** One take asks for no more, so that a turn of the event loop stays short. */
const CHUNK = 256;

/** The consumers of one channel, and who gets what. */
export class EmbeddedChannel implements Seat {
  readonly #services: ChannelServices;
  readonly #consumers: EmbeddedConsumer[] = [];
  spec: ChannelSpec;
  queue: number;
  #active: EmbeddedConsumer | undefined;
  #session = 0;
  #taking = false;
  /** There may be something to take. */
  #more = true;
  /** How often something went back to the head. */
  #returns = 0;

  constructor(spec: ChannelSpec, queue: number, services: ChannelServices) {
    this.spec = spec;
    this.queue = queue;
    this.#services = services;
  }

  get consumers(): readonly EmbeddedConsumer[] {
    return this.#consumers;
  }

  get unsettled(): number {
    return this.#consumers.reduce((sum, { unsettled }) => sum + unsettled, 0);
  }

  join(prefetch: number, onMessage: (received: Received) => void): EmbeddedConsumer {
    const consumer = new EmbeddedConsumer(this, prefetch, onMessage);
    this.#consumers.push(consumer);
    this.wake();
    return consumer;
  }

  leave(consumer: EmbeddedConsumer): void {
    this.#consumers.splice(this.#consumers.indexOf(consumer), 1);
    this.wake();
  }

  settle(seq: number, how: Settlement): void {
    this.#services.settle(seq, how);
    if (how !== 'acked') {
      this.#more = true;
      this.#returns++;
    }
    this.changed();
  }

  written(): Promise<void> {
    return this.#services.written();
  }

  changed(): void {
    this.#services.schedule(this);
  }

  /** Something became ready. */
  wake(): void {
    this.#more = true;
    this.changed();
  }

  /** The thread of the file ended: everything handed out comes again when another has opened it. */
  reset(): void {
    this.#session++;
    this.#taking = false;
    for (const consumer of this.#consumers) consumer.forget();
  }

  /** Takes as much as the consumers have room for; one take at a time, so that room collects while one is under way. */
  pump(): void {
    if (this.#taking || !this.#more) return;
    const room = this.#eligible().reduce((sum, consumer) => sum + consumer.room, 0);
    if (room <= 0) return;
    this.#taking = true;
    this.#more = false;
    const [session, returns] = [this.#session, this.#returns];
    this.#services.take(this.queue, Math.min(room, CHUNK)).then(
      (taken) => {
        if (session !== this.#session) return;
        this.#taking = false;
        if (taken.seqs.length > 0) this.wake();
        // Something may have become ready after the file was asked, and found a take under way.
        else if (this.#more) this.changed();
        this.#distribute(taken, returns);
      },
      (error: unknown) => {
        if (session !== this.#session) return;
        this.#taking = false;
        this.#more = true;
        this.#services.failed(this, error);
      },
    );
  }

  #distribute(taken: Taken, returns: number): void {
    let offset = 0;
    // What went back to the head meanwhile comes before what was taken.
    let full = returns !== this.#returns;
    for (const [index, seq] of taken.seqs.entries()) {
      const length = taken.lengths[index] ?? 0;
      const body = Buffer.from(taken.bodies.buffer, taken.bodies.byteOffset + offset, length);
      offset += length;
      const consumer = full ? undefined : roomiest(this.#eligible());
      // From the first that nobody takes, all go back: one further on must not overtake it.
      if (consumer) consumer.hand(this.#handed(taken, index, seq, body));
      else {
        full = true;
        this.settle(seq, 'untouched');
      }
    }
  }

  #handed(taken: Taken, index: number, seq: number, body: Uint8Array): Handed {
    return { seq, id: taken.ids[index] ?? '', headers: readHeaders(taken.headers[index] ?? ''), attempts: taken.attempts[index] ?? 0, body };
  }

  #eligible(): readonly EmbeddedConsumer[] {
    if (!this.spec.singleActiveConsumer) return this.#consumers;
    const active = this.#active;
    // The place is free only when nothing of the one before is unsettled.
    if (active && (!this.#consumers.includes(active) || (active.holding && active.unsettled === 0))) this.#active = undefined;
    this.#active ??= this.#consumers.find(({ holding }) => !holding);
    return this.#active ? [this.#active] : [];
  }
}

function roomiest(consumers: readonly EmbeddedConsumer[]): EmbeddedConsumer | undefined {
  let best: EmbeddedConsumer | undefined;
  for (const consumer of consumers) if (consumer.room > (best?.room ?? 0)) best = consumer;
  return best;
}
