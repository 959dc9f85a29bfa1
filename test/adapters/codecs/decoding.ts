import type { Codec, Decoded } from '../../../adapters/codecs/codec.js';

/** Decodes bytes that arrive in chunks of `size`. */
export async function decodeAll(codec: Codec, bytes: string | Uint8Array, size = 65_536): Promise<Decoded[]> {
  const buffer = Buffer.from(bytes as Uint8Array);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < buffer.length; at += size) yield buffer.subarray(at, at + size);
  }
  const records: Decoded[] = [];
  for await (const record of codec.decode(chunks(), 'orders.csv')) records.push(record);
  return records;
}

/** What a record became, short: its value as JSON, or code and detail of its failure. */
export function shown(record: Decoded | undefined): unknown {
  if (!record) return undefined;
  return record.failure
    ? `${record.failure.code} ${record.failure.message}`
    : JSON.parse(JSON.stringify(record.value, (_, value) => (typeof value === 'bigint' ? Number(value) : value)));
}
