import { Command } from 'commander';
import type { ReloadResult } from '../../console/service.js';
import { EXIT } from '../failure.js';
import { emit } from '../output.js';
import { actor, connect, globals } from '../session.js';
import { paint, safe, safeLines } from '../text.js';

export function reloadCommand(): Command {
  return new Command('reload')
    .description('Check the configuration on disk and, when it is free of errors, let it run')
    .option('--reason <text>', 'why, for the audit log')
    .action(async (options: { readonly reason?: string }, command: Command) => {
      const all = globals(command);
      const result = await (await connect(all)).reload(actor(options.reason));
      emit(all.output, result, () => reloadText(result));
      if (!result.applied) process.exitCode = EXIT.problem;
    });
}

export function reloadText({ applied, revision, report, changed }: ReloadResult): string {
  const text = safeLines(report.trimEnd());
  if (!applied) return [text, `${paint('red', 'NOT APPLIED')}  revision ${revision} runs on`].filter(Boolean).join('\n');
  // Warnings stopped nothing: their number is enough here, `signalbox check` has them all.
  const warnings = text.includes('warning[') ? `   ${text.slice(text.lastIndexOf('\n') + 1)}    signalbox check` : '';
  return `${paint('green', 'applied')}  revision ${revision}   ${changed.length === 0 ? 'nothing changed' : `changed: ${safe(changed.join(', '))}`}${warnings}`;
}
