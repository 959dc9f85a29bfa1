import { type Code, codes } from './codes/index.js';

/** Optional parts every failure takes. `detail` is shown to the operator: never a secret, never a payload. */
export interface FailureOptions {
  readonly cause?: unknown;
  /** Where it happened, as the user knows it: `orders.yaml:72`, `legacy.orders ORD_NO=4711`. */
  readonly place?: string;
}

/** What `NotConnected` and `TryAgain` take besides. */
export interface ContactOptions extends FailureOptions {
  /**
   * `unknown`: the effect may have happened. Set it when the request, or a part of it, may have reached the system and no complete answer was read (a
   * timeout, a connection lost after the request was written). Left out: the system certainly did nothing.
   */
  readonly outcome?: 'unknown';
}

const KIND = Symbol.for('signalbox.failure');

/** What the runtime does next is the kind of a failure; its `code` says what went wrong. */
export type FailureKind = 'not-connected' | 'try-again' | 'invalid-message' | 'misconfigured';

abstract class Failure extends Error {
  readonly code: Code;
  readonly place: string | undefined;

  constructor(code: Code, detail: string, options: FailureOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.place = options.place;
  }

  /** What the operator can do about it, from the code table. */
  get hint(): string {
    return codes[this.code].fix;
  }
}

/** The link is lost or not there yet. The runtime closes the endpoint and opens it again with jittered back-off; nothing is counted as an attempt. */
export class NotConnected extends Failure {
  readonly [KIND] = 'not-connected' satisfies FailureKind;
  override readonly name = 'NotConnected';
  readonly outcome: 'unknown' | undefined;

  constructor(code: Code, detail: string, options: ContactOptions = {}) {
    super(code, detail, options);
    this.outcome = options.outcome;
  }
}

/** Busy, timed out, 5xx, lock: the same message may pass later. The runtime takes the retry ladder, then the Dead Letter Channel. */
export class TryAgain extends Failure {
  readonly [KIND] = 'try-again' satisfies FailureKind;
  override readonly name = 'TryAgain';
  /** Milliseconds the target asked us to wait (`Retry-After`); the runtime clamps it to the policy's longest wait. */
  readonly afterMs: number | undefined;
  readonly outcome: 'unknown' | undefined;

  constructor(code: Code, detail: string, options: ContactOptions & { readonly afterMs?: number } = {}) {
    super(code, detail, options);
    this.afterMs = options.afterMs;
    this.outcome = options.outcome;
  }
}

/** This message can never pass. The runtime puts it into the dead letters at once, with the original bytes. */
export class InvalidMessage extends Failure {
  readonly [KIND] = 'invalid-message' satisfies FailureKind;
  override readonly name = 'InvalidMessage';
}

/** Configuration or credentials are wrong: this endpoint stops and is reported, others go on; its messages wait. */
export class Misconfigured extends Failure {
  readonly [KIND] = 'misconfigured' satisfies FailureKind;
  override readonly name = 'Misconfigured';
}

export type AnyFailure = NotConnected | TryAgain | InvalidMessage | Misconfigured;

/**
 * The failure in `error`, or undefined when it is a bug. Recognised by a registered symbol, so that an adapter package
 * that brought its own copy of this file is understood too.
 */
export function failureOf(error: unknown): AnyFailure | undefined {
  return typeof error === 'object' && error !== null && KIND in error ? (error as AnyFailure) : undefined;
}

/** Whether the effect may have happened although `error` was thrown. */
export function leavesUnknown(error: unknown): boolean {
  const failure = failureOf(error);
  return failure !== undefined && 'outcome' in failure && failure.outcome === 'unknown';
}

export function kindOf(failure: AnyFailure): FailureKind {
  return failure[KIND];
}

/** One line for a log or a terminal: the message with the messages of its causes. */
export function describe(error: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = error; at !== undefined && lines.length < 5; at = at instanceof Error || Error.isError(at) ? (at as Error).cause : undefined) {
    const text = Error.isError(at) ? (at as Error).message || (at as Error).name : String(at);
    if (!lines.some((line) => line.includes(text))) lines.push(text);
  }
  return lines.join(': ');
}
