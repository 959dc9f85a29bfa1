// Full disks: of the bus and the store, of a target's folder, of the drop folder.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from '@jest/globals';
import { until } from '../e2e/run.js';
import { type CrashOptions, CrashWorld, withoutVolumes } from './crash-world.js';
import { isFull } from './faults.js';
import { record } from './results.js';

const BY = { who: 'test' };
const cache = mkdtempSync(join(tmpdir(), 'signalbox-cache-'));
const problem = withoutVolumes();

async function inWorld(fault: string, options: Omit<CrashOptions, 'cache'>, scenario: (world: CrashWorld) => Promise<void>): Promise<void> {
  const world = new CrashWorld({ ...options, cache });
  try {
    await world.prepare();
    await world.start();
    await world.put('flow');
    await world.settled();
    await scenario(world);
    const healed = performance.now();
    await world.settled();
    expect(world.isRunning).toBe(true);
    record({
      kind: 'fault',
      place: 'disk',
      bus: 'embedded',
      fault,
      rows: world.inputs,
      deliveries: world.deliveries,
      lost: 0,
      duplicated: 0,
      unknown: 0,
      duringFault: 0,
      recoveryMs: performance.now() - healed,
      repeats: world.partner.repeats,
      megabytes: 0,
    });
  } finally {
    await world.close();
  }
}

describe('a full disk: nothing is lost or doubled, the process stays, and somebody is told', () => {
  afterAll(() => rmSync(cache, { recursive: true, force: true }));

  if (problem !== undefined) {
    test(`not on this machine: small volumes need unshare and tmpfs (${problem})`, () => {
      process.stderr.write(`full disks were not tested: ${problem}\n`);
    });
    return;
  }

  test('of the bus and the store', async () => {
    await inWorld('volume of the bus and the store full', { bus: '{embedded: {min_free: 24MiB}}', volumes: { state: 96 } }, async (world) => {
      const detail = async (): Promise<string> => (await world.service.status()).bus.health.detail ?? '';
      await until(() => world.hasFile('state', 'bus.reserve'), 'a reserve is laid by', 30_000);
      // These are accepted and wait for the partner when the disk becomes full.
      world.partner.mood = 'status-500';
      await world.put('flow');
      await world.accepted();
      world.fill('state');
      await until(async () => (await detail()).includes('disk alarm'), 'the alarm is reported', 20_000);
      world.partner.mood = 'well';
      await world.settled();
      expect(await detail()).toMatch(/disk alarm: .* free in .*; free space on this volume/);
      expect(world.log.filter((line) => line.includes('E538')).join('\n')).toContain('nothing new is accepted');

      const waiting = world.put('flow');
      await until(() => (world.answers.get(503) ?? 0) > 0, 'senders are told to come again', 30_000);
      // Now even what the reserve gave back is gone.
      for (let time = 0; time < (isFull ? 20 : 5); time++) {
        world.fill('state');
        await sleep(1_000);
      }
      expect(await detail()).toContain('disk alarm');
      world.free('state');
      await waiting;
      await until(async () => (await detail()) === '', 'the alarm is over', 30_000);
    });
  }, 180_000);

  test('of a target and of the drop folder', async () => {
    await inWorld('volumes of a target and of the drop folder full', { bus: 'embedded', volumes: { archive: 4, inbox: 4 } }, async (world) => {
      await world.service.pause('drop.orders', BY);
      const waiting = world.put('flow');
      world.fill('inbox');
      world.fill('archive');
      await world.service.resume('drop.orders', BY);
      await waiting;
      const target = async () => (await world.service.system('archive')).endpoints[0];
      await until(async () => ['retrying', 'failing'].includes((await target())?.state ?? ''), 'the target says that it fails', 30_000, target);
      expect((await target())?.detail).toMatch(/E446 .*ENOSPC/);
      // Longer than all attempts of one delivery take.
      await sleep(isFull ? 40_000 : 12_000);
      world.free('archive');
      world.free('inbox');
    });
  }, 180_000);
});
