import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Secret } from '../adapters/contract/secret.js';
import { deriveId } from '../bus/message.js';
import type { HistoryEvent, Store } from '../bus/store/contract.js';
import type { PostgresOptions } from '../bus/store/postgres/options.js';
import { PostgresStore } from '../bus/store/postgres/postgres-store.js';
import { SqliteStore } from '../bus/store/sqlite/sqlite-store.js';
import { table, thousands } from './table.js';

// What the store costs per message on its usual way: received and queued in one append, then the ledger asked and told, and delivered. As many at once as `--batch`,
// the deliveries `--lag` batches after the receptions. CPU time of the thread that asks and of all others (the store's own and V8's helpers), with everything
// folded at the end.
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '50000' },
    batch: { type: 'string', default: '50' },
    lag: { type: 'string', default: '5' },
    ledger: { type: 'boolean', default: true },
    /** `postgresql://user:password@host:port/database?schema`: an empty schema; SQLite without it. */
    postgres: { type: 'string' },
  },
  allowNegative: true,
});
const [count, batch, lag] = [Number(values.messages), Number(values.batch), Number(values.lag)];
const data = JSON.stringify({ id: '4711', country: 'DE', note: 'x'.repeat(900) });
const directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
const store: Store = values.postgres === undefined ? new SqliteStore(directory) : new PostgresStore(optionsOf(new URL(values.postgres)));
await store.open(AbortSignal.timeout(60_000));
const { history, ledger } = store;

const asking = process.threadCpuUsage();
const whole = process.cpuUsage();
const started = performance.now();
const waits: number[] = [];
for (let first = 0; first < count + lag * batch; first += batch) {
  const numbers = Array.from({ length: batch }, (_, index) => first + index);
  await Promise.all([
    ...numbers.filter((n) => n < count).map(receive),
    ...numbers
      .map((n) => n - lag * batch)
      .filter((n) => n >= 0 && n < count)
      .map(deliver),
  ]);
}
const delivered = (await history.counts()).delivered;
const seconds = (performance.now() - started) / 1_000;
const microseconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / count;
const [main, all] = [microseconds(process.threadCpuUsage(asking)), microseconds(process.cpuUsage(whole))];
const bytes = await store.size();
await store.close();
rmSync(directory, { recursive: true, force: true });
if (delivered !== count) throw new Error(`${delivered} of ${count} messages are delivered`);

waits.sort((a, b) => a - b);
const wait = (share: number): string => `${(waits[Math.floor((waits.length - 1) * share)] ?? 0).toFixed(1)} ms`;
process.stdout.write(`${count} messages, ${batch} at once; ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}\n`);
process.stdout.write(
  `${table(
    ['msg/s', 'asking thread', 'store thread', 'append p50', 'p99', 'max', 'bytes/msg'],
    [[thousands(count / seconds), `${main.toFixed(0)} us/msg`, `${(all - main).toFixed(0)} us/msg`, wait(0.5), wait(0.99), wait(1), (bytes / count).toFixed(0)]],
  )}\n`,
);

async function receive(n: number): Promise<void> {
  const id = deriveId('bench', String(n));
  const about = { at: Date.now(), revision: 1, node: 'bench', messageId: id };
  await append([
    { ...about, kind: 'received', message: { type: 'Order', source: 'erp.orders', key: `K${n}`, size: 1024 }, data, endpoint: 'erp.orders', route: 'orders-in' },
    { ...about, kind: 'queued', route: 'out', rule: 'all', endpoint: 'out.things', deliveryId: deriveId(id, 'out') },
  ]);
}

async function deliver(n: number): Promise<void> {
  const messageId = deriveId('bench', String(n));
  const deliveryId = deriveId(messageId, 'out');
  const at = Date.now();
  if (values.ledger) await ledger.get([deliveryId]);
  await Promise.all([
    values.ledger ? ledger.put([{ deliveryId, endpoint: 'out.things', state: 'done', at }]) : undefined,
    append([
      { messageId, kind: 'delivered', at, revision: 1, node: 'bench', route: 'out', rule: 'all', endpoint: 'out.things', deliveryId, detail: 'ok', attempt: 1, durationMs: 1.2 },
    ]),
  ]);
}

async function append(events: readonly HistoryEvent[]): Promise<void> {
  const asked = performance.now();
  await history.append(events);
  waits.push(performance.now() - asked);
}

function optionsOf({ hostname, port, pathname, username, password, search }: URL): PostgresOptions {
  const secret = new Secret('password', decodeURIComponent(password));
  return { hosts: [hostname], port: Number(port), database: pathname.slice(1), user: username, password: secret, schema: search.slice(1) || 'signalbox_bench', tls: 'off' };
}
