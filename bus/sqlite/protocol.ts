// What goes between the thread that asks and the thread that owns the database.
import type { Code } from '../codes/index.js';
import { type AnyFailure, type FailureKind, failureOf, InvalidMessage, kindOf, Misconfigured, NotConnected, TryAgain } from '../errors.js';

/**
 * Named operations of one database, run in its worker, one after the other, in the order they were asked for.
 * Each takes one argument and returns a value, both structured-cloneable. `never` as argument lets any function type fit.
 */
export interface Operations {
  /** Need no transaction; see everything asked for before them. */
  readonly reads: Readonly<Record<string, (input: never) => unknown>>;
  /**
   * Run in the transaction of their group; answered after its commit. One that throws fails alone, the others of its group are run again:
   * so an operation must leave no trace outside the database until `committed`, and `rolledBack` drops what was cached meanwhile.
   */
  readonly writes: Readonly<Record<string, (input: never) => unknown>>;
  /** After each commit, before the answers are posted. Must not throw. */
  committed?(): void;
  /** After each rollback (of a group or of one operation). Must not throw. */
  rolledBack?(): void;
  readonly deferred?: Deferred;
}

/** Work that writes leave for later. It is done in pieces: before the operations that need it, when nothing was asked for `idleMs`, and at once when there is too much of it. */
export interface Deferred {
  /** Names of operations that must see the outcome. On a full disk they are answered from what was done before. */
  readonly neededBy: ReadonlySet<string>;
  readonly idleMs: number;
  /** Committed work that is not done yet. */
  amount(): number;
  /** More than this is worked off at once, between the groups; four times as much before the next group. */
  readonly most: number;
  /**
   * Does some of it, so that `amount` becomes less, in a transaction of its own. Called outside of one.
   * @throws what SQLite threw (disk full, disk failed), after the rollback; anything else must not stop the rest
   */
  step(): void;
}

export type Input<Table, Name extends keyof Table> = Table[Name] extends (input: infer Argument) => unknown ? Argument : never;
export type Output<Table, Name extends keyof Table> = Table[Name] extends (input: never) => infer Result ? Result : never;

export interface Request {
  readonly id: number;
  readonly write: boolean;
  readonly name: string;
  readonly input: unknown;
}

export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PortableError };

/** Asking thread to worker. */
export type Question = { readonly requests: readonly Request[] } | { readonly close: true };

/** Worker to asking thread. */
export type Report =
  | { readonly ready: true }
  | { readonly answers: readonly Answer[] }
  | { readonly event: unknown }
  /** The database cannot be used any more (it did not open, the disk failed); the worker ends. */
  | { readonly broken: PortableError };

/** An error as it crosses threads: classes do not survive structured clone. */
export interface PortableError {
  readonly message: string;
  readonly stack?: string;
  readonly failure?: { readonly kind: FailureKind; readonly code: Code; readonly place?: string };
}

export function portable(error: unknown): PortableError {
  const known = failureOf(error);
  const stack = Error.isError(error) ? (error as Error).stack : undefined;
  return {
    message: Error.isError(error) ? (error as Error).message : String(error),
    ...(stack === undefined ? {} : { stack }),
    ...(known === undefined ? {} : { failure: { kind: kindOf(known), code: known.code, ...(known.place === undefined ? {} : { place: known.place }) } }),
  };
}

export function revived(error: PortableError): Error {
  const cause = new Error(error.message);
  if (error.stack !== undefined) cause.stack = error.stack;
  if (error.failure === undefined) return cause;
  const { kind, code, place } = error.failure;
  return failureOfKind(kind, code, error.message, { cause, ...(place === undefined ? {} : { place }) });
}

function failureOfKind(kind: FailureKind, code: Code, message: string, options: { readonly cause: unknown; readonly place?: string }): AnyFailure {
  switch (kind) {
    case 'not-connected':
      return new NotConnected(code, message, options);
    case 'try-again':
      return new TryAgain(code, message, options);
    case 'invalid-message':
      return new InvalidMessage(code, message, options);
    case 'misconfigured':
      return new Misconfigured(code, message, options);
  }
}
