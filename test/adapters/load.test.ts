import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Container } from 'inversify';
import { adapterModule, adapterToken } from '../../adapters/adapters.module.js';
import { CLOCK, defineAdapter, HTTP_HOST, LOGGER } from '../../adapters/contract/index.js';
import { loadAdapter } from '../../adapters/load.js';
import { loadConfiguration } from '../../config/load.js';
import hello from '../../examples/adapter-hello/index.js';
import { realClock, recordingLog } from '../kit/fakes.js';

const zod = import.meta.resolve('zod');
const contract = new URL('../../adapters/contract/index.js', import.meta.url).href;
const CONFORMING = `
  import { z } from ${JSON.stringify(zod)};
  import { CONTRACT } from ${JSON.stringify(contract)};
  const spec = { name: 'tiny', title: 'Tiny', summary: 'x', contract: CONTRACT, stability: 'stable', connect: z.strictObject({}),
    load: async () => class { system() { return { probe: async () => [], close: async () => {} }; } } };`;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'signalbox-load-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function install(name: string, source: string, manifest: Readonly<Record<string, unknown>> = { exports: './index.js' }, file = 'index.js'): Promise<void> {
  const folder = join(directory, 'node_modules', name);
  await mkdir(join(folder, file, '..'), { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, type: 'module', ...manifest }));
  await writeFile(join(folder, file), source);
}

/** What the configuration says of each package that could not be loaded: code, line in the list, text. */
async function problemsOf(...names: readonly string[]): Promise<readonly (readonly [code: string, place: number, message: string])[]> {
  const files = join(directory, 'conf');
  await mkdir(files);
  await writeFile(join(files, 'signalbox.yaml'), `version: 1\nadapters:\n${names.map((name) => `  - ${JSON.stringify(name)}\n`).join('')}`);
  const { diagnostics } = await loadConfiguration(files, { specs: [hello], env: {}, loadPackage: (name) => loadAdapter(name, files) });
  return diagnostics.filter(({ line }) => line !== undefined && line > 2).map(({ code, line = 0, message }) => [code, line - 3, message]);
}

describe('adapter packages', () => {
  test('a default export and an export named adapter are taken, from the configuration directory or above', async () => {
    await install('@acme/tiny', `${CONFORMING} export default spec;`);
    await install('tiny-two', `${CONFORMING} export const adapter = { ...spec, name: 'tiny-two' };`);
    const inner = join(directory, 'conf', 'prod');
    await mkdir(inner, { recursive: true });
    expect([await loadAdapter('@acme/tiny', inner), await loadAdapter('tiny-two', inner)].map(({ name }) => name)).toEqual(['tiny', 'tiny-two']);
  });

  test.each([
    ['a list of conditions', { exports: { '.': { types: './x.d.ts', import: './lib/main.js' } } }, 'lib/main.js'],
    ['main', { main: 'lib/main.js' }, 'lib/main.js'],
    ['nothing', {}, 'index.js'],
  ])('the entry may be named by %s', async (_, manifest, file) => {
    await install('tiny', `${CONFORMING} export default spec;`, manifest, file);
    expect((await loadAdapter('tiny', directory)).name).toBe('tiny');
  });

  test('each thing that is wrong has its code, and does not keep the others from loading', async () => {
    await install('throws', 'throw new Error("no native module");');
    await install('nothing', 'export const other = 1;');
    await install('old', `${CONFORMING} export default { ...spec, contract: 0 };`);
    await install('badly-named', `${CONFORMING} export default { ...spec, name: 'Tiny!' };`);
    await install('taken', `${CONFORMING} export default { ...spec, name: 'hello' };`);
    await install('no-schema', `${CONFORMING} export default { ...spec, connect: {} };`);
    await install('no-read-schema', `${CONFORMING} export default { ...spec, read: { pattern: 'polling' } };`);
    await install('good', `${CONFORMING} export default spec;`);
    const names = ['absent', 'throws', 'nothing', 'old', 'badly-named', 'taken', 'no-schema', 'no-read-schema', 'good'];
    const problems = await problemsOf(...names);
    expect(problems.map(([code, place]) => [code, place])).toEqual([
      ['E460', 0],
      ['E461', 1],
      ['E462', 2],
      ['E463', 3],
      ['E464', 4],
      ['E465', 5],
      ['E466', 6],
      ['E466', 7],
    ]);
    expect(problems[1]?.[2]).toContain('no native module');
    await expect(loadAdapter('../outside', directory)).rejects.toMatchObject({ code: 'E460' });
  });

  test('a manifest that is no JSON is named', async () => {
    await install('broken', '');
    await writeFile(join(directory, 'node_modules', 'broken', 'package.json'), '{');
    expect(await problemsOf('broken')).toMatchObject([['E461', 0, expect.stringContaining('no JSON')]]);
  });

  test('the example, installed as a package, is loaded', async () => {
    await install('@example/signalbox-adapter-hello', `export { default } from ${JSON.stringify(new URL('../../examples/adapter-hello/index.js', import.meta.url).href)};`);
    expect(await loadAdapter('@example/signalbox-adapter-hello', directory)).toBe(hello);
  });
});

describe('adapterModule', () => {
  test('binds each implementation once, with its services', async () => {
    const container = new Container();
    container.bind(LOGGER).toConstantValue(recordingLog());
    container.bind(CLOCK).toConstantValue(realClock);
    container.bind(HTTP_HOST).toConstantValue({ serve: () => Promise.reject(new Error('none')) });
    container.load(await adapterModule([hello]));
    expect(container.get(adapterToken('hello'))).toBe(container.get(adapterToken('hello')));
  });

  test('an implementation that cannot be loaded is Misconfigured', async () => {
    const broken = defineAdapter({ ...hello, name: 'broken', load: () => Promise.reject(new Error('missing library')) });
    await expect(adapterModule([broken])).rejects.toMatchObject({ name: 'Misconfigured', code: 'E461' });
  });
});
