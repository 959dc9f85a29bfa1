import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command, Option } from 'commander';
import type { Listed } from '../../adapters/contract/index.js';
import { renderDiagnostics } from '../../config/diagnostics.js';
import type { Draft } from '../../config/import/draft.js';
import type { ImportPlan } from '../../config/import/plan.js';
import type { Strategy } from '../../config/import/table.js';
import { coded, EXIT } from '../failure.js';
import { loadOptions, refused } from '../offline.js';
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
  return command;
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
  return draft(source, wished, await takenTypes(all));
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

async function takenTypes({ config }: Globals): Promise<ReadonlySet<string>> {
  const { check } = await import('../offline.js');
  const { configuration } = await check(config, { withoutSecrets: true });
  return new Set(Object.keys(configuration?.routing.types ?? {}));
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
    `next: name who gets it (\`deliver:\` of ${draft.endpoint}-out; until then it is recorded as filtered), then signalbox check, test, reload`,
  ].join('\n');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
