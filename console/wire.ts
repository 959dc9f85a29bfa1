import type { StoredDeadLetter } from '../bus/store/contract.js';

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
  const { buffer, byteOffset, byteLength } = letter.content;
  return { ...letter, content: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}

export function readDeadLetter(wire: WireDeadLetter): StoredDeadLetter {
  return { ...wire, content: Buffer.from(wire.content, 'base64') };
}

/** Most rows of one answer; a call that wants more asks again. */
export const MOST_ROWS = 10_000;
/** Most ids of one call that changes something. */
export const MOST_IDS = 10_000;
