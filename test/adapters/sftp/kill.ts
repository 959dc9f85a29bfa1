import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { Server } from '../../services/servers.js';

/** Ends a server with all the sessions it has forked, as a power cut would. */
export async function kill(server: Server<unknown>): Promise<void> {
  const { process: child } = server;
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const sessions = descendants(child.pid);
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  for (const pid of sessions) process.kill(pid, 'SIGKILL');
  await exit;
}

/** Process ids of the sessions a server has forked. */
export function descendants(parent: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const above = parentOf(Number(name));
    if (above !== undefined) children.set(above, [...(children.get(above) ?? []), Number(name)]);
  }
  const below = (pid: number): number[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(parent);
}

function parentOf(pid: number): number | undefined {
  try {
    // The name in parentheses may hold spaces; the parent is the second word behind it.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1]);
  } catch {
    return undefined; // it ended while we looked
  }
}
