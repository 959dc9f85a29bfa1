import { Command } from 'commander';
import type { Diagnosis, DiagnosisResult } from '../../bus/diagnosis.js';
import type { DoctorRequest } from '../../console/service.js';
import { CommandFailure, EXIT } from '../failure.js';
import { refused } from '../offline.js';
import { emit, talk } from '../output.js';
import { connect, type Globals, globals } from '../session.js';
import { paint, plural, safe } from '../text.js';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Check every setting of broker, store, disk and process that the promises depend on; each finding with its fix')
    .option('--systems', 'test the connection to each system too; changes nothing there')
    .option('--self-test', 'send a message through the retry ladder and see it come back')
    .option('--integrity', 'read all of the database files; writing waits meanwhile')
    .action(async (options: { readonly systems?: true; readonly selfTest?: true; readonly integrity?: true }, command: Command) => {
      const all = globals(command);
      const found = await diagnoses(all, { systems: options.systems === true, selfTest: options.selfTest === true, integrity: options.integrity === true });
      emit(all.output, found, () => doctorText(found));
      if (found.some(({ result }) => result === 'problem')) process.exitCode = EXIT.problem;
    });
}

/** Of the running service; when nothing runs, from the configuration. */
async function diagnoses(all: Globals, request: DoctorRequest): Promise<readonly Diagnosis[]> {
  try {
    return await (await connect(all)).doctor(request);
  } catch (error) {
    if (!(error instanceof CommandFailure) || error.exitCode !== EXIT.notRunning || all.socket !== undefined) throw error;
    talk('nothing runs with this configuration; this is what a start would find');
    const { examineOffline } = await import('../../standalone.js');
    return examineOffline(all.config, request).catch(refused);
  }
}

const ORDER: readonly DiagnosisResult[] = ['problem', 'warning', 'not-checked', 'ok'];

export function doctorText(found: readonly Diagnosis[]): string {
  const sorted = ORDER.flatMap((wanted) => found.filter(({ result }) => result === wanted));
  const width = Math.max(0, ...found.map(({ check }) => check.length));
  const lines = sorted.flatMap(({ check, result, found: text, why, fix }) => [
    `${word(result)}  ${safe(check).padEnd(width)}  ${safe(text)}`,
    ...(why === undefined ? [] : [`  = why:  ${safe(why)}`]),
    ...(fix === undefined ? [] : [`  = help: ${safe(fix)}`]),
  ]);
  const count = (wanted: DiagnosisResult): number => found.filter(({ result }) => result === wanted).length;
  const sum = [`${count('ok')} ok`, plural(count('warning'), 'warning'), plural(count('problem'), 'problem'), `${count('not-checked')} not checked`].join(', ');
  return [...lines, '', sum].join('\n');
}

function word(result: DiagnosisResult): string {
  if (result === 'ok') return paint('green', 'ok  ');
  if (result === 'warning') return paint('yellow', 'WARN');
  return result === 'problem' ? paint('red', 'FAIL') : paint('dim', '-   ');
}
