import type { z } from 'zod';
import type { ValueRecord } from '../../bus/value.js';
import type { ConnectedSystem } from './endpoint.js';

/** Version of this contract. A package built for another one is refused when it is loaded. */
export const CONTRACT = 1;

/**
 * What an adapter is, as pure data: docs, editor schema, `check` and the console read it without loading a client library.
 * `connect`, `read`, `write` and `call` are zod schemas whose options carry `title`, `description`, `examples`, and where they apply
 * `secret`, `advanced`, `unit` as meta data.
 */
export interface AdapterSpec {
  /** `^[a-z][a-z0-9]*(-[a-z0-9]+)*$`, the word users write after `adapter:`. */
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly contract: typeof CONTRACT;
  readonly stability: 'experimental' | 'stable';
  /** Options of the system's `connect:`. */
  readonly connect: z.ZodType;
  /** Problems of `connect` that the schema cannot see: encryption turned off, an old algorithm allowed. Paths are below `connect`. Pure. */
  readonly lint?: (connect: unknown) => readonly SpecFinding[];
  /**
   * What a server shows of itself before any login, where `connect` must pin it (`signalbox systems trust`). Called with `connect` as it is written, which
   * may not have passed the schema: what identifies the server is what is still missing. @throws NotConnected, Misconfigured
   */
  readonly identify?: (connect: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<readonly ServerIdentity[]>;
  readonly read?: InboundSpec;
  readonly write?: OutboundSpec;
  readonly call?: EndpointSpec;
  /** Loads the implementation: a class with the decorators of `injection.ts`. */
  readonly load: () => Promise<AdapterClass>;
}

/** One thing a server proves itself by: one of its host keys. */
export interface ServerIdentity {
  /** `ssh-ed25519`. */
  readonly kind: string;
  /** As it is pinned in the configuration: `SHA256:...`. */
  readonly fingerprint: string;
  /** Key of `connect` that pins it. */
  readonly option: string;
}

export interface EndpointSpec {
  /** Options of one endpoint under `read:`, `write:` or `call:`. */
  readonly config: z.ZodType;
  /** Problems the schema cannot see: two options that exclude each other, a strategy that misses deletes. Pure. */
  readonly lint?: (config: unknown, connect: unknown) => readonly SpecFinding[];
}

export interface InboundSpec extends EndpointSpec {
  readonly pattern: 'polling' | 'listening';
  /** Fields of `record`, when the configuration says them; undefined means only running will tell. */
  readonly fields?: (config: unknown, connect: unknown) => FieldTypes | undefined;
}

export interface OutboundSpec extends EndpointSpec {
  /** Sending the same delivery id again has no second effect; a function where that depends on the endpoint's options. */
  readonly idempotent: boolean | ((config: unknown) => boolean);
  /**
   * The target itself records the delivery id in one step with the effect and keeps it (an inbox row): the runtime then keeps no ledger of its own for it.
   * Leave it out where the target may forget: a file that the partner removes, an idempotency key that expires.
   */
  readonly remembersDeliveries?: boolean;
  /** Whether the endpoint can ask the system if a delivery was made (`Outbound.verify`). Left out: it never can. */
  readonly verifies?: (config: unknown) => boolean;
  /** Longest time one `send` takes before it gives up, in milliseconds: afterwards it has no effect any more. Left out: a minute. */
  readonly longestCall?: (config: unknown, connect: unknown) => number;
  /** Fields the target takes, when the configuration says them: the mapping is checked against them. */
  readonly fields?: (config: unknown, connect: unknown) => FieldTypes | undefined;
  /** What the target would receive for one payload, as text (a fixed-width line, a JSON body), for tests and plans. Pure. */
  readonly preview?: (config: unknown, payload: ValueRecord) => string;
}

export function isIdempotent({ idempotent }: OutboundSpec, config: unknown): boolean {
  return typeof idempotent === 'function' ? idempotent(config) : idempotent;
}

/** `number` is an exact number of either kind; `any` is checked when it is used. */
export type FieldType =
  | 'text'
  | 'integer'
  | 'decimal'
  | 'number'
  | 'boolean'
  | 'date'
  | 'timestamp'
  | 'bytes'
  | 'any'
  | { readonly list: FieldTypes }
  | { readonly record: FieldTypes };
export type FieldTypes = Readonly<Record<string, FieldType>>;

export interface SpecFinding {
  readonly severity: 'error' | 'warning';
  /** Below the endpoint's own configuration (or below `connect`): `['cursor', 'column']`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly fix?: string;
}

/** Built by the container, one for all systems of its kind. */
export interface Adapter {
  /** Called once per system when a revision starts that has it. Does not connect. @throws Misconfigured */
  system(name: string, connect: unknown): ConnectedSystem;
}

// biome-ignore lint/suspicious/noExplicitAny: the container fills the constructor; its parameters are the adapter's own
export type AdapterClass = new (...services: any[]) => Adapter;

/** Checks the shape at compile time and returns the spec as it is; the default export of an adapter's `index.ts`. */
export function defineAdapter<const S extends AdapterSpec>(spec: S): S {
  return spec;
}
