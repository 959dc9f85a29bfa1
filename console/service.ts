import type { FileCustody, FileState } from '../adapters/contract/custody.js';
import type { ProbeStep, Provision, ProvisionRequest } from '../adapters/contract/endpoint.js';
import type { BrokerHealth } from '../bus/broker.js';
import type { Diagnosis } from '../bus/diagnosis.js';
import type {
  DeadLetterGroup,
  HistoryQuery,
  LedgerState,
  MessageState,
  MessageSummary,
  ParkedDelivery,
  ParkedLane,
  Revision,
  StoredDeadLetter,
  StoredEvent,
} from '../bus/store/contract.js';

/**
 * What a running Signalbox answers and does for people: the one interface behind the admin API, and so behind every command and the console.
 * `signalbox.ts` builds it. Everything that changes state takes who asked and why, and is written to the audit log.
 */
export interface Service {
  status(): Promise<Status>;
  systems(): Promise<readonly SystemStatus[]>;
  /** The processes that share the store, this one first. */
  nodes(): Promise<readonly NodeStatus[]>;
  /** @throws UnknownName */
  system(name: string): Promise<SystemStatus>;
  testSystem(name: string): Promise<readonly ProbeStep[]>;
  /** The statements that an endpoint needs run at its system; with `apply` they are run. @throws UnknownName, the failures of the system */
  provision(endpoint: string, request: ProvisionRequest, by: Actor): Promise<Provision>;
  /** Stops reading and delivering at all endpoints of the system (or one endpoint `system.name`); messages wait. Survives a restart. */
  pause(name: string, by: Actor): Promise<void>;
  resume(name: string, by: Actor): Promise<void>;
  /** An inbound endpoint forgets its checkpoint before its next poll, and reads from its beginning; ids that are known are taken for known. @throws UnknownName */
  reset(endpoint: string, by: Actor): Promise<void>;
  routes(): Promise<readonly RouteStatus[]>;
  route(name: string): Promise<RouteStatus>;
  searchMessages(query: HistoryQuery): Promise<readonly MessageSummary[]>;
  /** By id, prefix of an id (8 characters or more), or business key. More than one when the key is shared. */
  findMessages(reference: string): Promise<readonly MessageSummary[]>;
  /** Content too large for its event is not there, only its reference (`dataref`). */
  events(messageId: string): Promise<readonly StoredEvent[]>;
  /** What an event refers to by its `dataref`. @throws UnknownName */
  payload(reference: string): Promise<Uint8Array>;
  tail(after: number, limit: number): Promise<readonly StoredEvent[]>;
  deadLetterGroups(): Promise<readonly DeadLetterGroup[]>;
  /** A group's letters or one letter by id or message id, oldest first, without their content. */
  deadLetters(reference: string, limit: number): Promise<readonly DeadLetterSummary[]>;
  /** One letter with headers, stack and content (also where that is at the claim check), by its id. @throws UnknownName */
  deadLetter(id: string): Promise<StoredDeadLetter>;
  /** Same payload, same target. A letter of the inbound stage goes through its inbound route again. */
  redeliver(ids: readonly string[], by: Actor): Promise<RedeliverResult>;
  discard(ids: readonly string[], by: Actor): Promise<number>;
  /** Parked keys of ordered routes, and deliveries parked alone; oldest first. */
  parkedLanes(filter: { readonly endpoint?: string; readonly limit: number }): Promise<readonly ParkedLane[]>;
  /** Of one lane, first in order first, without their content. */
  parkedDeliveries(endpoint: string, lane: string, limit: number): Promise<readonly ParkedSummary[]>;
  /** One with headers and content. @throws UnknownName */
  parkedDelivery(id: string): Promise<ParkedDelivery>;
  /** Lets the parked deliveries of one key go, in their order. @returns how many wait @throws UnknownName */
  releaseParked(endpoint: string, lane: string, by: Actor): Promise<number>;
  /** Gives one up for good; what is behind it stays until the key is released. @throws UnknownName */
  discardParked(id: string, by: Actor): Promise<void>;
  /** Deliveries whose outcome matters, oldest first; without a state those that are not done. */
  ledger(query: LedgerQuery): Promise<readonly LedgerLine[]>;
  /** One of them with what would be sent, where it is parked. @throws UnknownName */
  ledgerRecord(deliveryId: string): Promise<LedgerRecord>;
  /** Says of deliveries whose outcome is unknown that the target has them, that they are sent again, or that they are given up. */
  resolve(ids: readonly string[], verdict: Verdict, by: Actor): Promise<ResolveResult>;
  /** Files that lie in the folders that are read, or were read, newest first. @throws UnknownName */
  files(query: FilesQuery): Promise<readonly FileLine[]>;
  /** The story of one file, by its id, its path or its name: the newest of that name. @throws UnknownName */
  file(reference: string, endpoint?: string): Promise<FileStory>;
  /** Has a file read that is held (a gap before it, a name or content that came before) or was rejected. At the next poll. @throws UnknownName, Misconfigured */
  releaseFile(endpoint: string, id: string, by: Actor): Promise<void>;
  /** Has a file read again that was read, as new input. At the next poll. @throws UnknownName, Misconfigured */
  reprocessFile(endpoint: string, id: string, by: Actor): Promise<void>;
  /** Compares the records of files with what the history knows of them, file by file. */
  reconcile(query: ReconcileQuery): Promise<readonly FileReconciliation[]>;
  /** Checks the configuration on disk and, when it is free of errors, lets it run. */
  reload(by: Actor): Promise<ReloadResult>;
  revisions(limit: number): Promise<readonly Omit<Revision, 'content'>[]>;
  /** Looks at everything outside of Signalbox that its promises depend on. Changes nothing, but for the self-test. */
  doctor(request: DoctorRequest): Promise<readonly Diagnosis[]>;
}

