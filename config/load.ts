// Loads a directory of YAML files into one checked configuration, or says everything that is wrong with it.
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import type { AdapterSpec } from '../adapters/contract/spec.js';
import { codes } from '../bus/codes/index.js';
import { describe, failureOf, Misconfigured } from '../bus/errors.js';
import type { Finding } from '../bus/finding.js';
import { compileRoutes } from '../routes/compile.js';
import type { RoutesInput } from '../routes/input.js';
import { defaultsConfig, type RouteConfig, routeSchema, type TypeConfig, typeConfig } from '../routes/model.js';
import { Check } from './check.js';
import type { Configuration, Settings } from './configuration.js';
import type { Diagnostic, Sources } from './diagnostics.js';
import { filesDigest } from './digest.js';
import { type ConfigurationFiles, filesOf, readProblem } from './files.js';
import { InputFiles } from './inputs.js';
import { type MergedTree, mergeFiles, SECTIONS } from './merge.js';
import { resolveReferences } from './references.js';
import { readTests } from './samples.js';
import { readSettings, settingsSchemas } from './settings.js';
import { masked, settle } from './settle.js';
import { readSystems } from './systems.js';
import { readTables } from './tables.js';
import { type ParsedFile, parseYaml } from './yaml.js';

export interface LoadOptions {
  /** The adapters that come with Signalbox. */
  readonly specs: readonly AdapterSpec[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Loads the adapters of the packages under `adapters:`. @throws when a package is missing or does not fit */
  readonly loadPackage?: (name: string) => Promise<AdapterSpec>;
  /** Default: `CREDENTIALS_DIRECTORY` of `env`. */
  readonly credentialsDirectory?: string;
  /** Wins over `store.directory`. Default: `STATE_DIRECTORY` of `env`, then `.signalbox` in the directory. */
  readonly stateDirectory?: string;
  /** A placeholder stands for a secret that does not exist: to check a configuration where its secrets are not. */
  readonly allowMissingSecrets?: boolean;
  /** Where the files come from instead of the directory: a stored revision. */
  readonly files?: ConfigurationFiles;
}

export interface LoadResult {
  /** Undefined when there is an error. */
  readonly configuration?: Configuration;
  /** As far as they could be read, also when something else is wrong: where the state of a running instance is. */
  readonly settings?: Settings;
  /** All problems, sorted by place. */
  readonly diagnostics: readonly Diagnostic[];
  /** Texts by path for `renderDiagnostics`, with plain-text secrets masked. */
  readonly sources: Sources;
}

/** Never throws for what the files say. */
export async function loadConfiguration(directory: string, options: LoadOptions): Promise<LoadResult> {
  const files = options.files ?? filesOf(directory);
  const paths = await listFiles(directory, files);
  if ('problem' in paths) return { diagnostics: [paths.problem], sources: new Map() };
  const parsed = await Promise.all(paths.list.map((path) => parseFile(path, files)));
  const { tree, diagnostics: merged } = mergeFiles(parsed);
  const early: Finding[] = [];
  const resolver = await resolveReferences(tree, SECTIONS, {
    credentialsDirectory: options.credentialsDirectory ?? options.env['CREDENTIALS_DIRECTORY'],
    secretsDirectory: secretsDirectory(tree, directory),
    env: options.env,
    allowMissingSecrets: options.allowMissingSecrets ?? false,
    report: (finding) => early.push(finding),
  });
  const check = new Check(tree, resolver);
  for (const finding of early) check.report(finding);
  const inputs = new InputFiles(check, files);
  const loaded = await readAll(check, inputs, directory, { ...options, isBroken: parsed.some((file) => file.broken) });
  const diagnostics = settle([...parsed.flatMap((file) => file.diagnostics), ...merged, ...inputs.diagnostics], check);
  const texts = [...parsed.map(({ source }) => [source.path, source.text] as const), ...inputs.texts];
  const sources = masked(new Map(texts), check);
  if (diagnostics.some((diagnostic) => diagnostic.severity === 'error')) return { settings: loaded.settings, diagnostics, sources };
  const contents = texts.map(([path, text]) => ({ path, text })).toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return { settings: loaded.settings, configuration: { digest: filesDigest(contents), files: contents, secrets: [...resolver.secrets.values()], ...loaded }, diagnostics, sources };
}

async function listFiles(directory: string, files: ConfigurationFiles): Promise<{ readonly list: readonly string[] } | { readonly problem: Diagnostic }> {
  const none = (message: string, help: string): { readonly problem: Diagnostic } => ({
    problem: { severity: 'error', code: 'E124', file: '', line: 0, column: 0, length: 0, message, help },
  });
  try {
    const list = await files.list();
    return list.length > 0 ? { list } : none(`no YAML file in ${directory}`, 'start with `signalbox init`');
  } catch (error) {
    return none(`cannot read the directory ${directory}: ${readProblem(error)}`, 'give the directory with the YAML files');
  }
}

async function parseFile(path: string, files: ConfigurationFiles): Promise<ParsedFile> {
  try {
    return parseYaml(path, await files.read(path));
  } catch (error) {
    const { source } = parseYaml(path, new Uint8Array());
    const message = `the file cannot be read: ${readProblem(error)}`;
    return { source, root: undefined, broken: true, diagnostics: [{ severity: 'error', code: 'E101', file: path, line: 0, column: 0, length: 0, message }] };
  }
}

async function readAll(
  check: Check,
  inputs: InputFiles,
  directory: string,
  options: LoadOptions & { readonly isBroken: boolean },
): Promise<Pick<Configuration, 'settings' | 'systems' | 'tests' | 'routing' | 'compile'>> {
  const settings = readSettings(check, resolve(directory), options.stateDirectory ?? options.env['STATE_DIRECTORY']?.split(':')[0]);
  const specs = await allSpecs(check, options, settings.adapters);
  for (const section of ['systems', 'types', 'tables', 'routes', 'defaults']) checkSection(check, section);
  const { systems, sources, targets } = readSystems(check, specs);
  const types = readTypes(check);
  const input: RoutesInput = {
    revision: 0,
    ...(settings.installation === undefined ? {} : { installation: settings.installation }),
    types,
    tables: await readTables(check, inputs),
    routes: readRoutes(check),
    defaults: check.tree.node(['defaults']) ? (check.parse(defaultsConfig, ['defaults']) ?? {}) : {},
    sources,
    targets,
    placeOf: (path) => check.tree.placeOf(path),
  };
  const tests = await readTests(check, inputs, new Set([...sources.keys(), ...Object.keys(types)]));
  const compiled = compileRoutes(input);
  // "Nothing uses it" is only known when everything could be read.
  const isWhole = !options.isBroken && Object.keys(input.routes).length === check.tree.names('routes').length;
  for (const finding of compiled.findings) if (isWhole || finding.severity === 'error') check.report(finding);
  return {
    settings,
    systems,
    tests,
    routing: input,
    compile(revision) {
      const handler = compiled.build(revision);
      if (!handler) throw new Error('routes without errors could not be built');
      return handler;
    },
  };
}

async function allSpecs(check: Check, options: LoadOptions, packages: readonly string[]): Promise<ReadonlyMap<string, AdapterSpec>> {
  const specs = new Map(options.specs.map((spec) => [spec.name, spec]));
  for (const [index, name] of packages.entries()) {
    try {
      if (!options.loadPackage) throw new Error('adapter packages are not loaded here');
      const spec = await options.loadPackage(name);
      if (specs.has(spec.name)) throw new Misconfigured('E465', `it brings the adapter \`${spec.name}\`, which is there already`);
      specs.set(spec.name, spec);
    } catch (error) {
      const { code, hint } = failureOf(error) ?? { code: 'E125', hint: codes.E125.fix };
      check.report({ severity: 'error', code, path: ['adapters', index], message: `cannot load \`${name}\`: ${describe(error)}`, help: hint });
    }
  }
  return specs;
}

function checkSection(check: Check, section: string): void {
  const node = check.tree.node([section]);
  if (!node || node.kind === 'map' || (node.kind === 'scalar' && node.value === null)) return;
  check.report({ severity: 'error', code: 'E106', path: [section], atKey: true, message: `\`${section}\`: expected a mapping with a name for each` });
}

function readTypes(check: Check): Record<string, TypeConfig> {
  const types: Record<string, TypeConfig> = {};
  for (const name of check.tree.names('types')) {
    const type = check.parse<TypeConfig>(typeConfig as z.ZodType<TypeConfig>, ['types', name]);
    if (type) types[name] = type;
    else {
      // The good fields of a bad type stay known, so that one mistake is reported once.
      const value = check.resolver.value(['types', name]);
      types[name] = Object.fromEntries(Object.entries(value ?? {}).filter((field): field is [string, string] => typeof field[1] === 'string'));
    }
  }
  return types;
}

function readRoutes(check: Check): Record<string, RouteConfig> {
  const routes: Record<string, RouteConfig> = {};
  for (const name of check.tree.names('routes')) {
    const path = ['routes', name];
    const schema: z.ZodType<RouteConfig> = routeSchema(check.resolver.value(path));
    const route = check.parse(schema, path);
    if (route) routes[name] = route;
  }
  return routes;
}

function secretsDirectory(tree: MergedTree, directory: string): string {
  const node = tree.node(['secrets_directory']);
  const given = node?.kind === 'scalar' ? settingsSchemas.secrets_directory.safeParse(node.value) : undefined;
  return given?.success ? resolve(directory, given.data) : join(directory, 'secrets');
}
