import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { EndpointStatus, NodeStatus, Service, Status, SystemStatus } from '../../console/service.js';
import { EXIT, usage } from '../failure.js';
import { emit } from '../output.js';
import { connect, type Globals, globals } from '../session.js';
import { table } from '../table.js';
import { age, bytes, clockTime, duration, localTimes, moment, paint, plural, safe, stateWord } from '../text.js';
import { endingText } from './reload.js';

export function statusCommand(): Command {
  return new Command('status')
    .description('Show what runs, what waits and what fails')
    .option('-w, --watch [seconds]', 'show it again and again')
    .option('-q, --quiet', 'print nothing, answer by the exit code')
    .action(async (options: { readonly watch?: true | string; readonly quiet?: true }, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      if (options.watch !== undefined) return watch(service, all, options.watch === true ? 2 : Number(options.watch));
      const status = await service.status();
      if (options.quiet === undefined) emit(all.output, status, () => statusText(status));
      if (!status.bus.health.connected) process.exitCode = EXIT.problem;
    });
}

/** Until SIGINT, which ends the process. */
async function watch(service: Service, { output }: Globals, seconds: number): Promise<void> {
  if (!(seconds > 0 && seconds <= 3_600)) throw usage('--watch wants seconds, 1 to 3600');
  for (;;) {
    const status = await service.status();
    if (process.stdout.isTTY && output === 'table') process.stdout.write('\x1b[H\x1b[2J');
    emit(output, status, () => statusText(status));
    await sleep(seconds * 1_000);
  }
}

export function statusText(status: Status): string {
  const { bus, store, revision, messages } = status;
  const lines = [
    [
      `${paint('bold', 'signalbox')} ${safe(status.version)} on ${safe(status.node)}`,
      `running ${duration(Date.now() - status.startedAt)}`,
      `pid ${status.pid}`,
      `revision ${revision.number}${revision.by === 'start' ? '' : ` by ${safe(revision.by)}`}, ${age(revision.at)}`,
    ].join('   '),
    `bus ${safe(bus.kind)} ${bus.health.connected ? paint('green', 'ok') : paint('red', 'NOT CONNECTED')}${bus.health.detail ? ` (${safe(bus.health.detail)})` : ''}${via(bus.health)}   store ${safe(store.kind)} ${bytes(store.bytes)}`,
    `messages  active ${messages.active}   delivered ${messages.delivered}   filtered ${messages.filtered}   dead ${messages.dead}   parked ${messages.parked}`,
  ];
  if (status.nodes.length > 1) lines.push(nodesLine(status.nodes));
  if (status.deadLetters > 0) lines.push(`${paint('red', plural(status.deadLetters, 'DEAD LETTER', 'DEAD LETTERS'))} open${' '.repeat(4)}signalbox dlq list`);
  for (const { endpoint, lanes, deliveries } of status.parkedBy) {
    lines.push(`${paint('yellow', 'PARKED')}  ${plural(lanes, 'key')} of ${safe(endpoint)}, ${plural(deliveries, 'delivery', 'deliveries')}    signalbox parked list`);
  }
  if (status.unknown.length > 0) {
    const parts = status.unknown.map(({ endpoint, count }) => `${count} at ${safe(endpoint)}`).join(', ');
    const sum = status.unknown.reduce((total, { count }) => total + count, 0);
    lines.push(`${paint('red', plural(sum, 'UNKNOWN OUTCOME', 'UNKNOWN OUTCOMES'))}  ${parts}    signalbox ledger list --state unknown`);
  }
  if (status.ending.length > 0) lines.push(endingText(status.ending, Date.now()));
  if (status.refused) {
    lines.push(
      `${paint('yellow', 'NOT APPLIED')}  the files on disk have ${plural(status.refused.problems, 'problem')}, refused at ${moment(status.refused.at)}    signalbox check`,
    );
  }
  return `${lines.join('\n')}\n\n${systemsTable(status.systems)}`;
}

/** `nodes  erpgw01 (this one), erpgw02 revision 41, erpgw03 GONE`. */
function nodesLine(nodes: readonly NodeStatus[]): string {
  const [self] = nodes;
  const each = nodes.map(({ name, isSelf, isLive, revision }) => {
    const differs = revision === self?.revision ? '' : ` ${paint('yellow', `revision ${revision}`)}`;
    return `${safe(name)}${isSelf ? ' (this one)' : differs}${isLive ? '' : ` ${paint('red', 'GONE')}`}`;
  });
  return `nodes  ${each.join(', ')}    signalbox nodes list`;
}

/** Of a cluster: the nodes in use. */
function via({ nodes = [] }: Status['bus']['health']): string {
  const used = nodes.filter(({ connected }) => connected).map(({ address }) => address);
  return nodes.length < 2 || used.length === 0 ? '' : ` via ${safe(used.join(' and '))}`;
}

export function systemsTable(systems: readonly SystemStatus[]): string {
  if (systems.length === 0) return 'no systems';
  const [title = '', ...lines] = table(
    ['SYSTEM', 'ADAPTER', 'STATE', { title: 'WAITING', align: 'right' }, { title: 'OLDEST', align: 'right' }, 'LAST OK'],
    systems.map((system) => {
      const waiting = system.endpoints.reduce((sum, endpoint) => sum + (endpoint.waiting ?? 0), 0);
      const oldest = Math.max(0, ...system.endpoints.map((endpoint) => endpoint.oldestMs ?? 0));
      const last = Math.max(0, ...system.endpoints.map((endpoint) => endpoint.lastSuccessAt ?? 0));
      return [
        safe(system.name),
        safe(system.adapter),
        stateWord(system.state),
        waiting === 0 ? '' : String(waiting),
        oldest === 0 ? '' : duration(oldest),
        last === 0 ? '-' : age(last),
      ];
    }),
  ).split('\n');
  return [title, ...lines.flatMap((line, at) => [line, ...explanation(systems[at])])].join('\n');
}

/** Under the row of a system that is not well: why, since when, what happens next, and the command that helps. */
function explanation(system: SystemStatus | undefined): string[] {
  if (system === undefined) return [];
  const lines = system.endpoints.filter(({ detail }) => detail !== undefined).map((endpoint) => `${safe(endpoint.name)}  ${endpointDetail(endpoint)}`);
  return [...lines, next(system)].filter((line) => line !== '').map((line) => `  ${line}`);
}

/** `since 08:51:10: E400 connection refused; next try 09:40:05, messages wait`. */
export function endpointDetail({ detail = '', since, lastFailureAt }: EndpointStatus): string {
  // What was counted from the failure is a time of day by now.
  const text =
    lastFailureAt === undefined
      ? detail
      : detail.replace(/\bnext try in (\d+) s\b/, (_, seconds: string) => `next try ${clockTime(lastFailureAt + Number(seconds) * 1_000).slice(0, 8)}`);
  return `${since === undefined ? '' : `since ${moment(since)}: `}${safe(localTimes(text))}`;
}

/** The command that helps with the state. */
function next({ name, state }: SystemStatus): string {
  if (state === 'paused') return paint('cyan', `signalbox systems resume ${safe(name)}`);
  if (state === 'failing' || state === 'misconfigured' || state === 'silent') return paint('cyan', `signalbox systems test ${safe(name)}`);
  return '';
}
