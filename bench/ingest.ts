// From a system to the bus: records read, routed and durable, beside the bare driver or parser with confirmed publishing and nothing else.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import Database from 'better-sqlite3';
import { SqliteStore } from '../bus/store/sqlite/sqlite-store.js';
import { startSignalbox } from '../signalbox.js';
import { startRabbitmq } from '../test/services/servers.js';
import { median, table, thousands } from './table.js';

export interface IngestPlan {
  readonly title: string;
  readonly records: number;
  readonly bytes: number;
  readonly runs: number;
  /** `all`, `embedded` or `rabbitmq`. */
  readonly bus: string;
  /** YAML of the system `source` below `systems:`, with the endpoint `things`, in a directory that is the configuration's. */
  readonly system: (directory: string) => string;
  /** Fields of the type, by the expression that gives them. */
  readonly fields: Readonly<Record<string, readonly [words: string, expression: string]>>;
  /** Brings the input to where the endpoint finds it. */
  readonly prepare?: (directory: string) => void;
  /** The bare driver or parser: the records as pages of JSON. */
  readonly read: () => AsyncIterable<readonly string[]>;
}

export async function ingest(plan: IngestPlan): Promise<void> {
  const rabbitmq = await startRabbitmq();
  try {
    const rows: string[][] = [];
    for (const kind of ['embedded', 'rabbitmq'] as const) {
      if (plan.bus !== 'all' && plan.bus !== kind) continue;
      const limits: number[] = [];
      const ours: number[] = [];
      const cpu: number[] = [];
      let memory = 0;
      for (let run = 0; run < plan.runs; run++) {
        limits.push(kind === 'embedded' ? await sqliteIngest(plan) : await rabbitmqIngest(plan, rabbitmq.access.url));
        const result = await signalbox(plan, kind === 'embedded' ? 'embedded' : rabbitmq.access.url);
        ours.push(result.perSecond);
        cpu.push(result.cpu);
        memory = Math.max(memory, result.memory);
      }
      const megabytes = (perSecond: number): string => ((perSecond * plan.bytes) / plan.records / 1024 ** 2).toFixed(1);
      const [limit, own] = [median(limits), median(ours)];
      rows.push([kind, thousands(limit), megabytes(limit), thousands(own), megabytes(own), (own / limit).toFixed(2), thousands(median(cpu)), thousands(memory / 1024 ** 2)]);
    }
    process.stdout.write(
      `${plan.title}; ${thousands(plan.records)} records, ${(plan.bytes / 1024 ** 2).toFixed(0)} MiB, ${plan.runs} runs, median; ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}\n`,
    );
    process.stdout.write(`${table(['bus', 'limit records/s', 'MiB/s', 'signalbox records/s', 'MiB/s', 'ratio', 'CPU us/record', 'RSS MiB'], rows)}\n`);
    process.stdout.write('limit: the same input read with the bare driver or parser, made JSON and published with confirms (rabbitmq) or inserted in groups of 1,000 (embedded)\n');
  } finally {
    await rabbitmq.stop();
  }
}

/** From the start of reading until every record is durable on the bus, routed to a target that takes nothing yet. */
async function signalbox(plan: IngestPlan, bus: string): Promise<{ readonly perSecond: number; readonly cpu: number; readonly memory: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
  mkdirSync(join(directory, 'out'));
  mkdirSync(join(directory, 'secrets'), { mode: 0o700 });
  writeFileSync(join(directory, 'secrets', 'rabbitmq'), new URL(bus === 'embedded' ? 'amqp://localhost' : bus).password, { mode: 0o600 });
  plan.prepare?.(directory);
  const types = Object.entries(plan.fields).map(([name, [words]]) => `    ${name}: ${words}`);
  const map = Object.entries(plan.fields).map(([name, [, expression]]) => `      ${name}: ${JSON.stringify(expression)}`);
  writeFileSync(
    join(directory, 'signalbox.yaml'),
    `version: 1
bus: ${bus === 'embedded' ? 'embedded' : `{urls: [${JSON.stringify(bus.replace(/:[^:@/]*@/, ':${secret:rabbitmq}@'))}], prefix: bench${Date.now()}}`}
systems:
  source:
${plan.system(directory).replace(/^/gm, '    ')}
  sink:
    adapter: file
    connect: {root: ${JSON.stringify(directory)}}
    write:
      things: {path: "out/{id}.json", json: {}}
types:
  Thing:
${types.join('\n')}
routes:
  in:
    from: source.things
    publish: Thing
    map:
${map.join('\n')}
  out:
    subscribe: Thing
    deliver: [{name: all, to: sink.things, map: {id: thing.id}}]
`,
  );
  const by = { who: 'bench' };
  await pausedAtStart(join(directory, '.signalbox'));
  const first = await startSignalbox({ directory, log: { level: 'error' } });
  // A queue on RabbitMQ before 3.13 rests for 2 s after its declaration, once in its life.
  if (bus !== 'embedded') await sleep(2_500);
  const [began, used] = [performance.now(), process.cpuUsage()];
  await first.service.resume('source.things', by);
  let memory = 0;
  try {
    for (;;) {
      memory = Math.max(memory, process.memoryUsage.rss());
      // Asking for the state of messages makes the history work: only when all of them are there, and then it is part of what is measured.
      const { received } = await first.service.route('in');
      if (received >= plan.records && (await first.service.status()).messages.active >= plan.records) break;
      if (performance.now() - began > 900_000) throw new Error(`only ${received} of ${plan.records} records came`);
      await sleep(50);
    }
    const { user, system } = process.cpuUsage(used);
    return { perSecond: (plan.records / (performance.now() - began)) * 1000, cpu: (user + system) / plan.records, memory };
  } finally {
    await first.stop('the benchmark has ended');
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As an operator would have left it: neither endpoint works until it is resumed. */
async function pausedAtStart(state: string): Promise<void> {
  mkdirSync(state, { mode: 0o700 });
  const store = new SqliteStore(state);
  await store.open(AbortSignal.timeout(10_000));
  await store.endpointState.put('signalbox.pauses', new Map(['source.things', 'sink.things'].map((name) => [name, new Date().toISOString()])));
  await store.close();
}

async function rabbitmqIngest(plan: IngestPlan, url: string): Promise<number> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const queue = `bench.raw.${process.pid}.${Date.now()}`;
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  const began = performance.now();
  let count = 0;
  for await (const page of plan.read()) {
    for (const text of page) channel.publish('', queue, Buffer.from(text), { persistent: true, mandatory: true, messageId: String(count++) });
    await channel.waitForConfirms();
  }
  const seconds = (performance.now() - began) / 1000;
  await channel.deleteQueue(queue);
  await connection.close();
  if (count !== plan.records) throw new Error(`the limit read ${count} of ${plan.records}`);
  return count / seconds;
}

async function sqliteIngest(plan: IngestPlan): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
  const database = new Database(join(directory, 'limit.db'));
  database.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000; CREATE TABLE m (seq INTEGER PRIMARY KEY, id TEXT, body TEXT) STRICT');
  const insert = database.prepare('INSERT INTO m (id, body) VALUES (?, ?)');
  const group = database.transaction((page: readonly string[]) => {
    for (const text of page) insert.run(`m${count++}`, text);
  });
  let count = 0;
  const began = performance.now();
  for await (const page of plan.read()) group(page);
  const seconds = (performance.now() - began) / 1000;
  database.close();
  rmSync(directory, { recursive: true, force: true });
  if (count !== plan.records) throw new Error(`the limit read ${count} of ${plan.records}`);
  return count / seconds;
}
