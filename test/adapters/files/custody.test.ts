import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type FileCustody, TryAgain } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { Folder, Runner, values } from './runner.js';

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'in'));
});
afterEach(() => folder.remove());

const DAY = 86_400_000;
const rows = (count: number): string => `n\n${Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')}`;
const custody = (runner: Runner): readonly FileCustody[] =>
  [...runner.state.entries].filter(([key]) => key.startsWith('custody/')).map(([, text]) => JSON.parse(text) as FileCustody);
const states = (runner: Runner): readonly string[] => custody(runner).map(({ name, state }) => `${name} ${state}`);

describe('the same name with other content', () => {
  test('F5 reject: to the error folder unread, with the reason; released it is read after all', async () => {
    const runner = Runner.on(folder, { same_name: 'reject' });
    folder.write('in/a.csv', 'n\n1\n');
    await runner.poll();
    folder.write('in/a.csv', 'n\n2\n');
    expect(await runner.poll()).toEqual([]);
    expect(folder.names('in/failed')).toEqual(['a.csv', 'a.csv.reason.json']);
    expect(folder.read('in/failed/a.csv.reason.json')).toContain('a file of this name with other content was read at 2026-03-01');
    expect(custody(runner)[1]).toMatchObject({ state: 'failed', unread: 'rejected', records: 0, place: 'in/failed/a.csv' });
    await runner.ask('release', custody(runner)[1]?.id ?? '');
    expect(values(await runner.poll())).toEqual([{ n: '2' }]);
    expect([folder.names('in/failed'), folder.names('in/done').length]).toEqual([[], 2]);
    expect(custody(runner)[2]).toMatchObject({ state: 'archived', by: 'anna: checked', accepted: 1 });
    expect(custody(runner)[1]?.readAgainAs).toBe(custody(runner)[2]?.id);
  });

  test('F5 alert: held unread through restarts until a person releases it', async () => {
    const runner = Runner.on(folder, { same_name: 'alert' });
    folder.write('in/a.csv', 'n\n1\n');
    await runner.poll();
    folder.write('in/a.csv', 'n\n2\n');
    for (const _ of [1, 2]) {
      expect(await runner.poll()).toEqual([]);
      runner.restart();
    }
    expect(states(runner)).toEqual(['a.csv archived', 'a.csv held']);
    expect(runner.log.lines.filter(({ event }) => event === 'file.held')).toHaveLength(1);
    await runner.ask('release', custody(runner)[1]?.id ?? '');
    expect(values(await runner.poll())).toEqual([{ n: '2' }]);
    expect(states(runner)).toEqual(['a.csv archived', 'a.csv archived']);
  });

  test('F5 after the time it is remembered for, a name is new', async () => {
    const runner = Runner.on(folder, { same_name: 'reject', remember: '2d' });
    folder.write('in/a.csv', 'n\n1\n');
    await runner.poll();
    await runner.clock.advance(3 * DAY);
    folder.write('in/a.csv', 'n\n2\n');
    expect(values(await runner.poll())).toEqual([{ n: '2' }]);
    expect(states(runner)).toEqual(['a.csv archived']);
    expect([...runner.state.entries.keys()].filter((key) => /^(name|hash)\//.test(key))).toHaveLength(2);
  });
});

describe('the same content again', () => {
  test('F6 skip: archived unread under whatever name, and the ledger says why', async () => {
    const runner = Runner.on(folder, { same_content: 'skip' });
    folder.write('in/a.csv', rows(2));
    expect(await runner.poll()).toHaveLength(2);
    folder.write('in/b.csv', rows(2));
    folder.write('in/a.csv', rows(2));
    expect(await runner.poll()).toEqual([]);
    expect(states(runner)).toEqual(['a.csv archived', 'a.csv archived', 'b.csv archived']);
    expect(custody(runner)[2]).toMatchObject({ unread: 'skipped', reason: expect.stringContaining('a.csv with the same content') });
    expect(folder.files('in/done')).toHaveLength(3);
  });

  test('F6 alert: held; within the window only', async () => {
    const runner = Runner.on(folder, { same_content: 'alert', remember: '1d' });
    folder.write('in/a.csv', rows(2));
    await runner.poll();
    folder.write('in/b.csv', rows(2));
    expect(await runner.poll()).toEqual([]);
    expect(states(runner)).toEqual(['a.csv archived', 'b.csv held']);
    await runner.clock.advance(2 * DAY);
    folder.write('in/c.csv', rows(2));
    expect(await runner.poll()).toHaveLength(2);
  });
});

describe('the ledger', () => {
  test('F7 F8 tells each step, and of a crash between two batches the right numbers', async () => {
    const runner = Runner.on(folder, { stable: { polls: 2, for: '0s' } });
    folder.write('in/a.csv', `n,m\n1,1\n2\n3,3\n4,4\n5,5\n`);
    await runner.poll();
    expect([...runner.state.entries.keys()]).toEqual(['seen/a.csv']);
    await runner.poll({ maxRecords: 2, batches: 1 });
    expect(custody(runner)).toMatchObject([{ state: 'progress', records: 2, accepted: 1, dead: 1 }]);
    await runner.poll({ maxRecords: 2, batches: 1, settle: false });
    runner.restart();
    await runner.poll({ maxRecords: 2 });
    const [file] = custody(runner);
    expect(file).toMatchObject({ name: 'a.csv', state: 'failed', records: 5, accepted: 4, filtered: 0, dead: 1, place: 'in/failed/a.csv', size: 22 });
    expect(file?.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(Number(file?.endedAt)).toBeGreaterThanOrEqual(Number(file?.seenAt));
  });

  test('F13 F33 a file that cannot be put away is told of as cleanup, is never read again and holds up nobody', async () => {
    class Locked extends Disk {
      isLocked = true;
      override rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal) {
        return this.isLocked && to.startsWith('in/done/') ? Promise.reject(new TryAgain('E446', 'EBUSY: open elsewhere')) : super.rename(from, to, mode, signal);
      }
    }
    const disk = new Locked(folder.root);
    const runner = new Runner({}, disk);
    for (let index = 0; index < 6; index++) folder.write(`in/${index}.csv`, rows(1));
    // The runtime goes on when only tidying up failed; the runner of these tests gives up the poll.
    for (let poll = 0; poll < 12; poll++) await runner.poll().catch(() => []);
    for (let poll = 0; poll < 2; poll++) {
      runner.restart();
      expect(await runner.poll()).toEqual([]);
    }
    expect(folder.files('in')).toEqual([]);
    expect(states(runner)).toContain('0.csv cleanup');
    disk.isLocked = false;
    expect(await runner.poll()).toEqual([]);
    expect(states(runner)).toEqual(Array.from({ length: 6 }, (_, index) => `${index}.csv archived`));
    expect(folder.files('in/done')).toHaveLength(6);
  });

  test('F7 forgets after the time that is configured, and nothing leaks', async () => {
    const runner = Runner.on(folder, { remember: '1h' });
    for (let day = 0; day < 5; day++) {
      folder.write(`in/${day}.csv`, rows(day + 1));
      await runner.poll();
      await runner.clock.advance(DAY);
    }
    await runner.poll();
    expect([...runner.state.entries.keys()]).toEqual([]);
  });

  test('reprocess: read again on purpose under another identity, from the archive and from the error folder', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(2));
    folder.write('in/b.csv', 'a,b\n1\n');
    const first = await runner.poll();
    for (const { id } of custody(runner)) await runner.ask('reprocess', id);
    const again = await runner.poll();
    expect(values(again)).toEqual(values(first));
    expect(again.map(({ id }) => id)).not.toEqual(first.map(({ id }) => id));
    expect(states(runner)).toEqual(['a.csv archived', 'b.csv failed', 'a.csv archived', 'b.csv failed']);
    expect([folder.names('in/done'), folder.names('in/failed')]).toEqual([['a.csv'], ['b.csv', 'b.csv.reason.json']]);
    await runner.ask('reprocess', 'no-such');
    expect(await runner.poll()).toEqual([]);
    rmSync(join(folder.root, 'in/done/a.csv'));
    await runner.ask('reprocess', custody(runner)[2]?.id ?? '');
    expect(await runner.poll()).toEqual([]);
    expect(runner.log.lines.filter(({ event }) => event === 'file.request-dropped')).toHaveLength(2);
    expect(states(runner)).toHaveLength(4);
  });
});

