import { Command, Option } from 'commander';
import type { Running } from '../../console/service.js';
import { CommandFailure } from '../failure.js';
import { globals } from '../session.js';
import { untilStopped } from '../until-stopped.js';

/** What the composition root exports; named here so that the command line does not load all it pulls in before it is needed. */
interface CompositionRoot {
  startSignalbox(options: { readonly directory: string; readonly log: LogOptions; readonly socketPath?: string }): Promise<Running>;
}

interface LogOptions {
  readonly level?: string;
  readonly format: 'json' | 'pretty';
}

const ROOT = '../../signalbox.js';

export function runCommand(): Command {
  return new Command('run')
    .description('Run in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration')
    .addOption(new Option('--log-format <format>', 'form of the log on stderr; pretty on a terminal').choices(['json', 'pretty']))
    .addOption(new Option('--log-level <level>', 'least level of the log').choices(['debug', 'info', 'warn', 'error']))
    .action(async (options: { readonly logFormat?: LogOptions['format']; readonly logLevel?: string }, command: Command) => {
      const { config, socket } = globals(command);
      const format = options.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json');
      const { startSignalbox } = (await import(ROOT)) as CompositionRoot;
      const running = await startSignalbox({
        directory: config,
        log: { format, ...(options.logLevel === undefined ? {} : { level: options.logLevel }) },
        ...(socket === undefined ? {} : { socketPath: socket }),
      }).catch(refused);
      process.exitCode = await untilStopped(running);
    });
}

/** A configuration with errors comes with the report that `signalbox check` prints. */
function refused(error: unknown): never {
  if (typeof error !== 'object' || error === null || !('report' in error) || typeof error.report !== 'string') throw error;
  process.stderr.write(error.report.endsWith('\n') ? error.report : `${error.report}\n`);
  throw new CommandFailure('the configuration has errors; nothing was started', { hint: '`signalbox check` shows them again' });
}
