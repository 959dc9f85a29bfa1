import type { Clock } from '../../adapters/contract/services.js';
import { Misconfigured } from '../errors.js';
import { reached } from '../failpoint.js';
import type { EventKind, HistoryEvent, ParkedDelivery, Store } from '../store/contract.js';
import { deadline } from './deadline.js';
import { DISCARDED } from './delivery-journal.js';
import { nudge, orderKeyOf } from './envelope.js';
import { type By, wordsOf } from './operator.js';
import type { DurablePublisher } from './publisher.js';

/** What a person does with the parked keys of an order. */
export class ParkedLanes {
  constructor(
    private readonly publisher: DurablePublisher,
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly node: string,
  ) {}

  /**
   * Lets the parked deliveries of one key go, in their order and before any newer one. Whoever serves the key learns of it by a message in its channel, which
   * a crash cannot forget; done twice it is done once.
   * @returns how many wait @throws Misconfigured E571 when they are no key of an order
   */
  async release(endpoint: string, key: string, by: By): Promise<number> {
    const [lane] = await this.store.parked.lanes({ endpoint, lane: key, limit: 1 });
    const [first] = await this.store.parked.list(endpoint, key, 1);
    if (!lane || !first) return 0;
    if (orderKeyOf(first.headers) !== key) throw new Misconfigured('E571', `"${key}" is one delivery, and no key of an order: \`signalbox ledger resolve\` says what became of it`);
    if (!this.publisher.layouts.get(endpoint)) throw new Misconfigured('E571', `${endpoint} is not configured any more: nobody would deliver them`);
    const known = (await this.store.ledger.get([first.deliveryId])).get(first.deliveryId);
    // Whoever releases it has made sure that the target does not have it.
    const isOpen = known?.state === 'unknown' || known?.state === 'sending';
    if (isOpen) await this.store.ledger.put([{ deliveryId: first.deliveryId, endpoint, state: 'released', at: this.clock.now().getTime(), detail: `by ${wordsOf(by)}` }]);
    await this.store.history.append([this.event(first, 'note', `its key was released by ${wordsOf(by)}`)]);
    await releaseLane(this.publisher, this.store, this.clock, endpoint, key);
    return lane.count;
  }

  /** Gives a parked delivery up for good; those of its key behind it stay. @returns whether it was there @throws Misconfigured E572 while its key is released */
  async discard(deliveryId: string, by: By): Promise<boolean> {
    const parked = await this.store.parked.get(deliveryId);
    if (!parked) return false;
    const [lane] = await this.store.parked.lanes({ endpoint: parked.endpoint, lane: parked.lane, limit: 1 });
    if (lane?.released) throw new Misconfigured('E572', `the key "${parked.lane}" was released: it may be under way`);
    // Copies of it that still come are recognised by the ledger.
    await this.store.ledger.put([{ deliveryId, endpoint: parked.endpoint, state: 'done', at: this.clock.now().getTime(), detail: `${DISCARDED}${wordsOf(by)}` }]);
    await this.store.history.append([this.event(parked, 'discarded', `by ${wordsOf(by)}`)]);
    return (await this.store.parked.remove([deliveryId])) > 0;
  }

  private event({ messageId, deliveryId, endpoint, route, rule }: ParkedDelivery, kind: EventKind, detail: string): HistoryEvent {
    return { messageId, kind, at: this.clock.now().getTime(), revision: 0, node: this.node, route, rule, endpoint, deliveryId, detail };
  }
}

/** Lets a lane go, and tells whoever serves its key. */
export async function releaseLane(publisher: DurablePublisher, store: Store, clock: Clock, endpoint: string, key: string): Promise<void> {
  using limit = deadline(clock, 30_000);
  await publisher.layouts.during(async (era) => {
    await store.parked.release(endpoint, key);
    reached('release.written');
    if (!era.layouts.has(endpoint)) return; // there is nobody to be told
    const publish = (): Promise<void> => publisher.publish(era.channelOf(endpoint, key), nudge(key), 10_000, limit.signal);
    await publisher.inOrder(endpoint, key, publish, 10_000, limit.signal);
    reached('release.published');
  });
}
