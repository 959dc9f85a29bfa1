import type { LogFields } from '../../adapters/contract/services.js';
import type { Addressed } from '../broker.js';
import type { Dispatch, Outcome, RuleFailure } from '../handler.js';
import type { SourceRecord } from '../record.js';
import type { DeadLetter, EventKind, HistoryEvent } from '../store/contract.js';
import type { Draft } from '../value.js';
import { MOST_UNDER_WAY } from './claim-check.js';
import { causeOf, recordLetter } from './dead-letter.js';
import type { Era } from './layouts.js';
import { Together } from './together.js';

type About = Draft<NonNullable<HistoryEvent['message']>>;

/** One delivery of a record. */
export interface Part {
  readonly record: SourceRecord;
  readonly messageId: string;
  readonly dispatch: Dispatch;
}

/** What a part of a batch publishes, and adds to the history and to the dead letters. */
export class Admission {
  readonly publishes = new Together();
  /** Ids of its records. */
  readonly fresh: string[] = [];
  /** Of messages whose content is too large for their events. */
  readonly datarefs = new Map<string, string>();
  /** Of all letters, for the log. */
  refused = 0;
  first: { readonly reason: string; readonly fields: LogFields } | undefined;
  private readonly at: number;
  private outgoing: (Part & Addressed)[] = [];
  private events: HistoryEvent[] = [];
  private letters: DeadLetter[] = [];
  private bytes = 0;

  constructor(
    private readonly node: string,
    readonly revision: number,
    readonly now: Date,
    readonly era: Era,
    /** Of the whole batch: keys of an order of which one was not published, and why. */
    readonly broken: Map<string, unknown>,
  ) {
    this.at = now.getTime();
  }

  /** It goes out together with the others. */
  send(part: Part & Addressed): void {
    this.outgoing.push(part);
  }

  // What is taken is not kept here until the whole batch is stored.

  takeOutgoing(): readonly (Part & Addressed)[] {
    const { outgoing } = this;
    this.outgoing = [];
    return outgoing;
  }

  takeHistory(): readonly HistoryEvent[] {
    const { events } = this;
    this.events = [];
    if (this.datarefs.size === 0) return events;
    return events.map((event) => {
      const dataref = event.kind === 'received' ? this.datarefs.get(event.messageId) : undefined;
      return dataref === undefined ? event : { ...event, dataref };
    });
  }

  /** Letters with more content than should wait for the end of the batch. */
  get isHeavy(): boolean {
    return this.bytes > MOST_UNDER_WAY;
  }

  takeLetters(): readonly DeadLetter[] {
    const { letters } = this;
    this.letters = [];
    this.bytes = 0;
    return letters;
  }

  admit(endpoint: string, record: SourceRecord, outcome: Outcome, data: string | undefined): void {
    const { message, messageId } = outcome;
    const key = message?.subject ?? record.key;
    const size = record.size ?? record.raw?.byteLength;
    const about: About = { source: endpoint };
    if (message !== undefined) about.type = message.type;
    if (key !== undefined) about.key = key;
    if (message?.traceparent !== undefined) about.traceparent = message.traceparent;
    if (size !== undefined) about.size = size;
    const received = this.event(messageId, 'received');
    received.endpoint = endpoint;
    if (record.position !== undefined) received.detail = record.position;
    received.message = about;
    if (data !== undefined) received.data = data;
    for (const note of outcome.notes) {
      const event = this.event(messageId, note.kind === 'mapped' ? 'mapped' : 'note');
      event.route = note.route;
      if (note.rule !== undefined) event.rule = note.rule;
      event.detail = note.text;
    }
    if (outcome.filtered !== undefined) {
      const event = this.event(messageId, 'filtered');
      event.route = outcome.route;
      event.detail = outcome.filtered;
    }
    for (const delivery of outcome.deliveries) {
      const event = this.event(messageId, 'queued');
      event.route = delivery.route;
      event.rule = delivery.rule;
      event.endpoint = delivery.endpoint;
      event.deliveryId = delivery.id;
      if (delivery.orderKey !== undefined) event.detail = `in the order of "${delivery.orderKey}"`;
    }
    for (const failed of failuresOf(outcome)) this.refuse(endpoint, record, messageId, failed);
  }

  note(messageId: string, detail: string): void {
    this.event(messageId, 'note').detail = detail;
  }

  /** One part of the record goes to the dead letters. */
  refuse(endpoint: string, record: SourceRecord, messageId: string, failed: RuleFailure): void {
    const cause = causeOf(failed.failure);
    const letter = recordLetter(endpoint, record, messageId, failed, this.at);
    this.letters.push(letter);
    this.bytes += letter.content.byteLength;
    this.refused++;
    this.first ??= { reason: letter.reason, fields: { message_id: messageId, code: letter.code, route: letter.route, rule: letter.rule } };
    const event = this.event(messageId, 'dead');
    event.route = failed.route;
    if (failed.rule !== undefined) {
      event.rule = failed.rule;
      event.deliveryId = failed.id;
    }
    if (failed.endpoint !== undefined) event.endpoint = failed.endpoint;
    if (failed.place !== undefined) event.place = failed.place;
    event.code = cause.code;
    event.detail = cause.reason;
  }

  /** Adds one, to be filled in by the caller. */
  private event(messageId: string, kind: EventKind): Draft<HistoryEvent> {
    const event: Draft<HistoryEvent> = { messageId, kind, at: this.at, revision: this.revision, node: this.node };
    this.events.push(event);
    return event;
  }
}

export function failuresOf(outcome: Outcome): readonly RuleFailure[] {
  return outcome.failure ? [outcome.failure, ...outcome.failures] : outcome.failures;
}
