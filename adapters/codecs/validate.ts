// The pass before the first record of an all-or-nothing file: the same decoding, nothing kept.

import { describe } from '../contract/index.js';
import type { Codec } from './codec.js';

/** What is wrong with the records of a file, in one line; undefined when all of them can be read and its control totals are right. */
export async function problemsOf(codec: Codec, bytes: AsyncIterable<Uint8Array>, source: string): Promise<string | undefined> {
  let first: string | undefined;
  let bad = 0;
  for await (const list of codec.decode(bytes, source)) {
    for (const { failure } of list) {
      if (!failure) continue;
      first ??= `${failure.code} ${describe(failure)}`;
      bad++;
    }
  }
  if (first === undefined) return undefined;
  return `${first}${bad > 1 ? ` (and ${bad - 1} more)` : ''}; all_or_nothing: no record of the file was handed over`;
}
