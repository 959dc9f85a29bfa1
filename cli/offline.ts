import { readFile } from 'node:fs/promises';
import type { Configuration } from '../config/configuration.js';
import type { LoadOptions, LoadResult } from '../config/load.js';
import type { LoadedTest } from '../routes/input.js';
import type { TestRun } from '../routes/test.js';
import { CommandFailure } from './failure.js';

// What the commands that need no running service take from `config/` and `routes/`. Loaded when it is used: a command that
// only talks to the service need not wait for more than it takes to find the socket.

export interface CheckOptions {
  /** A placeholder stands for a secret that is not here: on another machine than the one that runs the configuration. */
  readonly withoutSecrets?: boolean;
}

/** Reads and checks the configuration. Never throws for what it says. */
export async function check(directory: string, options: CheckOptions = {}): Promise<LoadResult> {
  const { loadConfiguration } = await import('../config/load.js');
  return loadConfiguration(directory, await loadOptions(directory, options));
}

export async function loadOptions(directory: string, { withoutSecrets = false }: CheckOptions = {}): Promise<LoadOptions> {
  const [{ catalog }, { loadAdapter }] = await Promise.all([import('../adapters/catalog.js'), import('../adapters/load.js')]);
  return { specs: catalog, env: process.env, loadPackage: (name) => loadAdapter(name, directory), allowMissingSecrets: withoutSecrets };
}

/** The state directory the configuration names; undefined when it does not load. */
export async function stateDirectory(directory: string): Promise<string | undefined> {
  return (await check(directory, { withoutSecrets: true })).settings?.stateDirectory;
}

/** Runs the tests `wanted` picks. */
export async function runConfigTests(configuration: Configuration, wanted: (test: LoadedTest) => boolean): Promise<TestRun> {
  const [{ runTests }, { previewOf }] = await Promise.all([import('../routes/test.js'), import('../config/preview.js')]);
  return runTests(configuration.tests.filter(wanted), configuration.routing, previewOf(configuration));
}

/** The JSON Schema of the configuration, for editors: generated from the code, and shipped. */
export async function configSchema(): Promise<string> {
  try {
    return await readFile(new URL('../../config/signalbox.schema.json', import.meta.url), 'utf8');
  } catch (error) {
    throw new CommandFailure('this installation has no schema file', { cause: error, hint: 'install Signalbox again' });
  }
}

/** A configuration with errors comes with the report that `signalbox check` prints. */
export function refused(error: unknown): never {
  if (typeof error !== 'object' || error === null || !('report' in error) || typeof error.report !== 'string') throw error;
  process.stderr.write(error.report.endsWith('\n') ? error.report : `${error.report}\n`);
  throw new CommandFailure('the configuration has errors; nothing was started', { hint: '`signalbox check` shows them again' });
}
