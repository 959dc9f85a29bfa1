import type { Channel } from 'amqplib';
import type { ChannelSpec } from '../broker.js';
import { describe, Misconfigured } from '../errors.js';
import type { Control } from './control.js';
import { channelLayout, delayName, type Layout, ladderLayout, queueName } from './layout.js';

/** Makes and looks at what `layout.ts` describes. */
export class Topology {
  readonly #prefix: string;
  readonly #control: Control;

  constructor(prefix: string, control: Control) {
    this.#prefix = prefix;
    this.#control = control;
  }

  queue(channel: string, generation: number): string {
    return queueName(this.#prefix, channel, generation);
  }

  delayExchange(step: number): string {
    return delayName(this.#prefix, step);
  }

  /** Creates the queue with its way back from the ladder. @returns true when it was not there before. @throws Misconfigured, NotConnected */
  async declare(spec: ChannelSpec): Promise<boolean> {
    const layout = channelLayout(this.#prefix, spec);
    const { name } = layout.queue;
    const existed = await this.exists(name);
    await this.#make(`declaring ${name}`, name, existed, layout);
    return !existed;
  }

  /** Creates the retry ladder. @returns true when it was not there before. */
  async declareLadder(): Promise<boolean> {
    const first = this.delayExchange(1);
    const existed = await this.exists(first);
    await this.#make('declaring the retry ladder', first, existed, ladderLayout(this.#prefix));
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
  async #make(what: string, name: string, existed: boolean, layout: Layout): Promise<void> {
    try {
      await this.#control.run(what, (channel) => make(channel, layout));
    } catch (error) {
      const code = replyCode(error);
      if (code === 403 && existed) return;
      if (code === 403) throw new Misconfigured('E511', `${what}: ${describe(error)}`, { cause: error });
      if (code === 406) throw new Misconfigured('E513', `${name}: ${describe(error)}`, { cause: error });
      throw error;
    }
  }
}

async function make(channel: Channel, { exchanges, queues, bindings }: Layout): Promise<void> {
  for (const { name, type } of exchanges) await channel.assertExchange(name, type);
  for (const queue of queues) await channel.assertQueue(queue.name, { arguments: queue.arguments });
  for (const { exchange, queue, key } of bindings) await channel.bindQueue(queue, exchange, key);
}

/** AMQP reply code of a channel the broker closed: 404 not found, 403 refused, 406 precondition failed. */
export function replyCode(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}
