// Moves a file that was read to its archive or error folder, without ever replacing one that is there.

import { createHash } from 'node:crypto';
import { reached } from '../../bus/failpoint.js';
import { TryAgain } from '../contract/index.js';
import type { Claim } from './claims.js';
import { type FileSpace, joinPath } from './space.js';

export interface ReadFile {
  readonly path: string;
  readonly name: string;
  readonly file: string;
  readonly claim: Claim;
  readonly folder: string;
  readonly failed: boolean;
  readonly time: Date;
  readonly progress?: (() => void) | undefined;
}

/** @returns where it lies now; undefined when it was moved before */
export async function putAway(space: FileSpace, read: ReadFile, signal: AbortSignal): Promise<string | undefined> {
  // It was moved before a crash, and only the note of it was left.
  if (read.failed && !(await space.stat(read.path, signal))) return undefined;
  await makeFolders(space, read, signal);
  for (const name of names(read)) {
    const target = joinPath(read.folder, name);
    const beside = joinPath(read.folder, `${name}.reason.json`);
    // The reason of a file that is there is its own; what is there may be our copy though, from before a crash.
    const isTaken = read.failed && (await space.stat(target, signal)) !== undefined;
    if (read.failed && !isTaken) {
      // Before the move: after it nobody would come back to write it.
      await space.write(beside, reason(read), signal);
      reached('files.reason.written');
    }
    const result = await space.rename(read.path, target, 'new', signal, read.progress);
    if (result === 'missing') return undefined;
    if (result === 'renamed') {
      if (isTaken) await space.write(beside, reason(read), signal);
      return target;
    }
    if (read.failed && !isTaken) await space.remove(beside, signal);
  }
  throw new TryAgain('E446', `no free name for ${read.name} in ${read.folder}`);
}

/** Of a file from a folder below: its path is kept. */
async function makeFolders(space: FileSpace, { name, folder }: ReadFile, signal: AbortSignal): Promise<void> {
  const parts = name.split('/').slice(0, -1);
  for (let level = 1; level <= parts.length; level++) await space.makeFolder(joinPath(folder, parts.slice(0, level).join('/')), signal);
}

/** The name itself, then with part of its hash, then with its token in the work folder. */
function* names({ name, file, claim }: ReadFile): Generator<string> {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > name.lastIndexOf('/') + 1 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  yield name;
  yield `${stem}.${(claim.hash ?? createHash('sha256').update(file).digest('hex')).slice(0, 8)}${extension}`;
  yield `${stem}.${/^[0-9a-f]*/.exec(file)?.[0] ?? ''}${extension}`;
}

function reason({ name, claim, time }: ReadFile): Uint8Array {
  const { accepted, filtered, dead, hash } = claim;
  return Buffer.from(`${JSON.stringify({ file: name, reason: claim.reason ?? 'records failed', accepted, filtered, dead, sha256: hash, time: time.toISOString() }, null, 2)}\n`);
}
