import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { Status } from '../../console/service.js';
import { startRabbitmq } from '../services/servers.js';
import { OrdersWorld } from './orders-world.js';
import { ask, run, stop, until } from './run.js';

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

    let child = run(world);
    closing.push(() => stop(child, 'SIGKILL'));
    for (let kill = 1; kill <= 3; kill++) {
      await until(
        async () => (await world.arrived()).rows > kill * 1_500,
        `row ${kill * 1_500} arrived`,
        120_000,
        () => world.arrived(),
      );
      await stop(child, 'SIGKILL');
      child = run(world);
      await world.addOrders(250);
      if (kill === 2) await rabbitmq.restart();
    }
    await world.addOrders(250);

    const { deadLetters, ...expected } = world.expected;
    await until(
      async () => JSON.stringify(await world.arrived()) === JSON.stringify(expected),
      'everything arrived',
      600_000,
      async () => [await world.arrived(), expected],
    );
    // Nothing may come after: what is still queued or waits for a retry would be one too many.
    await until(() => isIdle(ask<Status>(world, 'status')), 'the channels are empty', 120_000);
    expect(await world.arrived()).toEqual(expected);
    expect(ask<Status>(world, 'status').deadLetters).toBe(deadLetters);
    const numbers = world.fileNames().map((name) => name.split('_')[1] ?? '');
    expect(new Set(numbers).size).toBe(expected.files);
    const [sample = ''] = world.fileNames();
    expect(world.file(sample)).toMatch(new RegExp(`^${(numbers[0] ?? '').padEnd(10)}00000\\d{3}20260301\\d{12}\\r?\\n?$`));

    expect(await stop(child, 'SIGTERM')).toBe(0);
    expect(readFileSync(join(world.directory, 'run.log'), 'utf8')).not.toContain('token-of-');
  }, 1_200_000);
});

function isIdle({ systems, messages }: Status): boolean {
  return messages.active === 0 && systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => (waiting ?? 0) === 0);
}
