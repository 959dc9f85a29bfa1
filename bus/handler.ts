import type { AnyFailure } from './errors.js';
import type { Message } from './message.js';
import type { SourceRecord } from './record.js';
import type { ValueRecord } from './value.js';

/**
 * The seam between routing and the runtime. Routing is a pure function `(record, revision) -> outcomes`; it knows no broker,
 * no adapter and no clock but the one it is given. The runtime runs it, live, in tests and in a plan alike.
 */
export interface Handler {
  /** Number of the configuration revision this handler was compiled from. */
  readonly revision: number;
  /**
   * All inbound routes that read `endpoint`, applied to one record, then all outbound routes of the resulting type.
   * Never throws for what the record contains: a failure is an outcome. Synchronous, no I/O.
   */
  receive(endpoint: string, record: SourceRecord, now: Date): readonly Outcome[];
  /** Routes a canonical message that entered through the embedding API. */
  route(message: Message, now: Date): Outcome;
  /** Ids of the messages that `receive` makes of a record with this id, one per route: for a sender who sends it again. */
  messageIds(endpoint: string, recordId: string): readonly string[];
  /** Names of the inbound endpoints that have a route. */
  readonly sources: readonly string[];
  /** Names of the outbound endpoints some rule delivers to. */
  readonly targets: readonly string[];
  /** Routes whose deliveries are ordered by a key, by name; absent when there is none. */
  readonly ordered?: ReadonlyMap<string, RouteOrder>;
  /** Retry policy of a rule; an unknown rule (removed since the message was routed) has the default policy. */
  retry(route: string, rule: string): RetryPolicy;
}

/** What became of one record in one inbound route, or of one message. Exactly one per accepted input and route. */
export interface Outcome {
  /** Id of the canonical message, also when it could not be made (`messageId`). */
  readonly messageId: string;
  /** The inbound route, or the type's name when the message entered as it is. */
  readonly route: string;
  readonly message?: Message;
  /** The filter said no, or no rule wanted it and `otherwise` allows that: the terminal state is `filtered`. */
  readonly filtered?: string;
  /** The record could not become a message: the terminal state is `dead`. */
  readonly failure?: RuleFailure;
  readonly deliveries: readonly Dispatch[];
  /** Rules that matched but failed: each is a dead letter of its own, the other rules go on. */
  readonly failures: readonly RuleFailure[];
  /** Notes for the history, one line each, in order: `country 040>CH (table country)`. */
  readonly notes: readonly Note[];
}

export interface Note {
  readonly kind: 'mapped' | 'matched' | 'not-matched';
  readonly route: string;
  readonly rule?: string;
  readonly text: string;
}

/** One delivery that routing asks for: hand `payload` to `endpoint`. */
export interface Dispatch {
  /** Deterministic (`deliveryId`); also the idempotency key unless the rule gives one. */
  readonly id: string;
  readonly route: string;
  readonly rule: string;
  readonly endpoint: string;
  /** Business key for people, and for order. */
  readonly key: string | undefined;
  readonly idempotencyKey: string;
  /** The deliveries with one key to one endpoint are made one after the other, in the order they were published; absent without `order_by`. */
  readonly orderKey?: string;
  /** Already mapped to the target's own shape. */
  readonly payload: ValueRecord;
}

export interface RuleFailure {
  readonly failure: AnyFailure | Error;
  readonly route: string;
  readonly rule?: string;
  readonly endpoint?: string;
  /** `orders.yaml:72`. */
  readonly place?: string;
  /** Id the delivery would have had. */
  readonly id: string;
  /** The order has a gap where this one would have been. */
  readonly orderKey?: string;
}

/** How the deliveries of one route are ordered. */
export interface RouteOrder {
  /** The expression, so that a change of it is seen. */
  readonly by: string;
  readonly targets: readonly string[];
  /** What happens to a delivery that is given up, and to those of its key behind it. */
  readonly onFailure: 'park' | 'skip';
  /** The longest a key waits for its first delivery before that is given up. */
  readonly holdMs: number;
}

export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly attempts: number;
  /** First and longest wait, milliseconds. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** Each wait is this many times the one before. */
  readonly factor: number;
  /** Share of the wait that is random, 0 to 1. */
  readonly jitter: number;
}
