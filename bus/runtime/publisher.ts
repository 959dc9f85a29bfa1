import { CLOCK, inject, injectable } from '../../adapters/contract/injection.js';
import type { Clock } from '../../adapters/contract/services.js';
import { BROKER, type Broker, NotPublished, type OutgoingMessage } from '../broker.js';
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
  async publish(channel: string, message: OutgoingMessage, patienceMs: number, signal: AbortSignal, delayMs = 0, fence?: () => void): Promise<void> {
    const deadline = this.clock.monotonic() + patienceMs;
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      fence?.();
      try {
        return await (delayMs > 0 ? this.broker.publishLater(channel, message, delayMs) : this.broker.publish(channel, message));
      } catch (error) {
        if (!(error instanceof NotPublished)) throw error;
        if (error.reason === 'too-large') throw new InvalidMessage('E505', error.message, { cause: error });
        const wait = Math.min(reopenDelay(attempt, this.clock.random), 5_000);
        if (this.clock.monotonic() + wait > deadline) throw new TryAgain('E504', error.message, { cause: error });
        await this.clock.sleep(wait, signal);
      }
    }
  }
}
