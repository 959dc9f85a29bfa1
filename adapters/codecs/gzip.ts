// GZIP (RFC 1952): members one after another, checked to the last byte.

import { pipeline, Readable } from 'node:stream';
import { createGunzip, gzip } from 'node:zlib';
import { describe, InvalidMessage } from '../contract/index.js';
import { HARMLESS } from './archive.js';

export interface GzipLimits {
  readonly max_size: number;
  readonly max_ratio: number;
}

/** @throws InvalidMessage E369, E370, and what `bytes` throws */
export async function* gunzipped(bytes: AsyncIterable<Uint8Array>, source: string, limits: GzipLimits): AsyncGenerator<Uint8Array> {
  const input = bytes[Symbol.asyncIterator]();
  const gunzip = createGunzip();
  // What was given and not read yet: behind the last member only padding may follow.
  let given: { readonly chunk: Uint8Array; readonly end: number }[] = [];
  let end = 0;
  let broken: { readonly error: unknown } | undefined;
  async function* pulled(): AsyncGenerator<Uint8Array> {
    try {
      for (let next = await input.next(); !next.done; next = await input.next()) {
        end += next.value.length;
        given = [...given.filter((part) => part.end > gunzip.bytesWritten), { chunk: next.value, end }];
        yield next.value;
      }
    } catch (error) {
      broken = { error };
      throw error;
    }
  }
  const readable = Readable.from(pulled());
  try {
    let total = 0;
    for await (const chunk of pipeline(readable, gunzip, () => undefined) as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > limits.max_size) throw new InvalidMessage('E370', `${source}: the content has more than ${limits.max_size} bytes`, { place: source });
      if (total > HARMLESS && total > gunzip.bytesWritten * limits.max_ratio)
        throw new InvalidMessage('E370', `${source}: the content is more than ${limits.max_ratio} times larger than the file`, { place: source });
      yield chunk;
    }
    const read = gunzip.bytesWritten;
    const rest = given.some(({ chunk, end: at }) => at > read && chunk.subarray(Math.max(0, chunk.length - (at - read))).some((byte) => byte !== 0));
    let isPadding = !rest;
    for (let next = await input.next(); isPadding && !next.done; next = await input.next()) isPadding = next.value.every((byte) => byte === 0);
    if (!isPadding) throw new InvalidMessage('E369', `${source}: there are bytes behind the end of the compressed data`, { place: source });
  } catch (error) {
    if (broken) throw broken.error;
    if (error instanceof InvalidMessage || !Error.isError(error) || !('code' in error) || !String(error.code).startsWith('Z_')) throw error;
    throw new InvalidMessage('E369', `${source}: ${describe(error)}`, { place: source, cause: error });
  } finally {
    readable.destroy();
    gunzip.destroy();
    await input.return?.();
  }
}

export function gzipped(bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    gzip(bytes, (error, result) => (error ? reject(error) : resolve(result)));
  });
}
