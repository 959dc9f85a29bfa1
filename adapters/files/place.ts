// How a whole file comes to its place: complete or not at all, and once.

import { reached } from '../../bus/failpoint.js';
import { InvalidMessage, TryAgain } from '../contract/index.js';
import { nameProblem, shownName } from './names.js';
import { type FileSpace, joinPath } from './space.js';

export interface Placement {
  readonly folder: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Tells the parts of different writers apart; the same again for the same file. */
  readonly token: string;
  readonly exists: 'fail' | 'replace';
  /** A file of the name that is there can be no other than this one, whatever its bytes are: they differ each time. */
  readonly isOwnName: boolean;
  /** Name of an empty file written beside it when it is complete. */
  readonly marker: string | undefined;
}

/**
 * Seen by its reader only when it is complete: written as `.name.token.part` beside its place, made durable, renamed. Again is fine: a file that is there with
 * the same content is left as it is.
 * @returns whether it was there already @throws InvalidMessage E351 when a file of the name is there with another content
 */
export async function place(space: FileSpace, placement: Placement, signal: AbortSignal): Promise<boolean> {
  const wasThere = await placed(space, placement, signal);
  if (placement.marker !== undefined) await mark(space, placement.folder, placement.marker, signal);
  return wasThere;
}

async function placed(space: FileSpace, { folder, name, bytes, token, exists, isOwnName }: Placement, signal: AbortSignal): Promise<boolean> {
  const path = joinPath(folder, name);
  const part = joinPath(folder, `.${name}.${token.replace(/[^A-Za-z0-9-]/g, '_').slice(0, 40)}.part`);
  const isThere = async (): Promise<boolean> => (isOwnName ? (await space.stat(path, signal))?.kind === 'file' : hasContent(space, path, bytes, signal));
  if (exists === 'replace' && (await isThere())) return true;
  await space.write(part, bytes, signal);
  const result = await space.rename(part, path, exists === 'replace' ? 'replace' : 'new', signal);
  if (result === 'renamed') {
    reached('file.renamed');
    await space.syncFolder(folder, signal);
    reached('file.folder.synced');
    return false;
  }
  // Someone else renamed the same part (two nodes with one delivery), or a file is there already.
  const wasThere = await isThere();
  await space.remove(part, signal);
  if (wasThere) return true;
  if (result === 'missing') throw new TryAgain('E447', `${part} disappeared before it was renamed`);
  throw new InvalidMessage('E351', `${path} exists with another content`, { place: path });
}

/** After the file itself: who waits for the marker finds the file complete. */
async function mark(space: FileSpace, folder: string, name: string, signal: AbortSignal): Promise<void> {
  const path = joinPath(folder, name);
  if (await space.stat(path, signal)) return;
  await space.write(path, new Uint8Array(), signal);
  await space.syncFolder(folder, signal);
  reached('file.marker.written');
}

async function hasContent(space: FileSpace, path: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
  const entry = await space.stat(path, signal);
  if (entry?.kind !== 'file' || entry.size !== bytes.length) return false;
  let at = 0;
  for await (const chunk of (await space.read(path, signal)) ?? []) {
    if (Buffer.compare(chunk, bytes.subarray(at, at + chunk.length)) !== 0) return false;
    at += chunk.length;
  }
  return at === bytes.length;
}

/** Text of a message as part of a file name: never a folder. @throws InvalidMessage E352 */
export function placeText(text: string): string {
  const problem = nameProblem(text);
  if (problem) throw new InvalidMessage('E352', `${shownName(text)} cannot be part of a file name: ${problem}`);
  return text;
}

/** @throws InvalidMessage E352 */
export function fileName(name: string): string {
  const problem = name.startsWith('.') ? 'the name starts with a dot' : nameProblem(name);
  if (problem) throw new InvalidMessage('E352', `${shownName(name)}: ${problem}`);
  return name;
}

export function markerName(marker: string | undefined, name: string): string | undefined {
  if (marker === undefined) return undefined;
  const dot = name.lastIndexOf('.');
  return fileName(marker.replaceAll('{name}', name).replaceAll('{stem}', dot > 0 ? name.slice(0, dot) : name));
}
