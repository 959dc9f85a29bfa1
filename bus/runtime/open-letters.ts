import type { Clock } from '../../adapters/contract/services.js';
import type { DeadLetters, Store } from '../store/contract.js';

/** How long it is taken for true that an endpoint has no open letter, so that a delivery costs no look-up while all is well. */
const FRESH_MS = 5_000;

/**
 * The dead letters of one endpoint, seen from its deliveries. A delivery may be in the channel twice (publish of unknown outcome, lost session), and one
 * copy may end in the dead letters although the other is delivered: then the letter is closed, whichever came first.
 */
export class OpenLetters {
  private readonly letters: DeadLetters;
  private hasSome = false;
  private freshUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly endpoint: string,
    private readonly store: Pick<Store, 'deadLetters' | 'history'>,
    private readonly clock: Clock,
    private readonly node: string,
  ) {
    this.letters = store.deadLetters;
  }

  /** Call when the history says that it was delivered. `mayBeCopy`: there is a reason to think that there are two. */
  async delivered(id: string, mayBeCopy: boolean): Promise<void> {
    if (mayBeCopy || (await this.haveSome())) await this.close(id);
  }

  /** Call when a letter was added and the history says dead. @returns whether a person has discarded it meanwhile: then that is the last word */
  async added(id: string, messageId: string): Promise<boolean> {
    this.hasSome = true;
    this.freshUntil = this.clock.monotonic() + FRESH_MS;
    const events = await this.store.history.events(messageId);
    if (events.some(({ kind, deliveryId }) => (kind === 'delivered' || kind === 'duplicate') && deliveryId === id)) await this.close(id);
    return (await this.letters.get(id))?.state === 'discarded';
  }

  /** Whether it ended in the dead letters, and nobody has handed it out again: it lies there, or was discarded. `mayBeCopy`: as above. */
  async holds(id: string, messageId: string, mayBeCopy: boolean): Promise<boolean> {
    if (!mayBeCopy && !(await this.haveSome())) return false;
    const letter = await this.letters.get(id);
    if (letter?.state !== 'open') return letter?.state === 'discarded';
    // Handing out again is in the history first; the letter is closed last.
    const events = (await this.store.history.events(messageId)).filter(({ deliveryId, kind }) => deliveryId === id && (kind === 'dead' || kind === 'redelivered'));
    return events.at(-1)?.kind === 'dead';
  }

  private async close(id: string): Promise<void> {
    const letter = await this.letters.get(id);
    if (letter?.state === 'open') await this.letters.settle([letter], 'redelivered', this.node, 'another copy of it was delivered', this.clock.now());
  }

  private async haveSome(): Promise<boolean> {
    const now = this.clock.monotonic();
    if (now >= this.freshUntil) {
      this.freshUntil = now + FRESH_MS;
      this.hasSome = (await this.letters.list({ endpoint: this.endpoint, limit: 1 })).length > 0;
    }
    return this.hasSome;
  }
}
