import { describe } from '../bus/errors.js';
import type { Running } from '../console/service.js';
import { reloadText } from './commands/reload.js';
import { EXIT } from './failure.js';
import { talk } from './output.js';

/** The first SIGTERM or SIGINT drains, the second ends the process at once; SIGHUP reloads. @returns the exit code */
export async function untilStopped(running: Running): Promise<number> {
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
      // A service's log has a line for each problem already.
      (result) => (result.applied || process.stderr.isTTY ? process.stderr.write(`${reloadText(result)}\n`) : undefined),
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
