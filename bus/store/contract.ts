import { token } from '../../adapters/contract/injection.js';
import type { DiagnoseOptions, Diagnosis } from '../diagnosis.js';

/**
 * What is kept beside the messages: where sources are, who holds what, what happened to each message, what failed.
 * Implementations (`sqlite/` for one node, `postgres/` for several) pass one conformance suite (test/kit/store).
 * Every method that writes resolves when the write is durable; writes of one turn may share one commit.
 */
export interface Store {
  readonly kind: 'sqlite' | 'postgres';
  open(signal: AbortSignal): Promise<void>;
  readonly checkpoints: Checkpoints;
  readonly leases: Leases;
  readonly dedupe: Dedupe;
  readonly ledger: Ledger;
  readonly history: History;
  readonly deadLetters: DeadLetters;
  readonly payloads: Payloads;
  readonly parked: Parked;
  readonly endpointState: EndpointStates;
  readonly revisions: Revisions;
  readonly audit: Audit;
  /**
   * Removes what is older than its retention, in small steps, so that writers are not held up. Returns messages, letters, ids and ledger entries removed.
   * Kept however old: messages that are active, dead or parked, open dead letters, ledger entries that are not done, checkpoints, revisions, audit.
   */
  prune(now: Date, retention: Retention): Promise<number>;
  /** Bytes on disk, for status. */
  size(): Promise<number>;
  /** As `Broker.diagnose`: what the durability of the store depends on and others can change. Needs no `open`, and does not throw. */
  diagnose?(options: DiagnoseOptions): Promise<readonly Diagnosis[]>;
  close(): Promise<void>;
}

export const STORE = token<Store>('Store');

export interface Retention {
  readonly historyMs: number;
  readonly dedupeMs: number;
  readonly ledgerMs: number;
}

/** A source's durable position. */
export interface Checkpoints {
  get(source: string): Promise<string | undefined>;
  /** @returns false when a newer lease epoch has written already: the caller lost its lease and must stop. */
  set(source: string, position: string, epoch: number): Promise<boolean>;
  delete(source: string): Promise<void>;
  list(): Promise<readonly { readonly source: string; readonly position: string; readonly at: number }[]>;
}

/** Who may poll a source. The epoch grows with each new holder and fences the writes of the old one. */
export interface Leases {
  /**
   * A store that several nodes share goes by its own clock, not by `now`: so the nodes' clocks may differ.
   * @returns the epoch when free, expired, or held by `holder` already (same epoch, renewed); otherwise undefined.
   */
  acquire(name: string, holder: string, ttlMs: number, now: Date): Promise<number | undefined>;
  release(name: string, holder: string): Promise<void>;
}

/** Ids seen within a scope, remembered for the retention (rounded up to whole days). */
export interface Dedupe {
  /** The subset of `ids` that was added before. */
  seen(scope: string, ids: readonly string[]): Promise<ReadonlySet<string>>;
  add(scope: string, ids: readonly string[], at: Date): Promise<void>;
}

/**
 * Deliveries whose outcome matters: `sending` before the call, `done` after; `sending` found after a crash is `unknown`. `unknown` stays until it is found
 * out or a person decides; `released` when the person lets it be sent again, until it is.
 */
export interface Ledger {
  /** States of those ids that are known. */
  get(ids: readonly string[]): Promise<ReadonlyMap<string, LedgerEntry>>;
  put(entries: readonly LedgerEntry[]): Promise<void>;
  /**
   * Puts `next` (undefined: forgets the entry) if the ledger still says `seen`, or nothing: what two processes do with one delivery at once. An entry is the same
   * when its state, time and detail are; asking again after an answer was lost is fine. @returns whether the ledger says `next` now
   */
  swap(deliveryId: string, seen: LedgerEntry | undefined, next: LedgerEntry | undefined): Promise<boolean>;
  /** Forgets them: the delivery may be made again. */
  delete(ids: readonly string[]): Promise<void>;
  list(filter: { readonly state?: LedgerState; readonly endpoint?: string; readonly limit: number }): Promise<readonly LedgerEntry[]>;
  /** How many are in this state, by endpoint; for states that few are in. */
  counts(state: LedgerState): Promise<ReadonlyMap<string, number>>;
}

export type LedgerState = 'sending' | 'done' | 'unknown' | 'released';

export interface LedgerEntry {
  readonly deliveryId: string;
  readonly endpoint: string;
  readonly state: LedgerState;
  /** Milliseconds since the epoch (UTC). */
  readonly at: number;
  readonly detail?: string;
}

