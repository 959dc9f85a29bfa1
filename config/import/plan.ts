import { parseDocument } from 'yaml';
import { describe, Misconfigured } from '../../bus/errors.js';
import type { ValueRecord } from '../../bus/value.js';
import { runTests, type TestRun } from '../../routes/test.js';
import type { Configuration } from '../configuration.js';
import { type Diagnostic, type Sources } from '../diagnostics.js';
import { type ConfigurationFiles, filesOf } from '../files.js';
import { type LoadOptions, loadConfiguration } from '../load.js';
import { previewOf } from '../preview.js';
import type { Draft } from './draft.js';
import { insertEndpoint } from './insert.js';
import { render } from './render.js';

export interface ImportPlan {
  /** What would be written, by path; each is new but the file of a system that is there. */
  readonly files: ReadonlyMap<string, string>;
  /** A file of the configuration that would get the endpoint. */
  readonly changed: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: Sources;
  readonly tests: TestRun | undefined;
  /** Why the sample became no message. */
  readonly problem: string | undefined;
}

/**
 * What a draft becomes beside the configuration in `directory`: rendered, checked together with all that is there, its test recorded from what the sample
 * becomes, and run. Writes nothing.
 * @throws Misconfigured E129 when the endpoint is there already
 */
export async function planImport(directory: string, draft: Draft, command: string, options: LoadOptions): Promise<ImportPlan> {
  const base = filesOf(directory);
  const name = `${draft.system}-${draft.endpoint}`;
  const [path, samplePath] = [`${name}.yaml`, `samples/${name}.json`];
  const home = draft.make ? undefined : await homeOf(base, draft.system);
  if (home && parseDocument(home.text).hasIn(['systems', draft.system, 'read', draft.endpoint])) {
    throw new Misconfigured('E129', `${draft.system}.${draft.endpoint} stands in ${home.path} already`);
  }
  const place = home && insertEndpoint(home.text, draft.system, 'read', draft.endpoint, draft.read);
  const fixed = new Map(home && place !== undefined ? [[home.path, place]] : []);
  const attempt = async (expected: ValueRecord | undefined) => {
    const { yaml, sample } = render(draft, command, samplePath, expected);
    const files = new Map([...fixed, [path, yaml], ...(expected === undefined ? [] : [[samplePath, sample] as const])]);
    return { files, loaded: await loadConfiguration(directory, { ...options, files: overlay(base, files) }) };
  };
  const first = await attempt(undefined);
  const [record] = draft.samples;
  const got = first.loaded.configuration && record ? outcomeOf(first.loaded.configuration, `${draft.system}.${draft.endpoint}`, record) : undefined;
  const { files, loaded } = got && 'data' in got ? await attempt(got.data) : first;
  const { configuration, diagnostics, sources } = loaded;
  return {
    files,
    changed: place === undefined ? undefined : home?.path,
    diagnostics,
    sources,
    tests:
      configuration &&
      runTests(
        configuration.tests.filter(({ given }) => given.has(`${draft.system}.${draft.endpoint}`)),
        configuration.routing,
        previewOf(configuration),
      ),
    problem: got && 'problem' in got ? got.problem : undefined,
  };
}

function outcomeOf(configuration: Configuration, endpoint: string, value: ValueRecord): { readonly data: ValueRecord } | { readonly problem: string } {
  const [outcome] = configuration.compile(0).receive(endpoint, { id: 'sample', value }, new Date('2026-01-01T00:00:00Z'));
  if (outcome?.message) return { data: outcome.message.data };
  return { problem: outcome?.failure ? describe(outcome.failure.failure) : 'no route took it' };
}

/** The file that has the system. */
async function homeOf(files: ConfigurationFiles, system: string): Promise<{ readonly path: string; readonly text: string } | undefined> {
  for (const path of await files.list()) {
    const text = new TextDecoder().decode(await files.read(path));
    if (parseDocument(text).hasIn(['systems', system])) return { path, text };
  }
  return undefined;
}

function overlay(base: ConfigurationFiles, files: ReadonlyMap<string, string>): ConfigurationFiles {
  return {
    list: async () => [...new Set([...(await base.list()), ...[...files.keys()].filter((path) => path.endsWith('.yaml'))])].sort(),
    read: (path) => {
      const text = files.get(path);
      return text === undefined ? base.read(path) : Promise.resolve(new TextEncoder().encode(text));
    },
  };
}
