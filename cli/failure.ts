import { type Code, codes } from '../bus/codes/index.js';

export const EXIT = { ok: 0, problem: 1, usage: 2, notRunning: 3 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends a command: printed as `error[E552] …` with its hint, and the exit code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: ExitCode;
  readonly code: string | undefined;
  readonly hint: string | undefined;

  constructor(message: string, options: { readonly exitCode?: ExitCode; readonly code?: string; readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT.problem;
    this.code = options.code;
    this.hint = options.hint;
  }
}

/** A failure with a code of ours; the hint is the table's unless a better one is known here. */
export function coded(code: Code, message: string, options: { readonly exitCode?: ExitCode; readonly hint?: string; readonly cause?: unknown } = {}): CommandFailure {
  return new CommandFailure(message, { hint: codes[code].fix, ...options, code });
}

/** What was typed cannot be meant: exit 2. */
export function usage(message: string, hint?: string): CommandFailure {
  return new CommandFailure(message, { exitCode: EXIT.usage, ...(hint === undefined ? {} : { hint }) });
}
