import { Command, Option } from 'commander';
import type { LedgerState } from '../../bus/store/contract.js';
import type { LedgerLine, LedgerRecord, ResolveResult, Service, Verdict } from '../../console/service.js';
import { MOST_ROWS } from '../../console/wire.js';
import { confirm } from '../confirm.js';
import { EXIT, usage } from '../failure.js';
import { emit, talk } from '../output.js';
import { contentText, portable } from '../payload.js';
import { actor, connect, globals } from '../session.js';
import { cut, pairs, table } from '../table.js';
import { age, bytes, dateTime, moment, paint, plural, safe } from '../text.js';
import { wholeNumber } from '../values.js';

/** Deliveries of one call, so that a long job shows progress and can be stopped between calls. */
const PORTION = 100;
const SAMPLE = 5;
const STATES: readonly LedgerState[] = ['unknown', 'released', 'sending', 'done'];
const DONE: Readonly<Record<Verdict, string>> = { delivered: 'noted as delivered', resend: 'sent again', discard: 'discarded' };

interface ResolveOptions extends Partial<Record<Verdict, true>> {
  readonly reason?: string;
  readonly yes?: true;
}

export function ledgerCommand(): Command {
  const ledger = new Command('ledger').description('Deliveries of which nobody knows whether the target has them');
  ledger
    .command('list')
    .description('List deliveries that are not done, oldest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(STATES))
    .option('--endpoint <endpoint>', 'only those of this endpoint')
    .option('-n, --limit <count>', 'at most so many', wholeNumber(1, MOST_ROWS), 50)
    .action(async (options: { readonly state?: LedgerState; readonly endpoint?: string; readonly limit: number }, command: Command) => {
      const all = globals(command);
      const lines = await (await connect(all)).ledger(options);
      emit(all.output, lines, () => listText(lines));
      if (lines.length === options.limit) talk(`the oldest ${options.limit}; there may be more`);
    });
  ledger
    .command('show')
    .description('Show one delivery, with what was sent where it is parked')
    .argument('<id>', 'exact id of the delivery')
    .action(async (id: string, _: unknown, command: Command) => {
      const all = globals(command);
      const record = await (await connect(all)).ledgerRecord(id);
      emit(all.output, { ...record, ...(record.content === undefined ? {} : portable(record.content)) }, () => recordText(record));
    });
  ledger
    .command('resolve')
    .description('Say what became of deliveries whose outcome is unknown')
    .argument('<id...>', 'exact ids of deliveries')
    .addOption(new Option('--delivered', 'the target has them: they are done').conflicts(['resend', 'discard']))
    .addOption(new Option('--resend', 'the target does not have them: they are sent again').conflicts(['delivered', 'discard']))
    .addOption(new Option('--discard', 'they are given up; they stay in the history').conflicts(['delivered', 'resend']))
    .option('--reason <text>', 'why, for the history and the audit log')
    .option('-y, --yes', 'do not ask')
    .action(resolve);
  return ledger;
}

async function resolve(ids: readonly string[], options: ResolveOptions, command: Command): Promise<void> {
  const all = globals(command);
  const verdict = (['delivered', 'resend', 'discard'] as const).find((each) => options[each]);
  if (!verdict) throw usage('one of --delivered, --resend and --discard is needed');
  if (verdict === 'discard' && options.reason === undefined) throw usage('--discard needs a --reason');
  const service = await connect(all);
  const wanted = [...new Set(ids)];
  // Each id is looked up first: one that is wrong changes nothing.
  const records: LedgerRecord[] = [];
  for (const id of wanted) records.push(await service.ledgerRecord(id));
  process.stderr.write(`${linesTable(records.slice(0, SAMPLE))}\n`);
  if (records.length > SAMPLE) talk(`and ${records.length - SAMPLE} more`);
  if (records.length > 1 || verdict === 'discard') {
    const question = `${{ delivered: 'Note as delivered', resend: 'Send again', discard: 'Discard' }[verdict]}: ${plural(records.length, 'delivery', 'deliveries')}?`;
    if (!(await confirm(question, options.yes === true))) {
      talk('Nothing was done.');
      process.exitCode = EXIT.problem;
      return;
    }
  }
  const result = await inPortions(service, wanted, verdict, options.reason);
  emit(all.output, result, () => resultText(result, verdict));
  if (result.failed.length > 0) process.exitCode = EXIT.problem;
}

async function inPortions(service: Service, ids: readonly string[], verdict: Verdict, reason: string | undefined): Promise<ResolveResult> {
  let resolved = 0;
  const failed: { readonly id: string; readonly reason: string }[] = [];
  for (let at = 0; at < ids.length; at += PORTION) {
    if (at > 0) talk(`${at} of ${ids.length}`);
    const result = await service.resolve(ids.slice(at, at + PORTION), verdict, actor(reason));
    resolved += result.resolved;
    failed.push(...result.failed);
  }
  return { resolved, failed };
}

function listText(lines: readonly LedgerLine[]): string {
  if (lines.length === 0) return 'every outcome is known';
  const id = safe((lines.find(({ parked }) => parked) ?? lines[0])?.deliveryId ?? '');
  return `${linesTable(lines)}\nnext  ${paint('cyan', `signalbox ledger show ${id}`)}   then ${paint('cyan', `signalbox ledger resolve ${id}`)} with --delivered, --resend or --discard`;
}

function linesTable(lines: readonly LedgerLine[]): string {
  const [title = '', ...rows] = table(
    ['DELIVERY', 'KEY', 'ENDPOINT', 'STATE', 'CODE', 'SINCE', 'WAITS FOR'],
    lines.map((line) => [
      safe(line.deliveryId),
      safe(line.parked?.key ?? ''),
      safe(line.endpoint),
      line.state === 'unknown' ? paint('red', 'UNKNOWN') : line.state,
      safe(line.parked?.code ?? ''),
      moment(line.at),
      waitsFor(line),
    ]),
  ).split('\n');
  const most = Math.max(60, (process.stdout.columns ?? 122) - 2);
  return [title, ...rows.flatMap((row, at) => [row, ...(lines[at]?.detail === undefined ? [] : [`  ${cut(safe(lines[at].detail), most)}`])])].join('\n');
}

function waitsFor({ state, parked }: LedgerLine): string {
  if (state === 'done') return '';
  if (state === 'sending') return 'an answer';
  return state === 'unknown' && parked ? 'a person' : 'the target';
}

function recordText(record: LedgerRecord): string {
  const { deliveryId, endpoint, state, at, detail, parked, content } = record;
  const head = pairs([
    ['delivery', paint('bold', safe(deliveryId))],
    ['state', state],
    ['endpoint', safe(endpoint)],
    ['message', parked && `${safe(parked.messageId)}    signalbox trace ${safe(parked.messageId)}`],
    ['key', parked?.key === undefined ? undefined : safe(parked.key)],
    ['route', parked && safe(`${parked.route}/${parked.rule}`)],
    ['why', detail === undefined ? undefined : safe(detail)],
    ['code', parked && `${paint('red', safe(parked.code))}    signalbox explain ${safe(parked.code)}`],
    ['since', `${dateTime(at)}  ${age(at)}`],
    ['waits for', state === 'done' ? undefined : waitsFor(record)],
  ]);
  const id = safe(deliveryId);
  const parts = [
    head,
    ...(content === undefined ? [] : [`content  ${bytes(content.length)}\n${contentText(content, '  ')}`]),
    ...(state === 'unknown'
      ? [
          [
            `the target has it        ${paint('cyan', `signalbox ledger resolve ${id} --delivered`)}`,
            `it does not              ${paint('cyan', `signalbox ledger resolve ${id} --resend`)}`,
            `it shall not have it     ${paint('cyan', `signalbox ledger resolve ${id} --discard --reason "..."`)}`,
          ].join('\n'),
        ]
      : []),
  ];
  return parts.join('\n\n');
}

function resultText({ resolved, failed }: ResolveResult, verdict: Verdict): string {
  const lines = failed.map(({ id, reason }) => `${paint('red', 'FAILED')}  ${safe(id)}  ${safe(reason)}`);
  return [...lines, `${plural(resolved, 'delivery', 'deliveries')} ${DONE[verdict]}, ${failed.length} failed`].join('\n');
}
