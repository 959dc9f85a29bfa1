import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from '@jest/globals';
import { renderDiagnostics } from '../../../config/diagnostics.js';
import { type LoadOptions, type LoadResult, loadConfiguration } from '../../../config/load.js';
import { fakes } from './fake-adapters.js';

const made: string[] = [];
afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true, force: true }))));

/** A directory with these files; removed after the tests of the file. */
export async function directoryWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'signalbox-config-'));
  made.push(directory);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content, { mode: 0o600 });
  }
  return directory;
}

export async function load(files: Readonly<Record<string, string | Uint8Array>>, options: Partial<LoadOptions> = {}): Promise<LoadResult & { readonly text: string }> {
  const directory = await directoryWith(files);
  const result = await loadConfiguration(directory, { specs: fakes, env: {}, ...options });
  return { ...result, text: renderDiagnostics(result.diagnostics, result.sources, { colour: false, applied: undefined }).replaceAll(directory, '<dir>') };
}

/** `E104 orders.yaml:3:5` of all problems. */
export function places(result: LoadResult): string[] {
  return result.diagnostics.map(({ code, file, line, column }) => `${code} ${file}:${line}:${column}`);
}
