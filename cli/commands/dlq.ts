import { Command } from 'commander';
import type { DeadLetterGroup, StoredDeadLetter } from '../../bus/store/contract.js';
import type { Actor, DeadLetterSummary, Service } from '../../console/service.js';
import { MOST_ROWS } from '../../console/wire.js';
import { confirm } from '../confirm.js';
import { coded, EXIT } from '../failure.js';
import { emit, talk } from '../output.js';
import { contentText, portable } from '../payload.js';
import { actor, connect, globals, named } from '../session.js';
import { cut, pairs, table } from '../table.js';
import { age, bytes, dateTime, moment, paint, plural, safe, safeLines } from '../text.js';
import { wholeNumber } from '../values.js';

/** Letters of one call, so that a long job shows progress and can be stopped between calls. */
const PORTION = 100;
const SAMPLE = 5;

interface ChangeOptions {
  readonly yes?: true;
  readonly reason?: string;
  readonly first?: number;
}

export function dlqCommand(): Command {
  const dlq = new Command('dlq').description('The dead letters: messages that failed for good, grouped by cause');
  dlq
    .command('list')
    .description('List the groups of dead letters, or the letters of one group')
    .option('--group [group]', 'the letters of this group')
    .option('-n, --limit <count>', 'at most so many letters', wholeNumber(1, MOST_ROWS), 50)
    .action(async (options: { readonly group?: true | string; readonly limit: number }, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      if (typeof options.group === 'string') {
        const letters = await lettersOf(service, options.group, options.limit);
        emit(all.output, letters, () => lettersText(letters));
      } else {
        const groups = await service.deadLetterGroups();
        emit(all.output, groups, () => (groups.length === 0 ? 'no dead letters' : groupsText(groups)));
      }
    });
  dlq
    .command('show')
    .description('Show a group of dead letters, or one letter with its original content')
    .argument('<group|id>', 'group, id of a letter, or message id')
    .action(async (reference: string, _: unknown, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const letters = await lettersOf(service, reference, 50);
      const [only, second] = letters;
      if (only !== undefined && second === undefined) {
        const letter = await service.deadLetter(only.id);
        emit(all.output, { ...letter, ...portable(letter.content) }, () => letterText(letter));
      } else emit(all.output, letters, () => lettersText(letters));
    });
  changing(dlq, 'redeliver', 'Hand the same payload to the same target again').action((references: readonly string[], options: ChangeOptions, command: Command) =>
    change('redeliver', references, options, command),
  );
  changing(dlq, 'discard', 'Give dead letters up for good; they stay in the history')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action((references: readonly string[], options: ChangeOptions, command: Command) => change('discard', references, options, command));
  return dlq;
}

function changing(dlq: Command, verb: 'redeliver' | 'discard', description: string): Command {
  const command = dlq
    .command(verb)
    .description(description)
    .argument('<group|id...>', 'exact groups, ids of letters, or message ids')
    .option('--first <count>', 'only the oldest so many: try one before all', wholeNumber(1, MOST_ROWS))
    .option('-y, --yes', 'do not ask');
  return verb === 'redeliver' ? command.option('--reason <text>', 'why, for the audit log') : command;
}

async function change(verb: 'redeliver' | 'discard', references: readonly string[], options: ChangeOptions, command: Command): Promise<void> {
  const all = globals(command);
  const service = await connect(all);
  const found = new Map<string, DeadLetterSummary>();
  for (const reference of references) for (const letter of await lettersOf(service, reference, MOST_ROWS)) found.set(letter.id, letter);
  const letters = [...found.values()].slice(0, options.first);
  sample(letters);
  if (letters.length > 1 || verb === 'discard') {
    const question = `${verb === 'redeliver' ? 'Redeliver' : 'Discard'} ${plural(letters.length, 'dead letter')}?`;
    if (!(await confirm(question, options.yes === true))) {
      talk('Nothing was done.');
      process.exitCode = EXIT.problem;
      return;
    }
  }
  const ids = letters.map(({ id }) => id);
  const by = actor(options.reason);
  const result = verb === 'redeliver' ? await redeliver(service, ids, by) : { discarded: await discard(service, ids, by) };
  emit(all.output, result, () => resultText(result));
  if (verb === 'redeliver' && 'failed' in result && result.failed.length > 0) process.exitCode = EXIT.problem;
}

interface Redelivered {
  readonly redelivered: number;
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
}

async function redeliver(service: Service, ids: readonly string[], by: Actor): Promise<Redelivered> {
  let redelivered = 0;
  const failed: { readonly id: string; readonly reason: string }[] = [];
  for (const portion of portions(ids)) {
    const result = await service.redeliver(portion, by);
    redelivered += result.redelivered;
    failed.push(...result.failed);
  }
  return { redelivered, failed };
}

async function discard(service: Service, ids: readonly string[], by: Actor): Promise<number> {
  let discarded = 0;
  for (const portion of portions(ids)) discarded += await service.discard(portion, by);
  return discarded;
}