/** What happened to each message, step by step (Message History and Message Store). */
export interface History {
  /** Appends events and keeps the summaries of their messages in step, in one commit. */
  append(events: readonly HistoryEvent[]): Promise<void>;
  /** All events of one message, oldest first. */
  events(messageId: string): Promise<readonly StoredEvent[]>;
  message(messageId: string): Promise<MessageSummary | undefined>;
  /** Newest first. */
  search(query: HistoryQuery): Promise<readonly MessageSummary[]>;
  /** Ids that start with `prefix` (at most `limit`): people type the first characters. */
  byPrefix(prefix: string, limit: number): Promise<readonly string[]>;
  /** Events after `after` (a StoredEvent.seq), oldest first: the live tail. */
  since(after: number, limit: number): Promise<readonly StoredEvent[]>;
  /** Messages per state. */
  counts(): Promise<Readonly<Record<MessageState, number>>>;
}

export type EventKind = 'received' | 'mapped' | 'filtered' | 'duplicate' | 'queued' | 'delivered' | 'retry' | 'dead' | 'parked' | 'redelivered' | 'discarded' | 'note';

export interface HistoryEvent {
  readonly messageId: string;
  readonly kind: EventKind;
  /** Milliseconds since the epoch (UTC). */
  readonly at: number;
  readonly revision: number;
  readonly node: string;
  readonly route?: string;
  readonly rule?: string;
  readonly endpoint?: string;
  readonly deliveryId?: string;
  readonly code?: string;
  /** One line for people; no payload, no secret. */
  readonly detail?: string;
  readonly place?: string;
  readonly attempt?: number;
  readonly durationMs?: number;
  /** On `received`: what the summary is made from. */
  readonly message?: { readonly type?: string; readonly source: string; readonly key?: string; readonly traceparent?: string; readonly size?: number };
  /** Content at this step as JSON text (canonical data, payload), kept as long as the history. */
  readonly data?: string;
  /** In place of `data`, when that is large: its reference in the payloads. */
  readonly dataref?: string;
}

export interface StoredEvent extends HistoryEvent {
  readonly seq: number;
}

/**
 * State of a message, derived from its events (`summary.ts` is the rule, for every store).
 *
 * A part is one delivery (`deliveryId`); events without one are about the message itself, before deliveries were made. A part is
 * - open after `queued`, `retry`, `redelivered`; - delivered after `delivered`, or `duplicate` with a `deliveryId` (the target had it);
 * - dead after `dead`; - parked after `parked`; - discarded after `discarded`; - filtered after `filtered`.
 * The last event wins, except: delivered stays delivered; `queued` opens only a part that is not known yet, `retry` none that
 * is dead, discarded or parked (they may be written after what followed them; a parked one that was let go counts as parked until it is delivered);
 * `redelivered` of the message itself (an inbound letter) forgets that it was dead, since deliveries follow. `received`, `mapped`, `note` change nothing.
 *
 * The message is `dead` while a part is dead; else `active` while one is open, or nothing ended yet; else `parked` while one is parked; else `delivered`
 * when at least one was; else `filtered` (by a rule, as a duplicate, or by a person: discarded).
 */
export type MessageState = 'active' | 'delivered' | 'filtered' | 'dead' | 'parked';

export interface MessageSummary {
  readonly id: string;
  readonly type: string | undefined;
  readonly source: string;
  readonly key: string | undefined;
  /** Time of the first event appended. */
  readonly at: number;
  readonly lastAt: number;
  readonly state: MessageState;
  /** Deliveries made. */
  readonly queued: number;
  readonly delivered: number;
  /** Dead parts now: one that was redelivered or discarded counts no more. */
  readonly dead: number;
  readonly traceparent: string | undefined;
}

export interface HistoryQuery {
  readonly key?: string;
  readonly type?: string;
  readonly source?: string;
  readonly route?: string;
  readonly endpoint?: string;
  readonly state?: MessageState;
  readonly code?: string;
  readonly since?: number;
  readonly until?: number;
  readonly limit: number;
}

/** Dead Letter Channel and Invalid Message Channel: kept in the store, so that they can be searched and grouped. */
export interface DeadLetters {
  /** Adding an id that is there already replaces it and leaves it open: it failed again, and `at` tells the new failure from the old. */
  add(letters: readonly DeadLetter[]): Promise<void>;
  get(id: string): Promise<StoredDeadLetter | undefined>;
  /** Open ones, oldest first. */
  list(filter: DeadLetterFilter): Promise<readonly StoredDeadLetter[]>;
  /** Open ones grouped by cause, most frequent first. */
  groups(): Promise<readonly DeadLetterGroup[]>;
  /**
   * Closes letters as they were read: one that failed again in between (its `at` is another) stays open.
   * @returns how many were closed
   */
  settle(letters: readonly Pick<DeadLetter, 'id' | 'at'>[], as: 'redelivered' | 'discarded', by: string, reason: string | undefined, at: Date): Promise<number>;
}

