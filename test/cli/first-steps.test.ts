import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MAIN, NODE, type Ran, signalbox } from './harness.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-first-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('init, run, a file arrives, trace, stop', async () => {
  expect(await signalbox(['init'], { cwd: directory })).toMatchObject({ code: 0 });
  const child = spawn(NODE, [MAIN, '-c', directory, 'run'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  try {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    while (!log.includes('"event":"started"')) {
      await Promise.race([once(child.stderr, 'data'), ended]);
      if (child.exitCode !== null) throw new Error(log);
    }
    copyFileSync(join(directory, 'samples', 'orders.csv'), join(directory, 'data', 'webshop', 'inbox', 'orders.csv'));
    const traced = await until(
      () => run('trace', '4711'),
      ({ out }) => /^Order 4711 {2}delivered/.test(out),
    );
    expect(traced.out).toMatch(/delivered {4}erp\.orders .* inbox\/ORD_4711_/);
    const [file = ''] = readdirSync(join(directory, 'data', 'erp', 'inbox')).filter((name) => name.startsWith('ORD_4711_'));
    expect(readFileSync(join(directory, 'data', 'erp', 'inbox', file), 'utf8')).toBe('ORDNO,CUST,CTRY,AMOUNT\n4711,00000815,AT,1234.50\n');
    expect((await run('systems', 'test', 'webshop')).code).toBe(0);
    expect(await run('reload')).toMatchObject({ code: 0, out: expect.stringContaining('applied') });
    expect(await run('run')).toMatchObject({ code: 1, err: expect.stringContaining('error[E5') });
  } finally {
    child.kill('SIGTERM');
  }
  expect(await ended).toEqual([0, null]);
  expect(await run('status')).toMatchObject({ code: 3 });
}, 90_000);

test('run of a configuration with errors says what is wrong and starts nothing', async () => {
  expect(await run('run')).toMatchObject({ code: 1, out: '', err: expect.stringContaining('signalbox init') });
});

function run(...args: readonly string[]): Promise<Ran> {
  return signalbox(args, { cwd: directory });
}

/** Asks again until the answer fits; the test's own time limit ends it. */
async function until(ask: () => Promise<Ran>, fits: (ran: Ran) => boolean): Promise<Ran> {
  for (;;) {
    const ran = await ask();
    if (fits(ran)) return ran;
  }
}