export interface DoctorRequest {
  /** Test the connection to each system too. */
  readonly systems: boolean;
  /** Send a message through the retry ladder. */
  readonly selfTest: boolean;
  /** Read every page of the database files. */
  readonly integrity: boolean;
}

/** A service at work, as `signalbox run` holds it. */
export interface Running {
  readonly service: Service;
  /** Stops reading, finishes what is under way within the configured drain time, closes. Twice is fine. */
  stop(reason: string): Promise<void>;
  /** Resolves with the exit code when everything is closed, whoever asked for it. */
  readonly done: Promise<number>;
}

export interface FilesQuery {
  /** Of an endpoint, or of all endpoints of a system. */
  readonly endpoint?: string;
  readonly state?: FileState;
  /** Claimed at this time or later; milliseconds since the epoch. */
  readonly since?: number;
  readonly limit: number;
}

export type ReconcileQuery = Omit<FilesQuery, 'state'>;

export type FileLine = FileCustody & { readonly endpoint: string };

export interface FileStory extends FileLine {
  /** Ids of other files of this name. */
  readonly others: readonly string[];
  /** Messages made of its first records. */
  readonly messages: readonly string[];
}

/** Records of one file by what became of their messages: one that is dead anywhere is dead, else one that is not through anywhere is pending, and so on. */
export interface FileReconciliation {
  readonly file: FileLine;
  readonly delivered: number;
  readonly filtered: number;
  readonly dead: number;
  readonly parked: number;
  readonly pending: number;
  /** Of which the history has nothing. */
  readonly missing: number;
  /** Deliveries. */
  readonly targets: readonly TargetCount[];
  /** Empty when every record is accounted for. */
  readonly problems: readonly string[];
}

export interface TargetCount {
  readonly endpoint: string;
  readonly delivered: number;
  readonly pending: number;
  readonly parked: number;
  readonly dead: number;
  readonly discarded: number;
}

export type ParkedSummary = Omit<ParkedDelivery, 'content' | 'headers'>;

export type DeadLetterSummary = Omit<StoredDeadLetter, 'content' | 'headers' | 'stack'>;

export interface LedgerQuery {
  readonly state?: LedgerState;
  readonly endpoint?: string;
  readonly limit: number;
}

export interface LedgerLine {
  readonly deliveryId: string;
  readonly endpoint: string;
  readonly state: LedgerState;
  readonly at: number;
  readonly detail: string | undefined;
  /** Waits for a person. */
  readonly parked: { readonly messageId: string; readonly key: string | undefined; readonly route: string; readonly rule: string; readonly code: string } | undefined;
}

export interface LedgerRecord extends LedgerLine {
  readonly content: Uint8Array | undefined;
}

export type Verdict = 'delivered' | 'resend' | 'discard';

export interface ResolveResult {
  readonly resolved: number;
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
}

export interface Actor {
  /** User of the operating system or of the console. */
  readonly who: string;
  readonly reason?: string;
}

export class UnknownName extends Error {
  override readonly name = 'UnknownName';
}

