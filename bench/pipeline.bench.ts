import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Broker } from '../bus/broker.js';
import { EmbeddedBroker } from '../bus/embedded/embedded-broker.js';
import type { Handler } from '../bus/handler.js';
import { deriveId, type Message } from '../bus/message.js';
import { RabbitmqBroker } from '../bus/rabbitmq/rabbitmq-broker.js';
import { systemClock } from '../bus/runtime/clock.js';
import { channelOf } from '../bus/runtime/envelope.js';
import { Intake } from '../bus/runtime/intake.js';
import { createLog } from '../bus/runtime/log.js';
import { alone } from '../bus/runtime/nodes.js';
import { OrderedChannels } from '../bus/runtime/ordered-channels.js';
import { DurablePublisher } from '../bus/runtime/publisher.js';
import { Target } from '../bus/runtime/target.js';
import { Telemetry } from '../bus/runtime/telemetry.js';
import { Traffic } from '../bus/runtime/traffic.js';
import { SqliteStore } from '../bus/store/sqlite/sqlite-store.js';
import { compileRoutes } from '../routes/compile.js';
import { routeSchema, typeConfig } from '../routes/model.js';
import { startRabbitmq } from '../test/services/servers.js';
import { rabbitmqLimit, sqliteLimit } from './limits.js';
import { median, table, thousands } from './table.js';

// Messages per second from a canonical message handed to the bus until it is delivered to a target that does nothing: one rule, one target, 1 KiB, history on, beside what the same broker can do when nobody routes, records or remembers.
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '20000' },
    runs: { type: 'string', default: '3' },
    bus: { type: 'string', default: 'all' },
    'in-flight': { type: 'string', default: '512' },
  },
});
const count = Number(values.messages);
const runs = Number(values.runs);
const inFlight = Number(values['in-flight']);
const log = createLog({ level: 'warn', format: 'pretty', redact: (line) => line });
const body = Buffer.alloc(1024, 'x');

const rabbitmq = await startRabbitmq();
try {
  const rows: string[][] = [];
  for (const [kind, limit, make] of [
    ['embedded', async () => sqliteLimit(body, count), (directory: string) => new EmbeddedBroker({ directory, clock: systemClock, log })],
    [
      'rabbitmq',
      () => rabbitmqLimit(rabbitmq.access.url, body, count),
      () => new RabbitmqBroker({ urls: [rabbitmq.access.url], prefix: `bench${Date.now()}`, clock: systemClock, log }),
    ],
  ] as const) {
    if (values.bus !== 'all' && values.bus !== kind) continue;
    const limits: number[] = [];
    const ours: number[] = [];
    for (let run = 0; run < runs; run++) {
      limits.push(await limit());
      ours.push(await pipeline(make));
    }
    const range = (list: readonly number[]): string => `${thousands(Math.min(...list))} .. ${thousands(Math.max(...list))}`;
    rows.push([kind, thousands(median(limits)), range(limits), thousands(median(ours)), range(ours), (median(ours) / median(limits)).toFixed(2)]);
  }
  process.stdout.write(`${count} messages of 1 KiB, ${inFlight} in flight, ${runs} runs, median; ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}\n`);
  process.stdout.write(`${table(['bus', 'limit msg/s', 'min .. max', 'pipeline msg/s', 'min .. max', 'ratio'], rows)}\n`);
  process.stdout.write('limit: embedded = bare SQLite insert, read, delete in groups of 256; rabbitmq = bare confirmed publish and consume at once\n');
} finally {
  await rabbitmq.stop();
}

async function pipeline(make: (directory: string) => Broker): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
  const [broker, store] = [make(directory), new SqliteStore(directory)];
  const signal = AbortSignal.timeout(60_000);
  await store.open(signal);
  await broker.open(signal);
  await broker.declare({ name: channelOf('out.things') });
  const routing = { handler: compiledHandler() };
  const telemetry = new Telemetry('bench');
  const publisher = new DurablePublisher(broker, systemClock);
  const intake = new Intake(publisher, store, routing, telemetry, new Traffic(), systemClock, log, 'bench');
  const finished = Promise.withResolvers<void>();
  let delivered = 0;
  const target = new Target(
    {
      open: async () => undefined,
      send: async () => {
        delivered++;
        if (delivered === count) finished.resolve();
        return { detail: 'ok' };
      },
      close: async () => undefined,
    },
    { name: 'out.things', parallel: inFlight, usesLedger: false },
    {
      broker,
      publisher,
      store,
      routing,
      clock: systemClock,
      log,
      telemetry,
      node: 'bench',
      nodes: alone,
      ordered: new OrderedChannels(broker, publisher, store.endpointState, log),
    },
  );
  await target.start();
  const started = performance.now();
  let sent = 0;
  const limit = AbortSignal.timeout(600_000);
  const lane = async (): Promise<void> => {
    while (sent < count) await intake.publish(message(sent++), { patienceMs: 60_000, signal: limit });
  };
  await Promise.all([finished.promise, ...Array.from({ length: inFlight }, lane)]);
  const seconds = (performance.now() - started) / 1000;
  await target.stop(10_000);
  await broker.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
  return count / seconds;
}

function message(n: number): Message {
  return {
    specversion: '1.0',
    id: deriveId('bench', String(n)),
    source: '/bench',
    type: 'Order',
    subject: String(n),
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { id: String(n), country: 'DE', note: 'x'.repeat(900) },
    wire: {},
  };
}

function compiledHandler(): Handler {
  const { findings, build } = compileRoutes({
    revision: 1,
    types: { Order: typeConfig.parse({ id: 'required text', country: 'required text 2', note: 'text' }) },
    tables: {},
    routes: Object.fromEntries(
      Object.entries({
        out: {
          subscribe: 'Order',
          deliver: [{ name: 'all', when: 'order.country in ["DE", "AT"]', to: 'out.things', map: { id: 'order.id', country: 'order.country', note: 'order.note' } }],
        },
      }).map(([name, route]) => [name, routeSchema(route).parse(route)]),
    ),
    defaults: {},
    sources: new Map(),
    targets: new Map([['out.things', { fields: undefined }]]),
    placeOf: () => undefined,
  });
  const built = build(1);
  if (!built) throw new Error(JSON.stringify(findings));
  return built;
}
