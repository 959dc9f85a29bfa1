import { mkdir, open, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import type { Listed } from '../../adapters/contract/index.js';
import { describe } from '../../bus/errors.js';
import { renderDiagnostics } from '../../config/diagnostics.js';
import type { Draft, Taken } from '../../config/import/draft.js';
import type { SampleFormat } from '../../config/import/file.js';
import type { ImportPlan } from '../../config/import/plan.js';
import type { Strategy } from '../../config/import/table.js';
import { exists } from '../exists.js';
import { coded, EXIT } from '../failure.js';
import { check, loadOptions, refused } from '../offline.js';
import { emit, talk } from '../output.js';
import { type Globals, globals, named } from '../session.js';
import { table } from '../table.js';
import { hasColour, plural, safe } from '../text.js';
import { hasErrors } from './check.js';
import { testText } from './test.js';

const strategies: readonly Strategy[] = ['plain', 'cursor', 'triggers', 'snapshot'];

interface Wishes {
  readonly endpoint?: string;
  readonly type?: string;
  readonly dryRun?: boolean;
}

interface TableWishes extends Wishes {
  readonly include: readonly string[];
  readonly strategy?: Strategy;
}

export function importCommand(): Command {
  const command = new Command('import').description('Write a starting point from what is there: endpoint, type, route, sample and test. Nothing is applied');
  wishes(command.command('table'))
    .description('From a table of a database, and a few of its rows; the name of the system alone lists its tables')
    .argument('<system.table>', 'such as legacy.ORD_HEAD')
    .option('--include <table>', 'put the rows of a table that refers to it into the record; may be given again', (name: string, all: readonly string[]) => [...all, name], [])
    .addOption(new Option('--strategy <way>', 'how it is read; the safest that fits when absent').choices(strategies))
    .action(async (name: string, options: TableWishes, self: Command) => {
      const all = globals(self);
      const [system = '', ...rest] = name.split('.');
      if (rest.length === 0) return listTables(all, system);
      await finish(all, await tableDraft(all, system, rest.join('.'), options), `signalbox import table ${name}`, options);
    });
  for (const [format, about] of Object.entries(samples)) {
    const sub = wishes(command.command(format))
      .description(`From ${about}`)
      .argument(format === 'copybook' ? '<layout>' : '<sample>', format === 'copybook' ? 'file with the copybook' : 'file as it comes from the system')
      .option('--system <name>', 'system that gets the endpoint: one that reads files, or a new one; by the name of the file when absent');
    if (format === 'copybook') sub.requiredOption('--sample <file>', 'file with records of that layout');
    sub.action(async (file: string, options: FileWishes, self: Command) => {
      const all = globals(self);
      const draft = await fileDraft(all, format as SampleFormat, file, options);
      await finish(all, draft, `signalbox import ${format} ${basename(file)}`, options);
      if (draft.make && options.dryRun !== true) await mkdir(join(String(draft.make.connect['root']), 'inbox'), { recursive: true });
    });
  }
  return command;
}

const samples: Readonly<Record<SampleFormat, string>> = {
  csv: 'a CSV file: its delimiter, quotes, encoding, columns and their types',
  fixed: 'a file of fixed-width records: its columns are found where blanks and kinds of characters change',
  copybook: 'a COBOL copybook and a file with its records',
  xml: 'an XML document: the element that repeats, its fields and lists',
  edi: 'an EDIFACT or X12 interchange',
};

interface FileWishes extends Wishes {
  readonly system?: string;
  readonly sample?: string;
}

/** As much of a sample as is looked at. */
const SAMPLE_BYTES = 4 * 1024 * 1024;

async function fileDraft(all: Globals, format: SampleFormat, path: string, { system, sample, ...wished }: FileWishes): Promise<Draft> {
  const { fileDraft: draft } = await import('../../config/import/file.js');
  const [{ systems, taken }, bytes] = await Promise.all([present(all), beginning(sample ?? path)]);
  const name = basename(sample ?? path);
  const { endpointName } = await import('../../config/import/names.js');
  const wanted = system ?? endpointName(name.replace(/\.[^.]*$/, '').replace(/[\d_-]+$/, '') || 'files');
  const adapter = systems.get(wanted);
  if (adapter !== undefined && !FILE_ADAPTERS.has(adapter))
    throw coded('E126', `${wanted} reads no files: its adapter is ${adapter}`, { hint: 'choose another name with `--system`' });
  const source = { format, name, bytes, ...(format === 'copybook' ? { layout: new TextDecoder().decode(await beginning(path)) } : {}) };
  return draft(source, { ...wished, system: wanted, isThere: adapter !== undefined, root: join(all.config, 'data', wanted) }, taken);
}

const FILE_ADAPTERS: ReadonlySet<string> = new Set(['file', 'sftp', 'ftp']);

async function beginning(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw coded('E127', `${path} cannot be read: ${describe(cause)}`, { cause });
  }
}

function wishes(command: Command): Command {
  return command.option('--endpoint <name>', 'name of the endpoint').option('--type <Name>', 'name of the canonical type').option('--dry-run', 'print the files, and write none');
}

