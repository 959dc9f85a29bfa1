import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

test('the demo delivers a first message within 60 s, shows a failure with its cause, and stops cleanly', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-demo-test-'));
  const demo = join(import.meta.dirname, '../../examples/orders/demo.js');
  const child = spawn(process.execPath, [demo], { env: { ...process.env, DEMO_DIR: directory }, stdio: ['ignore', 'pipe', 'pipe'] });
  const seen = Promise.withResolvers<void>();
  let text = '';
  const read = (part: Buffer): void => {
    text += part.toString();
    if (/first delivery after/.test(text) && /webshop > Order > /.test(text)) seen.resolve();
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  const late = setTimeout(() => seen.reject(new Error(`no delivery in 60 s:\n${text}`)), 60_000);
  try {
    await seen.promise;
    expect(Number(/first delivery after (\d+\.\d) s/.exec(text)?.[1])).toBeLessThan(60);
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
    expect(text).toContain('stopped. ');
    expect(readdirSync(join(directory, 'out/erp')).length).toBeGreaterThan(0);
    expect(existsSync(join(directory, 'state/signalbox.sock'))).toBe(false);
  } finally {
    clearTimeout(late);
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}, 90_000);
