// `npm run test:cluster -- --messages 100000 --kills 5`: the leader of the busiest queue of a three-node RabbitMQ is killed under load.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { record } from '../faults/results.js';
import { startRabbitmqCluster } from '../services/rabbitmq-cluster.js';
import { startPostgres } from '../services/servers.js';
import { ClusterWorld } from './cluster-world.js';
import { leadersKilled, seconds } from './kills.js';

const { values } = parseArgs({
  options: { messages: { type: 'string', default: '100000' }, kills: { type: 'string', default: '5' }, processes: { type: 'string', default: '1' } },
});
const [messages, kills, processes] = [Number(values.messages), Number(values.kills), Number(values.processes)];
if (![messages, kills, processes].every((number) => Number.isInteger(number) && number >= 0) || messages === 0 || processes === 0) {
  console.error('usage: npm run test:cluster -- [--messages 100000] [--kills 5] [--processes 1]');
  process.exit(2);
}

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)}  ${line}`);
const closing: (() => Promise<unknown>)[] = [];
const close = async (): Promise<void> => {
  for (const each of closing.splice(0).reverse()) await each();
};
process.once('SIGINT', () => void close().finally(() => process.exit(130)));

try {
  const begun = performance.now();
  const postgres = await startPostgres();
  closing.push(() => postgres.stop());
  const cluster = await startRabbitmqCluster();
  closing.push(() => cluster.stop());
  say(`three RabbitMQ nodes are up after ${seconds(performance.now() - begun)}`);
  const world = await ClusterWorld.start(cluster, postgres.access, processes);
  closing.push(() => world.close());
  const result = await leadersKilled(world, cluster, messages, kills, say);
  const slowest = Math.max(0, ...result.kills.map(({ recoveryMs }) => recoveryMs));
  const { partner, reports } = result.targets;
  console.log(`
  input                 ${messages.toLocaleString('en')}, ${processes} Signalbox ${processes > 1 ? 'processes' : 'process'}
  effects               ${partner.effects.toLocaleString('en')} at the REST partner, ${reports.effects.toLocaleString('en')} in the table
  lost                  ${result.lost}
  duplicated            ${result.duplicated}
  known repetitions     ${result.repeats} at the REST partner
  dead letters          ${result.deadLetters}
  errors in the log     ${result.errors.length}
  leaders killed        ${result.kills.length}, slowest recovery ${seconds(slowest)}
  rate                  ${Math.round(messages / result.seconds)} messages/s over ${seconds(result.seconds * 1000)}, kills included; ${cpus().length} cores for everything
`);
  for (const line of result.errors.slice(0, 10)) console.log(line);
  record(
    {
      kind: 'run',
      section: 'cluster',
      name: `three nodes, leader of the busiest queue killed under load${processes > 1 ? `, ${processes} processes` : ''}`,
      command: `npm run test:cluster -- --messages ${messages} --kills ${kills}${processes > 1 ? ` --processes ${processes}` : ''}`,
      times: result.kills.length,
      messages,
      deliveries: partner.effects + reports.effects,
      lost: result.lost,
      duplicated: result.duplicated,
      unknown: 0,
      seconds: result.seconds,
      detail: `${Math.round(messages / result.seconds)} messages/s, to a REST partner and a table; flowed again after at most ${seconds(slowest)}; ${result.repeats} known repetitions`,
    },
    { RabbitMQ: await cluster.version() },
  );
  if (result.lost > 0 || result.duplicated > 0 || result.deadLetters > 0 || result.kills.length < kills) process.exitCode = 1;
} finally {
  await close();
}
