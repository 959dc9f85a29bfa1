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
}

export async function putAway(space: FileSpace, read: ReadFile, signal: AbortSignal): Promise<void> {
  // It was moved before a crash, and only the note of it was left.
  if (read.failed && !(await space.stat(read.path, signal))) return;
  for (const name of names(read)) {
    const target = joinPath(read.folder, name);
    if (read.failed && (await space.stat(target, signal))) continue;
    const beside = joinPath(read.folder, `${name}.reason.json`);
    if (read.failed) {
      // Before the move: after it nobody would come back to write it.
      await space.write(beside, reason(read), signal);
      reached('files.reason.written');
    }
    if ((await space.rename(read.path, target, 'new', signal)) !== 'exists') return;
    if (read.failed) await space.remove(beside, signal);
  }
  throw new TryAgain('E446', `no free name for ${read.name} in ${read.folder}`);
}

/** The name itself, then with part of its hash, then with its token in the work folder. */
function* names({ name, file, claim }: ReadFile): Generator<string> {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  yield name;
  yield `${stem}.${(claim.hash ?? createHash('sha256').update(file).digest('hex')).slice(0, 8)}${extension}`;
  yield `${stem}.${file.slice(0, file.indexOf('.'))}${extension}`;
}

function reason({ name, claim, time }: ReadFile): Uint8Array {
  const { accepted, filtered, dead, hash } = claim;
  return Buffer.from(`${JSON.stringify({ file: name, reason: claim.reason ?? 'records failed', accepted, filtered, dead, sha256: hash, time: time.toISOString() }, null, 2)}\n`);
}
