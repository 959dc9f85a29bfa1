import { appendFileSync } from 'node:fs';
import type { Place } from './world.js';

export interface Result {
  readonly place: Place;
  readonly fault: string;
  readonly rows: number;
  /** Rows that arrived while the fault lasted. */
  readonly duringFault: number;
  /** From the end of the fault until everything had arrived and nothing was under way. */
  readonly recoveryMs: number;
  /** Requests the REST partner got twice. */
  readonly repeats: number;
  readonly megabytes: number;
}

/** Adds one line to the file in SIGNALBOX_FAULTS_RESULTS, from which the table in docs/guarantees.md is made. */
export function record(result: Result): void {
  const file = process.env['SIGNALBOX_FAULTS_RESULTS'];
  if (file) appendFileSync(file, `${JSON.stringify(result)}\n`);
}
