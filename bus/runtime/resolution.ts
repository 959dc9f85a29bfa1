import { CLOCK, inject, injectable } from '../../adapters/contract/injection.js';
import type { Clock } from '../../adapters/contract/services.js';
import { reached } from '../failpoint.js';
import { type EventKind, type LedgerEntry, type ParkedDelivery, STORE, type Store } from '../store/contract.js';
import { deadline } from './deadline.js';
import { DISCARDED } from './delivery-journal.js';
import { channelOf, withAttempt } from './envelope.js';
import { type By, eachOf, wordsOf } from './operator.js';
import { releaseLane } from './parked-lanes.js';
import { DurablePublisher } from './publisher.js';
import { NODE, ROUTING, type Routing } from './tokens.js';

/** What a person says of a delivery whose outcome is unknown: the target has it, it shall be sent again, it is given up. */
export type Verdict = 'delivered' | 'resend' | 'discard';

/** By then whoever sends it has an answer, or has noted that there is none. Longer than any call may take. */
const UNDER_WAY_MS = 900_000;
/** Of one look for what was not ended. */
const MOST_LANES = 1_000;

/**
 * Ends what nobody knows: the ledger gets the verdict first, so that whatever comes of the delivery afterwards (a copy that still waits in the channel, a
 * crash in between) goes by it; what was parked is taken away last. Each step can be done again, and `finish` does what nobody came back to do.
 */
@injectable()
export class Resolution {
  constructor(
    @inject(DurablePublisher) private readonly publisher: DurablePublisher,
    @inject(STORE) private readonly store: Store,
    @inject(ROUTING) private readonly routing: Routing,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(NODE) private readonly node: string,
  ) {}

  async resolve(
    ids: readonly string[],
    verdict: Verdict,
    by: By,
  ): Promise<{ readonly resolved: number; readonly failed: readonly { readonly id: string; readonly reason: string }[] }> {
    const { done: resolved, failed } = await eachOf(ids, (id) => this.one(id, verdict, `by ${wordsOf(by)}`));
    return { resolved, failed };
  }

  /**
   * Ends what a person began and what failed half way: the ledger has the verdict, and the delivery is still parked. Call now and then; several nodes may
   * do it at once.
   * @param before milliseconds since the epoch: what was begun later may still be under way
   * @returns how many there were
   */
  async finish(before: number): Promise<number> {
    let finished = 0;
    for (const { endpoint, lane } of await this.store.parked.lanes({ released: false, limit: MOST_LANES })) {
      const [parked] = await this.store.parked.list(endpoint, lane, 1);
      const entry = parked && (await this.store.ledger.get([parked.deliveryId])).get(parked.deliveryId);
      if (!entry || entry.at >= before) continue;
      if (entry.state === 'done') {
        await this.noteEnd(entry, parked);
        // Of one that was discarded, those behind it may have been meant to stay.
        await (isDiscarded(entry) ? this.store.parked.remove([parked.deliveryId]) : this.letGo(parked));
      }
      // In the lane of a key it may have been released, sent and refused since.
      else if (entry.state === 'released' && isAlone(parked)) await this.release(parked, entry.detail ?? '', entry.at);
      else continue;
      finished++;
    }
    return finished;
  }

  private async one(id: string, verdict: Verdict, words: string): Promise<void> {
    const [found, parked] = await Promise.all([this.store.ledger.get([id]), this.store.parked.get(id)]);
    const entry = found.get(id);
    if (!entry) throw new Error('the ledger has no such delivery');
    const at = this.clock.now().getTime();
    if (entry.state === 'done') {
      if (!parked) throw new Error('its outcome is known: it is done');
      // Somebody began this and did not come to its end.
      return this.end(entry, parked);
    }
    if (entry.state === 'sending' && at - entry.at < UNDER_WAY_MS) throw new Error('it is being sent, or was a moment ago: what comes of it is found out without you');
    const base = { deliveryId: id, endpoint: entry.endpoint, at };
    if (verdict === 'resend') {
      await this.store.ledger.put([{ ...base, state: 'released', detail: words }]);
      reached('resolve.ledger.written');
      if (parked) await this.release(parked, words, at);
      return;
    }
    const done: LedgerEntry = { ...base, state: 'done', detail: verdict === 'discard' ? DISCARDED + words.slice('by '.length) : words };
    await this.store.ledger.put([done]);
    reached('resolve.ledger.written');
    // One that is not parked is in its channel: it ends when it comes.
    if (parked) await this.end(done, parked);
  }

  private async end(entry: LedgerEntry, parked: ParkedDelivery): Promise<void> {
    await this.noteEnd(entry, parked);
    await this.letGo(parked);
  }

  private noteEnd(entry: LedgerEntry, parked: ParkedDelivery): Promise<void> {
    return this.note(parked, isDiscarded(entry) ? 'discarded' : 'delivered', entry.detail ?? '', entry.at);
  }

  /** Back to its channel, with the same id. */
  private async release(parked: ParkedDelivery, words: string, at: number): Promise<void> {
    const { deliveryId: id, endpoint, headers, content } = parked;
    await this.note(parked, 'redelivered', words, at);
    if (isAlone(parked)) {
      using limit = deadline(this.clock, 30_000);
      await this.publisher.publish(channelOf(endpoint), withAttempt({ id, headers, body: content }, 1), 10_000, limit.signal);
    }
    reached('resolve.published');
    await this.letGo(parked);
  }

  /** Whoever serves the lane of a key looks at the ledger, and goes on. */
  private async letGo(parked: ParkedDelivery): Promise<void> {
    if (isAlone(parked)) await this.store.parked.remove([parked.deliveryId]);
    else await releaseLane(this.publisher, this.store, this.clock, parked.endpoint, parked.lane);
  }

  private note({ messageId, deliveryId, endpoint, route, rule }: ParkedDelivery, kind: EventKind, detail: string, at: number): Promise<void> {
    return this.store.history.append([{ messageId, kind, at, revision: this.routing.handler.revision, node: this.node, route, rule, endpoint, deliveryId, detail }]);
  }
}

function isDiscarded({ detail = '' }: LedgerEntry): boolean {
  return detail.startsWith(DISCARDED);
}

function isAlone({ deliveryId, lane }: ParkedDelivery): boolean {
  return lane === deliveryId;
}
