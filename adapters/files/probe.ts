// The steps of a connection test that all places for files have in common.

import { type Clock, describe, failureOf, type ProbeStep } from '../contract/index.js';
import { type FileSpace, joinPath } from './space.js';

export interface ProbeTask {
  readonly name: string;
  /** What to show when it went well; default is the time it took. */
  run(): Promise<string | undefined>;
}

export interface Folders {
  readonly read: ReadonlySet<string>;
  readonly written: ReadonlySet<string>;
}

/** Runs the tasks in order up to the first that fails, then lists the folders that are read and writes to those that are written. */
export async function probeFiles(
  space: FileSpace | (() => FileSpace),
  folders: Folders,
  tasks: readonly ProbeTask[],
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly ProbeStep[]> {
  const files = (): FileSpace => (typeof space === 'function' ? space() : space);
  const list = (folder: string): ProbeTask => ({
    name: `list ${folder}`,
    run: async () => {
      const found = (await files().list(folder, signal)).filter((entry) => entry.kind === 'file');
      return `${found.length} files`;
    },
  });
  const write = (folder: string): ProbeTask => ({
    name: `write ${folder}`,
    run: async () => {
      const path = joinPath(folder, `.signalbox-probe.${Math.trunc(clock.monotonic())}.part`);
      await files().write(path, Buffer.from('signalbox\n'), signal);
      await files().remove(path, signal);
      return undefined;
    },
  });
  const nothing = folders.read.size === 0 && folders.written.size === 0;
  const [needed, rest] = [tasks, [...(nothing ? [list('.')] : [...folders.read].map(list)), ...[...folders.written].map(write)]];
  const steps: ProbeStep[] = [];
  for (const task of needed) {
    const step = await runStep(task, clock);
    steps.push(step);
    if (!step.ok) return steps;
  }
  for (const task of rest) steps.push(await runStep(task, clock));
  return steps;
}

async function runStep(task: ProbeTask, clock: Clock): Promise<ProbeStep> {
  const start = clock.monotonic();
  try {
    const detail = await task.run();
    return { name: task.name, ok: true, detail: detail ?? `${Math.round(clock.monotonic() - start)} ms` };
  } catch (error) {
    const hint = failureOf(error)?.hint;
    return { name: task.name, ok: false, detail: describe(error), ...(hint === undefined ? {} : { fix: hint }) };
  }
}
