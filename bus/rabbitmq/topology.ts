import type { Channel } from 'amqplib';
import { type ChannelSpec, LADDER_MS } from '../broker.js';
import { describe, Misconfigured } from '../errors.js';
import type { Control } from './control.js';

/**
 * The physical shape on RabbitMQ. Arguments cannot change in a queue's life, so only what never changes is one: type, single active
 * consumer, and the delivery limit (unset, 3.x puts a returned message at the tail and 4.x drops it after 20 returns; a negative
 * one destroys it on 3.x). Limits of length are kept on our side (length-limit.ts), because they do change.
 */
export class Topology {
  readonly #prefix: string;
  readonly #control: Control;

  constructor(prefix: string, control: Control) {
    this.#prefix = prefix;
    this.#control = control;
  }

  queue(channel: string, generation: number): string {
    return `${this.#prefix}.${channel}.g${generation}`;
  }

  delayExchange(step: number): string {
    return `${this.#prefix}.delay.${step}`;
  }

  get #retry(): string {
    return `${this.#prefix}.retry`;
  }

  /** Creates the queue with its way back from the ladder. @returns true when it was not there before. @throws Misconfigured, NotConnected */
  async declare(spec: ChannelSpec): Promise<boolean> {
    const name = this.queue(spec.name, spec.generation ?? 1);
    const existed = await this.exists(name);
    await this.#make(`declaring ${name}`, name, existed, async (channel) => {
      await channel.assertQueue(name, {
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2_147_483_647, ...(spec.singleActiveConsumer ? { 'x-single-active-consumer': true } : {}) },
      });
      await channel.bindQueue(name, this.#retry, name);
    });
    return !existed;
  }

  /**
   * The retry ladder: per step one fanout exchange and one queue with a fixed time to live. The dead-letter exchange is direct and no
   * dead-letter key is set, so a message keeps the key it was published with: the name of the queue it goes back to.
   */
  async declareLadder(): Promise<boolean> {
    const first = this.delayExchange(1);
    const existed = await this.exists(first);
    await this.#make('declaring the retry ladder', first, existed, async (channel) => {
      await channel.assertExchange(this.#retry, 'direct');
      for (const [index, ttl] of LADDER_MS.entries()) {
        const name = this.delayExchange(index + 1);
        await channel.assertExchange(name, 'fanout');
        await channel.assertQueue(name, {
          arguments: {
            'x-queue-type': 'quorum',
            'x-message-ttl': ttl,
            'x-dead-letter-exchange': this.#retry,
            'x-dead-letter-strategy': 'at-least-once',
            'x-overflow': 'reject-publish',
            'x-delivery-limit': 2_147_483_647,
          },
        });
        await channel.bindQueue(name, name, '');
      }
    });
    return !existed;
  }

  async exists(queue: string): Promise<boolean> {
    return (await this.count(queue)) !== undefined;
  }

  /** Ready messages and consumers, by a passive declare; undefined when there is no such queue. */
  count(queue: string): Promise<{ readonly ready: number; readonly consumers: number } | undefined> {
    return this.#control.run(`looking at ${queue}`, async (channel) => {
      try {
        const { messageCount, consumerCount } = await channel.checkQueue(queue);
        return { ready: messageCount, consumers: consumerCount };
      } catch (error) {
        if (replyCode(error) === 404) return undefined;
        throw error;
      }
    });
  }

  /** Quorum queues do not know `if-empty` and `if-unused` on every version, so both are looked at first. */
  async remove(queue: string): Promise<boolean> {
    const count = await this.count(queue);
    if (count === undefined) return true;
    if (count.ready > 0 || count.consumers > 0 || !(await this.#isIdle(queue))) return false;
    await this.#control.run(`removing ${queue}`, (channel) => channel.deleteQueue(queue));
    return true;
  }

  /** While a queue has no leader (an election) the broker says 0 for everything. Only a leader takes a consumer, so a count that has ours is true. */
  #isIdle(queue: string): Promise<boolean> {
    return this.#control.run(`looking at ${queue}`, async (channel) => {
      let isEmpty = true;
      const { consumerTag } = await channel.consume(queue, () => {
        isEmpty = false; // it goes back with the channel
      });
      const { messageCount, consumerCount } = await channel.checkQueue(queue);
      await channel.cancel(consumerTag); // its answer comes after all deliveries
      return isEmpty && messageCount === 0 && consumerCount === 1;
    });
  }

  /** An administrator may have created everything and given us no right to configure: then what is there is taken as it is. */
  async #make(what: string, name: string, existed: boolean, work: (channel: Channel) => Promise<void>): Promise<void> {
    try {
      await this.#control.run(what, work);
    } catch (error) {
      const code = replyCode(error);
      if (code === 403 && existed) return;
      if (code === 403) throw new Misconfigured('E511', `${what}: ${describe(error)}`, { cause: error });
      if (code === 406) throw new Misconfigured('E513', `${name}: ${describe(error)}`, { cause: error });
      throw error;
    }
  }
}

/** AMQP reply code of a channel the broker closed: 404 not found, 403 refused, 406 precondition failed. */
export function replyCode(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}
