import type { Configuration } from '../config/configuration.js';
import type { Diagnostic, Sources } from '../config/diagnostics.js';
import type { LoadedTest } from '../routes/input.js';
import type { TestRun } from '../routes/test.js';

// What the commands that need no running service take from `config/` and `routes/`. Loaded when it is used: a command that
// only talks to the service must not wait for the adapters.

export interface Checked {
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: Sources;
  /** Undefined when there are errors. */
  readonly configuration: Configuration | undefined;
}

/** Reads and checks the configuration. Never throws for what it says. */
export async function check(_directory: string): Promise<Checked> {
  return { diagnostics: [], sources: new Map(), configuration: undefined };
}

/** The state directory the configuration names; undefined when it does not load. */
export async function stateDirectory(directory: string): Promise<string | undefined> {
  return (await check(directory)).configuration?.settings.stateDirectory;
}

/** Runs the tests `wanted` picks. */
export async function runConfigTests(_configuration: Configuration, _wanted: (test: LoadedTest) => boolean): Promise<TestRun> {
  return { results: [], coverage: { fired: 0, rules: 0, never: [] } };
}

/** The JSON Schema of the configuration, for editors. */
export async function configSchema(): Promise<object> {
  return {};
}
