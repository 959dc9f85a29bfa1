import { CLOCK, inject, injectable } from '../../adapters/contract/injection.js';
import type { Clock } from '../../adapters/contract/services.js';
import { describe } from '../errors.js';
import { reached } from '../failpoint.js';
import { parseJson } from '../json.js';
import type { WireHeaders } from '../message.js';
import type { SourceRecord } from '../record.js';
import { type EventKind, type HistoryEvent, STORE, type Store, type StoredDeadLetter } from '../store/contract.js';
import { deadline } from './deadline.js';
import { orderKeyOf, withAttempt } from './envelope.js';
import { Intake } from './intake.js';
import { type By, eachOf, wordsOf } from './operator.js';
import { ParkedLanes } from './parked-lanes.js';
import { DurablePublisher } from './publisher.js';
import { NODE, ROUTING, type Routing } from './tokens.js';

/**
 * Hands dead letters out again, or closes them. A delivery goes back into its target's channel with the same id and payload; a record goes
 * through its inbound route again, in the revision that runs now. Published first, closed after: a crash between the two
 * leaves the letter open, and doing it twice has one effect.
 */
@injectable()
export class Redelivery {
  readonly parked: ParkedLanes;

  constructor(
    @inject(DurablePublisher) private readonly publisher: DurablePublisher,
    @inject(Intake) private readonly intake: Intake,
    @inject(STORE) private readonly store: Store,
    @inject(ROUTING) private readonly routing: Routing,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(NODE) private readonly node: string,
  ) {
    this.parked = new ParkedLanes(publisher, store, clock, node);
  }

  async redeliver(ids: readonly string[], by: By): Promise<{ readonly redelivered: number; readonly failed: readonly { readonly id: string; readonly reason: string }[] }> {
    const { done: redelivered, failed } = await eachOf(ids, async (id) => {
      const letter = await this.store.deadLetters.get(id);
      if (letter?.state !== 'open') throw new Error(letter ? `it is ${letter.state} already` : 'there is no such dead letter');
      await this.handOut(letter, by);
    });
    return { redelivered, failed };
  }

  async discard(ids: readonly string[], by: By): Promise<number> {
    const found = await Promise.all(ids.map((id) => this.store.deadLetters.get(id)));
    const open = found.filter((letter) => letter !== undefined).filter((letter) => letter.state === 'open');
    const events = open.map((letter) => this.event(letter, 'discarded', by));
    await this.store.history.append(events);
    reached('discard.history.written');
    const settled = await this.store.deadLetters.settle(open, 'discarded', by.who, by.reason, this.clock.now());
    reached('discard.letter.closed');
    // Whoever makes a letter writes it and the history at once: its word may have come only now.
    for (const [index, { id }] of open.entries()) {
      const event = events[index];
      if (event && (await this.hasFollowed('dead', event)) && (await this.store.deadLetters.get(id))?.state === 'discarded') await this.store.history.append([event]);
    }
    return settled;
  }

  private async handOut(letter: StoredDeadLetter, by: By): Promise<void> {
    using limit = deadline(this.clock, 30_000);
    const { signal } = limit;
    reached('redelivery.begin');
    // The history first: what the hand-out adds to it must come after. The letter is closed last, and only as it was read.
    const begun = this.event(letter, 'redelivered', by);
    try {
      await this.store.history.append([begun]);
      reached('redelivery.history.written');
      await this.publish(letter, signal);
    } catch (error) {
      // Unless it has come to another end meanwhile (it was delivered after all, or a person discarded it), or somebody else hands it out too: what the target takes
      // for dead it does not deliver.
      const now = await this.store.deadLetters.get(letter.id);
      const detail = `redelivery failed: ${describe(error)}`;
      if (now?.state === 'open' && !(await this.hasFollowed('redelivered', begun)))
        await this.store.history.append([{ ...this.event(letter, 'dead', by), code: letter.code, detail }]);
      // Discarded after it was looked at and before the history said that it is handed out: that stays the last word.
      if (now?.state === 'discarded') await this.store.history.append([{ ...this.event(letter, 'discarded', by), detail }]);
      throw error;
    }
    reached('redelivery.published');
    // Taken for dead again meanwhile, it may not have been delivered: then it stays open, and is closed when it was.
    if (await this.hasFollowed('dead', begun)) return;
    await this.store.deadLetters.settle([letter], 'redelivered', by.who, by.reason, this.clock.now());
    reached('redelivery.letter.closed');
  }

