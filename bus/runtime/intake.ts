import type { Accepted, Settlement } from '../../adapters/contract/endpoint.js';
import { CLOCK, inject, injectable, LOGGER } from '../../adapters/contract/injection.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { OutgoingMessage } from '../broker.js';
import { failureOf, kindOf, TryAgain } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Dispatch, Handler, Outcome, RuleFailure } from '../handler.js';
import { writeJson } from '../json.js';
import { deriveId, type Message } from '../message.js';
import type { SourceRecord } from '../record.js';
import { STORE, type Store } from '../store/contract.js';
import { Admission, failuresOf, type Part } from './admission.js';
import { ClaimCheck, isLarge, isLargeText, MAX_PAYLOAD_BYTES } from './claim-check.js';
import { causeOf } from './dead-letter.js';
import { encodeDispatch } from './envelope.js';
import type { Era } from './layouts.js';
import { DurablePublisher, type Insistence } from './publisher.js';
import { systemOf, type Telemetry } from './telemetry.js';
import { Together } from './together.js';
import { NODE, ROUTING, type Routing, TELEMETRY, TRAFFIC } from './tokens.js';
import type { Traffic } from './traffic.js';

/** A caller waits for as long as it has patience; a polling source for ever. */
export interface IntakeOptions extends Insistence {
  /** Take records in again although they were taken before (redelivery of a dead letter). */
  readonly again?: boolean;
  /** Called before what follows is stored, too; it aborts `signal` when the caller lost the right to read. */
  readonly fence?: (() => void) | undefined;
  /** Of batches that follow each other. */
  readonly reading?: Reading;
  /** Called when all of it is on its way to the bus, in order: the next batch may be given. */
  readonly onRouted?: () => void;
}

/** What batches of one source know of each other when one is given before the one before it is stored. After a failure none of them goes on, and all is read again. */
export class Reading {
  /** Keys of an order of which a message was not published, and why. */
  readonly broken = new Map<string, unknown>();
  private given = new Set<string>();
  private before = new Set<string>();

  /** Another batch is given, and the last but one is stored: its ids are known to the store. */
  next(): void {
    this.before = this.given;
    this.given = new Set();
  }

  /** @returns whether the record is none of this batch or the one before */
  takes(id: string): boolean {
    if (this.before.has(id) || this.given.has(id)) return false;
    this.given.add(id);
    return true;
  }
}

/**
 * Where records enter the bus: routed, published to the channels of their targets, written into the history. When `accept` resolves, every
 * record has reached a durable place: the channels, the dead letters, or the history as filtered. Called concurrently by all sources.
 */
@injectable()
export class Intake {
  /** So many records are routed in one go: while the next are, the bus and the store, which have threads of their own, take these. */
  slice = 250;
  private readonly claimCheck: ClaimCheck;

  constructor(
    @inject(DurablePublisher) private readonly publisher: DurablePublisher,
    @inject(STORE) private readonly store: Store,
    @inject(ROUTING) private readonly routing: Routing,
    @inject(TELEMETRY) private readonly telemetry: Telemetry,
    @inject(TRAFFIC) private readonly traffic: Traffic,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly log: Logger,
    @inject(NODE) private readonly node: string,
  ) {
    this.claimCheck = new ClaimCheck(store.payloads);
  }

  /** Whether some route reads this endpoint now; what comes from others must not be taken. */
  takes(endpoint: string): boolean {
    return this.routing.handler.sources.includes(endpoint);
  }

  /** Results in the order of the records. @throws TryAgain, NotConnected when bus or store do not take them; nothing is lost, the source reads them again */
  async accept(endpoint: string, records: readonly SourceRecord[], options: IntakeOptions): Promise<readonly Accepted[]> {
    if (!this.takes(endpoint)) throw new TryAgain('E507', `no route reads ${endpoint}`);
    const { reading = new Reading() } = options;
    // Before the store is asked: what it does not know then may be stored by the time it is routed.
    reading.next();
    const ids = records.map((record) => record.id);
    const known = new Set(options.again || records.length === 0 ? [] : await this.store.dedupe.seen(endpoint, ids));
    return this.publisher.layouts.during((era) => this.take(endpoint, records, known, reading, era, options));
  }

