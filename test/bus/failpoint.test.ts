import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';

const module = new URL('../../bus/failpoint.js', import.meta.url).href;

function come(setting: string | undefined): { readonly signal: string | null; readonly out: string; readonly talk: string } {
  const script = `import { reached } from ${JSON.stringify(module)}; for (const name of ['start.done', 'prune.before', 'prune.before']) { console.log(name); reached(name); }`;
  const environment = { ...process.env };
  delete environment['SIGNALBOX_FAILPOINT'];
  const env = setting === undefined ? environment : { ...environment, SIGNALBOX_FAILPOINT: setting };
  const { signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
  return { signal, out: stdout.trim().replaceAll('\n', ' '), talk: stderr };
}

describe('a named moment', () => {
  test('is nothing without the variable', () => {
    expect(come(undefined)).toMatchObject({ signal: null, out: 'start.done prune.before prune.before' });
  });

  test('kills the process when it is reached, or reached for the n-th time', () => {
    expect(come('prune.before')).toMatchObject({ signal: 'SIGKILL', out: 'start.done prune.before' });
    expect(come('prune.before:2')).toMatchObject({ signal: 'SIGKILL', out: 'start.done prune.before prune.before' });
    expect(come('prune.before:3').signal).toBeNull();
  });

  test.each(['prune.nowhere', 'prune.before:x', 'toString'])('%s is none: the process does not start', (setting) => {
    expect(come(setting)).toMatchObject({ out: '', talk: expect.stringContaining('is no failpoint') });
  });
});
