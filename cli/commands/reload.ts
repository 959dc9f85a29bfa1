import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { ReloadResult, Service, Status } from '../../console/service.js';
import { EXIT } from '../failure.js';
import { emit, talk } from '../output.js';
import { actor, connect, globals } from '../session.js';
import { duration, paint, safe, safeLines } from '../text.js';

export function reloadCommand(): Command {
  return new Command('reload')
    .description('Check the configuration on disk and, when it is free of errors, let it run')
    .option('--reason <text>', 'why, for the audit log')
    .action(async (options: { readonly reason?: string }, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const result = await tellingProgress(service, service.reload(actor(options.reason)));
      emit(all.output, result, () => reloadText(result));
      if (!result.applied) process.exitCode = EXIT.problem;
    });
}

export function reloadText({ applied, revision, report, changed, waited }: ReloadResult): string {
  const text = safeLines(report.trimEnd());
  if (!applied) return [text, `${paint('red', 'NOT APPLIED')}  revision ${revision} runs on`].filter(Boolean).join('\n');
  // Warnings stopped nothing: their number is enough here, `signalbox check` has them all.
  const warnings = text.includes('warning[') ? `   ${text.slice(text.lastIndexOf('\n') + 1)}    signalbox check` : '';
  const slow = waited.map(
    ({ name, ms, isOver }) => `\n${isOver ? `waited ${duration(ms)} for ${safe(name)}` : `${paint('yellow', 'left behind')}  ${safe(name)} did not end within ${duration(ms)}`}`,
  );
  return `${paint('green', 'applied')}  revision ${revision}   ${changed.length === 0 ? 'nothing changed' : `changed: ${safe(changed.join(', '))}`}${warnings}${slow.join('')}`;
}

const FIRST_MS = 1_500;
const EVERY_MS = 3_000;

/** Says on stderr what a change waits for that takes its time. */
async function tellingProgress<T>(service: Pick<Service, 'status'>, work: Promise<T>): Promise<T> {
  const over = new AbortController();
  const tell = async (): Promise<void> => {
    for (let wait = FIRST_MS; ; wait = EVERY_MS) {
      await sleep(wait, undefined, { signal: over.signal });
      const line = endingText((await service.status()).ending, Date.now());
      if (line !== '' && !over.signal.aborted) talk(line);
    }
  };
  const telling = tell().catch(() => undefined); // the work is over, or its own failure says more
  try {
    return await work;
  } finally {
    over.abort();
    await telling;
  }
}

/** Empty when it waits for nothing. */
export function endingText(ending: Status['ending'], now: number): string {
  const parts = ending.map(({ name, since }) => `${safe(name)} (${duration(now - since)})`);
  return parts.length === 0 ? '' : `waiting for what is under way at ${parts.join(', ')}; the others go on`;
}
