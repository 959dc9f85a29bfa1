import type { Channel, ConsumeMessage } from 'amqplib';
import type { Received } from '../broker.js';
import { fromAmqp } from './headers.js';

interface Tag {
  readonly tag: number;
  state: 'out' | 'ack' | 'requeue';
}

/**
 * One consumer on one AMQP channel, from subscribing to the end of the channel. Acks are collected for one turn of the event loop and
 * sent as one where they are contiguous. When the channel has ended, nothing is sent any more: the broker gives what was unsettled to
 * the next session, and an ack with an old tag would settle a message of that one.
 */
export class Place {
  readonly #channel: Channel;
  readonly #hand: (received: Received) => void;
  /** Everything delivered and not settled at the broker, in order. */
  #tags: Tag[] = [];
  /** Delivered but not handed out, because the consumer pauses or leaves. */
  readonly #held: ConsumeMessage[] = [];
  readonly #ended = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  #drained: PromiseWithResolvers<void> | undefined;
  #holding = false;
  #alive = true;
  #flushing = false;
  #out = 0;
  readonly #session = new AbortController();

  constructor(channel: Channel, hand: (received: Received) => void, holding: boolean) {
    this.#channel = channel;
    this.#hand = hand;
    this.#holding = holding;
    channel.on('close', () => {
      this.end();
      this.#gone.resolve();
    });
  }

  /** Handed out and not settled. */
  get unsettled(): number {
    return this.#out;
  }

  /** Resolves when the channel is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  deliver(message: ConsumeMessage): void {
    if (!this.#alive) return;
    if (this.#holding) this.#held.push(message);
    else this.#handOut(message);
  }

  hold(): void {
    this.#holding = true;
  }

  release(): void {
    this.#holding = false;
    this.#flush();
    for (const message of this.#held.splice(0)) this.deliver(message);
  }

  /** Resolves when nothing handed out is unsettled, or the channel is gone. */
  drained(): Promise<void> {
    if (this.#out === 0 || !this.#alive) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  end(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#session.abort();
    this.#out = 0;
    this.#drained?.resolve();
    this.#ended.resolve();
  }

  /** Sends what is settled, then closes the channel: what is not settled returns to the head of the queue, in order. */
  async leave(): Promise<void> {
    if (!this.#alive) return;
    this.#flush();
    this.end();
    // When the connection is lost meanwhile, the library never answers the close.
    await Promise.race([this.#channel.close(), this.#gone.promise]);
  }

  #handOut(message: ConsumeMessage): void {
    const entry: Tag = { tag: message.fields.deliveryTag, state: 'out' };
    this.#tags.push(entry);
    this.#out++;
    const table: Readonly<Record<string, unknown>> = message.properties.headers ?? {};
    const count = table['x-delivery-count'];
    const { redelivered } = message.fields;
    this.#hand({
      id: String(message.properties.messageId ?? ''),
      headers: fromAmqp(table),
      // The content is a slice of a large socket buffer that would be kept alive with it.
      body: Buffer.from(message.content),
      redelivered,
      deliveryCount: typeof count === 'number' ? count : redelivered ? 1 : 0,
      session: this.#session.signal,
      ack: () => this.#settle(entry, 'ack'),
      requeue: () => this.#settle(entry, 'requeue'),
    });
  }

  #settle(entry: Tag, state: 'ack' | 'requeue'): void {
    if (entry.state !== 'out' || !this.#alive) return;
    entry.state = state;
    this.#out--;
    if (!this.#flushing) {
      this.#flushing = true;
      setImmediate(() => this.#flush());
    }
    if (this.#out === 0) this.#drained?.resolve();
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#alive) return;
    // Of a consumer that pauses or leaves, the end of the channel gives everything back at once and in order.
    if (!this.#holding) {
      // `reject` and not `nack`: from 4.3 on only a reject counts as a delivery.
      for (const { tag, state } of this.#tags) if (state === 'requeue') this.#channel.reject(tagged(tag), true);
      this.#tags = this.#tags.filter(({ state }) => state !== 'requeue');
    }
    const barrier = this.#tags.findIndex(({ state }) => state !== 'ack');
    const prefix = barrier === -1 ? this.#tags.length : barrier;
    const last = this.#tags[prefix - 1];
    if (last) this.#channel.ack(tagged(last.tag), true);
    for (const { tag, state } of this.#tags.slice(prefix)) if (state === 'ack') this.#channel.ack(tagged(tag));
    this.#tags = this.#tags.filter(({ state }) => state !== 'ack');
  }
}

/** The library reads nothing but the tag. */
function tagged(deliveryTag: number): ConsumeMessage {
  const properties: ConsumeMessage['properties'] = NO_PROPERTIES;
  return { fields: { deliveryTag, redelivered: false, exchange: '', routingKey: '', consumerTag: '' }, properties, content: NOTHING };
}

const NOTHING = Buffer.alloc(0);
const NO_PROPERTIES: ConsumeMessage['properties'] = {
  contentType: undefined,
  contentEncoding: undefined,
  headers: undefined,
  deliveryMode: undefined,
  priority: undefined,
  correlationId: undefined,
  replyTo: undefined,
  expiration: undefined,
  messageId: undefined,
  timestamp: undefined,
  type: undefined,
  userId: undefined,
  appId: undefined,
  clusterId: undefined,
};
