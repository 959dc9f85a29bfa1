// `npm run test:nodes -- --minutes 10`: two nodes are killed in turn while many writers fill a table and files are dropped.

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { record } from '../faults/results.js';
import { startMariadb, startPostgres, startRabbitmq } from '../services/servers.js';
import { NodesWorld, TARGETS } from './world.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    every: { type: 'string', default: '20' },
    writers: { type: 'string', default: '12' },
    rate: { type: 'string', default: '40' },
  },
});
const [minutes, everySeconds, writers, rate] = [values.minutes, values.every, values.writers, values.rate].map(Number) as [number, number, number, number];
if (![minutes, everySeconds, writers, rate].every((value) => value > 0)) {
  console.error('usage: npm run test:nodes -- [--minutes 10] [--every 20 (seconds between kills)] [--writers 12] [--rate 40 (rows a second)]');
  process.exit(2);
}

/** A killed node is started again after so long. */
const DOWN_MS = 4_000;
const SETTLE_MS = 300_000;

const say = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)}  ${line}`);
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const closing: (() => Promise<unknown>)[] = [];
const close = async (): Promise<void> => {
  for (const each of closing.splice(0).reverse()) await each();
};
process.once('SIGINT', () => void close().finally(() => process.exit(130)));

try {
  const [rabbitmq, postgres, mariadb] = await Promise.all([startRabbitmq(), startPostgres(), startMariadb()]);
  closing.push(() => rabbitmq.stop());
  closing.push(() => postgres.stop());
  closing.push(() => mariadb.stop());
  const world = await NodesWorld.start({ rabbitmq: rabbitmq.access, postgres: postgres.access, mariadb: mariadb.access }, { writers, rowsPerSecond: rate });
  closing.push(() => world.close());
  say('two nodes run');
  world.fill();
  await world.flows(60_000);

  const begun = performance.now();
  const watching: Promise<void>[] = [];
  let kills = 0;
  for (; performance.now() - begun < minutes * 60_000; kills += 1) {
    const victim = world.node(kills % 2);
    const reads = await world.reads(victim);
    watching.push((await world.watchTakeover(victim)).over);
    await victim.kill();
    say(`${victim.name} killed${reads.length > 0 ? `, it read ${reads.join(' and ')}` : ''}`);
    await sleep(DOWN_MS);
    victim.start();
    await victim.up();
    await sleep(Math.max(0, begun + (kills + 1) * everySeconds * 1_000 - performance.now()));
  }
  say('the writers stop');
  await world.stopFilling();
  await Promise.all(watching);
  const settling = performance.now();
  const unsettled = await world.settled(SETTLE_MS).then(() => undefined, String);
  const recovery = performance.now() - settling;
  const figures = await world.figures();
  const { deadLetters, messages } = await world.status();
  const errors = world.all.flatMap((node) => node.errors());
  const slowest = Math.max(0, ...world.takeovers.map(({ ms }) => ms));

  console.log(`\n${['target'.padEnd(10), 'input', 'effects', 'lost', 'duplicated'].map((title, at) => (at === 0 ? title : title.padStart(11))).join('')}`);
  for (const target of TARGETS) {
    const { input, effects, lost, duplicated } = figures[target];
    console.log([target.padEnd(10), ...[input, effects, lost, duplicated].map((figure) => figure.toLocaleString('en').padStart(11))].join(''));
  }
  console.log(`
  kills                 ${kills}, one every ${everySeconds} s over ${minutes} min
  takeovers             ${world.takeovers.length}, longest ${seconds(slowest)}
  last row              ${seconds(recovery)} after the writers had stopped${unsettled === undefined ? '' : `: ${unsettled}`}
  known repetitions     ${world.partner.repeats} at the REST partner
  messages              ${messages.delivered} delivered, ${messages.active} active, ${messages.dead} dead; ${deadLetters} dead letters
  errors in the logs    ${errors.length}
`);
  for (const line of errors.slice(0, 10)) console.log(line);
  const sum = (of: 'lost' | 'duplicated' | 'effects'): number => TARGETS.reduce((total, target) => total + figures[target][of], 0);
  record({
    kind: 'run',
    section: 'nodes',
    name: `two nodes, one killed every ${everySeconds} s, ${writers} writers with random commit delays and a folder`,
    command: `npm run test:nodes -- --minutes ${minutes}`,
    times: kills,
    messages: figures.files.input,
    deliveries: sum('effects'),
    lost: sum('lost'),
    duplicated: sum('duplicated'),
    unknown: 0,
    seconds: (performance.now() - begun) / 1_000,
    detail: `${world.takeovers.length} takeovers, the longest ${seconds(slowest)}; ${world.partner.repeats} known repetitions`,
  });
  if (sum('lost') + sum('duplicated') + deadLetters > 0 || unsettled !== undefined || slowest > 30_000) process.exitCode = 1;
} finally {
  await close();
}
