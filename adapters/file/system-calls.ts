// Calls of the operating system in the form that both ways of moving a file need, and what their errors mean.

import { constants } from 'node:fs';
import { link, lstat, open, rename, unlink } from 'node:fs/promises';
import { reached } from '../../bus/failpoint.js';
import { failureOf, Misconfigured, TryAgain } from '../contract/index.js';

/** Never replaces: a hard link fails when the name is taken, in one step. */
export async function renameNew(source: string, target: string): Promise<void> {
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

export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function code(error: unknown): string | undefined {
  return Error.isError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** "Not there" as a result. */
export function missing(error: unknown, path = ''): undefined {
  if (code(error) !== 'ENOENT') fail(error, path);
  return undefined;
}

export function fail(error: unknown, path: string): never {
  if (failureOf(error)) throw error;
  const detail = `${path}: ${Error.isError(error) ? error.message : String(error)}`;
  const name = code(error);
  if (name === 'ENOENT' || name === 'ENOTDIR') throw new Misconfigured('E440', detail, { cause: error });
  if (name === 'EACCES' || name === 'EPERM' || name === 'EROFS' || name === 'ELOOP') throw new Misconfigured('E441', detail, { cause: error });
  if (name === undefined) throw error;
  throw new TryAgain('E446', detail, { cause: error });
}
