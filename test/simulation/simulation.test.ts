import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

// In processes of their own: a run forbids real time and real chance to everything in its process.
const LIMIT_MS = 170_000;

async function simulate(...options: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run.js'), ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const [code] = (await once(child, 'close', { signal: AbortSignal.timeout(LIMIT_MS) })) as [number];
  return { code, output };
}

test(
  'whatever fails, nothing is lost and every effect is explained: 300 seeds',
  async () => {
    const { code, output } = await simulate('--seeds', '300');
    expect(output).toMatch(/^good: 300 seeds/);
    expect(code).toBe(0);
  },
  LIMIT_MS,
);

test(
  'a seed runs the same way each time, in any process',
  async () => {
    const [first, second] = [await simulate('--seed', '4'), await simulate('--seed', '4')];
    expect(first.output).toMatch(/^seed 4: good, \d+ inputs, \d+ steps, trace [0-9a-f]{8}-\d+/);
    expect(second).toEqual(first);
  },
  LIMIT_MS,
);

test(
  'a core that is broken on purpose is found out, and how to see it again is said',
  async () => {
    const { code, output } = await simulate('--mutations', '--seeds', '800');
    expect(output.split('\n').filter((line) => line !== '' && !line.includes(': found with seed'))).toEqual([]);
    expect(code).toBe(0);
    const found = await simulate('--seeds', '20', '--mutation', 'confirms are not awaited');
    expect(found.output).toMatch(/seed \d+ is BROKEN:\n {2}- .*\n[\s\S]*replay: npm run simulate -- --seed \d+ --verbose --mutation 'confirms are not awaited'/);
    expect(found.code).toBe(1);
  },
  LIMIT_MS,
);
