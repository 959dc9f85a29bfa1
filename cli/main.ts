import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { codes } from '../bus/codes/index.js';
import { describe, failureOf } from '../bus/errors.js';
import { UnknownName } from '../console/service.js';
import { checkCommand } from './commands/check.js';
import { completionCommand } from './commands/completion.js';
import { dlqCommand } from './commands/dlq.js';
import { doctorCommand } from './commands/doctor.js';
import { explainCommand } from './commands/explain.js';
import { filesCommand } from './commands/files.js';
import { importCommand } from './commands/import.js';
import { initCommand } from './commands/init.js';
import { ledgerCommand } from './commands/ledger.js';
import { messagesCommand } from './commands/messages.js';
import { nodesCommand } from './commands/nodes.js';
import { parkedCommand } from './commands/parked.js';
import { reconcileCommand } from './commands/reconcile.js';
import { reloadCommand } from './commands/reload.js';
import { routesCommand } from './commands/routes.js';
import { runCommand } from './commands/run.js';
import { schemaCommand } from './commands/schema.js';
import { statusCommand } from './commands/status.js';
import { systemsCommand } from './commands/systems.js';
import { testCommand } from './commands/test.js';
import { topologyCommand } from './commands/topology.js';
import { traceCommand } from './commands/trace.js';
import { CommandFailure, EXIT } from './failure.js';
import { complain, formats, talk } from './output.js';

const commands = [
  initCommand,
  importCommand,
  checkCommand,
  testCommand,
  runCommand,
  statusCommand,
  doctorCommand,
  nodesCommand,
  traceCommand,
  systemsCommand,
  routesCommand,
  messagesCommand,
  dlqCommand,
  parkedCommand,
  ledgerCommand,
  filesCommand,
  reconcileCommand,
  explainCommand,
  reloadCommand,
  topologyCommand,
  schemaCommand,
  completionCommand,
];

/** The whole command line. Data goes to stdout, talk to stderr; exit 0 ok, 1 problem, 2 usage, 3 not running. */
async function main(): Promise<void> {
  // A reader that has seen enough (`| head`) is no problem.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.problem));
  const program = createProgram();
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

function createProgram(): Command {
  const program = new Command('signalbox')
    .description('An integration bus for systems that do not talk to each other')
    .version(version(), '-V, --version')
    .addOption(new Option('-c, --config <dir>', 'directory of the configuration').env('SIGNALBOX_CONFIG').default('.'))
    .addOption(new Option('-o, --output <format>', 'form of the answer').choices(formats).default('table'))
    .addOption(new Option('--socket <file>', 'admin socket, when the configuration does not tell').env('SIGNALBOX_SOCKET'))
    .addHelpText('after', '\nExit codes: 0 ok, 1 problem, 2 usage, 3 not running.');
  for (const create of commands) program.addCommand(create());
  for (const command of [program, ...below(program)]) {
    command
      .exitOverride()
      .showHelpAfterError(`Usage: ${command.createHelp().commandUsage(command)}\n  = help: ${fullName(command)} --help`)
      .configureHelp({ showGlobalOptions: true, sortSubcommands: false });
  }
  return program;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function* below(command: Command): Iterable<Command> {
  for (const child of command.commands) {
    yield child;
    yield* below(child);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandFailure) {
    complain(error.message, error);
    return error.exitCode;
  }
  if (error instanceof UnknownName) {
    complain(error.message, { code: 'E552', hint: codes.E552.fix });
    return EXIT.problem;
  }
  const failure = failureOf(error);
  if (failure) {
    complain(failure.message, failure);
    return EXIT.problem;
  }
  complain(describe(error), { code: 'E500', hint: codes.E500.fix });
  if (process.env['SIGNALBOX_DEBUG'] !== undefined && Error.isError(error)) talk((error as Error).stack ?? 'no stack');
  return EXIT.problem;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return (manifest as { readonly version: string }).version;
}

await main();
