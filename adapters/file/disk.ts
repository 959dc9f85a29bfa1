import { isUtf8 } from 'node:buffer';
import { constants, type Dir, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, opendir, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reached } from '../../bus/failpoint.js';
import { describe, failureOf, Misconfigured, NotConnected, TryAgain } from '../contract/index.js';
import { type Entry, type FileSpace, joinPath, type Listed } from '../files/space.js';
import { AcrossDevices } from './across-devices.js';
import { Calls } from './calls.js';
import { code, fail, missing, renameNew, syncDirectory } from './system-calls.js';

const CHUNK = 64 * 1024;
const MEBIBYTE = 1024 * 1024;
const PAGE = 1_000;
/** Ends a name that is no UTF-8. */
const NO_TEXT = '\ufffd';
const BUSY_MS = [50, 200, 500];

/**
 * A local folder and nothing outside it: the real path of the folder an operation works in must lie below the real path of the root, and
 * the last part of a path is never followed when it is a link.
 */
export class Disk implements FileSpace {
  private readonly calls: Calls;

  constructor(
    private readonly root: string,
    timeoutMs = 60_000,
  ) {
    this.calls = new Calls(root, timeoutMs);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.calls.run(signal, () => this.base());
  }

  async list(folder: string, signal: AbortSignal): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for await (const page of this.names(folder, signal)) {
      const stats = await Promise.all(page.map(async ({ name }) => (name.endsWith(NO_TEXT) ? undefined : this.stat(joinPath(folder, name), signal))));
      // A name that is no UTF-8 cannot be addressed as text: it is listed so that it is not passed over in silence.
      for (const [index, { name, kind = 'other' }] of page.entries()) {
        const entry = name.endsWith(NO_TEXT) ? { name, kind, size: 0, modified: '' } : stats[index];
        if (entry) entries.push(entry);
      }
    }
    return entries;
  }

  async *names(folder: string, signal: AbortSignal): AsyncGenerator<readonly Listed[]> {
    // In latin1 no byte of a name is lost.
    const open = async (): Promise<Dir> => opendir(await this.folder(folder), { encoding: 'latin1', bufferSize: PAGE });
    const directory = await this.calls.run(signal, open, (late) => late.close()).catch((error: unknown) => fail(error, folder));
    try {
      for (;;) {
        const page = await this.calls.run(signal, () => readPage(directory)).catch((error: unknown) => fail(error, folder));
        if (page.length === 0) return;
        yield page;
      }
    } finally {
      await this.close(directory, signal);
    }
  }

  stat(path: string, signal: AbortSignal): Promise<Entry | undefined> {
    return this.calls.run(signal, () => this.entry(path));
  }

  async read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const handle = await this.calls.run(
      signal,
      () => this.openFile(path),
      async (late) => late?.close(),
    );
    return handle && this.chunks(handle, path, signal);
  }

  async write(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const create = async (): Promise<FileHandle> => open(await this.place(path), constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o644);
    let isMade = false;
    try {
      const handle = await this.calls.run(signal, create, (late) => late.close());
      isMade = true;
      try {
        for (let at = 0; at < bytes.length; at += MEBIBYTE) await this.calls.run(signal, () => handle.writeFile(bytes.subarray(at, at + MEBIBYTE)));
        reached('part.written');
        await this.calls.run(signal, () => handle.sync());
        reached('part.synced');
      } finally {
        await this.close(handle, signal);
      }
    } catch (error) {
      // The first failure is told; the next attempt replaces what is left.
      if (isMade) await this.remove(path, signal).catch(() => undefined);
      fail(error, path);
    }
  }

  async rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal, progress?: () => void): Promise<'renamed' | 'missing' | 'exists'> {
    const [source, target] = await this.calls.run(signal, async () => [await this.place(from), await this.place(to)] as const);
    for (let attempt = 0; ; attempt++) {
      try {
        await this.calls.run(signal, () => this.move(source, target, mode));
        return 'renamed';
      } catch (error) {
        const name = code(error);
        // Open elsewhere: a virus scanner, a backup, a reader on a Windows share. It is a matter of moments, or of the next poll.
        if ((name === 'EBUSY' || name === 'EPERM' || name === 'ETXTBSY') && attempt < BUSY_MS.length) {
          await sleep(BUSY_MS[attempt], undefined, { signal });
          continue;
        }
        if (name === 'EBUSY' || name === 'EPERM' || name === 'ETXTBSY') throw new TryAgain('E446', `${from}: ${describe(error)}`, { cause: error });
        if (name === 'ENOENT') {
          if (!(await this.calls.run(signal, () => lstat(source).catch(missing)))) return 'missing';
          throw new Misconfigured('E440', `the folder of ${to} does not exist`, { cause: error });
        }
        if (name !== 'EEXIST' && name !== 'EXDEV') fail(error, from);
        const across = new AcrossDevices(source, target, this.calls, signal, progress);
        const ended = name === 'EEXIST' ? across.isCopied().then((is) => (is ? across.finish() : 'exists')) : across.copy(mode);
        return ended.catch((cause: unknown) => (code(cause) === 'EEXIST' ? 'exists' : fail(cause, to)));
      }
    }
  }

  async remove(path: string, signal: AbortSignal): Promise<void> {
    await this.calls.run(signal, async () => unlink(await this.place(path)).catch((error: unknown) => missing(error, path)));
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.calls.run(signal, async () =>
      mkdir(await this.place(path)).catch((error: unknown) => {
        if (code(error) !== 'EEXIST') fail(error, path);
      }),
    );
  }

  async syncFolder(folder: string, signal: AbortSignal): Promise<void> {
    await this.calls.run(signal, async () => syncDirectory(await this.folder(folder)).catch((error: unknown) => fail(error, folder)));
  }

  protected move(source: string, target: string, mode: 'new' | 'replace'): Promise<void> {
    return mode === 'replace' ? rename(source, target) : renameNew(source, target);
  }

  private async entry(path: string): Promise<Entry | undefined> {
    const stats = await lstat(await this.place(path)).catch((error: unknown) => missing(error, path));
    return stats && entryOf(basename(path), stats);
  }

  private async openFile(path: string): Promise<FileHandle | undefined> {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    const handle = await open(await this.place(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
      if (code(error) === 'ELOOP') return undefined;
      return missing(error, path);
    });
    if (!handle || (await handle.stat()).isFile()) return handle;
    await handle.close();
    return undefined;
  }

  private async *chunks(handle: FileHandle, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const buffer = Buffer.allocUnsafeSlow(CHUNK);
        const { bytesRead } = await this.calls.run(signal, () => handle.read(buffer, 0, CHUNK)).catch((error: unknown) => fail(error, path));
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await this.close(handle, signal);
    }
  }

  /** Also after an abort. That of a share that hangs is closed when it wakes, or with the process. */
  private async close(handle: { close(): Promise<void> }, signal: AbortSignal): Promise<void> {
    await this.calls
      .run(signal.aborted ? AbortSignal.timeout(5_000) : signal, () => handle.close())
      .catch((error: unknown) => {
        if (!failureOf(error) && !signal.aborted) throw error;
      });
  }

  /** Real path of the root. One that is gone is a share that is not mounted: it may come back. */
  private async base(): Promise<string> {
    return realpath(this.root).catch((error: unknown) => {
      if (code(error) === 'ENOENT') throw new NotConnected('E400', `${this.root} is not there`, { cause: error });
      return fail(error, this.root);
    });
  }

  /** Real path of a folder. */
  private async folder(path: string): Promise<string> {
    const jail = await this.base();
    const real = await realpath(join(jail, path)).catch((error: unknown) => fail(error, path));
    const inside = relative(jail, real);
    if (inside === '..' || inside.startsWith(`..${sep}`)) throw new Misconfigured('E444', `${path} leads out of ${this.root}, to ${real}`);
    return real;
  }

  /** Real folder of an entry, with the entry's own name. */
  private async place(path: string): Promise<string> {
    if (path === '' || path === '.' || path === '/') return this.folder('.');
    return join(await this.folder(dirname(path)), basename(path));
  }
}

async function readPage(directory: Dir): Promise<readonly Listed[]> {
  const page: Listed[] = [];
  while (page.length < PAGE) {
    const entry = await directory.read();
    if (!entry) break;
    const bytes = Buffer.from(entry.name, 'latin1');
    const kind = entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : entry.isFIFO() || entry.isSocket() ? 'other' : undefined;
    page.push({ name: isUtf8(bytes) ? bytes.toString('utf8') : `${entry.name}${NO_TEXT}`, ...(kind ? { kind } : {}) });
  }
  return page;
}

function entryOf(name: string, stats: Stats): Entry {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other';
  return { name, kind, size: stats.size, modified: String(stats.mtimeMs) };
}
