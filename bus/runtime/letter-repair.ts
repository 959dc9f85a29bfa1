import { CLOCK, inject, injectable } from '../../adapters/contract/injection.js';
import type { Clock } from '../../adapters/contract/services.js';
import { type EventKind, type HistoryEvent, STORE, type Store, type StoredDeadLetter } from '../store/contract.js';
import { NODE } from './tokens.js';

const PAGE = 200;
const MOST = 10_000;

/**
 * Brings history and open dead letters in step where something came between the two: a process that ended while it handed a letter out, a store that
 * failed then, two copies of a delivery that came to different ends on two nodes.
 */
@injectable()
export class LetterRepair {
  constructor(
    @inject(STORE) private readonly store: Store,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(NODE) private readonly node: string,
  ) {}

  /**
   * Call now and then; several nodes may do it at once.
   * @param before milliseconds since the epoch: what was begun later may still be under way
   * @returns how many letters were out of step
   */
  async run(before: number): Promise<number> {
    let repaired = 0;
    let after: { readonly at: number; readonly id: string } | undefined;
    for (let seen = 0; seen < MOST; seen += PAGE) {
      const letters: readonly StoredDeadLetter[] = await this.store.deadLetters.list({ limit: PAGE, ...(after ? { after } : {}) });
      for (const letter of letters) if (await this.repair(letter, before)) repaired++;
      after = letters.at(-1);
      if (letters.length < PAGE) break;
    }
    return repaired;
  }

  private async repair(letter: StoredDeadLetter, before: number): Promise<boolean> {
    const deliveryId = letter.rule === undefined ? undefined : letter.id;
    const events = (await this.store.history.events(letter.messageId)).filter((event) => event.deliveryId === deliveryId && DECIDING.has(event.kind));
    if (deliveryId !== undefined && events.some(({ kind }) => kind === 'delivered' || kind === 'duplicate')) {
      return (await this.store.deadLetters.settle([letter], 'redelivered', this.node, 'another copy of it was delivered', this.clock.now())) > 0;
    }
    const last = events.at(-1);
    if (!last || last.kind === 'dead' || last.kind === 'duplicate' || last.at >= before) return false;
    const detail = `still in the dead letters: what was begun (${last.kind}) did not come to its end`;
    const event: HistoryEvent = {
      messageId: letter.messageId,
      kind: 'dead',
      at: this.clock.now().getTime(),
      revision: last.revision,
      node: this.node,
      route: letter.route,
      endpoint: letter.endpoint,
      code: letter.code,
      detail,
      ...(letter.rule === undefined ? {} : { rule: letter.rule, deliveryId: letter.id }),
    };
    await this.store.history.append([event]);
    return true;
  }
}

const DECIDING: ReadonlySet<EventKind> = new Set<EventKind>(['delivered', 'duplicate', 'dead', 'redelivered', 'discarded']);
