import { Command } from 'commander';
import { describe } from '../../bus/errors.js';
import type { Running } from '../../console/service.js';
import { EXIT } from '../failure.js';
import { talk } from '../output.js';
import { globals } from '../session.js';
import { reloadText } from './reload.js';

/** What the composition root exports; named here so that the command line does not depend on all it pulls in. */
interface CompositionRoot {
  startSignalbox(options: { readonly directory: string; readonly dev?: boolean }): Promise<Running>;
}

const ROOT = '../../signalbox.js';

export function runCommand(): Command {
  return new Command('run')
    .description('Run in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration')
    .option('--dev', 'for trying things out: readable log, state may be lost')
    .action(async (options: { readonly dev?: true }, command: Command) => {
      const { startSignalbox } = (await import(ROOT)) as CompositionRoot;
      const running = await startSignalbox({ directory: globals(command).config, ...(options.dev === undefined ? {} : { dev: true }) });
      process.exitCode = await untilStopped(running);
    });
}

/** The first signal drains, the second ends the process at once. */
async function untilStopped(running: Running): Promise<number> {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) process.exit(EXIT.problem);
    stopping = true;
    talk(`${signal}: finishing what is under way; once more ends at once`);
    running.stop(signal).catch((error: unknown) => {
      talk(`stopping failed: ${describe(error)}`);
      process.exit(EXIT.problem);
    });
  };
  const reload = (): void => {
    running.service.reload({ who: 'SIGHUP' }).then(
      (result) => talk(reloadText(result)),
      (error: unknown) => talk(`reload failed: ${describe(error)}`),
    );
  };
  process.on('SIGTERM', stop).on('SIGINT', stop).on('SIGHUP', reload);
  try {
    return await running.done;
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop).off('SIGHUP', reload);
  }
}