export interface DeadLetter {
  /** The delivery's id, or the message's where no delivery was made. */
  readonly id: string;
  readonly messageId: string;
  /** `inbound`: content is the source record; `delivery`: content is the payload for `endpoint`. */
  readonly stage: 'inbound' | 'delivery';
  /** Groups letters with one cause: endpoint or route, code, normalised text. Short, stable: `G7A2`. */
  readonly group: string;
  readonly code: string;
  readonly reason: string;
  readonly endpoint: string;
  readonly route: string;
  readonly rule?: string;
  readonly place?: string;
  readonly key?: string;
  readonly attempts: number;
  readonly at: number;
  readonly stack?: string;
  /** What is needed to hand it out again, as the runtime wrote it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Original bytes. */
  readonly content: Uint8Array;
}

export interface StoredDeadLetter extends DeadLetter {
  readonly state: 'open' | 'redelivered' | 'discarded';
}

export interface DeadLetterFilter {
  readonly group?: string;
  readonly endpoint?: string;
  readonly route?: string;
  readonly messageId?: string;
  readonly after?: { readonly at: number; readonly id: string };
  readonly limit: number;
}

export interface DeadLetterGroup {
  readonly group: string;
  readonly code: string;
  readonly endpoint: string;
  readonly route: string;
  readonly reason: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/**
 * Content too large for a channel (Claim Check, Hohpe and Woolf 2003): stored before the message that refers to it is published. Kept until no message
 * that refers to it is in the history any more; of one that never came into the history, as long as it would have been there (an hour at least).
 */
export interface Payloads {
  /** Storing the same content again, for this or another message, is fine. @returns its reference, the SHA-256 of the content in hex */
  put(messageId: string, content: Uint8Array): Promise<string>;
  /** Undefined when it is not there: it was pruned, or another installation stored it. */
  get(reference: string): Promise<Uint8Array | undefined>;
}

/**
 * Deliveries that wait for a person, in lanes: a lane is one ordering key of one endpoint (later deliveries of the key wait behind the first), or one
 * delivery alone where there is no order to keep. Their message is `parked` in the history.
 */
export interface Parked {
  /** Appends each at the end of its lane; one that is there already keeps its place and its `at`, the rest is as it is given now. */
  add(entries: readonly ParkedDelivery[]): Promise<void>;
  /** Oldest lane first. */
  lanes(filter: { readonly endpoint?: string; readonly lane?: string; readonly released?: boolean; readonly limit: number }): Promise<readonly ParkedLane[]>;
  /** Of one lane, first in order first. */
  list(endpoint: string, lane: string, limit: number): Promise<readonly ParkedDelivery[]>;
  get(deliveryId: string): Promise<ParkedDelivery | undefined>;
  /** The lane may go on; whoever serves the endpoint takes it from there. @returns false when there is no such lane */
  release(endpoint: string, lane: string): Promise<boolean>;
  /** The released lane is held again, because its first one failed again. */
  hold(endpoint: string, lane: string): Promise<void>;
  /** Removes what was delivered or discarded; a lane without entries is gone, and no longer released. @returns how many there were */
  remove(deliveryIds: readonly string[]): Promise<number>;
}

export interface ParkedDelivery {
  readonly deliveryId: string;
  readonly messageId: string;
  readonly endpoint: string;
  readonly lane: string;
  readonly route: string;
  readonly rule: string;
  readonly key?: string;
  /** Why the first of the lane waits; on the others, what they wait behind. */
  readonly code: string;
  readonly reason: string;
  /** Milliseconds since the epoch (UTC). */
  readonly at: number;
  /** What is needed to hand it out again, as the runtime wrote it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly content: Uint8Array;
}

export interface ParkedLane {
  readonly endpoint: string;
  readonly lane: string;
  readonly count: number;
  readonly released: boolean;
  readonly firstAt: number;
  readonly code: string;
  readonly reason: string;
}

/** Small durable notes of one endpoint, by key: files being worked on, gaps in ids. */
export interface EndpointStates {
  get(endpoint: string, key: string): Promise<string | undefined>;
  put(endpoint: string, entries: ReadonlyMap<string, string | undefined>): Promise<void>;
  list(endpoint: string, prefix: string, limit: number): Promise<ReadonlyMap<string, string>>;
}

/** Numbered, immutable states of the whole configuration. */
export interface Revisions {
  /** Stores `content` as the next revision, or returns the newest one when its digest is the same. */
  add(revision: { readonly digest: string; readonly content: string; readonly by: string; readonly at: number }): Promise<Revision>;
  latest(): Promise<Revision | undefined>;
  get(number: number): Promise<Revision | undefined>;
  list(limit: number): Promise<readonly Revision[]>;
}

export interface Revision {
  readonly number: number;
  readonly digest: string;
  readonly content: string;
  readonly by: string;
  readonly at: number;
}

/** Who changed what, with the reason they gave. */
export interface Audit {
  append(entry: AuditEntry): Promise<void>;
  list(limit: number): Promise<readonly AuditEntry[]>;
}

export interface AuditEntry {
  readonly at: number;
  readonly who: string;
  readonly action: string;
  readonly subject: string;
  readonly reason?: string;
  readonly result: string;
}
