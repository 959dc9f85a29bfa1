import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import type { Subject } from './conformance.js';
import { WRITES } from './durability-child.js';

export function durabilityScenarios(subject: Subject): void {
  describe('durability', () => {
    test.each([60, 300, 700])('what was resolved is there after SIGKILL (after %i writes)', async (writes) => {
      await subject.store.close();
      const resolved = await killedAfter(writes, subject);
      expect(new Set(resolved.map(([name]) => name))).toEqual(new Set(Object.keys(WRITES)));
      const store = await subject.reopen();
      const lost: string[] = [];
      for (const [name, n] of resolved) if ((await WRITES[name]?.kept(store, n)) !== true) lost.push(`${name} ${n}`);
      expect(lost).toEqual([]);
    });

    test('closing waits for what was asked; after it every call is refused; closing twice is fine', async () => {
      const { store } = subject;
      const write = store.checkpoints.set('s', 'last', 1);
      await store.close();
      expect(await write).toBe(true);
      await expect(store.checkpoints.set('s', 'later', 1)).rejects.toMatchObject({ name: 'NotConnected' });
      await expect(store.checkpoints.get('s')).rejects.toMatchObject({ name: 'NotConnected' });
      await store.close();
      expect(await (await subject.reopen()).checkpoints.get('s')).toBe('last');
    });
  });
}

/** Lets a child write until it has said `writes` lines, kills it, and returns all it said. */
async function killedAfter(writes: number, { harness, place }: Subject): Promise<readonly (readonly [name: string, n: number])[]> {
  const script = fileURLToPath(new URL('./durability-child.js', import.meta.url));
  const child = spawn(process.execPath, [script, harness.module.href, place], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === writes) child.kill('SIGKILL');
  }
  const [code, signal] = (await exited) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the child ended by itself with ${code ?? signal}`);
  return lines.map((line) => [line.slice(0, line.indexOf(' ')), Number(line.slice(line.indexOf(' ') + 1))]);
}
