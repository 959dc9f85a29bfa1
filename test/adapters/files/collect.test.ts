// Many messages in one file: each in exactly one, wherever the process ends.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Delivery, EndpointState } from '../../../adapters/contract/index.js';
import { NotConnected } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { Batches } from '../../../adapters/files/batches.js';
import { Collect } from '../../../adapters/files/collect.js';
import { lintWrite, writeOptions } from '../../../adapters/files/options.js';
import type { FileSpace } from '../../../adapters/files/space.js';
import { heldClock, memoryState, realClock, recordingLog } from '../../kit/fakes.js';
import { Folder, signal } from './runner.js';

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'out'));
});
afterEach(() => folder.remove());

const delivery = (number: number, payload: Delivery['payload'] = { n: BigInt(number) }): Delivery => ({
  id: `D${String(number).padStart(4, '0')}`,
  messageId: `m${number}`,
  type: 'Order',
  key: String(number),
  idempotencyKey: `i${number}`,
  payload,
  time: '2026-03-01T08:00:00Z',
  attempt: 1,
  traceparent: undefined,
});
const optionsOf = (options: object) =>
  writeOptions.parse({ path: '/out/ORD_{batch.number}.csv', csv: { columns: ['n'] }, ...options, collect: { for: '1m', ...(options as { collect?: object }).collect } });

function collector(options: object = {}, { state = memoryState() as EndpointState, space = new Disk(folder.root) as FileSpace, clock = heldClock(), node = 'a' } = {}) {
  const parsed = optionsOf(options);
  if (!parsed.collect) throw new Error('no collect');
  const log = recordingLog();
  return { collect: new Collect(space, parsed, parsed.collect, { name: 'erp.orders', config: parsed, state, node }, { clock, logger: log }), clock, log, state };
}

const eventually = async (condition: () => boolean): Promise<void> => {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 2_000) throw new Error(`never: ${condition.toString()}; there: ${folder.names('out').join(' ')}`);
    await realClock.sleep(2);
  }
};
const rows = (): readonly string[] =>
  folder
    .names('out')
    .filter((name) => name.endsWith('.csv') && !name.startsWith('.'))
    .flatMap((name) => folder.read(`out/${name}`).trim().split('\n').slice(1));