  /** Whether the history has such an event of the same part after `begun`. */
  private async hasFollowed(kind: EventKind, begun: HistoryEvent): Promise<boolean> {
    const events = (await this.store.history.events(begun.messageId)).filter(({ deliveryId }) => deliveryId === begun.deliveryId);
    const at = events.findLastIndex((event) => event.kind === begun.kind && event.at === begun.at && event.node === begun.node);
    return events.slice(at + 1).some((event) => event.kind === kind);
  }

  private async publish(letter: StoredDeadLetter, signal: AbortSignal): Promise<void> {
    if (letter.stage === 'delivery') {
      const message = withAttempt({ id: letter.id, headers: letter.headers, body: letter.content }, 1);
      await this.publisher.layouts.during(async (era) => {
        const orderKey = orderKeyOf(letter.headers);
        const publish = (): Promise<void> => this.publisher.publish(era.channelOf(letter.endpoint, orderKey), message, 10_000, signal);
        await (orderKey === undefined ? publish() : this.publisher.inOrder(letter.endpoint, orderKey, publish, 10_000, signal));
      });
      return;
    }
    await this.takeAgain(letter, signal);
  }

  /** The record goes through its routes as they are now; what that makes of this letter's part is found out first. */
  private async takeAgain(letter: StoredDeadLetter, signal: AbortSignal): Promise<void> {
    const record = recordOf(letter);
    const outcome = this.routing.handler.receive(letter.endpoint, record, this.clock.now()).find(({ messageId }) => messageId === letter.messageId);
    if (!outcome) throw new Error(`route ${letter.route} does not read ${letter.endpoint} any more`);
    await this.intake.accept(letter.endpoint, [record], { patienceMs: 10_000, signal, again: true });
    if ([outcome.failure, ...outcome.failures].some((failed) => failed?.id === letter.id)) throw new Error('it failed again; `signalbox trace` shows why');
    if (letter.rule === undefined || outcome.deliveries.some(({ id }) => id === letter.id)) return;
    const detail = 'the routes of today make no such delivery of it';
    await this.store.history.append([{ ...this.event(letter, 'discarded', { who: this.node }), detail }]);
  }

  private event(letter: StoredDeadLetter, kind: 'redelivered' | 'discarded' | 'dead', by: By): HistoryEvent {
    return {
      messageId: letter.messageId,
      kind,
      at: this.clock.now().getTime(),
      revision: this.routing.handler.revision,
      node: this.node,
      route: letter.route,
      endpoint: letter.endpoint,
      detail: `by ${wordsOf(by)}`,
      ...(letter.rule === undefined ? {} : { rule: letter.rule, deliveryId: letter.id }),
    };
  }
}

/** @throws when the letter holds bytes that never were a record: those can only be read again at their source */
function recordOf(letter: StoredDeadLetter): SourceRecord {
  const { headers } = letter;
  if (headers['form'] !== 'json') throw new Error('its original bytes could not be decoded; correct them at the source and let it send them again');
  return {
    id: headers['id'] ?? letter.id,
    value: parseJson(Buffer.from(letter.content).toString('utf8')),
    ...(headers['key'] === undefined ? {} : { key: headers['key'] }),
    ...(headers['time'] === undefined ? {} : { time: headers['time'] }),
    ...(headers['position'] === undefined ? {} : { position: headers['position'] }),
    ...(headers['traceparent'] === undefined ? {} : { traceparent: headers['traceparent'] }),
    ...(headers['wire'] === undefined ? {} : { wire: JSON.parse(headers['wire']) as WireHeaders }),
  };
}
