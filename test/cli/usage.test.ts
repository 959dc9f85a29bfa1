import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { signalbox } from './harness.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-usage-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('exit 2 and help for', () => {
  test.each([
    [[]],
    [['dlq', 'discrd']],
    [['nothing']],
    [['status', '--colour']],
    [['trace']],
    [['-o', 'xml', 'status']],
    [['completion', 'tcsh']],
    [['messages', 'search', '-n', '0']],
  ])('%j', async (args) => {
    const { code, out, err } = await signalbox(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Usage: signalbox');
  });
});

test('a wrong command names the right one', async () => {
  expect((await signalbox(['dlq', 'discrd'])).err).toContain('Did you mean discard?');
});

test('help and version are data', async () => {
  const help = await signalbox(['--help']);
  expect(help).toMatchObject({ code: 0, err: '' });
  expect(help.out).toContain('Exit codes: 0 ok, 1 problem, 2 usage, 3 not running.');
  expect(await signalbox(['--version'])).toEqual({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), err: '' });
});

test.each([[['status']], [['trace', '4711']], [['systems', 'pause', 'legacy']], [['reload']], [['dlq', 'list']]])('%j is exit 3 when nothing runs', async (args) => {
  const { code, out, err } = await signalbox(['--socket', join(directory, 'none.sock'), ...args]);
  expect({ code, out }).toEqual({ code: 3, out: '' });
  expect(err).toMatch(/^error\[E550\] nobody answers on .*none\.sock\n {2}= help: Start it with `signalbox run`/);
});

describe('explain', () => {
  test('says what a code means, without a running service', async () => {
    const { code, out } = await signalbox(['explain', 'e550']);
    expect(code).toBe(0);
    expect(out).toMatch(/^E550 {2}no running Signalbox answers\nmeaning {2}.+\nfix {6}.+\n$/);
  });

  test('names the nearest of an unknown code', async () => {
    expect(await signalbox(['explain', 'E55X'])).toEqual({ code: 1, out: '', err: expect.stringContaining('did you mean `E550`?') });
  });

  test('lists all', async () => {
    const list: unknown = JSON.parse((await signalbox(['explain', '-o', 'json'])).out);
    expect(list).toContainEqual(expect.objectContaining({ code: 'E551', title: expect.any(String), fix: expect.any(String) }));
  });
});

test('completion is a script its shell can read', async () => {
  const { out } = await signalbox(['completion', 'bash']);
  const script = `${out}\nCOMP_WORDS=(signalbox systems re); COMP_CWORD=2; _signalbox; echo "\${COMPREPLY[@]}"`;
  expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim()).toBe('remove-triggers resume reset');
});

test('the launcher runs on the Node.js installed beside it, also through a link', () => {
  const launcher = join(import.meta.dirname, '..', '..', '..', 'cli', 'signalbox.sh');
  const link = join(directory, 'signalbox');
  symlinkSync(launcher, link);
  const { stdout, status } = spawnSync(link, ['--version'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test('a reader that stops early is no problem', () => {
  const main = join(import.meta.dirname, '..', '..', 'cli', 'main.js');
  const { stdout, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${main}" explain -o json | head -c 1`], { encoding: 'utf8' });
  expect({ stdout, stderr }).toEqual({ stdout: '[', stderr: '' });
});
