import { globs, nameProblem, pathProblem } from './names.js';
import type { ReadOptions } from './options.js';
import { type Entry, type FileSpace, joinPath, type Listed, namesIn } from './space.js';

/** Below folders of this name nothing is looked for. */
export const WORK = '.signalbox-work';

/** The names of all files below the folder that is read, as paths below it, page by page. What is put away there is left out. */
export async function* filesBelow(
  space: FileSpace,
  { path: root, recursive: depth, ignore }: ReadOptions,
  excluded: readonly string[],
  signal: AbortSignal,
  refuse: (path: string, problem: string) => void,
): AsyncGenerator<readonly Listed[]> {
  const ignored = globs(ignore);
  const folders: { readonly path: string; readonly depth: number }[] = [{ path: '', depth: 0 }];
  for (let folder = folders.shift(); folder; folder = folders.shift()) {
    const { path: below, depth: at } = folder;
    try {
      for await (const page of namesIn(space, below === '' ? root : joinPath(root, below), signal)) {
        const listed = below === '' ? page : page.map((entry) => ({ ...entry, name: `${below}/${entry.name}` }));
        const files: Listed[] = [];
        for (const entry of listed) {
          const kind = entry.kind ?? (at < depth ? (await space.stat(joinPath(root, entry.name), signal))?.kind : undefined);
          if (kind !== 'folder') files.push(entry);
          else if (at < depth && !ignored(entry.name) && !entry.name.endsWith(WORK) && !excluded.includes(joinPath(root, entry.name))) {
            const problem = nameProblem(entry.name.slice(below === '' ? 0 : below.length + 1));
            if (problem) refuse(entry.name, problem);
            else folders.push({ path: entry.name, depth: at + 1 });
          }
        }
        yield files;
      }
    } catch (error) {
      // One that was removed meanwhile had nothing in it; the folder that is read must be there.
      if (below === '' || (await space.stat(joinPath(root, below), signal))) throw error;
    }
  }
}

/** Of any number of items the lowest `most`, in bounded memory. */
export class Lowest<T> {
  private kept: T[] = [];
  /** More came than are kept. */
  isCut = false;

  constructor(
    private readonly most: number,
    private readonly compare: (a: T, b: T) => number,
  ) {}

  add(item: T): void {
    this.kept.push(item);
    if (this.kept.length >= 2 * this.most + 100) this.cut();
  }

  take(): readonly T[] {
    this.cut();
    return this.kept;
  }

  private cut(): void {
    this.kept.sort(this.compare);
    if (this.kept.length <= this.most) return;
    this.isCut = true;
    this.kept.length = this.most;
  }
}

/** The whole entry of one that was listed; undefined when it is gone, or is no file that may be read: that is said once. */
export async function regular(space: FileSpace, folder: string, listed: Listed, signal: AbortSignal, refuse: (path: string, problem: string) => void): Promise<Entry | undefined> {
  const { name, kind, size, modified } = listed;
  const problem = pathProblem(name) ?? kindProblem(kind);
  if (problem) {
    refuse(name, problem);
    return undefined;
  }
  const known = kind !== undefined && size !== undefined && modified !== undefined ? { name, kind, size, modified } : undefined;
  const entry = known ?? (await space.stat(joinPath(folder, name), signal));
  if (!entry || entry.kind === 'folder') return undefined;
  const later = kindProblem(entry.kind);
  if (later) refuse(name, later);
  return later ? undefined : { ...entry, name };
}

export function kindProblem(kind: Entry['kind'] | undefined): string | undefined {
  if (kind === 'link') return 'it is a symbolic link';
  return kind === undefined || kind === 'file' ? undefined : 'it is no regular file';
}
