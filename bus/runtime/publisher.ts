import { CLOCK, inject, injectable } from '../../adapters/contract/injection.js';
import type { Clock } from '../../adapters/contract/services.js';
import { type Addressed, BROKER, type Broker, NotPublished, type OutgoingMessage } from '../broker.js';
import { InvalidMessage, TryAgain } from '../errors.js';
import { Layouts } from './layouts.js';
import { reopenDelay } from './retry.js';
import { Sequences } from './sequences.js';

/**
 * Publishing until it is known to be stored. A rejected publish (back-pressure) and an unknown one (lost confirm) are both published again with the
 * same id; duplicates that makes are recognised where the effect happens.
 */
@injectable()
export class DurablePublisher {
  /** Which channel an ordered delivery belongs to. */
  readonly layouts = new Layouts();
  private readonly sequences: Sequences;

  constructor(
    @inject(BROKER) private readonly broker: Broker,
    @inject(CLOCK) private readonly clock: Clock,
  ) {
    this.sequences = new Sequences(clock);
  }

  /** Runs what publishes one delivery of an order after all that was given for the same endpoint and key before: at most one is unconfirmed. */
  inOrder(endpoint: string, orderKey: string, publish: () => Promise<void>, patienceMs: number, signal: AbortSignal): Promise<void> {
    return this.sequences.run(`${endpoint} ${orderKey}`, publish, patienceMs, signal);
  }

  /**
   * @throws InvalidMessage when the message is too large for the bus
   * @param fence called right before each attempt: throws when the caller may not publish any more
   * @throws TryAgain when `patienceMs` is over, or the signal's reason when it is aborted; the message may be stored all the same
   */
  publish(channel: string, message: OutgoingMessage, patienceMs: number, signal: AbortSignal, delayMs = 0, fence?: () => void): Promise<void> {
    return this.insist({ patienceMs, signal, fence }, async () => {
      try {
        await (delayMs > 0 ? this.broker.publishLater(channel, message, delayMs) : this.broker.publish(channel, message));
        return undefined;
      } catch (error) {
        if (!(error instanceof NotPublished)) throw error;
        if (error.reason === 'too-large') throw tooLarge(error);
        return error;
      }
    });
  }

  /**
   * The same for many that need no order among them.
   * @param stored called for each that is
   * @returns by place, why a message can never be published: InvalidMessage, or a bug
   * @throws TryAgain, or the signal's reason
   */
  async publishAll(messages: readonly Addressed[], how: Insistence, stored: () => void): Promise<ReadonlyMap<number, Error>> {
    const refused = new Map<number, Error>();
    let open = messages.map((message, place) => ({ message, place }));
    await this.insist(how, async () => {
      const asked = open;
      open = [];
      let problem: NotPublished | undefined;
      await this.settleAll(asked, ({ message, place }, error) => {
        if (error === undefined) stored();
        else if (!(error instanceof NotPublished)) refused.set(place, error);
        else if (error.reason === 'too-large') refused.set(place, tooLarge(error));
        else {
          open.push({ message, place });
          problem = error;
        }
      });
      open.sort((one, other) => one.place - other.place);
      return problem;
    });
    return refused;
  }

  private settleAll<T extends { readonly message: Addressed }>(asked: readonly T[], settled: (one: T, problem: Error | undefined) => void): Promise<void> {
    return new Promise((resolve) => {
      let left = asked.length;
      if (left === 0) resolve();
      const messages = asked.map(({ message }) => message);
      this.broker.publishAll(messages, (place, problem) => {
        const one = asked[place];
        if (one) settled(one, problem);
        if (--left === 0) resolve();
      });
    });
  }

  /** Tries until there is no problem any more. */
  private async insist({ patienceMs, signal, fence }: Insistence, attempt: () => Promise<NotPublished | undefined>): Promise<void> {
    const deadline = this.clock.monotonic() + patienceMs;
    for (let count = 0; ; count++) {
      signal.throwIfAborted();
      fence?.();
      const problem = await attempt();
      if (!problem) return;
      const wait = Math.min(reopenDelay(count, this.clock.random), 5_000);
      if (this.clock.monotonic() + wait > deadline) throw new TryAgain('E504', problem.message, { cause: problem });
      await this.clock.sleep(wait, signal);
    }
  }
}

/** How long, and whether still. */
export interface Insistence {
  /** How long the broker may refuse. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Called right before each attempt: throws when the caller may not publish any more. */
  readonly fence?: (() => void) | undefined;
}

function tooLarge(problem: NotPublished): InvalidMessage {
  return new InvalidMessage('E505', problem.message, { cause: problem });
}
