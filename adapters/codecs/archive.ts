// The one place that knows yauzl: entries of a ZIP file, after all of them were looked at. Nothing is ever written under a name of an archive.

import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { describe, InvalidMessage } from '../contract/index.js';
import type { Spool } from './spool.js';

export interface ArchiveLimits {
  readonly max_entries: number;
  /** Most bytes of all entries that are read. */
  readonly max_size: number;
  /** How many times larger than the archive. */
  readonly max_ratio: number;
  /** Whether an entry may be an archive itself. */
  readonly nested: boolean;
}

export interface Archive {
  readonly names: readonly string[];
  /** @throws InvalidMessage E369, E370 while it is read */
  read(name: string): AsyncGenerator<Uint8Array>;
}

/** Up to so many bytes any ratio is fine: small files of blanks compress well. */
export const HARMLESS = 4 * 1024 * 1024;
const NESTED = ['504b0304', '504b0506', '1f8b', '377abcaf271c', '52617221', 'fd377a585a00', '425a68'].map((magic) => Buffer.from(magic, 'hex'));
const [DIRECTORY, REGULAR] = [0o040000, 0o100000];

/** The spool stays open as long as entries are read. @throws InvalidMessage E369, E370 */
export async function openArchive(spool: Spool, source: string, limits: ArchiveLimits): Promise<Archive> {
  const { default: yauzl } = await import('yauzl');
  const damaged = (error: unknown): never => {
    if (error instanceof InvalidMessage) throw error;
    throw new InvalidMessage('E369', `${source}: ${describe(error)}`, { place: source, cause: error });
  };
  const zip = await yauzl.fromFdPromise(spool.descriptor, { lazyEntries: true, autoClose: false, strictFileNames: true }).catch(damaged);
  const entries = await list(zip, source, limits).catch(damaged);
  let total = 0;
  return {
    names: [...entries.keys()],
    async *read(name) {
      const entry = entries.get(name);
      if (!entry) throw new InvalidMessage('E369', `${source}: there is no ${shown(name)}`, { place: source });
      const place = `${source}/${shown(name)}`;
      let [sum, isFirst] = [0, true];
      const stream = await zip.openReadStreamPromise(entry).catch(damaged);
      try {
        for await (const chunk of stream as AsyncIterable<Buffer>) {
          if (isFirst && !limits.nested && NESTED.some((magic) => chunk.subarray(0, magic.length).equals(magic))) throw refused(place, 'is an archive itself');
          isFirst = false;
          total += chunk.length;
          if (total > limits.max_size) throw refused(place, `the entries have more than ${limits.max_size} bytes`);
          if (total > HARMLESS && total > spool.size * limits.max_ratio) throw refused(place, `the entries are more than ${limits.max_ratio} times larger than the archive`);
          sum = crc32(chunk, sum);
          yield chunk;
        }
      } catch (error) {
        damaged(error);
      } finally {
        stream.destroy();
      }
      if (sum !== entry.crc32) throw new InvalidMessage('E369', `${place}: the checksum differs`, { place });
    },
  };
}

async function list(zip: ZipFile, source: string, limits: ArchiveLimits): Promise<ReadonlyMap<string, Entry>> {
  if (zip.entryCount > limits.max_entries) throw refused(source, `there are ${zip.entryCount} entries, ${limits.max_entries} are allowed`);
  const entries = new Map<string, Entry>();
  const names = new Set<string>();
  for await (const entry of zip.eachEntry()) {
    const name = entry.fileName;
    const problem = entryProblem(entry, names);
    if (problem !== undefined) throw refused(`${source}/${shown(name)}`, problem);
    names.add(name);
    if (!name.endsWith('/')) entries.set(name, entry);
  }
  return entries;
}

function entryProblem(entry: Entry, names: ReadonlySet<string>): string | undefined {
  const { fileName: name } = entry;
  if (names.has(name)) return 'the name is there twice';
  if (/[\\\p{Cc}\p{Cf}\u2028\u2029]|^\/|^[A-Za-z]:|(^|\/)\.\.?(\/|$)/u.test(name) || name === '' || Buffer.byteLength(name) > 1_024) return 'the name is refused';
  if (entry.isEncrypted()) return 'it is encrypted';
  // Unix systems write the kind of the file here; others leave it empty.
  const kind = (entry.externalFileAttributes >>> 16) & 0o170000;
  if (kind !== 0 && kind !== REGULAR && kind !== DIRECTORY) return 'it is a link or no regular file';
  if (!entry.canDecodeFileData()) return `its compression method ${entry.compressionMethod} is not supported`;
  return undefined;
}

function refused(place: string, problem: string): InvalidMessage {
  return new InvalidMessage('E370', `${place}: ${problem}`, { place });
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}
