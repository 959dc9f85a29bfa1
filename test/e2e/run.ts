import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const cli = join(import.meta.dirname, '../../cli/main.js');
/** As users start it: with its limits of memory and threads. */
const launcher = join(import.meta.dirname, '../../../cli/signalbox.sh');

/** The real command line on one configuration. */
export interface Hub {
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** `signalbox run` as a process of its own; what it prints goes to `run.log` in the configuration's directory. */
export function run({ directory, environment }: Hub): ChildProcess {
  const child = spawn(launcher, ['run', '-c', directory], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = createWriteStream(join(directory, 'run.log'), { flags: 'a' });
  child.stdout?.pipe(out);
  child.stderr?.pipe(out);
  return child;
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill(signal);
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

/** A command's exit code and output. */
export function command({ directory, environment }: Hub, ...args: string[]): { readonly code: number | null; readonly out: string; readonly talk: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, '-c', directory], { env: environment, encoding: 'utf8' });
  return { code: status, out: stdout, talk: stderr };
}

/** A command's answer as JSON. */
export function ask<T>({ directory, environment }: Hub, ...args: string[]): T {
  return JSON.parse(execFileSync(process.execPath, [cli, ...args, '-c', directory, '-o', 'json'], { env: environment, encoding: 'utf8' })) as T;
}

export async function until(condition: () => Promise<boolean> | boolean, what: string, limitMs: number, state?: () => Promise<unknown>, everyMs = 250): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in ${limitMs / 1000} s: ${what} ${JSON.stringify(await state?.()) ?? ''}`);
    await sleep(everyMs);
  }
}
