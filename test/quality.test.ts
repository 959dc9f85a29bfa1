import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../..');

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin', command), args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? 'clean' : `${stdout}${stderr}`.slice(0, 6000);
}

describe('the code', () => {
  test('is formatted and linted', () => {
    expect(run('biome', 'check', '--diagnostic-level=warn', '.')).toBe('clean');
  }, 60_000);

  test('leaves no promise floating', () => {
    expect(
      run('oxlint', '--type-aware', '--deny-warnings', 'bus', 'adapters', 'routes', 'config', 'console', 'cli', 'test', 'bench', 'examples', 'signalbox.ts', 'standalone.ts'),
    ).toBe('clean');
  }, 120_000);

  test('loads in plain Node: jest finds names in CommonJS packages that Node does not', () => {
    const modules = globSync('{bus,adapters,routes,config,console,cli}/**/*.js', { cwd: join(root, 'dist') }).filter((file) => !/(worker|main)\.js$/.test(file));
    const script = `for (const file of ${JSON.stringify(modules)}) await import('./dist/' + file)`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `import 'reflect-metadata';${script}`], { cwd: root, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(modules.length).toBeGreaterThan(150);
  }, 60_000);

  test('has nothing unused', () => {
    expect(run('knip', '--no-progress')).toBe('clean');
  }, 60_000);
});
