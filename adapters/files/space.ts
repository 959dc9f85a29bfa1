/**
 * Files somewhere: a local folder, an SFTP server. Pickup and publishing are written once against it.
 * Paths use `/`. What `/x` means is the space's business (below its root); paths from configuration never hold `..`.
 * Every method may be called concurrently, ends when the signal is aborted, and throws only the four failures:
 * NotConnected when the link is gone, Misconfigured for a missing folder (E440) or missing rights (E441), TryAgain for what may pass.
 * Events that are normal with files (gone, already there) are results, not errors.
 */
export interface FileSpace {
  /** Ready to use afterwards; again is fine. @throws NotConnected, Misconfigured */
  open(signal: AbortSignal): Promise<void>;
  /** @throws Misconfigured when the folder is not there */
  list(folder: string, signal: AbortSignal): Promise<readonly Entry[]>;
  /** The names in a folder, page by page and in no order, for folders that are large. Absent: `list` is the only page. @throws as `list` */
  names?(folder: string, signal: AbortSignal): AsyncIterable<readonly Listed[]>;
  /** The entry itself, links are not followed. */
  stat(path: string, signal: AbortSignal): Promise<Entry | undefined>;
  /** Chunks of a regular file; undefined when it is not there or is something else. The caller ends the iteration. */
  read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Writes a whole file, replacing what is there, and makes sure its bytes are durable and complete. */
  write(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /**
   * Atomic. `new` never replaces a file. Where the two lie on different devices the file is copied, made durable and renamed beside its target before
   * the source goes; a copy of hours calls `progress` now and then.
   */
  rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal, progress?: () => void): Promise<'renamed' | 'missing' | 'exists'>;
  /** Not there is fine. */
  remove(path: string, signal: AbortSignal): Promise<void>;
  /** Already there is fine; the folder above it must exist. */
  makeFolder(path: string, signal: AbortSignal): Promise<void>;
  /** Makes renames in a folder durable, where that can be asked for. */
  syncFolder(folder: string, signal: AbortSignal): Promise<void>;
}

export interface Entry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  readonly size: number;
  /** Time of the last change as the space tells it: compared for equality only, never with a clock. */
  readonly modified: string;
}

/** What the space knows of an entry without asking for it; `stat` tells the rest. */
export type Listed = Pick<Entry, 'name'> & Partial<Entry>;

export async function* namesIn(space: FileSpace, folder: string, signal: AbortSignal): AsyncGenerator<readonly Listed[]> {
  if (space.names) yield* space.names(folder, signal);
  else yield await space.list(folder, signal);
}

export function joinPath(folder: string, name: string): string {
  return folder === '' || folder === '.' ? name : folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`;
}

export function splitPath(path: string): { readonly folder: string; readonly name: string } {
  const at = path.lastIndexOf('/');
  return at < 0 ? { folder: '.', name: path } : { folder: path.slice(0, at) || '/', name: path.slice(at + 1) };
}
