// The files of a configuration: from a directory, or as a revision has stored them.
import { constants, type Dirent } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { isAbsolute, join, normalize, sep } from 'node:path';

export interface ConfigurationFiles {
  /** Paths of the YAML files relative to the directory, with `/`, sorted. @throws when the directory cannot be read */
  list(): Promise<readonly string[]>;
  /** @throws the error of node:fs, with its code */
  read(path: string): Promise<Uint8Array>;
}

const SKIPPED = new Set(['node_modules', 'samples', 'secrets']);
const MAX_FILES = 2_000;
const MAX_BYTES = 100_000_000;

export function filesOf(directory: string): ConfigurationFiles {
  return {
    async list() {
      const found: string[] = [];
      const folders = [''];
      for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
        for (const entry of await readdir(join(directory, folder), { withFileTypes: true })) {
          const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
          if (entry.name.startsWith('.') || SKIPPED.has(entry.name)) continue;
          if (entry.isDirectory()) folders.push(path);
          if (isYaml(entry)) found.push(path);
        }
        if (found.length > MAX_FILES) throw Object.assign(new Error(`more than ${MAX_FILES} YAML files`), { code: 'E2BIG' });
      }
      return found.sort();
    },
    async read(path) {
      // A FIFO or device must not hang the check.
      await using file = await open(join(directory, path), constants.O_RDONLY | constants.O_NONBLOCK);
      const stat = await file.stat();
      if (!stat.isFile()) throw Object.assign(new Error('not a plain file'), { code: stat.isDirectory() ? 'EISDIR' : 'EINVAL' });
      if (stat.size > MAX_BYTES) throw Object.assign(new Error('the file is too large'), { code: 'EFBIG' });
      return await file.readFile();
    },
  };
}

/** Files as `Configuration.files` has them. */
export function storedFiles(files: readonly { readonly path: string; readonly text: string }[]): ConfigurationFiles {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  return {
    list: () => Promise.resolve([...texts.keys()].filter((path) => /\.ya?ml$/i.test(path)).sort()),
    read(path) {
      const text = texts.get(path);
      return text === undefined ? Promise.reject(Object.assign(new Error('not part of the revision'), { code: 'ENOENT' })) : Promise.resolve(new TextEncoder().encode(text));
    },
  };
}

/** The path below the directory, with `/`; undefined when it leads out of it. */
export function insidePath(path: string): string | undefined {
  const clean = normalize(path).split(sep).join('/');
  return isAbsolute(path) || clean === '..' || clean.startsWith('../') || path.includes('\0') ? undefined : clean;
}

/** Why a file could not be read, in words. */
export function readProblem(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'it may not be read by this user',
    EISDIR: 'it is a directory',
    EINVAL: 'it is no plain file',
    EFBIG: 'it is too large',
    ELOOP: 'its link leads in a circle',
  };
  return words[code] ?? (Error.isError(error) ? (error as Error).message : String(error));
}

function isYaml(entry: Dirent): boolean {
  return /\.ya?ml$/i.test(entry.name) && !entry.isDirectory();
}
