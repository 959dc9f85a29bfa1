import type { InvalidMessage } from './errors.js';
import type { WireHeaders } from './message.js';
import type { Value } from './value.js';

/** One input as an inbound endpoint read it, before any route has seen it. */
export interface SourceRecord {
  /**
   * Deterministic identity within its endpoint: row key and version, file hash and byte offset, the sender's event id.
   * Reading the same input again must give the same id; a changed input must give another.
   */
  readonly id: string;
  /** Decoded content, `record` in expressions. */
  readonly value: Value;
  /** The business key, when the adapter knows it (primary key of the row). */
  readonly key?: string;
  /** RFC 3339 time the source gives for the input; absent means now. */
  readonly time?: string;
  readonly wire?: WireHeaders;
  /** W3C Trace Context, when the sender gave one. */
  readonly traceparent?: string;
  /** Where a person finds it: `ORD_NO=4711`, `orders-17.csv:12`. Never a secret. */
  readonly position?: string;
  /** Size of the input in bytes, for the history. */
  readonly size?: number;
  /** Original bytes, for quarantine of what could not be decoded. */
  readonly raw?: Uint8Array;
  /** Set when the input could not be decoded: it goes to the dead letters with `raw`, the records around it go on. */
  readonly failure?: InvalidMessage;
}
