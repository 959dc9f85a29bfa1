// Adapter packages of others: named in the configuration, never scanned for. They are trusted code, as the rest of the process.
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AdapterSpec, CONTRACT, Misconfigured } from './contract/index.js';

/** `directory` is the configuration directory: the package is looked for in `node_modules` there and above. @throws Misconfigured with the code of what is wrong */
export async function loadAdapter(name: string, directory: string): Promise<AdapterSpec> {
  const entry = await entryOf(name, directory);
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = (await import(pathToFileURL(entry).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new Misconfigured('E461', `${name} cannot be imported`, { cause });
  }
  return checked(name, exports['default'] ?? exports['adapter']);
}

function checked(name: string, spec: unknown): AdapterSpec {
  if (!isObject(spec) || typeof spec['name'] !== 'string' || typeof spec['load'] !== 'function') {
    throw new Misconfigured('E462', `${name} has no default export and no export \`adapter\` that is an adapter spec`);
  }
  if (spec['contract'] !== CONTRACT) throw new Misconfigured('E463', `${name} was built for contract ${String(spec['contract'])}, this is ${CONTRACT}`);
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(spec['name'])) throw new Misconfigured('E464', `${name} names its adapter ${JSON.stringify(spec['name'])}`);
  const schemas: [string, unknown][] = [['connect', spec['connect']]];
  for (const part of ['read', 'write', 'call']) {
    const endpoint = spec[part];
    if (endpoint !== undefined) schemas.push([`${part}.config`, isObject(endpoint) ? endpoint['config'] : undefined]);
  }
  for (const [place, schema] of schemas) {
    // A package may have its own copy of zod, so the class says nothing.
    if (!isObject(schema) || !isObject(schema['_zod'])) throw new Misconfigured('E466', `${name}: \`${place}\` is no zod schema`);
  }
  return spec as object as AdapterSpec;
}

async function entryOf(name: string, directory: string): Promise<string> {
  // The grammar of npm's names keeps a path such as `../x` from being one.
  if (!/^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name)) throw new Misconfigured('E460', `${JSON.stringify(name)} is no package name`);
  for (let at = resolve(directory); ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name);
    const manifest = await manifestOf(name, join(folder, 'package.json'));
    if (manifest) {
      const target = exported(manifest['exports']) ?? (typeof manifest['main'] === 'string' ? manifest['main'] : 'index.js');
      return join(folder, target);
    }
    if (dirname(at) === at) throw new Misconfigured('E460', `${name} is in no node_modules folder at or above ${directory}`);
  }
}

async function manifestOf(name: string, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    return undefined; // not here, look further up
  }
  try {
    const manifest: unknown = JSON.parse(text);
    return isObject(manifest) ? manifest : {};
  } catch (cause) {
    throw new Misconfigured('E461', `package.json of ${name} is no JSON`, { cause });
  }
}

/** The entry an `import` would take (Node's package entry points, main entry only). */
function exported(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports;
  if (Array.isArray(exports)) return exports.map(exported).find((path) => path !== undefined);
  if (!isObject(exports)) return undefined;
  if ('.' in exports) return exported(exports['.']);
  for (const [condition, target] of Object.entries(exports)) {
    if (['import', 'node', 'module-sync', 'default'].includes(condition)) {
      const path = exported(target);
      if (path !== undefined) return path;
    }
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