describe('content that changes while it is read', () => {
  const LARGE = `n\n${Array.from({ length: 8_000 }, (_, index) => `${index}${'x'.repeat(300)}\n`).join('')}`;

  const readWhile = async (change: (path: string) => void): Promise<void> => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', LARGE);
    const pickup = await runner.open();
    const codes: (string | undefined)[] = [];
    let batches = 0;
    for await (const batch of pickup.poll({ checkpoint: undefined, maxRecords: 2_000, signal: new AbortController().signal })) {
      const dead = batch.records.filter(({ failure }) => failure).length;
      codes.push(...batch.records.flatMap(({ failure }) => (failure ? [failure.code] : [])));
      if (++batches === 1) change(join(folder.root, 'in/.signalbox-work', folder.names('in/.signalbox-work')[0] ?? ''));
      await batch.settle?.({ accepted: batch.records.length - dead, filtered: 0, dead, reason: dead > 0 ? 'changed' : undefined });
    }
    expect(codes.at(-1)).toBe('E350');
    expect(folder.names('in/failed')).toEqual(['a.csv', 'a.csv.reason.json']);
    expect(custody(runner)[0]).toMatchObject({ state: 'failed', reason: 'changed' });
  };

  test('F16 replaced while it is read: told as a failure, the file goes to the error folder', () => readWhile((path) => writeFileSync(path, LARGE.replaceAll('7', '8'))));

  test('F32 truncated and written anew in place by a sender who still holds it: told as a failure, nothing is mixed', () => readWhile((path) => writeFileSync(path, rows(10))));

  test('F16 F32 appended to after it was claimed: told as a failure', () => readWhile((path) => appendFileSync(path, '1\n')));
});
