import { z } from 'zod';
import { byteSize, failureOf, InvalidMessage } from '../contract/index.js';
import { type ArchiveLimits, openArchive } from './archive.js';
import { zipOf } from './archive-writer.js';
import type { Codec, Decoded } from './codec.js';
import { gunzipped, gzipped } from './gzip.js';
import { Spool } from './spool.js';

const kind = z.enum(['gzip', 'zip']);
const details = z.strictObject({
  kind: kind.meta({ title: 'Kind' }),
  entries: z
    .string()
    .min(1)
    .default('*')
    .meta({ title: 'Entries', description: 'Entries of a ZIP file that are read, one after another: * is any run of characters, ? is one.', examples: ['*.csv'] }),
  entry: z
    .string()
    .regex(/^[^/\\\0:]+$/, 'expected a plain file name')
    .default('data')
    .meta({ title: 'Entry', description: 'Name of the one entry of a ZIP file that is written.', examples: ['orders.csv'] }),
  max_size: byteSize().prefault('16GiB').meta({ title: 'Most bytes', description: 'Of the content. More is refused.', advanced: true }),
  max_ratio: z
    .int()
    .min(1)
    .max(1_032)
    .default(100)
    .meta({ title: 'Ratio', description: 'How many times larger than the file the content may be. Files made to do harm are far above.', advanced: true }),
  max_entries: z.int().min(1).max(100_000).default(1_000).meta({ title: 'Most entries', advanced: true }),
});

export const compressionOption = z
  .union([kind, details])
  .transform((value) => (typeof value === 'string' ? details.parse({ kind: value }) : value))
  .meta({ title: 'Compression', description: 'Around the format: `gzip`, `zip`, or the same with limits.', examples: ['gzip', { kind: 'zip', entries: '*.csv' }] });

export type CompressionOptions = z.output<typeof compressionOption>;

/** `nested`: the format inside is an archive itself (a workbook). */
export function compressed(inner: Codec, options: CompressionOptions, nested: boolean): Codec {
  const decode = options.kind === 'gzip' ? gzipDecode : zipDecode;
  return {
    ...inner,
    decode: (bytes, source) => decode(inner, bytes, source, { ...options, nested }),
    async encode(payloads) {
      const bytes = await inner.encode(payloads);
      return options.kind === 'gzip' ? gzipped(bytes) : zipOf([{ name: options.entry, bytes }]);
    },
  };
}

type Options = CompressionOptions & ArchiveLimits;

async function* gzipDecode(inner: Codec, bytes: AsyncIterable<Uint8Array>, source: string, options: Options): AsyncGenerator<readonly Decoded[]> {
  yield* guarded(inner.decode(gunzipped(bytes, source, options), source), 0);
}

async function* zipDecode(inner: Codec, bytes: AsyncIterable<Uint8Array>, source: string, options: Options): AsyncGenerator<readonly Decoded[]> {
  let number = 0;
  let spool: Spool | undefined;
  try {
    // Its list of entries is at its end.
    spool = await Spool.of(bytes, options.max_size, source);
    const archive = await openArchive(spool, source, options);
    const wanted = new RegExp(
      `^${options.entries
        .replace(/[.+^$()[\]{}|\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
      'su',
    );
    const names = archive.names.filter((name) => wanted.test(name));
    if (names.length === 0) throw new InvalidMessage('E369', `${source}: no entry matches ${options.entries}; there are ${archive.names.length}`, { place: source });
    for (const name of names) {
      for await (const records of guarded(inner.decode(archive.read(name), `${source}/${name}`), number)) {
        number = records.at(-1)?.number ?? number;
        yield records;
        // A limit of the whole archive: what follows would break it again.
        if (records.some(({ failure }) => failure?.code === 'E370')) return;
      }
    }
  } catch (error) {
    yield [failedRecord(number + 1, error)];
  } finally {
    await spool?.close();
  }
}

/** Records numbered from `before` on; what breaks the bytes below them is the last record. */
export async function* guarded(lists: AsyncIterable<readonly Decoded[]>, before: number): AsyncGenerator<readonly Decoded[]> {
  let number = before;
  try {
    for await (const records of lists) {
      const numbered = before === 0 ? records : records.map((record) => ({ ...record, number: record.number + before }));
      number = numbered.at(-1)?.number ?? number;
      yield numbered;
    }
  } catch (error) {
    yield [failedRecord(number + 1, error)];
  }
}

/** @throws what is no InvalidMessage */
export function failedRecord(number: number, error: unknown): Decoded {
  const failure = failureOf(error);
  if (!(failure instanceof InvalidMessage)) throw error;
  return { number, value: null, failure, offset: 0, raw: Buffer.alloc(0) };
}
