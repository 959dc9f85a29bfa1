import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, OutgoingMessage, Received } from '../../../bus/broker.js';

/** What a kind of broker brings to the conformance suite. */
export interface BrokerHarness {
  /** Somewhere nothing was before: a directory, a prefix. */
  place(): Promise<BrokerPlace>;
  /** Several brokers at one place at the same time, as nodes of a cluster. */
  readonly severalNodes: boolean;
  /** The broker can say how many messages wait on the ladder, and how old the oldest is. */
  readonly knowsWaiting: boolean;
  /** Messages of the large backlog. */
  readonly backlog: number;
}

export interface BrokerPlace {
  open(): Promise<Broker>;
  /** The process of this broker is gone: nothing is flushed, returned or said. */
  crash(broker: Broker): Promise<void>;
  /** Publishes to `channel` until what keeps the messages is killed with SIGKILL under load; it is up again afterwards. Ids in order of publishing. */
  killUnderLoad(channel: string): Promise<Load>;
  dispose(): Promise<void>;
}

export interface Load {
  readonly confirmed: readonly string[];
  readonly attempted: readonly string[];
}

/** What a consumer got, in order. */
export class Inbox {
  readonly all: Received[] = [];
  readonly #each: ((received: Received) => void) | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(each?: (received: Received) => void) {
    this.#each = each;
  }

  readonly onMessage = (received: Received): void => {
    this.all.push(received);
    this.#each?.(received);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  };

  get ids(): readonly string[] {
    return this.all.map(({ id }) => id);
  }

  /** Waits until there are `count`; those. */
  async until(count: number, ms = 15_000): Promise<readonly Received[]> {
    const deadline = Date.now() + ms;
    while (this.all.length < count) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${this.all.length} of ${count} messages after ${ms} ms: ${this.ids.slice(0, 20).join(' ')}`);
      const stop = new AbortController();
      await Promise.race([this.#changed.promise, sleep(left, undefined, { signal: stop.signal }).catch(String)]);
      stop.abort();
    }
    return this.all.slice(0, count);
  }
}

/** An inbox that acks everything. */
export function acking(): Inbox {
  return new Inbox((received) => received.ack());
}

export function message(id: string, body: string | Uint8Array = id, headers: OutgoingMessage['headers'] = {}): OutgoingMessage {
  return { id, headers, body: typeof body === 'string' ? Buffer.from(body) : body };
}

export function ids(count: number, from = 0): readonly string[] {
  return Array.from({ length: count }, (_, index) => `m${String(from + index).padStart(6, '0')}`);
}

export async function publishAll(broker: Broker, channel: string, names: readonly string[]): Promise<void> {
  for (let from = 0; from < names.length; from += 1_000) await Promise.all(names.slice(from, from + 1_000).map((id) => broker.publish(channel, message(id))));
}

export async function eventually(what: string, condition: () => boolean | Promise<boolean>, ms = 15_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
}

/** Long enough for something wrong to show. */
export function aMoment(): Promise<void> {
  return sleep(250);
}

export function unique(): string {
  return randomBytes(5).toString('hex');
}

/** A place with brokers that are closed and removed after the work, however it ends. */
export async function withPlace(harness: BrokerHarness, work: (place: BrokerPlace, open: () => Promise<Broker>) => Promise<void>): Promise<void> {
  const place = await harness.place();
  const opened: Broker[] = [];
  try {
    await work(place, async () => {
      const broker = await place.open();
      opened.push(broker);
      return broker;
    });
  } finally {
    await Promise.all(opened.map((broker) => broker.close()));
    await place.dispose();
  }
}
