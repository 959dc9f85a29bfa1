import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

test.each(['SIGTERM', 'SIGINT'] as const)('%s drains and ends with the exit code of the service', async (signal) => {
  const child = await start('quick');
  child.process.kill(signal);
  expect(await child.ended).toEqual([0, null]);
  expect(child.out()).toContain(`stopping ${signal}`);
  expect(child.out()).toContain(`${signal}: finishing what is under way; once more ends at once`);
});

test('the second signal ends at once', async () => {
  const child = await start('slow');
  child.process.kill('SIGTERM');
  await child.said('stopping SIGTERM');
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual([1, null]);
});

test('a stop that fails is a problem', async () => {
  const child = await start('broken');
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual([1, null]);
  expect(child.out()).toContain('stopping failed: cannot');
});

test('SIGHUP reloads and runs on', async () => {
  const child = await start('quick');
  child.process.kill('SIGHUP');
  await child.said('applied  revision 41');
  child.process.kill('SIGTERM');
  expect(await child.ended).toEqual([0, null]);
});

interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown[]>;
  out(): string;
  said(text: string): Promise<void>;
}

async function start(behaviour: string): Promise<Child> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run-child.js'), behaviour], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      child.emit('said');
    });
  }
  const said = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted)) await once(child, 'said');
  };
  const started: Child = { process: child, ended: once(child, 'exit'), out: () => text, said };
  await said('ready');
  return started;
}
