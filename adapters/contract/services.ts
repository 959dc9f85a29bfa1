/** Structured log. Quiet when healthy: one line per change of state. Never a payload, never a secret. */
export interface Logger {
  debug(event: string, message: string, fields?: LogFields): void;
  info(event: string, message: string, fields?: LogFields): void;
  warn(event: string, message: string, fields?: LogFields): void;
  error(event: string, message: string, fields?: LogFields): void;
  /** The same log with fields added to every line. */
  with(fields: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Time and chance, so that tests can hold them: what runs on a clock of its own and a seed runs the same way each time. */
export interface Clock {
  now(): Date;
  /** Milliseconds that only grow; for measuring and for "unchanged for 30 s". */
  monotonic(): number;
  /** Resolves after `ms`, with 0 when others had their turn; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to below 1, for spreading waits. */
  readonly random: () => number;
}

/** Durable notes of one endpoint, by key; survive a restart. Small values: they are read into memory. */
export interface EndpointState {
  get(key: string): Promise<string | undefined>;
  /** Writes and (with undefined) deletes in one commit. */
  put(entries: ReadonlyMap<string, string | undefined>): Promise<void>;
  list(prefix: string, limit: number): Promise<ReadonlyMap<string, string>>;
}

/**
 * The one HTTP listener of the process. An inbound endpoint asks for a path; the host does TLS, body limit, timeouts and metrics.
 * The handler gets raw bytes, so that signatures can be verified before anything is parsed.
 */
export interface HttpHost {
  /** @throws Misconfigured when the path is taken or no listener is configured */
  serve(route: HttpRoute): Promise<{ close(): Promise<void> }>;
}

export interface HttpRoute {
  readonly method: 'POST' | 'PUT';
  /** Exact path, starting with `/`. */
  readonly path: string;
  readonly maxBodyBytes: number;
  /** Must not throw for what the caller sent; a throw becomes 500 and is logged. */
  handle(request: HttpRequest, signal: AbortSignal): Promise<HttpReply>;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** Lower-cased names; repeated headers are joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly remoteAddress: string;
}

export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
