import { isUtf8 } from 'node:buffer';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, realpath, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { reached } from '../../bus/failpoint.js';
import { Misconfigured, NotConnected, TryAgain } from '../contract/index.js';
import type { Entry, FileSpace } from '../files/space.js';

const CHUNK = 64 * 1024;

/**
 * A local folder and nothing outside it: the real path of the folder an operation works in must lie below the real path of the root, and
 * the last part of a path is never followed when it is a link.
 */
export class Disk implements FileSpace {
  constructor(private readonly root: string) {}

  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.base();
  }

  async list(folder: string, signal: AbortSignal): Promise<readonly Entry[]> {
    signal.throwIfAborted();
    const real = await this.folder(folder);
    const names = await readdir(real, { encoding: 'buffer' }).catch((error: unknown) => fail(error, folder));
    const entries: Entry[] = [];
    for (const name of names) {
      // A name that is no UTF-8 cannot be addressed as text: it is listed so that it is not passed over in silence.
      const text = isUtf8(name) ? name.toString('utf8') : `${name.toString('latin1')}\ufffd`;
      const stats = await lstat(Buffer.concat([Buffer.from(`${real}${sep}`), name])).catch(() => undefined);
      if (stats) entries.push(entryOf(text, stats));
    }
    return entries;
  }

  async stat(path: string): Promise<Entry | undefined> {
    const stats = await lstat(await this.place(path)).catch(missing);
    if (!stats) return undefined;
    return entryOf(basename(path), stats);
  }

  async read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    // O_NONBLOCK: opening a FIFO must not wait for a writer.
    const handle = await open(await this.place(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error: unknown) => {
      if (code(error) === 'ELOOP') return undefined;
      return missing(error, path);
    });
    if (!handle) return undefined;
    if (!(await handle.stat()).isFile()) {
      await handle.close();
      return undefined;
    }
    return chunks(handle, path, signal);
  }

  async write(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const place = await this.place(path);
    try {
      const handle = await open(place, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o644);
      try {
        await handle.writeFile(bytes);
        reached('part.written');
        await handle.sync();
        reached('part.synced');
      } finally {
        await handle.close();
      }
    } catch (error) {
      await unlink(place).catch(missing);
      fail(error, path);
    }
  }

  async rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal): Promise<'renamed' | 'missing' | 'exists'> {
    signal.throwIfAborted();
    const [source, target] = [await this.place(from), await this.place(to)];
    try {
      if (mode === 'replace') await rename(source, target);
      else await renameNew(source, target);
      return 'renamed';
    } catch (error) {
      if (code(error) === 'EEXIST') return 'exists';
      if (code(error) === 'ENOENT') {
        if (!(await lstat(source).catch(missing))) return 'missing';
        throw new Misconfigured('E440', `the folder of ${to} does not exist`, { cause: error });
      }
      if (code(error) === 'EXDEV') return copyAcross(source, target, mode).catch((cause: unknown) => fail(cause, to));
      fail(error, from);
    }
  }

  async remove(path: string): Promise<void> {
    await unlink(await this.place(path)).catch((error: unknown) => missing(error, path));
  }

  async makeFolder(path: string): Promise<void> {
    await mkdir(await this.place(path)).catch((error: unknown) => {
      if (code(error) !== 'EEXIST') fail(error, path);
    });
  }

  async syncFolder(folder: string): Promise<void> {
    await syncDirectory(await this.folder(folder)).catch((error: unknown) => fail(error, folder));
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

/** Never replaces: a hard link fails when the name is taken, in one step. */
async function renameNew(source: string, target: string): Promise<void> {
  const [stats, there] = [await lstat(source), await lstat(target).catch(missing)];
  if (there) {
    // The same file under both names: a crash came between link and unlink.
    if (there.ino !== stats.ino || there.dev !== stats.dev) throw Object.assign(new Error(`${target} exists`), { code: 'EEXIST' });
    await unlink(source);
    return;
  }
  try {
    await link(source, target);
  } catch (error) {
    // File systems without hard links (FAT, some shares): the check above has to do.
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS'].includes(code(error) ?? '')) throw error;
    await rename(source, target);
    return;
  }
  reached('file.linked');
  await unlink(source);
}

async function copyAcross(source: string, target: string, mode: 'new' | 'replace'): Promise<'renamed' | 'exists'> {
  const part = join(dirname(target), `.${basename(target)}.move.part`);
  const input = await open(source, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { mode: rights, mtime, atime } = await input.stat();
    const output = await open(part, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, rights & 0o777);
    try {
      const buffer = Buffer.allocUnsafe(CHUNK);
      for (;;) {
        const { bytesRead } = await input.read(buffer, 0, CHUNK);
        if (bytesRead === 0) break;
        await output.writeFile(buffer.subarray(0, bytesRead));
      }
      await output.utimes(atime, mtime);
      await output.sync();
    } finally {
      await output.close();
    }
  } finally {
    await input.close();
  }
  try {
    if (mode === 'replace') await rename(part, target);
    else await renameNew(part, target);
  } catch (error) {
    await unlink(part).catch(missing);
    if (code(error) === 'EEXIST') return 'exists';
    throw error;
  }
  await syncDirectory(dirname(target));
  await unlink(source);
  return 'renamed';
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function* chunks(handle: FileHandle, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      signal.throwIfAborted();
      const buffer = Buffer.allocUnsafeSlow(CHUNK);
      const { bytesRead } = await handle.read(buffer, 0, CHUNK).catch((error: unknown) => fail(error, path));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

function entryOf(name: string, stats: Stats): Entry {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other';
  return { name, kind, size: stats.size, modified: String(stats.mtimeMs) };
}

function code(error: unknown): string | undefined {
  return Error.isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** "Not there" as a result. */
function missing(error: unknown, path = ''): undefined {
  if (code(error) !== 'ENOENT') fail(error, path);
  return undefined;
}

function fail(error: unknown, path: string): never {
  const detail = `${path}: ${Error.isError(error) ? error.message : String(error)}`;
  const name = code(error);
  if (name === 'ENOENT' || name === 'ENOTDIR') throw new Misconfigured('E440', detail, { cause: error });
  if (name === 'EACCES' || name === 'EPERM' || name === 'EROFS' || name === 'ELOOP') throw new Misconfigured('E441', detail, { cause: error });
  if (name === undefined) throw error;
  throw new TryAgain('E446', detail, { cause: error });
}
