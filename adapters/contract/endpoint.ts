import type { SourceRecord } from '../../bus/record.js';
import type { Value, ValueRecord } from '../../bus/value.js';
import type { Described, Listed } from './catalogue.js';
import type { EndpointState } from './services.js';

/**
 * An inbound endpoint that is asked: tables, folders. The runtime owns the schedule, the lease, retry, back-off, publishing and the
 * checkpoint; the endpoint only says what is there and, afterwards, tidies up.
 */
export interface PollingInbound {
  readonly kind: 'polling';
  /** Called before the first poll and again after `NotConnected`. @throws NotConnected, Misconfigured */
  open(signal: AbortSignal): Promise<void>;
  /**
   * One poll: everything that is there now, in order, in batches. Never called while another poll of the same endpoint runs. The runtime asks
   * for the next batch only when the last one is durable on the bus, so a batch may hold resources until then. Throwing
   * ends the poll; the next one starts from the last checkpoint that was saved.
   */
  poll(request: PollRequest): AsyncIterable<Batch>;
  /** Twice is fine; must return within 5 s even when the link is dead. */
  close(): Promise<void>;
}

export interface PollRequest {
  /** What the last durable batch gave as `checkpoint`; undefined at the very first poll. Never a sentinel value. */
  readonly checkpoint: string | undefined;
  /** Most records in a batch. */
  readonly maxRecords: number;
  /** Aborted when the endpoint is stopped, when this node may not read it any more, or when the poll made no progress for too long. */
  readonly signal: AbortSignal;
  /**
   * Call right before each step that moves or removes something at the system: of several nodes only one reads, and one that stood still (a
   * stopped process, a long pause) learns here, before `signal` tells, that another reads now. No I/O. Throws, and `signal` is aborted.
   */
  readonly fence?: () => void;
  /** Call now and then during long work that yields no batch (hashing a large file): a poll that shows no progress for too long is taken for hung. */
  readonly progress?: () => void;
}

export interface Batch {
  readonly records: readonly SourceRecord[];
  /** Opaque text saved when every record of this and all earlier batches is durable. Absent: the checkpoint stays. */
  readonly checkpoint?: string;
  /**
   * Called once after the checkpoint was saved: archive the file, release the claim. May fail: the records are accepted all the same, and
   * the endpoint must do it again at a later poll without reading them as new input.
   */
  settle?(settlement: Settlement): Promise<void>;
  /**
   * What the endpoint reads next does not depend on this batch: it may be asked for the next one while this one is being stored, and never for more than
   * that. Checkpoints are saved and batches settled in their order all the same; what was read ahead may be dropped, and is read again after the last checkpoint.
   */
  readonly ahead?: boolean;
}

/** What became of a batch, in numbers, so that a file can be archived or set aside. */
export interface Settlement {
  readonly accepted: number;
  readonly filtered: number;
  readonly dead: number;
  /** First reason a record of the batch went to the dead letters. */
  readonly reason: string | undefined;
}

/** An inbound endpoint that is called: a webhook. */
export interface ListeningInbound {
  readonly kind: 'listening';
  /** Starts to listen. `accept` may be called concurrently. @throws Misconfigured, NotConnected */
  open(accept: Accept, signal: AbortSignal): Promise<void>;
  /** Stops taking new input and waits for what is under way. */
  close(): Promise<void>;
}

/**
 * Resolves when the record has reached a durable place: only now may the sender be told it was accepted.
 * @throws NotConnected or TryAgain when it could not be stored: the sender must be told to try again (HTTP 503).
 */
export type Accept = (record: SourceRecord, signal: AbortSignal) => Promise<Accepted>;

export interface Accepted {
  readonly result: 'accepted' | 'filtered' | 'duplicate' | 'dead';
  readonly messageId: string;
}

export type Inbound = PollingInbound | ListeningInbound;

/** Writes to a system. Called concurrently, up to the endpoint's `parallel`. */
export interface Outbound {
  /** @throws NotConnected, Misconfigured */
  open(signal: AbortSignal): Promise<void>;
  /**
   * Applies one delivery. Resolves only when the system has it durably. May be called again with the same id: an endpoint whose spec says
   * `idempotent` then changes nothing and answers `duplicate: true`.
   * @throws NotConnected: closed and opened again, the delivery is tried again without counting. TryAgain: retry ladder. InvalidMessage: dead letter. Misconfigured: the endpoint stops.
   * With `outcome: 'unknown'` (NotConnected, TryAgain) the effect may have happened all the same: what follows is then the endpoint's `on_unknown`.
   */
  send(delivery: Delivery, signal: AbortSignal): Promise<Receipt>;
  /**
   * Asks the system whether it has the effect of a delivery that was sent and not answered; changes nothing there. Called only where the spec's `verifies`
   * says so and the configuration asks for it, never while a `send` of the same delivery runs, and not before the time one call takes is over.
   * `not-done` lets it be sent again, so it must be certain; `unknown`, or a failure that says why, asks again later.
   * @throws as `send`
   */
  verify?(delivery: Delivery, signal: AbortSignal): Promise<Verification>;
  close(): Promise<void>;
}