  private async take(
    endpoint: string,
    records: readonly SourceRecord[],
    known: ReadonlySet<string>,
    reading: Reading,
    era: Era,
    options: IntakeOptions,
  ): Promise<readonly Accepted[]> {
    const now = this.clock.now();
    const { handler } = this.routing;
    const begin = (): Admission => new Admission(this.node, handler.revision, now, era, reading.broken);
    const slices: Admission[] = [];
    const stored = new Together();
    const results: Accepted[] = [];
    let work = begin();
    const end = (): void => {
      slices.push(work);
      work.publishes.add(this.publishBatch(endpoint, work, options));
      stored.add(this.finish(endpoint, work, options));
      work = begin();
    };
    try {
      for (const record of records) {
        if (known.has(record.id) || !reading.takes(record.id)) {
          this.telemetry.duplicates.inc({ system: systemOf(endpoint), source: endpoint });
          results.push({ result: 'duplicate', messageId: handler.messageIds(endpoint, record.id)[0] ?? '' });
          continue;
        }
        if (work.fresh.length === this.slice) {
          end();
          // One is on its way to the bus while the next is routed; more would only lie in memory.
          await Promise.all([slices.at(-2)?.publishes.settle(), this.clock.sleep(0)]);
          if (stored.hasFailed) break;
        }
        // What is large comes in no faster than it is stored, so that memory can hold it.
        if (this.claimCheck.isFull) await this.claimCheck.enter(options.signal);
        if (work.isHeavy) await this.store.deadLetters.add(work.takeLetters());
        work.fresh.push(record.id);
        const outcomes = receive(handler, endpoint, record, now);
        for (const outcome of outcomes) {
          this.count(outcome, now);
          this.admit(endpoint, record, outcome, work, options);
        }
        results.push(summarise(outcomes));
      }
      end();
      options.onRouted?.();
    } finally {
      // All of it has ended before this does: whoever reads anew must be alone.
      await Promise.allSettled([work.publishes.settle(), stored.settle()]);
    }
    await stored.settle();
    this.telemetry.received.inc(
      { system: systemOf(endpoint), source: endpoint },
      slices.reduce((sum, { fresh }) => sum + fresh.length, 0),
    );
    this.report(endpoint, slices);
    return results;
  }

  /** Makes durable what was routed, when all of it is on the bus. */
  private async finish(endpoint: string, work: Admission, { fence }: IntakeOptions): Promise<void> {
    await work.publishes.settle();
    fence?.();
    await this.write(work);
    // Last: what is taken for known is never looked at again, so all the rest of it must be durable.
    await this.store.dedupe.add(endpoint, work.fresh, work.now);
    reached('intake.dedupe.written');
  }

  /** A canonical message from the embedding API: the same way, without an inbound route. */
  publish(message: Message, options: IntakeOptions): Promise<Accepted> {
    return this.publisher.layouts.during((era) => this.send(message, era, options));
  }

  private async send(message: Message, era: Era, options: IntakeOptions): Promise<Accepted> {
    const { handler } = this.routing;
    const now = this.clock.now();
    const outcome = handler.route(message, now);
    const work = new Admission(this.node, handler.revision, now, era, new Map());
    const record: SourceRecord = { id: message.id, value: message.data, time: message.time, ...(message.subject === undefined ? {} : { key: message.subject }) };
    this.count(outcome, now);
    this.admit(message.source, record, outcome, work, options);
    work.publishes.add(this.publishBatch(message.source, work, options));
    await work.publishes.settle();
    await this.write(work);
    return summarise([outcome]);
  }

  private async write(work: Admission): Promise<void> {
    reached('intake.store.before');
    const letters = work.takeLetters();
    await Promise.all([
      this.store.history.append(work.takeHistory()).then(() => reached('intake.history.written')),
      letters.length > 0 ? this.store.deadLetters.add(letters).then(() => reached('intake.letters.written')) : undefined,
    ]);
  }

  /** Notes what became of a record; what it publishes goes out with the batch, or by itself where it is large or ordered. */
  private admit(endpoint: string, record: SourceRecord, outcome: Outcome, work: Admission, options: IntakeOptions): void {
    const { message, messageId } = outcome;
    const data = message && writeJson(message.data);
    const isInline = data !== undefined && !isLargeText(data);
    work.admit(endpoint, record, outcome, isInline ? data : undefined);
    if (!message || data === undefined) return;
    for (const dispatch of outcome.deliveries) {
      const part: Part = { record, messageId, dispatch };
      const encode = (): OutgoingMessage => encodeDispatch(dispatch, message, work.revision);
      const { orderKey } = dispatch;
      if (orderKey !== undefined) {
        work.publishes.add(this.publishInOrder(dispatch.endpoint, orderKey, () => this.publishAlone(endpoint, part, encode, work, options), work, options));
        continue;
      }
      let outgoing: OutgoingMessage;
      try {
        outgoing = encode();
      } catch (error) {
        this.refuse(endpoint, part, error, work, options);
        continue;
      }
      if (isLarge(outgoing.body)) work.publishes.add(this.publishAlone(endpoint, part, () => outgoing, work, options));
      else work.send({ ...part, channel: work.era.channelOf(dispatch.endpoint, undefined), message: outgoing });
    }
    if (!isInline) work.publishes.add(this.keepLarge(messageId, data, work));
  }

