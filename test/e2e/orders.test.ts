import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { startRabbitmq } from '../services/servers.js';
import { OrdersWorld } from './orders-world.js';

const cli = join(import.meta.dirname, '../../cli/main.js');

describe('the main job, end to end', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  test('11,000 rows reach each target that their content selects exactly once, through three SIGKILLs and a restart of RabbitMQ', async () => {
    const rabbitmq = await startRabbitmq();
    closing.push(() => rabbitmq.stop());
    const world = await OrdersWorld.start(rabbitmq.access.url);
    closing.push(() => world.close());
    await world.addOrders(10_000);

    const log = join(world.directory, 'run.log');
    let child = run(world, log);
    closing.push(async () => child.kill('SIGKILL'));
    for (let kill = 1; kill <= 3; kill++) {
      await until(async () => (await world.arrived()).rows > kill * 1_500, `row ${kill * 1_500} arrived`, 120_000, log);
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = run(world, log);
      await world.addOrders(250);
      if (kill === 2) await rabbitmq.restart();
    }
    await world.addOrders(250);

    const { deadLetters, ...expected } = world.expected;
    await until(
      async () => equal(await world.arrived(), expected),
      'everything arrived',
      400_000,
      log,
      async () => JSON.stringify([await world.arrived(), expected]),
    );
    // Nothing may come after: what is still queued or waits for a retry would be one too many.
    await until(async () => idle(world), 'channels are empty', 60_000, log);
    expect(await world.arrived()).toEqual(expected);
    expect(deadLetterCount(world)).toBe(deadLetters);
    expect(new Set(world.fileNames().map((name) => name.split('_')[1])).size).toBe(expected.files);
    const sample = world.fileNames()[0] ?? '';
    expect(world.file(sample)).toMatch(new RegExp(`^${(sample.split('_')[1] ?? '').padEnd(10)}00000\\d{3}20260301\\d{12}\\r?\\n?$`));

    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(0);
  }, 900_000);
});

function run(world: OrdersWorld, log: string): ChildProcess {
  const child = spawn(process.execPath, ['--enable-source-maps', cli, 'run', '-c', world.directory], { env: world.environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = createWriteStream(log, { flags: 'a' });
  child.stdout?.pipe(out);
  child.stderr?.pipe(out);
  return child;
}

function command(world: OrdersWorld, ...args: string[]): unknown {
  return JSON.parse(execFileSync(process.execPath, [cli, ...args, '-c', world.directory, '-o', 'json'], { env: world.environment, encoding: 'utf8' }));
}

function idle(world: OrdersWorld): boolean {
  const status = command(world, 'status') as {
    readonly systems: readonly { readonly endpoints: readonly { readonly waiting?: number }[] }[];
    readonly messages: { readonly active: number };
  };
  return status.systems.flatMap(({ endpoints }) => endpoints).every(({ waiting = 0 }) => waiting === 0) && status.messages.active === 0;
}

function deadLetterCount(world: OrdersWorld): number {
  return (command(world, 'status') as { readonly deadLetters: number }).deadLetters;
}

function equal(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

async function until(condition: () => Promise<boolean>, what: string, limitMs: number, log: string, state?: () => Promise<string>): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in ${limitMs / 1000} s: ${what}; ${(await state?.()) ?? ''}; log in ${log}`);
    await sleep(250);
  }
}
