import { Command } from 'commander';
import type { ProbeStep } from '../../adapters/contract/endpoint.js';
import type { EndpointStatus, Service, SystemStatus } from '../../console/service.js';
import { confirm } from '../confirm.js';
import { EXIT } from '../failure.js';
import { emit, talk } from '../output.js';
import { actor, connect, globals, named } from '../session.js';
import { pairs, table } from '../table.js';
import { age, duration, paint, plural, safe, stateWord } from '../text.js';
import { endpointDetail, systemsTable } from './status.js';
import { trustCommand } from './trust.js';

export function systemsCommand(): Command {
  const systems = new Command('systems').description('The systems outside: state, connection tests, pause');
  systems
    .command('list')
    .description('List all systems')
    .action(async (_: unknown, command: Command) => {
      const all = globals(command);
      const list = await (await connect(all)).systems();
      emit(all.output, list, () => systemsTable(list));
    });
  systems
    .command('show')
    .description('Show one system with its endpoints')
    .argument('<system>')
    .action(async (name: string, _: unknown, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const system = await named(name, systemNames(service), () => service.system(name));
      emit(all.output, system, () => systemText(system));
    });
  systems
    .command('test')
    .description('Test the connection to a system step by step; changes nothing there')
    .argument('<system>')
    .action(async (name: string, _: unknown, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const steps = await named(name, systemNames(service), () => service.testSystem(name));
      emit(all.output, steps, () => probeText(steps));
      if (steps.some((step) => !step.ok)) process.exitCode = EXIT.problem;
    });
  for (const action of ['install', 'remove'] as const) systems.addCommand(triggersCommand(action));
  systems.addCommand(trustCommand());
  for (const verb of ['pause', 'resume'] as const) {
    systems
      .command(verb)
      .description(verb === 'pause' ? 'Stop reading and delivering; messages wait, also over a restart' : 'Read and deliver again')
      .argument('<name>', 'exact name of a system, or of one endpoint (system.endpoint)')
      .option('--reason <text>', 'why, for the audit log')
      .action(async (name: string, options: { readonly reason?: string }, command: Command) => {
        const service = await connect(globals(command));
        await named(name, endpointNames(service), () => service[verb](name, actor(options.reason)));
        talk(`${name} ${verb}d`);
      });
  }
  systems
    .command('reset')
    .description('Forget the checkpoint of an endpoint, so that it reads from its beginning')
    .argument('<endpoint>', 'exact name of the endpoint (system.endpoint)')
    .option('-y, --yes', 'do not ask')
    .option('--reason <text>', 'why, for the audit log')
    .action(async (name: string, options: { readonly yes?: true; readonly reason?: string }, command: Command) => {
      const service = await connect(globals(command));
      const known = await service.systems();
      const at = known.flatMap(({ endpoints }) => endpoints).find((endpoint) => endpoint.name === name)?.checkpoint;
      if (at !== undefined) talk(`${safe(name)} is at ${safe(at)}`);
      if (
        !(await confirm(
          `Read everything of ${safe(name)} again? What was taken before is known by its id (as long as \`retention.dedupe\` says) and not sent again.`,
          options.yes === true,
        ))
      )
        return talk('nothing was changed');
      await named(name, endpointNames(service), () => service.reset(name, actor(options.reason)));
      talk(`${safe(name)} reads from its beginning at its next poll`);
    });
  return systems;
}

interface TriggersOptions {
  readonly apply?: true;
  readonly yes?: true;
  readonly reason?: string;
}

