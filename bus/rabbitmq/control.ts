import type { Channel } from 'amqplib';
import type { Clock } from '../../adapters/contract/index.js';
import { describe, failureOf, NotConnected } from '../errors.js';
import type { BrokerConnection } from './connection.js';
import { abortable, within } from './waiting.js';

const ANSWER_MS = 30_000;

/** Declares and looks, each on a channel of its own: an error closes the channel and must take nothing else with it. */
export class Control {
  readonly #connection: BrokerConnection;
  readonly #clock: Clock;

  constructor(connection: BrokerConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** @throws NotConnected; an error of the broker (with its reply code) as it is */
  async run<T>(what: string, work: (channel: Channel) => Promise<T>): Promise<T> {
    const session = this.#connection.session;
    if (!session) throw new NotConnected('E510', `${what}: ${this.#connection.problem ?? 'not connected'}`);
    const all = async (): Promise<T> => {
      const channel = await session.model.createChannel();
      let open = true;
      channel.on('error', () => {
        open = false; // the request that caused it rejects
      });
      channel.on('close', () => {
        open = false;
      });
      const result = await work(channel);
      // An error arrives one turn after its request was answered.
      if (open) await channel.close().catch((error: unknown) => this.#closed(error));
      return result;
    };
    try {
      return await within(this.#clock, ANSWER_MS, what, abortable(all(), session.lost));
    } catch (error) {
      if (session.lost.aborted && !failureOf(error)) throw new NotConnected('E510', `${what}: ${describe(error)}`, { cause: error });
      throw error;
    }
  }

  #closed(error: unknown): void {
    if (this.#connection.session) return;
    throw new NotConnected('E510', describe(error), { cause: error });
  }
}
