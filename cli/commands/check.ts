import { readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { applyFixes, type Diagnostic, diagnosticsAsJson, diagnosticsForGithub, renderDiagnostics } from '../../config/diagnostics.js';
import type { LoadResult } from '../../config/load.js';
import { EXIT } from '../failure.js';
import { check } from '../offline.js';
import { emit, talk } from '../output.js';
import { globals } from '../session.js';
import { hasColour, plural, safeJson } from '../text.js';

const checkFormats = ['text', 'json', 'github'] as const;

interface CheckOptions {
  readonly fix?: true;
  readonly withoutSecrets?: true;
  readonly format: (typeof checkFormats)[number];
}

export function checkCommand(): Command {
  return new Command('check')
    .description('Check the configuration: all problems in one run, each with its line and what helps')
    .option('--fix', 'make the changes that are safe to make without asking')
    .option('--without-secrets', 'do not miss secrets that are not on this machine')
    .addOption(new Option('--format <format>', 'text for people, json for programs, github for its workflow annotations').choices(checkFormats).default('text'))
    .action(async (options: CheckOptions, command: Command) => {
      const { config, output } = globals(command);
      const how = { withoutSecrets: options.withoutSecrets === true };
      let checked = await check(config, how);
      if (options.fix && (await fix(config, checked)) > 0) checked = await check(config, how);
      if (output !== 'table') emit(output, checked.diagnostics, () => '');
      else process.stdout.write(rendered(checked, options.format));
      if (hasErrors(checked.diagnostics)) process.exitCode = EXIT.problem;
    });
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ severity }) => severity === 'error');
}

function rendered({ diagnostics, sources }: LoadResult, format: CheckOptions['format']): string {
  if (format === 'json') return safeJson(diagnosticsAsJson(diagnostics));
  if (format === 'github') return diagnosticsForGithub(diagnostics);
  return renderDiagnostics(diagnostics, sources, { colour: hasColour(process.stdout), applied: undefined });
}

/** Writes the fixes into the files. A file that changed since it was read is left alone. */
async function fix(directory: string, { diagnostics, sources }: LoadResult): Promise<number> {
  const files = new Set(diagnostics.filter((diagnostic) => diagnostic.fix !== undefined && diagnostic.line > 0).map(({ file }) => file));
  let fixed = 0;
  for (const file of files) {
    const own = diagnostics.filter((diagnostic) => diagnostic.file === file && diagnostic.fix !== undefined);
    const path = await realpath(join(directory, file));
    const before = await readFile(path, 'utf8');
    if (!own.every(({ line }) => before.split('\n')[line - 1] === sources.get(file)?.split('\n')[line - 1])) {
      talk(`${file} was changed meanwhile and left alone`);
      continue;
    }
    const after = applyFixes(before, own);
    if (after === before) continue;
    // Beside it and renamed: a crash leaves the old file or the new one, never half of one.
    const beside = `${path}.${process.pid}.new`;
    await writeFile(beside, after, { mode: (await stat(path)).mode, flag: 'wx' });
    await rename(beside, path);
    talk(`${file}: ${plural(own.length, 'fix', 'fixes')}`);
    fixed++;
  }
  return fixed;
}
