import { createInterface } from 'node:readline/promises';
import { coded, EXIT } from './failure.js';

/**
 * Asks before something that cannot be taken back. Without a terminal there is nobody to ask, so `--yes` must have been given.
 * @returns false when the answer is no
 */
export async function confirm(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!process.stdin.isTTY) throw coded('E558', `${question} This needs --yes.`, { exitCode: EXIT.usage });
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