export type EndpointState = 'ok' | 'starting' | 'standby' | 'slow' | 'retrying' | 'failing' | 'paused' | 'silent' | 'misconfigured' | 'idle';

export interface Status {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly revision: { readonly number: number; readonly by: string; readonly at: number };
  /** The last reload that was refused, if the files on disk are not what runs. */
  readonly refused: { readonly at: number; readonly problems: number } | undefined;
  /** What a reload or a stop waits for now: endpoints that finish what is under way, and since when. */
  readonly ending: readonly { readonly name: string; readonly since: number }[];
  readonly bus: { readonly kind: string; readonly health: BrokerHealth };
  readonly store: { readonly kind: string; readonly bytes: number };
  readonly messages: Readonly<Record<MessageState, number>>;
  readonly deadLetters: number;
  /** Open dead letters by where they stand and why, for the metrics. */
  readonly deadLettersBy: readonly { readonly endpoint: string; readonly code: string; readonly count: number }[];
  /** What waits for `signalbox parked release` or `signalbox ledger resolve`, by endpoint. */
  readonly parkedBy: readonly { readonly endpoint: string; readonly lanes: number; readonly deliveries: number }[];
  /** Deliveries of which nobody knows whether the target has them. */
  readonly unknown: readonly { readonly endpoint: string; readonly count: number }[];
  readonly systems: readonly SystemStatus[];
  /** The processes that share the store, this one first. */
  readonly nodes: readonly NodeStatus[];
}

/** One `signalbox run` process. All times are milliseconds since the epoch by the clock of the node that tells. */
export interface NodeStatus {
  /** Another one for each start: two processes of one name are told apart by it. */
  readonly id: string;
  readonly name: string;
  readonly pid: number;
  readonly version: string;
  readonly revision: number;
  readonly startedAt: number;
  readonly lastBeatAt: number;
  /** It is the process that answers. */
  readonly isSelf: boolean;
  readonly isLive: boolean;
  /** Polled sources that it reads. */
  readonly sources: readonly string[];
}

export interface SystemStatus {
  readonly name: string;
  readonly adapter: string;
  readonly state: EndpointState;
  readonly endpoints: readonly EndpointStatus[];
}

export interface EndpointStatus {
  readonly name: string;
  readonly direction: 'inbound' | 'outbound';
  readonly state: EndpointState;
  /** One line: why it is not ok, since when, what happens next. */
  readonly detail: string | undefined;
  /** When the trouble began that the state tells of. Milliseconds since the epoch; undefined while all is well. */
  readonly since: number | undefined;
  /** Inbound: when a poll last succeeded or a call came in; outbound: last delivery. Milliseconds since the epoch. */
  readonly lastSuccessAt: number | undefined;
  readonly lastFailureAt: number | undefined;
  readonly nextAt: number | undefined;
  /** Records read, or deliveries made, since the start. */
  readonly count: number;
  readonly failed: number;
  /** Outbound: messages waiting in the channel and on the retry ladder. */
  readonly waiting: number | undefined;
  readonly oldestMs: number | undefined;
  readonly checkpoint: string | undefined;
  /** How often it hung and was made anew by itself since the start, and the last time. */
  readonly recycled?: { readonly times: number; readonly at: number; readonly reason: string };
}

export interface RouteStatus {
  readonly name: string;
  readonly direction: 'inbound' | 'outbound';
  /** `orders.yaml:52`. */
  readonly place: string | undefined;
  readonly from: string;
  readonly to: readonly string[];
  readonly rules: readonly RuleStatus[];
  readonly received: number;
  readonly filtered: number;
  readonly failed: number;
}

export interface RuleStatus {
  readonly name: string;
  readonly when: string | undefined;
  readonly to: string;
  readonly place: string | undefined;
  /** Messages it matched since the start. */
  readonly matched: number;
  readonly lastAt: number | undefined;
}

export interface RedeliverResult {
  readonly redelivered: number;
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
}

export interface WaitedFor {
  /** Of an endpoint, or of a system that closed its connections. */
  readonly name: string;
  readonly ms: number;
  /** False: it did not end in time and was left behind; what it had under way comes again. */
  readonly isOver: boolean;
}

export interface ReloadResult {
  readonly applied: boolean;
  readonly revision: number;
  /** Rendered diagnostics, as `signalbox check` prints them. */
  readonly report: string;
  /** Names of systems and routes that were started, stopped or restarted. */
  readonly changed: readonly string[];
  /** What took its time to finish what was under way. */
  readonly waited: readonly WaitedFor[];
}
