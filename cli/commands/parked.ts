import { Command } from 'commander';
import type { ParkedDelivery, ParkedLane } from '../../bus/store/contract.js';
import type { ParkedSummary } from '../../console/service.js';
import { MOST_ROWS } from '../../console/wire.js';
import { confirm } from '../confirm.js';
import { coded, EXIT } from '../failure.js';
import { emit, talk } from '../output.js';
import { contentText } from '../payload.js';
import { actor, connect, globals } from '../session.js';
import { cut, pairs, table } from '../table.js';
import { age, bytes, dateTime, moment, paint, plural, safe } from '../text.js';
import { wholeNumber } from '../values.js';

const SAMPLE = 5;

interface ChangeOptions {
  readonly yes?: true;
  readonly reason?: string;
}

export function parkedCommand(): Command {
  const parked = new Command('parked').description('Deliveries that wait for a person: keys of an order, with all that came after the failed one');
  parked
    .command('list')
    .description('List the parked keys, the oldest first')
    .option('--endpoint <name>', 'only of this endpoint')
    .option('-n, --limit <count>', 'at most so many', wholeNumber(1, MOST_ROWS), 100)
    .action(async (options: { readonly endpoint?: string; readonly limit: number }, command: Command) => {
      const all = globals(command);
      const lanes = await (await connect(all)).parkedLanes(options);
      emit(all.output, lanes, () => (lanes.length === 0 ? 'nothing is parked' : lanesText(lanes)));
    });
  parked
    .command('show')
    .description('Show the parked deliveries of one key in their order, or one delivery with its content')
    .argument('<key|id>', 'a key, or the id of a delivery')
    .option('--endpoint <name>', 'of this endpoint, when several have the key')
    .option('-n, --limit <count>', 'at most so many', wholeNumber(1, MOST_ROWS), 50)
    .action(async (reference: string, options: { readonly endpoint?: string; readonly limit: number }, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const lanes = (await service.parkedLanes({ ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }), limit: MOST_ROWS })).filter(
        ({ lane }) => lane === reference,
      );
      if (lanes.length > 1) throw coded('E552', `the key ${reference} is parked at ${lanes.map(({ endpoint }) => endpoint).join(', ')}: say which with --endpoint`);
      const [lane] = lanes;
      if (lane) {
        const deliveries = await service.parkedDeliveries(lane.endpoint, lane.lane, options.limit);
        emit(all.output, deliveries, () => deliveriesText(deliveries, lane));
        return;
      }
      const delivery = await service.parkedDelivery(reference);
      emit(all.output, { ...delivery, content: Buffer.from(delivery.content).toString('utf8') }, () => deliveryText(delivery));
    });
  parked
    .command('release')
    .description('Deliver what is parked of one key, in its order and before anything newer')
    .argument('<endpoint>', 'exact name of the target')
    .argument('<key>', 'exact key')
    .option('--reason <text>', 'why, for the audit log')
    .option('-y, --yes', 'do not ask')
    .action(async (endpoint: string, key: string, options: ChangeOptions, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const deliveries = await service.parkedDeliveries(endpoint, key, MOST_ROWS);
      if (deliveries.length === 0) throw coded('E552', `nothing of ${key} is parked for ${endpoint}`);
      sample(deliveries);
      if (!(await agreed(`Release ${plural(deliveries.length, 'delivery', 'deliveries')}?`, deliveries.length === 1 || options.yes === true))) return;
      const released = await service.releaseParked(endpoint, key, actor(options.reason));
      emit(all.output, { released }, () => `${plural(released, 'delivery', 'deliveries')} released`);
    });
  parked
    .command('discard')
    .description('Give one parked delivery up for good; those behind it stay until their key is released')
    .argument('<id>', 'exact id of the delivery')
    .requiredOption('--reason <text>', 'why, for the audit log')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: ChangeOptions, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const delivery = await service.parkedDelivery(id);
      const behind = (await service.parkedDeliveries(delivery.endpoint, delivery.lane, MOST_ROWS)).length - 1;
      sample([delivery]);
      if (!(await agreed(`Discard 1 delivery? ${plural(behind, 'other')} of its key will stay parked.`, options.yes === true))) return;
      await service.discardParked(id, actor(options.reason));
      const next = behind > 0 ? `\nnext  ${paint('cyan', `signalbox parked release ${safe(delivery.endpoint)} ${safe(delivery.lane)}`)}` : '';
      emit(all.output, { discarded: 1 }, () => `1 delivery discarded${next}`);
    });
  return parked;
}

async function agreed(question: string, yes: boolean): Promise<boolean> {
  if (await confirm(question, yes)) return true;
  talk('Nothing was done.');
  process.exitCode = EXIT.problem;
  return false;
}

function sample(deliveries: readonly ParkedSummary[]): void {
  process.stderr.write(`${deliveryTable(deliveries.slice(0, SAMPLE))}\n`);
  if (deliveries.length > SAMPLE) talk(`and ${deliveries.length - SAMPLE} more`);
}

function lanesText(lanes: readonly ParkedLane[]): string {
  const [title = '', ...lines] = table(
    ['KEY', 'ENDPOINT', { title: 'COUNT', align: 'right' }, 'CODE', 'SINCE', 'STATE'],
    lanes.map((lane) => [safe(lane.lane), safe(lane.endpoint), String(lane.count), paint('red', safe(lane.code)), moment(lane.firstAt), lane.released ? 'released' : 'held']),
  ).split('\n');
  return [title, ...lines.flatMap((line, at) => [line, `  ${reason(lanes[at]?.reason)}`]), `next  ${paint('cyan', `signalbox parked show ${safe(lanes[0]?.lane ?? '')}`)}`].join(
    '\n',
  );
}

function deliveryTable(deliveries: readonly ParkedSummary[]): string {
  return table(
    ['DELIVERY', 'BUSINESS KEY', 'CODE', 'REASON', 'WHEN'],
    deliveries.map(({ deliveryId, key, code, reason: why, at }) => [safe(deliveryId), safe(key ?? ''), paint('red', safe(code)), cut(safe(why), 60), moment(at)]),
  );
}

function deliveriesText(deliveries: readonly ParkedSummary[], { endpoint, lane }: ParkedLane): string {
  return `${deliveryTable(deliveries)}\nnext  ${paint('cyan', `signalbox parked release ${safe(endpoint)} ${safe(lane)}`)}`;
}

function deliveryText(delivery: ParkedDelivery): string {
  const head = pairs([
    ['delivery', paint('bold', safe(delivery.deliveryId))],
    ['message', `${safe(delivery.messageId)}    signalbox trace ${safe(delivery.messageId)}`],
    ['lane', safe(delivery.lane)],
    ['key', delivery.key === undefined ? undefined : safe(delivery.key)],
    ['error', `${paint('red', safe(delivery.code))} ${safe(delivery.reason)}    signalbox explain ${safe(delivery.code)}`],
    ['route', safe(`${delivery.route}/${delivery.rule}`)],
    ['endpoint', safe(delivery.endpoint)],
    ['when', `${dateTime(delivery.at)}  ${age(delivery.at)}`],
  ]);
  return `${head}\n\ncontent  ${bytes(delivery.content.length)}\n${contentText(delivery.content, '  ')}`;
}

function reason(text = ''): string {
  return cut(safe(text), Math.max(60, (process.stdout.columns ?? 122) - 2));
}
