// `npm run soak -- --hours 12`: load without end and trouble at random, until the time is over or Ctrl-C. Ends with a table; exit code 1 when
// something was lost, came twice or out of order, or when the memory grows.
import { spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { record } from '../faults/results.js';
import { FaultWorld, type Place } from '../faults/world.js';
import { freePort, type Server } from '../services/servers.js';
import setup, { type Running } from '../services/setup.js';
import teardown from '../services/teardown.js';
import { Soak, type SoakResult } from './soak.js';

/** Customers of the world, whose rows keep their order. */
const LANES = 10;
const USAGE =
  'usage: npm run soak -- (--hours N | --minutes N) [--bus rabbitmq|embedded] [--rate rows/s, 10] [--seed N] [--rest s between troubles, 40] [--late s, 300] [--leak MB/h, 20]';
const { values } = parseArgs({
  options: {
    hours: { type: 'string' },
    minutes: { type: 'string' },
    bus: { type: 'string', default: 'rabbitmq' },
    rate: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rest: { type: 'string', default: '40' },
    late: { type: 'string', default: '300' },
    leak: { type: 'string', default: '20' },
  },
});
const minutes = Number(values.minutes ?? Number(values.hours ?? Number.NaN) * 60);
const numbers = [minutes, Number(values.rate), Number(values.seed), Number(values.rest), Number(values.late), Number(values.leak)];
const { bus } = values;
if (!numbers.every((number) => number > 0) || (bus !== 'rabbitmq' && bus !== 'embedded')) {
  console.error(USAGE);
  process.exit(2);
}

// Ctrl-C reaches every process of the terminal's group. The servers and Signalbox must live on until everything is counted, so the work is done in
// a group of its own, and only this process hears the terminal.
if (process.env['SIGNALBOX_SOAK'] === undefined) {
  const worker = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { detached: true, stdio: 'inherit', env: { ...process.env, SIGNALBOX_SOAK: 'worker' } });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => worker.kill('SIGINT'));
  worker.once('exit', (code) => process.exit(code ?? 1));
} else {
  process.exit(await soak(bus));
}

async function soak(kind: 'rabbitmq' | 'embedded'): Promise<number> {
  const interrupted = new AbortController();
  process.on('SIGINT', () => interrupted.abort());
  await setup();
  let world: FaultWorld | undefined;
  try {
    const listen = `127.0.0.1:${await freePort()}`;
    world = await FaultWorld.start(undefined, { bus: kind, listen, isOrdered: true, attempts: 100 });
    const seed = Number(values.seed);
    say(`${minutes} min, bus ${kind}, ${values.rate} rows/s to three targets, seed ${seed}; Ctrl-C ends it with everything counted`);
    const result = await new Soak({
      world,
      servers: await serversOf(),
      listen,
      durationMs: minutes * 60_000,
      rate: Number(values.rate),
      seed,
      lanes: LANES,
      lateMs: Number(values.late) * 1_000,
      restMs: Number(values.rest) * 1_000,
      signal: interrupted.signal,
      say,
    }).run();
    return report(result, kind, world);
  } finally {
    await world?.close();
    await teardown();
  }
}

function report(result: SoakResult, kind: string, world: FaultWorld): number {
  const { slope, slopeHours } = result;
  const isLeaking = slopeHours >= 1 && slope !== undefined && slope > Number(values.leak);
  const trend =
    slope === undefined
      ? 'too short to say'
      : `${slope.toFixed(1)} MB/h over ${(slopeHours * 60).toFixed(0)} min of one process${slopeHours < 1 ? ' (judged from 60 min on)' : ''}`;
  console.log(`
  time                  ${result.minutes.toFixed(1)} min, seed ${values.seed}, bus ${kind}, ${cpus().length} cores for everything
  rows                  ${result.sent.toLocaleString('en')} sent, ${result.delivered.toLocaleString('en')} at all three targets
  lost                  ${result.lost}
  duplicated            ${result.duplicated}
  inverted              ${result.inverted}, of ${LANES} keys in order
  stuck                 ${result.mostStuck} endpoints at worst
  dead letters          ${result.deadLetters}
  troubles              ${result.troubles}, ${result.kills} of them SIGKILL
  memory                at most ${result.megabytes.toFixed(0)} MB; ${trend}${isLeaking ? ' LEAK' : ''}
  handles               ${result.gauges?.files ?? '-'} open, ${result.gauges?.sockets ?? '-'} of them sockets, at the end
  event loop            ${result.gauges?.loopMs?.toFixed(1) ?? '-'} ms delay (p99)
`);
  for (const row of result.wrong.slice(0, 50)) console.log(`  ${row}`);
  if (result.wrong.length > 0) console.log(`  the log: ${keptLog(world)}`);
  record(
    {
      kind: 'run',
      section: 'soak',
      name: `bus ${kind}`,
      command: `npm run soak -- --minutes ${minutes} --bus ${kind} --rate ${values.rate} --seed ${values.seed}`,
      times: result.troubles,
      messages: result.sent,
      deliveries: result.sent * 3 - result.lost,
      lost: result.lost,
      duplicated: result.duplicated,
      inverted: result.inverted,
      unknown: 0,
      seconds: result.minutes * 60,
      detail: `${result.kills} SIGKILL; at most ${result.megabytes.toFixed(0)} MB resident, ${trend}; ${result.gauges?.files ?? '-'} open files at the end`,
    },
    world.versions,
  );
  return result.lost + result.duplicated + result.inverted > 0 || isLeaking ? 1 : 0;
}

/** The world removes its directory. */
function keptLog(world: FaultWorld): string {
  const kept = join(tmpdir(), `signalbox-soak-${process.pid}.log`);
  copyFileSync(join(world.directory, 'run.log'), kept);
  return kept;
}

/** What setup.ts has started for the world. */
async function serversOf(): Promise<ReadonlyMap<Place, Server<unknown>>> {
  const running = (globalThis as typeof globalThis & { testServices?: Running }).testServices;
  const places: readonly (readonly [Place, string])[] = [
    ['bus', 'rabbitmq'],
    ['source', 'postgres'],
    ['reports', 'mariadb'],
    ['files', 'sshd'],
  ];
  const found = new Map<Place, Server<unknown>>();
  for (const [place, name] of places) {
    const server = await running?.servers.get(name);
    if (server) found.set(place, server);
  }
  return found;
}

function say(line: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
