import type { ParkedDelivery, StoredDeadLetter } from '../bus/store/contract.js';
import type { DeadLetterSummary, LedgerRecord } from './service.js';

// What the admin API writes and the command line reads, where that is not the JSON of `Service` as it stands.

/** Every path of the admin API starts with it; it counts up with an incompatible change. */
export const API = '/v1';

/** Body of a refused or failed call. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** JSON has no bytes: the content travels as base64. */
export type WireDeadLetter = Omit<StoredDeadLetter, 'content'> & { readonly content: string };

export function writeDeadLetter(letter: StoredDeadLetter): WireDeadLetter {
  return { ...letter, content: writeContent(letter.content) };
}

export function writeContent({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

export function readDeadLetter(wire: WireDeadLetter): StoredDeadLetter {
  return { ...wire, content: Buffer.from(wire.content, 'base64') };
}

export type WireParked = Omit<ParkedDelivery, 'content'> & { readonly content: string };

export function writeParked(parked: ParkedDelivery): WireParked {
  return { ...parked, content: writeContent(parked.content) };
}

export function readParked(wire: WireParked): ParkedDelivery {
  return { ...wire, content: Buffer.from(wire.content, 'base64') };
}

export type WireLedgerRecord = Omit<LedgerRecord, 'content'> & { readonly content: string | undefined };

export function writeLedgerRecord(record: LedgerRecord): WireLedgerRecord {
  return { ...record, content: record.content && writeContent(record.content) };
}

export function readLedgerRecord(wire: WireLedgerRecord): LedgerRecord {
  return { ...wire, content: wire.content === undefined ? undefined : Buffer.from(wire.content, 'base64') };
}

/** A service may hand out whole letters where the summary is asked for: their content is not sent. */
export function writeSummary(letter: DeadLetterSummary & Partial<StoredDeadLetter>): DeadLetterSummary {
  const { content: _content, headers: _headers, stack: _stack, ...summary } = letter;
  return summary;
}

/** Most rows of one answer; a call that wants more asks again. */
export const MOST_ROWS = 10_000;
/** Most ids of one call that changes something. */
export const MOST_IDS = 10_000;