  private async publishBatch(endpoint: string, work: Admission, options: IntakeOptions): Promise<void> {
    const outgoing = work.takeOutgoing();
    if (outgoing.length === 0) return;
    reached('intake.publish.before');
    const refused = await this.publisher.publishAll(outgoing, options, () => reached('intake.publish.confirmed'));
    for (const [place, problem] of refused) {
      const part = outgoing[place];
      if (part) this.refuse(endpoint, part, problem, work, options);
    }
  }

  private async publishAlone(endpoint: string, part: Part, encode: () => OutgoingMessage, work: Admission, options: IntakeOptions): Promise<void> {
    const { dispatch, messageId } = part;
    try {
      let outgoing = encode();
      if (isLarge(outgoing.body)) outgoing = await this.claimCheck.checkIn(messageId, outgoing);
      reached('intake.publish.before');
      await this.publisher.publish(work.era.channelOf(dispatch.endpoint, dispatch.orderKey), outgoing, options.patienceMs, options.signal, 0, options.fence);
      reached('intake.publish.confirmed');
    } catch (error) {
      this.refuse(endpoint, part, error, work, options);
    }
  }

  /** A bug must not make the source read this record again and again. @throws `error` when the record itself is not to blame */
  private refuse(endpoint: string, { record, messageId, dispatch }: Part, error: unknown, work: Admission, { signal }: IntakeOptions): void {
    const failure = failureOf(error);
    if (signal.aborted || (failure && kindOf(failure) !== 'invalid-message')) throw error;
    work.refuse(endpoint, record, messageId, { failure: asError(error), ...partOf(dispatch) });
  }

  /** Content of a message that is too large to lie among its events. */
  private async keepLarge(messageId: string, data: string, work: Admission): Promise<void> {
    const content = Buffer.from(data);
    if (content.byteLength <= MAX_PAYLOAD_BYTES) work.datarefs.set(messageId, await this.claimCheck.leave(messageId, content));
    else work.note(messageId, `its content of ${content.byteLength} bytes is too large for the history`);
  }

  /** When one of a key cannot be published, none of the batch behind it may be: the source reads them all again, in order. */
  private async publishInOrder(endpoint: string, orderKey: string, publish: () => Promise<void>, { broken }: Admission, { patienceMs, signal }: IntakeOptions): Promise<void> {
    const lane = `${endpoint} ${orderKey}`;
    const unlessBroken = async (): Promise<void> => {
      if (broken.has(lane)) throw broken.get(lane);
      await publish();
    };
    try {
      await this.publisher.inOrder(endpoint, orderKey, unlessBroken, patienceMs, signal);
    } catch (error) {
      broken.set(lane, error);
      throw error;
    }
  }

  /** One line for a batch, however many of its records failed. */
  private report(endpoint: string, slices: readonly Admission[]): void {
    const first = slices.find((slice) => slice.first)?.first;
    if (!first) return;
    const refused = slices.reduce((sum, slice) => sum + slice.refused, 0);
    const more = refused > 1 ? ` (and ${refused - 1} more of this batch)` : '';
    this.log.warn('dead-letter', `a record of ${endpoint} went to the dead letters: ${first.reason}${more}`, first.fields);
  }

  private count(outcome: Outcome, now: Date): void {
    this.traffic.count(outcome, now.getTime());
    if (outcome.filtered !== undefined) this.telemetry.filtered.inc({ route: outcome.route });
    for (const failed of failuresOf(outcome)) this.telemetry.failed.inc({ route: failed.route, rule: failed.rule ?? '', code: causeOf(failed.failure).code });
  }
}

/** Numbers of one batch, for the endpoint that read it. */
export function settlementOf(results: readonly Accepted[], reason: string | undefined): Settlement {
  const count = (result: Accepted['result']): number => results.filter((accepted) => accepted.result === result).length;
  return { accepted: count('accepted') + count('duplicate'), filtered: count('filtered'), dead: count('dead'), reason };
}

/** One record that a bug stumbles over must not hold up those behind it. */
function receive(handler: Handler, endpoint: string, record: SourceRecord, now: Date): readonly Outcome[] {
  try {
    return handler.receive(endpoint, record, now);
  } catch (error) {
    const id = deriveId('unroutable', endpoint, record.id);
    return [{ messageId: id, route: endpoint, failure: { failure: asError(error), route: endpoint, id }, deliveries: [], failures: [], notes: [] }];
  }
}

function asError(error: unknown): Error {
  return Error.isError(error) ? (error as Error) : new Error(String(error));
}

function summarise(outcomes: readonly Outcome[]): Accepted {
  const messageId = outcomes[0]?.messageId ?? '';
  if (outcomes.some((outcome) => outcome.failure)) return { result: 'dead', messageId };
  return { result: outcomes.every((outcome) => outcome.filtered !== undefined) ? 'filtered' : 'accepted', messageId };
}

function partOf({ route, rule, endpoint, id, orderKey }: Dispatch): Omit<RuleFailure, 'failure'> {
  return { route, rule, endpoint, id, ...(orderKey === undefined ? {} : { orderKey }) };
}
