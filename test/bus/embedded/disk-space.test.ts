import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { NotPublished } from '../../../bus/broker.js';
import { DiskSpace } from '../../../bus/embedded/disk-space.js';
import { EmbeddedBroker } from '../../../bus/embedded/embedded-broker.js';
import { heldClock, recordingLog } from '../../kit/fakes.js';

const MEGABYTE = 1024 * 1024;

describe('the space on the volume of the embedded bus', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'signalbox-space-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const free = async (): Promise<number> => {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  };

  test('below the limit it is an alarm, with what to do about it in the log, once', async () => {
    const log = recordingLog();
    const space = new DiskSpace({ directory, minFree: (await free()) * 2, clock: heldClock(), log });
    await space.check();
    await space.check();
    expect(space.alarm).toMatch(/^disk alarm: .* free in .*, below .* nothing new is accepted; free space on this volume$/);
    expect(log.lines.filter(({ event }) => event === 'broker.disk-alarm')).toHaveLength(1);
  });

  test('with space there is none, and after a while a reserve is laid by', async () => {
    const space = new DiskSpace({ directory, minFree: 8 * MEGABYTE, clock: heldClock(), log: recordingLog() });
    for (let check = 0; check < 12; check++) await space.check();
    expect(space.alarm).toBeUndefined();
    expect(statSync(join(directory, 'bus.reserve')).size).toBe(4 * MEGABYTE);
  });

  test('the bus refuses what is new, hands out what it has, and says so', async () => {
    const minFree = (await free()) * 2;
    const open = async (limit: number): Promise<EmbeddedBroker> => {
      const broker = new EmbeddedBroker({ directory, clock: heldClock(), log: recordingLog(), minFree: limit });
      await broker.open(AbortSignal.timeout(10_000));
      await broker.declare({ name: 'orders' });
      return broker;
    };
    const message = { id: '1', headers: {}, body: Buffer.from('one') };
    const before = await open(1);
    await before.publish('orders', message);
    await before.close();

    const broker = await open(minFree);
    try {
      expect(broker.health).toEqual({ connected: true, detail: expect.stringContaining('disk alarm') });
      const refused = await broker.publish('orders', { ...message, id: '2' }).catch((error: unknown) => error as NotPublished);
      expect(refused).toMatchObject({ reason: 'rejected', message: expect.stringContaining('disk alarm') });
      const got = await new Promise<string>((done) => {
        void broker.consume('orders', { prefetch: 1 }, (received) => {
          received.ack();
          done(received.id);
        });
      });
      expect(got).toBe('1');
    } finally {
      await broker.close();
    }
    const after = await open(1);
    expect(await after.depth('orders')).toMatchObject({ ready: 0 });
    await after.close();
  });
});
