/** One thing `signalbox doctor` looked at: a setting outside of our code that a promise of ours depends on. */
export interface Diagnosis {
  /** Stable name, for programs: `rabbitmq.version`, `store.synchronous`. */
  readonly check: string;
  /** `problem`: a promise does not hold. `warning`: it holds today. `not-checked`: `found` says why, `fix` how it could be. */
  readonly result: DiagnosisResult;
  /** What was found, one line; never a secret. */
  readonly found: string;
  /** Why it matters. */
  readonly why?: string;
  /** The exact command or setting. */
  readonly fix?: string;
}

export type DiagnosisResult = 'ok' | 'warning' | 'problem' | 'not-checked';

export interface DiagnoseOptions {
  /** Reads every page of a database file, which holds up its other users for about a second per gigabyte. */
  readonly integrity: boolean;
  readonly signal: AbortSignal;
}

export function fine(check: string, found: string): Diagnosis {
  return { check, result: 'ok', found };
}

export function warning(check: string, found: string, why: string, fix: string): Diagnosis {
  return { check, result: 'warning', found, why, fix };
}

export function problem(check: string, found: string, why: string, fix: string): Diagnosis {
  return { check, result: 'problem', found, why, fix };
}

export function notChecked(check: string, reason: string, fix: string): Diagnosis {
  return { check, result: 'not-checked', found: reason, fix };
}