describe('collecting', () => {
  test('a file is written when its first message is old enough, in the order the messages came', async () => {
    const { collect, clock } = collector();
    await collect.open(signal);
    expect(await collect.send(delivery(1), signal)).toEqual({ detail: 'collected for ORD_000001.csv, as number 1' });
    await collect.send(delivery(2), signal);
    expect(folder.names('out')).toEqual([]);
    await eventually(() => clock.sleeping === 1);
    await clock.advance(60_000);
    await eventually(() => folder.names('out').includes('ORD_000001.csv'));
    expect(folder.read('out/ORD_000001.csv')).toBe('n\n1\n2\n');
    await collect.close();
  });

  test('a file is written when it has all it may have; the next one has the next number', async () => {
    const { collect } = collector({ collect: { messages: 2 } });
    await collect.open(signal);
    for (const number of [1, 2, 3]) {
      for (;;) {
        const sent = await collect.send(delivery(number), signal).catch((error: unknown) => error);
        if (!Error.isError(sent)) break;
        expect(sent).toMatchObject({ code: 'E486' });
        await realClock.sleep(2);
      }
    }
    await eventually(() => folder.names('out').includes('ORD_000001.csv'));
    expect(folder.read('out/ORD_000001.csv')).toBe('n\n1\n2\n');
    expect((await collect.send(delivery(4), signal)).detail).toBe('collected for ORD_000002.csv, as number 2');
    await collect.close();
  });

  test('a repeat is recognised, while it waits, after the file was written, and after a restart', async () => {
    const { collect, clock, state } = collector();
    await collect.open(signal);
    await collect.send(delivery(1), signal);
    expect(await collect.send(delivery(1), signal)).toMatchObject({ duplicate: true });
    await eventually(() => clock.sleeping === 1);
    await clock.advance(60_000);
    await eventually(() => rows().length === 1);
    expect(await collect.send(delivery(1), signal)).toMatchObject({ duplicate: true });
    await collect.close();
    const again = collector({}, { state, clock });
    await again.collect.open(signal);
    expect(await again.collect.send(delivery(1), signal)).toMatchObject({ duplicate: true });
    await again.collect.close();
    expect(rows()).toEqual(['1']);
  });

  test('a repeat is recognised for a day after its file was written, however long that was collected; then the notes let it go', async () => {
    const { collect, clock, state } = collector({ collect: { for: '7d' } });
    const past = async (): Promise<readonly string[]> => [...(await state.list('past/', 10)).values()];
    await collect.open(signal);
    await collect.send(delivery(1), signal);
    const week = 7 * 86_400_000;
    await eventually(() => clock.sleeping === 1);
    clock.jump(week - 1);
    await clock.advance(60_000);
    await eventually(() => rows().length === 1);
    await eventually(() => clock.sleeping === 1);
    clock.jump(3_500_000);
    await clock.advance(100_000);
    expect(await collect.send(delivery(1), signal)).toMatchObject({ duplicate: true });
    await collect.close();
    // A process that starts now knows it too.
    const again = collector({ collect: { for: '7d' } }, { state, clock });
    await again.collect.open(signal);
    expect(await again.collect.send(delivery(1), signal)).toMatchObject({ duplicate: true });
    expect(await past()).toHaveLength(1);
    await eventually(() => clock.sleeping === 1);
    clock.jump(25 * 3_600_000);
    await clock.advance(60_000);
    await eventually(() => clock.sleeping === 1);
    expect(await past()).toEqual([]);
    expect(await again.collect.send(delivery(1), signal)).toEqual({ detail: 'collected for ORD_000002.csv, as number 1' });
    await again.collect.close();
  });

  test('notes of a large file that were left half way are all kept', async () => {
    const state = memoryState();
    const batches = new Batches(state);
    const batch = await batches.open({ id: 'b', since: 0, owner: 'a', seen: 0, closed: true, written: false });
    const ids = Array.from({ length: 2_500 }, (_, at) => `D${at}`);
    for (const [at, id] of ids.entries()) await batches.add('b', at, id, {});
    const put = state.put.bind(state);
    let steps = 0;
    const dying = new Batches({ ...state, put: (changes) => (++steps > 2 ? Promise.reject(new NotConnected('E400', 'the process has ended')) : put(changes)) });
    await expect(dying.forget(batch, 1_000)).rejects.toThrow('the process has ended');
    await batches.forget(batch, 2_000);
    expect(await state.list('item/', 10)).toEqual(new Map());
    const known = async (): Promise<number> => (await Promise.all(ids.map((id) => batches.has(id)))).filter(Boolean).length;
    expect(await known()).toBe(2_500);
    await batches.forgetPast(1_500);
    expect(await known()).toBe(1_500);
    await batches.forgetPast(2_001);
    expect(state.entries.size).toBe(1); // the number
  });

  test('what no file can hold is refused alone', async () => {
    const { collect } = collector();
    await collect.open(signal);
    await collect.send(delivery(1), signal);
    await expect(collect.send(delivery(2, { other: 'x' }), signal)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E348' });
    await collect.close();
  });

  test('a folder that is away: messages wait, it is said, and the file is written when the folder is back', async () => {
    let isAway = true;
    const disk = new Disk(folder.root);
    const space = new Proxy(disk, {
      get: (target, name) =>
        name === 'write' && isAway
          ? () => Promise.reject(new NotConnected('E400', 'the share is away'))
          : (Reflect.get(target, name) as (...args: unknown[]) => unknown).bind(target),
    });
    const { collect, clock, log } = collector({}, { space });
    await collect.open(signal);
    await collect.send(delivery(1), signal);
    await eventually(() => clock.sleeping === 1);
    await clock.advance(60_000);
    await eventually(() => log.lines.some(({ event }) => event === 'collect.postponed'));
    isAway = false;
    await eventually(() => clock.sleeping === 1);
    await clock.advance(60_000);
    await eventually(() => rows().length === 1);
    await collect.close();
  });

  test('several nodes collect each their own file; what a dead one left is written by another', async () => {
    const state = memoryState();
    const clock = heldClock();
    const a = collector({}, { state, clock, node: 'a' });
    const b = collector({}, { state, clock, node: 'b' });
    await a.collect.open(signal);
    await b.collect.open(signal);
    await a.collect.send(delivery(1), signal);
    await b.collect.send(delivery(2), signal);
    await a.collect.close();
    for (let minute = 0; minute < 4; minute++) {
      await eventually(() => clock.sleeping === 1);
      await clock.advance(60_000);
    }
    await eventually(() => rows().length === 2);
    expect(rows().toSorted()).toEqual(['1', '2']);
    await b.collect.close();
  });

  test('what a node accepted and did not acknowledge before it died is known to the one that gets it then', async () => {
    const state = memoryState();
    const [a, b] = [collector({}, { state, node: 'a' }).collect, collector({}, { state, node: 'b' }).collect];
    await a.open(signal);
    await b.open(signal);
    await a.send(delivery(1), signal);
    expect(await b.send(delivery(1), signal)).toMatchObject({ duplicate: true });
    await Promise.all([a.close(), b.close()]);
  });

  test('of copies that come at the same time one is accepted', async () => {
    const { collect } = collector();
    await collect.open(signal);
    const receipts = await Promise.all([1, 2, 3].map(() => collect.send(delivery(1), signal)));
    expect(receipts.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
    await collect.close();
  });

  test('markers: written last, for single files too', async () => {
    const { collect, clock } = collector({ marker: '{stem}.ok' });
    await collect.open(signal);
    await collect.send(delivery(1), signal);
    await eventually(() => clock.sleeping === 1);
    await clock.advance(60_000);
    await eventually(() => folder.names('out').includes('ORD_000001.ok'));
    expect(folder.names('out')).toEqual(['ORD_000001.csv', 'ORD_000001.ok']);
    await collect.close();
  });
});

describe('a process that ends at any step leaves each message in exactly one file', () => {
  /** All that is done outside goes through here; from step `last` on nothing happens any more. */
  function mortal(last: number) {
    let step = 0;
    const guard = <T extends object>(target: T, names: readonly string[]): T =>
      new Proxy(target, {
        get: (of, name) => {
          const member = Reflect.get(of, name) as unknown;
          if (typeof member !== 'function') return member;
          const call = (...args: unknown[]): unknown => Reflect.apply(member, of, args);
          if (!names.includes(String(name))) return call;
          return (...args: unknown[]) => (++step > last ? Promise.reject(new NotConnected('E400', 'the process has ended')) : call(...args));
        },
      });
    return { guard, steps: () => step };
  }

  async function life(last: number, state: EndpointState, accepted: Set<number>, wanted: readonly number[]): Promise<number> {
    const { guard, steps } = mortal(last);
    const { collect, clock } = collector(
      { collect: { messages: 4 }, marker: '{name}.done' },
      { state: guard(state, ['put']), space: guard(new Disk(folder.root), ['write', 'rename', 'syncFolder', 'remove']) },
    );
    const isDead = (): boolean => steps() > last;
    try {
      await collect.open(signal).catch(() => undefined);
      for (const number of wanted) {
        if (accepted.has(number)) continue;
        for (let attempt = 0; attempt < 500 && !isDead(); attempt++) {
          const sent = await collect.send(delivery(number), signal).catch((error: unknown) => error);
          if (!Error.isError(sent)) {
            accepted.add(number);
            break;
          }
          await realClock.sleep(1);
        }
      }
      const isDone = async (): Promise<boolean> => (await state.list('batch/', 10)).size === 0 && rows().length === wanted.length;
      for (let turn = 0; turn < 200 && !isDead() && !(await isDone()); turn++) {
        if (clock.sleeping === 1) await clock.advance(60_000);
        await realClock.sleep(1);
      }
    } finally {
      await collect.close();
    }
    return steps();
  }

  test('every step, one after the other', async () => {
    const wanted = [1, 2, 3, 4, 5, 6];
    const all = await life(Number.POSITIVE_INFINITY, memoryState(), new Set(), wanted);
    expect(rows()).toHaveLength(6);
    for (let last = 0; last < all; last++) {
      folder.remove();
      mkdirSync(join(folder.root, 'out'), { recursive: true });
      const state = memoryState();
      const accepted = new Set<number>();
      await life(last, state, accepted, wanted);
      // Whoever was not told that it was accepted sends it again.
      await life(Number.POSITIVE_INFINITY, state, accepted, wanted);
      expect([last, rows().toSorted()]).toEqual([last, ['1', '2', '3', '4', '5', '6']]);
      expect(folder.names('out').filter((name) => name.endsWith('.part'))).toEqual([]);
      const files = folder.names('out').filter((name) => name.endsWith('.csv'));
      expect(folder.names('out').filter((name) => name.endsWith('.done'))).toEqual(files.map((name) => `${name}.done`));
      expect([...state.entries.keys()].filter((key) => key.startsWith('item/') || key.startsWith('batch/'))).toEqual([]);
    }
  }, 120_000);
});

test('names: nothing of one message, and a name of its own for each file', () => {
  expect(() => optionsOf({ path: '/out/ORD_{key}.csv' })).toThrow('belongs to one message, and a collected file has many');
  expect(() => optionsOf({ path: '/out/ORD_{batch.date}.csv' })).toThrow('each collected file needs a name of its own');
  expect(lintWrite(optionsOf({}))).toEqual([]);
});