/** Text for review is the default: whoever owns the database runs it, or it is applied here after a question. */
function triggersCommand(action: 'install' | 'remove'): Command {
  return new Command(`${action}-triggers`)
    .description(`Print the statements that ${action} the triggers an endpoint reads by; with --apply run them`)
    .argument('<endpoint>', 'exact name of the endpoint (system.endpoint)')
    .option('--apply', 'run the statements with the account of the system, after a question')
    .option('-y, --yes', 'do not ask')
    .option('--reason <text>', 'why, for the audit log')
    .action(async (name: string, options: TriggersOptions, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const by = actor(options.reason);
      const plan = await named(name, endpointNames(service), () => service.provision(name, { action, apply: false }, by));
      emit(all.output, plan, () => plan.statements.map(statementText).join('\n\n'));
      for (const note of plan.notes) talk(`note: ${safe(note)}`);
      if (!options.apply) return talk('nothing was changed; run this at the database, or again with --apply');
      if (!(await confirm(`Run these ${plural(plan.statements.length, 'statement')} at ${safe(name)}?`, options.yes === true))) return talk('nothing was changed');
      const done = await service.provision(name, { action, apply: true }, by);
      talk(`${plural(done.statements.length, 'statement')} run at ${safe(name)}`);
    });
}

/** What ends with a `;` of its own is a block, which tools of its database end with a line of its own. */
function statementText(statement: string): string {
  const text = statement.split('\n').map(safe).join('\n');
  return text.endsWith(';') ? `${text}\n/` : `${text};`;
}

function systemNames(service: Service): () => Promise<readonly string[]> {
  return async () => (await service.systems()).map(({ name }) => name);
}

function endpointNames(service: Service): () => Promise<readonly string[]> {
  return async () => (await service.systems()).flatMap((system) => [system.name, ...system.endpoints.map(({ name }) => name)]);
}

function systemText(system: SystemStatus): string {
  const head = `${paint('bold', safe(system.name))}  ${safe(system.adapter)}  ${stateWord(system.state)}`;
  return [head, ...system.endpoints.map(endpointText)].join('\n\n');
}

function endpointText(endpoint: EndpointStatus): string {
  const inbound = endpoint.direction === 'inbound';
  const rows = pairs([
    ['state', `${stateWord(endpoint.state)}${endpoint.detail === undefined ? '' : `  ${endpointDetail(endpoint)}`}`],
    [inbound ? 'read' : 'delivered', `${endpoint.count} since the start, ${endpoint.failed} failed`],
    ['last ok', age(endpoint.lastSuccessAt)],
    ['last failure', endpoint.lastFailureAt === undefined ? undefined : age(endpoint.lastFailureAt)],
    ['next', endpoint.nextAt === undefined ? undefined : age(endpoint.nextAt)],
    ['waiting', endpoint.waiting === undefined ? undefined : `${endpoint.waiting}${endpoint.oldestMs === undefined ? '' : `, oldest ${duration(endpoint.oldestMs)}`}`],
    ['recycled', endpoint.recycled && `${plural(endpoint.recycled.times, 'time')}, last ${age(endpoint.recycled.at)}: ${safe(endpoint.recycled.reason)}`],
    ['checkpoint', endpoint.checkpoint === undefined ? undefined : safe(endpoint.checkpoint)],
  ]);
  return `${safe(endpoint.name)}  ${inbound ? 'reads' : 'writes'}\n${rows.replaceAll(/^/gm, '  ')}`;
}

function probeText(steps: readonly ProbeStep[]): string {
  if (steps.length === 0) return 'nothing to test';
  const [title = '', ...lines] = table(
    ['RESULT', 'STEP', 'DETAIL'],
    steps.map((step) => [step.ok ? paint('green', 'ok') : paint('red', 'FAIL'), safe(step.name), safe(step.detail)]),
  ).split('\n');
  return [title, ...lines.flatMap((line, at) => [line, ...help(steps[at])])].join('\n');
}

/** Without the advice to run this very command. */
function help(step: ProbeStep | undefined): string[] {
  if (step?.fix === undefined || step.ok) return [];
  const text = step.fix.replace(/[;,]? *`signalbox systems test <name>`[^.;]*/, '').trim();
  return text === '' ? [] : [`  = help: ${safe(text)}`];
}