function* portions(ids: readonly string[]): Iterable<readonly string[]> {
  for (let at = 0; at < ids.length; at += PORTION) {
    if (at > 0) talk(`${at} of ${ids.length}`);
    yield ids.slice(at, at + PORTION);
  }
}

async function lettersOf(service: Service, reference: string, limit: number): Promise<readonly DeadLetterSummary[]> {
  const groups = async () => (await service.deadLetterGroups()).map(({ group }) => group);
  const letters = await named(reference, groups, () => service.deadLetters(reference, limit));
  if (letters.length === 0) throw coded('E552', `no open dead letter has the group, id or message id ${reference}`);
  if (letters.length === limit) talk(`the oldest ${limit} of ${reference}; there may be more`);
  return letters;
}

function sample(letters: readonly DeadLetterSummary[]): void {
  process.stderr.write(`${letterTable(letters.slice(0, SAMPLE))}\n`);
  if (letters.length > SAMPLE) talk(`and ${letters.length - SAMPLE} more`);
}

/** Each group with its newest reason below it, then what can be done. */
function groupsText(groups: readonly DeadLetterGroup[]): string {
  const [title = '', ...lines] = table(
    ['GROUP', { title: 'COUNT', align: 'right' }, 'CODE', 'ENDPOINT', 'ROUTE', 'FIRST', 'LAST'],
    groups.map((group) => [
      safe(group.group),
      String(group.count),
      paint('red', safe(group.code)),
      safe(group.endpoint),
      safe(group.route),
      moment(group.firstAt),
      moment(group.lastAt),
    ]),
  ).split('\n');
  const name = safe(groups[0]?.group ?? '');
  return [
    title,
    ...lines.flatMap((line, at) => [line, `  ${reason(groups[at]?.reason)}`]),
    `next  ${paint('cyan', `signalbox dlq show ${name}`)}   or ${paint('cyan', `signalbox dlq redeliver ${name} --first 1`)}`,
  ].join('\n');
}

function reason(text = ''): string {
  return cut(safe(text), Math.max(60, (process.stdout.columns ?? 122) - 2));
}

function letterTable(letters: readonly DeadLetterSummary[]): string {
  const [title = '', ...lines] = table(
    ['LETTER', 'KEY', 'GROUP', 'CODE', 'ENDPOINT', { title: 'TRIES', align: 'right' }, 'WHEN'],
    letters.map((letter) => [
      safe(letter.id),
      safe(letter.key ?? ''),
      safe(letter.group),
      paint('red', safe(letter.code)),
      safe(letter.endpoint),
      String(letter.attempts),
      moment(letter.at),
    ]),
  ).split('\n');
  // A group's letters share their reason up to its numbers: said once while it stays the same.
  return [title, ...lines.flatMap((line, at) => (letters[at]?.reason === letters[at + 1]?.reason ? [line] : [line, `  ${reason(letters[at]?.reason)}`]))].join('\n');
}

function lettersText(letters: readonly DeadLetterSummary[]): string {
  return `${letterTable(letters)}\nnext  ${paint('cyan', `signalbox dlq show ${safe(letters[0]?.id ?? '')}`)}`;
}

function letterText(letter: StoredDeadLetter): string {
  const head = pairs([
    ['letter', paint('bold', safe(letter.id))],
    ['state', letter.state],
    ['message', `${safe(letter.messageId)}    signalbox trace ${safe(letter.messageId)}`],
    ['key', letter.key === undefined ? undefined : safe(letter.key)],
    ['group', safe(letter.group)],
    ['error', `${paint('red', safe(letter.code))} ${safe(letter.reason)}    signalbox explain ${safe(letter.code)}`],
    ['stage', letter.stage],
    ['route', safe(letter.rule === undefined ? letter.route : `${letter.route}/${letter.rule}`)],
    ['endpoint', safe(letter.endpoint)],
    ['place', letter.place === undefined ? undefined : safe(letter.place)],
    ['attempts', String(letter.attempts)],
    ['when', `${dateTime(letter.at)}  ${age(letter.at)}`],
  ]);
  const headers = pairs(Object.entries(letter.headers).map(([name, value]) => [safe(name), safe(value)] as const));
  const stack = letter.stack === undefined ? [] : [`stack\n${safeLines(letter.stack)}`];
  const parts = [
    head,
    ...(headers === '' ? [] : [`headers\n${headers.replaceAll(/^/gm, '  ')}`]),
    `content  ${bytes(letter.content.length)}\n${contentText(letter.content, '  ')}`,
    ...stack,
    ...(letter.state === 'open' ? [`next  ${paint('cyan', `signalbox dlq redeliver ${safe(letter.id)}`)}`] : []),
  ];
  return parts.join('\n\n');
}

function resultText(result: Redelivered | { readonly discarded: number }): string {
  if ('discarded' in result) return `${plural(result.discarded, 'dead letter')} discarded`;
  const lines = result.failed.map(({ id, reason }) => `${paint('red', 'FAILED')}  ${safe(id)}  ${safe(reason)}`);
  return [...lines, `${result.redelivered} redelivered, ${result.failed.length} failed`].join('\n');
}