async function listTables(all: Globals, system: string): Promise<void> {
  const list = await withSystem(all, system, async (connected, signal) => {
    if (!connected.list) throw coded('E128', `${system} does not tell what it has`);
    return connected.list(signal);
  });
  emit(all.output, list, () =>
    list.length === 0
      ? 'no table this account may see'
      : table(
          ['NAME', 'KIND'],
          list.map(({ name, kind }: Listed) => [safe(name), kind]),
        ),
  );
  if (all.output === 'table' && list.length > 0) talk(`next: signalbox import table ${system}.${list[0]?.name ?? ''}`);
}

async function tableDraft(all: Globals, system: string, name: string, { include, ...wished }: TableWishes): Promise<Draft> {
  const source = await withSystem(all, system, async (connected, signal) => {
    if (!connected.describe || !connected.sample) throw coded('E128', `${system} does not tell what it has`);
    const found = await connected.describe(name, signal);
    const children = [];
    for (const wanted of include) {
      const by = found.children.find((child) => child.table.toLowerCase() === wanted.toLowerCase() || child.table.toLowerCase().endsWith(`.${wanted.toLowerCase()}`));
      if (!by) throw coded('E126', `${wanted} does not refer to ${found.name}`, { hint: childrenHint(found.children.map((child) => child.table)) });
      children.push({
        table: await connected.describe(by.table, signal),
        by: { table: found.name, fields: by.theirs, theirs: by.fields },
        samples: await connected.sample(by.table, 200, signal),
      });
    }
    return { system, table: found, samples: await connected.sample(name, 5, signal), children };
  });
  const { tableDraft: draft } = await import('../../config/import/table.js');
  return draft(source, wished, (await present(all)).taken);
}

function childrenHint(names: readonly string[]): string {
  return names.length === 0 ? 'no table refers to it by a foreign key' : `these do: ${names.join(' ')}`;
}

async function withSystem<T>(
  { config }: Globals,
  name: string,
  work: (system: Parameters<Parameters<typeof import('../../standalone.js').withSystem<T>>[2]>[0], signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Loaded here only: it pulls in everything.
  const standalone = await import('../../standalone.js');
  const known = async (): Promise<readonly string[]> => standalone.systemNames(config);
  return named(name, known, () => standalone.withSystem(config, name, (system) => work(system, AbortSignal.timeout(60_000))).catch(refused));
}

/** What the configuration has: systems with their adapters, names of types. */
async function present({ config }: Globals): Promise<{ readonly systems: ReadonlyMap<string, string>; readonly taken: Taken }> {
  const { diagnostics, sources, configuration } = await check(config, { withoutSecrets: true });
  if (!configuration) {
    process.stderr.write(renderDiagnostics(diagnostics, sources, { colour: hasColour(process.stderr), applied: undefined }));
    throw coded('E126', 'the configuration has errors already', { hint: 'correct them first; `signalbox init` starts a new one' });
  }
  return {
    systems: new Map([...configuration.systems.values()].map(({ name, adapter }) => [name, adapter.name])),
    taken: { types: new Set(Object.keys(configuration.routing.types)), routes: new Set(Object.keys(configuration.routing.routes)) },
  };
}

/** Checks, tests, writes, and says what comes next. */
async function finish({ config, output }: Globals, draft: Draft, command: string, { dryRun = false }: Wishes): Promise<void> {
  const { planImport } = await import('../../config/import/plan.js');
  const plan = await planImport(config, draft, command, await loadOptions(config, { withoutSecrets: true }));
  if (dryRun) emit(output, Object.fromEntries(plan.files), () => [...plan.files].map(([path, text]) => `--- ${safe(path)}\n${text.trimEnd()}`).join('\n'));
  if (hasErrors(plan.diagnostics)) {
    process.stderr.write(renderDiagnostics(plan.diagnostics, plan.sources, { colour: hasColour(process.stderr), applied: undefined }));
    throw coded('E126', 'with what would be written the configuration has errors; nothing was written', { hint: '`--dry-run` prints what would be written' });
  }
  if (!dryRun) {
    await write(config, plan);
    emit(output, [...plan.files.keys()], () => [...plan.files.keys()].map((path) => `${path === plan.changed ? 'changed' : 'written'}  ${safe(path)}`).join('\n'));
  }
  talk(spoken(draft, plan));
  if (plan.tests?.results.some(({ passed }) => !passed)) process.exitCode = EXIT.problem;
}

async function write(directory: string, { files, changed }: ImportPlan): Promise<void> {
  for (const path of files.keys()) {
    if (path !== changed && (await exists(join(directory, path)))) throw coded('E129', `${join(directory, path)} is there already`);
  }
  for (const [path, text] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text, path === changed ? {} : { flag: 'wx' });
  }
}

function spoken(draft: Draft, plan: ImportPlan): string {
  const warnings = plan.diagnostics.filter(({ severity }) => severity === 'warning').length;
  return [
    ...draft.notes.map((note) => `- ${note}`),
    `check: no errors${warnings === 0 ? '' : `, ${plural(warnings, 'warning')}`}`,
    ...(plan.problem === undefined ? [] : [`The sample became no message, so there is no test yet: ${plan.problem}`]),
    ...(draft.samples.length === 0 ? ['There was no row to make a sample and a test of.'] : []),
    ...(plan.tests && plan.tests.results.length > 0
      ? [
          `test: ${testText({ ...plan.tests, coverage: { fired: 0, rules: 0, never: [] } })
            .split('\n')
            .at(-1)}`,
        ]
      : []),
    `next: name who gets it (\`deliver:\` of ${draft.route}-out; until then it is recorded as filtered), then signalbox check, test, reload`,
  ].join('\n');
}
