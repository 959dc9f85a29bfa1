import type { FieldTypes, InvalidMessage, Value, ValueRecord } from '../contract/index.js';

/**
 * One format, set up for one endpoint. Shared by all adapters that move bytes. Stateless: any number of `decode` and `encode`
 * may run at the same time.
 */
export interface Codec {
  /** Fields of a record, when the configuration says them. */
  readonly fields: FieldTypes | undefined;
  /**
   * Splits a stream of bytes into records, in order. Memory is bounded by the longest record. What cannot be decoded is a record with
   * `failure`; the records after it follow, as far as the format lets them be found. Decoding the same bytes again gives the same
   * records with the same numbers. Records come in lists, about one per chunk that was read. Throws only what `bytes` throws.
   */
  decode(bytes: AsyncIterable<Uint8Array>, source: string): AsyncIterable<readonly Decoded[]>;
  /** A whole file or body of these payloads. Some formats need to wait (encryption). @throws InvalidMessage */
  encode(payloads: readonly ValueRecord[]): Uint8Array | Promise<Uint8Array>;
  /** Looks whether what it works with is there and can be used: keys. Before the first file, and again after a failure. @throws Misconfigured */
  readonly ready?: () => Promise<void>;
  /** False: encoding the same payloads again gives other bytes (encryption, signatures), so files cannot be compared. Left out: the same bytes. */
  readonly repeatable?: boolean;
  /** One payload as a person would look at it: no header, no separator. @throws InvalidMessage */
  preview(payload: ValueRecord): string;
}

export interface Decoded {
  /** 1 for the first record of the stream; records that failed are counted. */
  readonly number: number;
  /** Null when it failed. */
  readonly value: Value;
  readonly failure?: InvalidMessage;
  /** Line the record starts in, 1 for the first; absent in formats without lines. */
  readonly line?: number;
  /** Byte the record starts at. */
  readonly offset: number;
  /** The record's bytes; of one that was too long the first 64 KiB. */
  readonly raw: Uint8Array;
}

/** Bytes kept of a record that was too long. */
export const KEPT_BYTES = 64 * 1024;
