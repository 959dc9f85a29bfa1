import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { emitKeypressEvents } from 'node:readline';
import { LiveLines } from '../../cli/live.js';
import { paint, plural, safe } from '../../cli/text.js';
import { startSignalbox } from '../../signalbox.js';
import { LegacyErp } from './legacy.js';
import { startPartner } from './partners.js';

// `npm start`: this folder's configuration with everything around it played by this process, in a directory that is made anew each time.
const source = join(import.meta.dirname.replace(`${join('/', 'dist', 'examples')}`, join('/', 'examples')));
const directory = process.env['DEMO_DIR'] ?? join(tmpdir(), `signalbox-demo-${process.getuid?.() ?? 0}`);
rmSync(directory, { recursive: true, force: true });
for (const folder of ['drop', 'out/erp', 'state']) mkdirSync(join(directory, folder), { recursive: true });

const tokens = { accounting: 'demo-token-accounting', shipping: 'demo-token-shipping' };
const [accounting, shipping] = await Promise.all([startPartner(tokens.accounting, 'INV'), startPartner(tokens.shipping, 'SHP')]);
const legacy = new LegacyErp(directory);
Object.assign(process.env, {
  DEMO_DIR: directory,
  DEMO_ACCOUNTING: accounting.url,
  DEMO_SHIPPING: shipping.url,
  SIGNALBOX_SECRET_ACCOUNTING: tokens.accounting,
  SIGNALBOX_SECRET_SHIPPING: tokens.shipping,
});
legacy.addOrder();

const signalbox = await startSignalbox({ directory: source, stateDirectory: join(directory, 'state'), log: { level: 'error', format: 'pretty' } });
const { service } = signalbox;
const status = await service.status();
say(`signalbox ${status.version} demo | ${status.bus.kind} bus, NOT FOR PRODUCTION | config ${relative(process.cwd(), source) || '.'} | files in ${directory}`);
say(`  systems  ${status.systems.map(({ name, adapter }) => `${name} (${adapter})`).join('   ')}`);
say(`  look     npx signalbox status --socket ${join(directory, 'state', 'signalbox.sock')}     (in another shell)`);
const keys = 'n new order   f drop a file   b break accounting   r repair and redeliver   d dead letters   q quit';
if (process.stdin.isTTY) say(`  keys     ${keys}`);

let delivered = false;
const lines = new LiveLines(service, (line, events) => {
  say(line);
  if (delivered || !events.some(({ kind }) => kind === 'delivered')) return;
  delivered = true;
  say(`first delivery after ${(performance.now() / 1000).toFixed(1)} s`);
});

const stop = new AbortController();
const order = setInterval(() => legacy.addOrder(), 3_000);
const file = setInterval(() => legacy.dropFile(), 20_000);
legacy.dropFile();

process.once('SIGINT', () => stop.abort());
process.once('SIGTERM', () => stop.abort());
if (process.stdin.isTTY) {
  emitKeypressEvents(process.stdin);
  process.stdin.setRawMode(true);
  process.stdin.on('keypress', (_, key: { readonly name?: string; readonly ctrl?: boolean }) => void press(key.ctrl && key.name === 'c' ? 'q' : (key.name ?? '')));
}

while (!stop.signal.aborted) {
  await lines.advance();
  await new Promise((next) => setTimeout(next, 200));
}
clearInterval(order);
clearInterval(file);
say('stopping: what is under way is finished first');
await signalbox.stop('quit');
legacy.close();
await Promise.all([accounting.close(), shipping.close()]);
say(`stopped. ${accounting.effects.size} invoices, ${shipping.effects.size} shipments, files in ${directory}/out/erp`);
say('next: npx signalbox init my-hub && npx signalbox check -c my-hub');
process.exit(0);

async function press(key: string): Promise<void> {
  if (key === 'n') say(`  new order ${legacy.addOrder()}`);
  else if (key === 'f') legacy.dropFile();
  else if (key === 'b') {
    accounting.broken = true;
    say(`  accounting is ${paint('red', 'closed')}: orders of 1000 and more wait for their next attempt, everything else goes on; r opens it again`);
  } else if (key === 'r') {
    accounting.broken = false;
    await service.resume('accounting', { who: 'demo' });
    const letters = (await Promise.all((await service.deadLetterGroups()).map(({ group }) => service.deadLetters(group, 500)))).flat();
    const { redelivered } = await service.redeliver(
      letters.filter(({ endpoint }) => endpoint.startsWith('accounting')).map(({ id }) => id),
      { who: 'demo', reason: 'repaired' },
    );
    const waiting = (await service.system('accounting')).endpoints.reduce((sum, endpoint) => sum + (endpoint.waiting ?? 0), 0);
    say(`  accounting is ${paint('green', 'open')} again; ${plural(redelivered, 'dead letter')} redelivered, ${waiting} waiting for their next attempt`);
  } else if (key === 'd') {
    const groups = await service.deadLetterGroups();
    for (const { group, count, code, route, reason } of groups) say(`  ${group}  ${String(count).padStart(3)}  ${safe(route)}  ${paint('red', code)} ${safe(reason)}`);
    say(groups.length === 0 ? '  no dead letters' : `  next     npx signalbox explain ${groups[0]?.code}`);
  } else if (key === 'q') stop.abort();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
