import type { Secret } from '../adapters/contract/secret.js';
import type { AdapterSpec } from '../adapters/contract/spec.js';
import type { Handler } from '../bus/handler.js';
import type { LoadedTest, RoutesInput } from '../routes/input.js';

/** One checked configuration: what runs, in a test, in a plan or live. Immutable. */
export interface Configuration {
  /** SHA-256 over all files that were read, in order of their names. */
  readonly digest: string;
  /** The files as they were read, for the revision store: path relative to the configuration directory, and text. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly settings: Settings;
  readonly systems: ReadonlyMap<string, SystemConfig>;
  readonly tests: readonly LoadedTest[];
  /** What the routes were compiled from; `runTests` takes it. */
  readonly routing: RoutesInput;
  /** All secrets that were read, for the redaction of logs (`redactor`). */
  readonly secrets: readonly Secret[];
  /** Compiles the routes for a revision number; the configuration is already free of errors. */
  compile(revision: number): Handler;
}

export interface Settings {
  /** Tells this installation's ids from those of others; undefined: ids are made of the names of endpoints and routes alone. */
  readonly installation?: string;
  /** npm packages that bring adapters. */
  readonly adapters: readonly string[];
  readonly bus: EmbeddedSettings | RabbitmqSettings;
  readonly store: { readonly kind: 'sqlite' } | PostgresSettings;
  /** Directory of the embedded bus and the SQLite store, absolute. */
  readonly stateDirectory: string;
  /** HTTP listener for webhooks, health and metrics; undefined when none is configured. */
  readonly listen: { readonly host: string; readonly port: number; readonly tls?: { readonly cert: string; readonly key: string } } | undefined;
  readonly retention: { readonly historyMs: number; readonly dedupeMs: number; readonly ledgerMs: number };
  readonly drainMs: number;
}

export interface EmbeddedSettings {
  readonly kind: 'embedded';
  /** Bytes that must be free on the volume for anything new to be accepted. */
  readonly minFree?: number;
}

export interface RabbitmqSettings {
  readonly kind: 'rabbitmq';
  /** Nodes of one cluster. */
  readonly urls: readonly string[];
  readonly prefix: string;
  /** URL of the management API. */
  readonly management?: string;
  /** PEM files, absolute paths. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string; readonly servername?: string };
}

export interface PostgresSettings {
  readonly kind: 'postgres';
  /** Members of one cluster. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Secret;
  readonly schema: string;
  /** `caFile` is absolute. */
  readonly tls: 'off' | { readonly caFile?: string; readonly servername?: string };
  readonly connections: number;
}

export interface SystemConfig {
  readonly name: string;
  readonly adapter: AdapterSpec;
  /** What the adapter's schema made of `connect:`. */
  readonly connect: unknown;
  readonly inbound: ReadonlyMap<string, InboundConfig>;
  readonly outbound: ReadonlyMap<string, OutboundConfig>;
  readonly callable: ReadonlyMap<string, CallableConfig>;
  /** Digest of this system's part of the configuration: equal digests need no restart at a reload. */
  readonly digest: string;
}

export interface InboundConfig {
  /** `legacy.orders`. */
  readonly name: string;
  readonly config: unknown;
  /** How often a polling endpoint is asked. */
  readonly schedule: ScheduleConfig;
  readonly maxRecords: number;
  /** A poll without a batch or an end for so long is ended by force; undefined: the default of the runtime. */
  readonly pollTimeoutMs?: number;
  /** Silence is an alarm: at least `atLeast` records in each `everyMs`. */
  readonly expect: { readonly atLeast: number; readonly everyMs: number } | undefined;
}

export interface ScheduleConfig {
  /** Milliseconds between the end of one poll and the start of the next; undefined with `cron`. */
  readonly everyMs: number | undefined;
  readonly cron: string | undefined;
  /** Only within these times of the day, `HH:MM-HH:MM`. */
  readonly between: { readonly from: string; readonly to: string } | undefined;
  /** IANA zone; UTC when absent. */
  readonly zone: string;
}

export interface OutboundConfig {
  readonly name: string;
  readonly config: unknown;
  /** Deliveries under way at once. */
  readonly parallel: number;
  /** Channels over which ordered deliveries are spread. */
  readonly partitions: number;
  /** What follows when nobody knows whether a delivery was made. */
  readonly onUnknown: 'resend' | 'verify' | 'park';
  /** Milliseconds after which one call has no effect any more. */
  readonly longestCallMs: number;
  /** The same, only when the adapter says so: then a call that takes much longer is left behind. */
  readonly callLimitMs?: number;
}

export interface CallableConfig {
  readonly name: string;
  readonly config: unknown;
}
