import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { catalog } from '../../adapters/catalog.js';
import { starterFiles } from '../../cli/starter.js';
import { renderDiagnostics } from '../../config/diagnostics.js';
import { loadConfiguration } from '../../config/load.js';
import { SECTIONS } from '../../config/merge.js';
import { previewOf } from '../../config/preview.js';
import hello from '../../examples/adapter-hello/index.js';
import { runTests } from '../../routes/test.js';
import { type Block, blocksOf, pages, ROOT } from './markdown.js';

const PAGES = pages('README.md', 'docs/guides/*.md', 'adapters/*/README.md', 'examples/*/README.md');
const made: string[] = [];
afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true, force: true }))));

const snippets = PAGES.flatMap(blocksOf).filter(({ language, text }) => language === 'yaml' && isConfiguration(text));

describe('a configuration in the documentation', () => {
  test('there are some', () => {
    expect(snippets.length).toBeGreaterThan(15);
  });

  test.each(snippets.map((snippet) => [snippet.place, snippet] as const))('%s is free of errors, and its tests pass', async (_, snippet) => {
    expect(await problemsOf(snippet)).toBe('');
  });

  test('would not pass with an option that does not exist', async () => {
    const text = 'systems:\n  erp:\n    adapter: file\n    connect: {root: /srv}\n    read:\n      orders: {path: in, csv: {}, scedule: {every: 1s}}\n';
    expect(await problemsOf({ place: 'here:1', language: 'yaml', text, marks: new Map() })).toContain('unknown key `scedule`');
  });
});

function isConfiguration(text: string): boolean {
  const first = text.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#'));
  const key = /^([a-z_]+):/.exec(first ?? '')?.[1];
  return key !== undefined && SECTIONS.includes(key);
}

/** A value for each secret; long enough, and of the form of Standard Webhooks, because some options look at it. */
function secretsOf(text: string): Readonly<Record<string, string>> {
  const names = [...text.matchAll(/\$\{secret:([^}]+)\}/g)].map(([, name = '']) => name.toUpperCase().replace(/[^A-Z0-9]/g, '_'));
  return Object.fromEntries(names.map((name) => [`SIGNALBOX_SECRET_${name}`, `whsec_${Buffer.alloc(32, name).toString('base64')}`]));
}

async function write(directory: string, path: string, content: string): Promise<void> {
  await mkdir(dirname(join(directory, path)), { recursive: true });
  await writeFile(join(directory, path), content);
}

/** What is wrong with the snippet beside its companions: files of this folder, or what `signalbox init` writes (`starter`). */
async function problemsOf({ text, marks }: Block): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'signalbox-docs-'));
  made.push(directory);
  await writeFile(join(directory, 'snippet.yaml'), text);
  for (const file of marks.get('with')?.split(',') ?? []) {
    if (file === 'starter') for (const [path, content] of starterFiles(directory)) await write(directory, path, content);
    else await write(directory, file, await readFile(join(ROOT, 'test/docs', file), 'utf8'));
  }
  const { configuration, diagnostics, sources } = await loadConfiguration(directory, {
    specs: catalog,
    env: {
      ...secretsOf(text),
      ...Object.fromEntries(
        marks
          .get('env')
          ?.split(',')
          .map((variable) => variable.split('=', 2)) ?? [],
      ),
    },
    loadPackage: async () => hello,
  });
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) return renderDiagnostics(errors, sources, { colour: false, applied: undefined });
  if (!configuration) return 'not loaded';
  const { results } = runTests(configuration.tests, configuration.routing, previewOf(configuration));
  return results.flatMap(({ name, problems }) => problems.map(({ what, expected, got }) => `${name}: ${what}: expected ${expected}, got ${got}`)).join('\n');
}