export type Verification = 'done' | 'not-done' | 'unknown';

/** One delivery as the target's adapter sees it. */
export interface Delivery {
  /** Deterministic id of this effect. */
  readonly id: string;
  readonly messageId: string;
  /** `Order`. */
  readonly type: string;
  /** Business key, if the route has one. */
  readonly key: string | undefined;
  readonly idempotencyKey: string;
  /** Mapped to the target's own shape; numbers are exact. */
  readonly payload: ValueRecord;
  /** RFC 3339 time of the message. */
  readonly time: string;
  /** 1 for the first. */
  readonly attempt: number;
  readonly traceparent: string | undefined;
}

export interface Receipt {
  /** For people: `201 SHP-99812`, `/in/ORD_4711.dat 38 B`. Never a secret. */
  readonly detail: string;
  /** The target had applied this id before; nothing was done now. */
  readonly duplicate?: boolean;
}

/** Asks a system and returns its answer: Content Enricher, request-reply. Changes nothing at the system. */
export interface Callable {
  open(signal: AbortSignal): Promise<void>;
  /** @throws as Outbound.send; an answer of "not there" is null, not an error */
  call(parameters: ValueRecord, signal: AbortSignal): Promise<Value>;
  close(): Promise<void>;
}

/** One step of a connection test, as `signalbox systems test` prints it. */
export interface ProbeStep {
  /** `dns`, `tcp`, `login`, `read ORD_HEAD`. */
  readonly name: string;
  readonly ok: boolean;
  /** `2 ms`, `214 rows`, or why it failed. */
  readonly detail: string;
  /** What to do about a failure. */
  readonly fix?: string;
}

export interface ProvisionRequest {
  readonly action: 'install' | 'remove';
  /** Run the statements; without it they are only told. */
  readonly apply: boolean;
}

/** What an endpoint needs at its system and an administrator reviews first: the triggers of a table. */
export interface Provision {
  /** In the order they are run, as the system's own tools take them. */
  readonly statements: readonly string[];
  /** For people: rights to grant, what goes with a removal. */
  readonly notes: readonly string[];
  readonly applied: boolean;
}

/** One system of the configuration, as its adapter runs it. Endpoints of a system may share its connection. */
export interface ConnectedSystem {
  inbound?(endpoint: EndpointContext): Inbound;
  outbound?(endpoint: EndpointContext): Outbound;
  callable?(endpoint: EndpointContext): Callable;
  /** Checks connection and credentials step by step, changes nothing. Never throws for what it finds. */
  probe(signal: AbortSignal): Promise<readonly ProbeStep[]>;
  /** Tables and views this account sees, for somebody who starts a configuration. Changes nothing, needs no endpoint. @throws the four failures */
  list?(signal: AbortSignal): Promise<readonly Listed[]>;
  /** What the system knows of one of them; the name in any case where that is unambiguous. @throws Misconfigured with the names that are there */
  describe?(name: string, signal: AbortSignal): Promise<Described>;
  /** A few of its rows, at most `count`, with every field, as an endpoint would read them. @throws as `describe` */
  sample?(name: string, count: number, signal: AbortSignal): Promise<readonly ValueRecord[]>;
  /**
   * Installs or removes what an endpoint of the system needs there, on request of a person; harmless when it was done before. Absent: endpoints of this
   * adapter need nothing. @throws Misconfigured when this endpoint needs nothing or the account may not; else the four failures
   */
  provision?(endpoint: string, request: ProvisionRequest, signal: AbortSignal): Promise<Provision>;
  /** Closes what the endpoints share. After all endpoints are closed. */
  close(): Promise<void>;
}

export interface EndpointContext {
  /** `legacy.orders`. */
  readonly name: string;
  /** What the schema of the spec made of the configuration. */
  readonly config: unknown;
  readonly state: EndpointState;
  /** Name of this node, the same after a restart: what an endpoint keeps in `state` for one of several nodes. Absent where there is no runtime. */
  readonly node?: string;
}
