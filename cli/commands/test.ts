import { Command } from 'commander';
import { renderDiagnostics } from '../../config/diagnostics.js';
import type { TestResult, TestRun } from '../../routes/test.js';
import { EXIT, usage } from '../failure.js';
import { check, runConfigTests } from '../offline.js';
import { emit, talk } from '../output.js';
import { globals } from '../session.js';
import { hasColour, paint, safe } from '../text.js';
import { hasErrors } from './check.js';

export function testCommand(): Command {
  return new Command('test')
    .description("Run the configuration's own tests, offline: nothing is sent, the clock stands still")
    .option('-t, --name <text>', 'only tests whose name has this text')
    .action(async (options: { readonly name?: string }, command: Command) => {
      const { config, output } = globals(command);
      const { diagnostics, sources, configuration } = await check(config, { withoutSecrets: true });
      if (configuration === undefined || hasErrors(diagnostics)) {
        process.stderr.write(renderDiagnostics(diagnostics, sources, { colour: hasColour(process.stderr), applied: undefined }));
        process.exitCode = EXIT.problem;
        return;
      }
      const { name = '' } = options;
      const run = await runConfigTests(configuration, (test) => test.config.name.includes(name));
      if (run.results.length === 0 && name !== '') throw usage(`no test has "${name}" in its name`);
      emit(output, run, () => testText(run));
      if (run.results.length === 0) talk('no tests: write some under `tests:`');
      if (run.results.some(({ passed }) => !passed)) process.exitCode = EXIT.problem;
    });
}

export function testText({ results, coverage }: TestRun): string {
  if (results.length === 0) return '';
  const failed = results.filter(({ passed }) => !passed).length;
  const counts = failed === 0 ? `${results.length} passed` : `${failed} failed, ${results.length - failed} passed`;
  const never = coverage.never.length === 0 ? '' : `, never: ${safe(coverage.never.join(', '))}`;
  const rules = coverage.rules === 0 ? '' : `; rules that fired ${coverage.fired} of ${coverage.rules}${never}`;
  return [...results.map(resultText), counts + rules].join('\n');
}

function resultText(result: TestResult): string {
  if (result.passed) return `${paint('green', 'PASS')}  ${safe(result.name)}`;
  const problems = result.problems.map(({ what, expected, got, because, place }) => {
    const lines = [`${safe(what)}  expected ${safe(expected)}, got ${safe(got)}`];
    if (because !== undefined) lines.push(`  because  ${safe(because)}`);
    if (place !== undefined) lines.push(`  at       ${safe(place)}`);
    return lines.map((line) => `      ${line}`).join('\n');
  });
  return [`${paint('red', 'FAIL')}  ${safe(result.name)}${result.place === undefined ? '' : `    ${safe(result.place)}`}`, ...problems].join('\n');
}
