import { Command } from 'commander';
import type { Running } from '../../console/service.js';
import { globals } from '../session.js';
import { untilStopped } from '../until-stopped.js';

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
