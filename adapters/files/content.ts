import { createHash, type Hash } from 'node:crypto';
import type { Codec, Decoded } from '../codecs/codec.js';
import { InvalidMessage, type PollRequest, type SourceRecord } from '../contract/index.js';
import type { FileSpace } from './space.js';

/** Files up to this size are read once and kept for hashing and decoding. */
const SMALL = 1024 * 1024;

export interface Taken {
  /** Name in the work folder. */
  readonly file: string;
  /** Path below the folder that is read. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly modified: string;
}

export interface Numbered {
  readonly record: SourceRecord;
  readonly number: number;
}

/** The bytes of a claimed file: hashed as a whole before its first record, and again while they are decoded. */
export interface Content {
  readonly hash: string;
  readonly kept: readonly Uint8Array[] | undefined;
}

/** Undefined when it is not there. */
export async function readContent(space: FileSpace, taken: Taken, { signal, progress }: PollRequest): Promise<Content | undefined> {
  const bytes = await space.read(taken.path, signal);
  if (!bytes) return undefined;
  const hash = createHash('sha256');
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    progress?.();
    size += chunk.length;
    if (size <= SMALL) kept.push(chunk);
  }
  return { hash: hash.digest('hex'), kept: size <= SMALL ? kept : undefined };
}

/** Its records after number `after`; at the end one that failed when the bytes were not those that were hashed. */
export async function* records(
  space: FileSpace,
  codec: Codec,
  taken: Taken,
  id: string,
  content: Content,
  after: number,
  { signal, progress }: PollRequest,
): AsyncGenerator<readonly Numbered[]> {
  const again = { hash: createHash('sha256'), ended: false };
  const bytes = content.kept ?? (await space.read(taken.path, signal)) ?? [];
  let number = after;
  for await (const list of codec.decode(bytesOf(bytes, progress, again), taken.name)) {
    number = list.at(-1)?.number ?? number;
    if (number > after) yield list.filter((decoded) => decoded.number > after).map((decoded) => ({ record: sourceRecord(decoded, id, taken), number: decoded.number }));
  }
  if (!content.kept && again.ended && again.hash.digest('hex') !== content.hash) yield* changedRecord(taken, id, number + 1);
}

export async function* changedRecord(taken: Taken, id: string, number = 1): AsyncGenerator<readonly Numbered[]> {
  const failure = new InvalidMessage('E350', `${taken.name} changed after its first records were read`, { place: taken.name });
  yield [{ number, record: { id: `${id}:changed`, value: null, failure, position: taken.name } }];
}

/** The bytes of a file while they are decoded, added up in `sum`. */
export async function* bytesOf(
  bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  progress?: () => void,
  sum?: { readonly hash: Hash; ended: boolean },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    sum?.hash.update(chunk);
    progress?.();
    yield chunk;
  }
  if (sum) sum.ended = true;
}

function sourceRecord(decoded: Decoded, id: string, { name, size }: Taken): SourceRecord {
  const at = name.lastIndexOf('/');
  return {
    id: `${id}:${decoded.number}`,
    value: decoded.value,
    position: decoded.line === undefined ? `${name}#${decoded.number}` : `${name}:${decoded.line}`,
    wire: {
      'file-name': name.slice(at + 1),
      'file-size': String(size),
      'file-record': String(decoded.number),
      ...(at < 0 ? {} : { 'file-folder': name.slice(0, at) }),
    },
    size: decoded.raw.length,
    raw: decoded.raw,
    ...(decoded.failure ? { failure: decoded.failure } : {}),
  };
}
