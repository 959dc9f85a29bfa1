import { Command, Option } from 'commander';
import { refused } from '../offline.js';
import { talk } from '../output.js';
import { globals } from '../session.js';
import { untilStopped } from '../until-stopped.js';

const levels = ['debug', 'info', 'warn', 'error'] as const;
const logFormats = ['json', 'pretty'] as const;

interface RunOptions {
  readonly logFormat?: (typeof logFormats)[number];
  readonly logLevel?: (typeof levels)[number];
}

export function runCommand(): Command {
  return new Command('run')
    .description('Run in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration')
    .addOption(new Option('--log-format <format>', 'form of the log on stderr; pretty on a terminal').choices(logFormats))
    .addOption(new Option('--log-level <level>', 'least level of the log').choices(levels))
    .action(async (options: RunOptions, command: Command) => {
      const { config, socket } = globals(command);
      const format = options.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json');
      // Loaded here only: it pulls in everything.
      const { startSignalbox } = await import('../../signalbox.js');
      // Before there is something to reload, the signal would end the process.
      const early = (): void => talk('SIGHUP: still starting, nothing to reload yet');
      process.on('SIGHUP', early);
      const running = await startSignalbox({
        directory: config,
        log: { format, ...(options.logLevel === undefined ? {} : { level: options.logLevel }) },
        ...(socket === undefined ? {} : { socketPath: socket }),
      }).catch(refused);
      const stopped = untilStopped(running);
      process.off('SIGHUP', early);
      process.exitCode = await stopped;
    });
}
