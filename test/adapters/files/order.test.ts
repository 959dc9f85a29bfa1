import { mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TryAgain } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { readOptions } from '../../../adapters/files/options.js';
import type { Entry } from '../../../adapters/files/space.js';
import { Folder, Runner, signal } from './runner.js';

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'in'));
});
afterEach(() => folder.remove());

const HOUR = 3_600_000;
const put = (...names: readonly string[]): void => {
  for (const name of names) folder.write(`in/${name}`, `n\n${name}\n`);
};
const read = async (runner: Runner): Promise<readonly unknown[]> => (await runner.poll()).map((record) => record.position?.replace(/:2$/, ''));
const waiting = (runner: Runner): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries([...runner.state.entries].filter(([key]) => key.startsWith('seen/')).map(([key, text]) => [key.slice(5), (JSON.parse(text) as { reason?: string }).reason]));

describe('markers', () => {
  test('F1 a file is read when its marker lies beside it, and the marker goes with it; the data may come after the marker', async () => {
    const runner = Runner.on(folder, { marker: { name: '{name}.done' } });
    put('a.csv', 'b.csv', 'a.csv.done');
    expect(await read(runner)).toEqual(['a.csv']);
    expect(folder.files('in')).toEqual(['b.csv']);
    expect(waiting(runner)).toEqual({ 'b.csv': 'its marker b.csv.done is not there' });
    put('c.csv.done');
    expect(await read(runner)).toEqual([]);
    put('c.csv', 'b.csv.done');
    expect(await read(runner)).toEqual(['b.csv', 'c.csv']);
    expect([folder.files('in'), waiting(runner)]).toEqual([[], {}]);
  });

  test('F1 a marker that has come does not make a file that still grows complete', async () => {
    const runner = Runner.on(folder, { marker: { name: '{stem}.ok' }, stable: { polls: 2, for: '0s' } });
    put('a.csv', 'a.ok');
    expect(await read(runner)).toEqual([]);
    folder.write('in/a.csv', 'n\na.csv\nmore\n');
    expect(await read(runner)).toEqual([]);
    expect(await read(runner)).toEqual(['a.csv', 'a.csv:3']);
    expect(folder.files('in')).toEqual([]);
  });

  test('F35 a zero-byte marker is a marker; one without its file is reported once and read by nobody', async () => {
    const runner = Runner.on(folder, { marker: { name: '{name}.done' } });
    folder.write('in/a.csv.done', '');
    folder.write('in/b.csv.done', '');
    put('a.csv');
    expect(await read(runner)).toEqual(['a.csv']);
    for (const _ of [1, 2]) {
      await runner.clock.advance(600_000);
      expect(await read(runner)).toEqual([]);
    }
    expect(runner.log.lines.filter(({ event }) => event === 'file.marker-orphan')).toHaveLength(1);
    expect(waiting(runner)).toEqual({ 'b.csv.done': 'a marker without its file' });
  });

  test('F8 a marker that a crash left behind is removed with the file it was for', async () => {
    const runner = Runner.on(folder, { marker: { name: '{name}.done' } });
    await runner.open();
    put('.signalbox-work/0123456789ab.a.csv', 'a.csv.done');
    runner.restart();
    expect(await read(runner)).toEqual(['a.csv']);
    expect(folder.files('in')).toEqual([]);
  });
});

describe('a sequence', () => {
  const sequence = { pattern: 'ORD_(\\d+)\\.csv', hold: '1h' };

  test('F37 numbers are numbers, and n + 1 is not read before n', async () => {
    const runner = Runner.on(folder, { sequence });
    put('ORD_9.csv', 'ORD_10.csv', 'ORD_12.csv', 'other.csv');
    expect(await read(runner)).toEqual(['ORD_9.csv', 'ORD_10.csv']);
    expect(waiting(runner)).toEqual({ 'ORD_12.csv': expect.stringMatching(/^number 11 missing since /), 'other.csv': 'its name has no number of the sequence' });
    put('ORD_11.csv');
    expect(await read(runner)).toEqual(['ORD_11.csv', 'ORD_12.csv']);
  });

  test('F37 a gap survives a restart, is told of after the hold time and goes on waiting', async () => {
    const runner = Runner.on(folder, { sequence: { ...sequence, start: 1 } });
    put('ORD_3.csv', 'ORD_4.csv');
    expect(await read(runner)).toEqual([]);
    await runner.clock.advance(HOUR / 2);
    runner.restart();
    expect(await read(runner)).toEqual([]);
    await runner.clock.advance(HOUR / 2);
    await expect(runner.poll()).rejects.toMatchObject({ name: 'TryAgain', code: 'E450', message: expect.stringContaining('numbers 1 to 2 missing') });
    put('ORD_1.csv', 'ORD_2.csv');
    expect(await read(runner)).toEqual(['ORD_1.csv', 'ORD_2.csv', 'ORD_3.csv', 'ORD_4.csv']);
  });

  test('F37 with gap: skip the later files go on after the hold time; what comes late is held, not read out of order', async () => {
    const runner = Runner.on(folder, { sequence: { ...sequence, start: 1, gap: 'skip' } });
    put('ORD_2.csv');
    expect(await read(runner)).toEqual([]);
    await runner.clock.advance(HOUR);
    expect(await read(runner)).toEqual(['ORD_2.csv']);
    expect(runner.log.lines.map(({ event }) => event)).toContain('file.gap-skipped');
    put('ORD_1.csv', 'ORD_3.csv');
    expect(await read(runner)).toEqual(['ORD_3.csv']);
    expect(waiting(runner)).toEqual({ 'ORD_1.csv': 'number 1 comes before 3, which is the next' });
  });

  test('F37 a file that is there and not complete is no gap, nothing overtakes it', async () => {
    const runner = Runner.on(folder, { sequence: { ...sequence, start: 1, gap: 'skip' }, stable: { polls: 2, for: '0s' } });
    put('ORD_2.csv');
    await read(runner);
    put('ORD_1.csv');
    await runner.clock.advance(2 * HOUR);
    expect(await read(runner)).toEqual([]);
    expect(await read(runner)).toEqual(['ORD_1.csv', 'ORD_2.csv']);
  });

  test('F37 a file that cannot be read to its end holds up the one behind it', async () => {
    class Stubborn extends Disk {
      isBroken = true;
      override read(path: string, stop: AbortSignal) {
        return this.isBroken && path.endsWith('ORD_1.csv') ? Promise.reject(new TryAgain('E446', 'an error of the disk')) : super.read(path, stop);
      }
    }
    const disk = new Stubborn(folder.root);
    const runner = new Runner({ sequence }, disk);
    put('ORD_1.csv', 'ORD_2.csv');
    expect(await read(runner)).toEqual([]);
    runner.restart();
    expect(await read(runner)).toEqual([]);
    expect(waiting(runner)).toEqual({ 'ORD_2.csv': 'ORD_1.csv is not read to its end' });
    disk.isBroken = false;
    expect(await read(runner)).toEqual(['ORD_1.csv', 'ORD_2.csv']);
  });

  test('F37 released: a gap is given up, a late file is read out of order', async () => {
    const runner = Runner.on(folder, { sequence: { ...sequence, start: 1 } });
    put('ORD_3.csv', 'ORD_4.csv');
    expect(await read(runner)).toEqual([]);
    await runner.ask('release', 'ORD_4.csv');
    expect(await read(runner)).toEqual(['ORD_3.csv', 'ORD_4.csv']);
    put('ORD_1.csv');
    expect(await read(runner)).toEqual([]);
    await runner.ask('release', 'ORD_1.csv');
    expect(await read(runner)).toEqual(['ORD_1.csv']);
    put('ORD_5.csv');
    expect(await read(runner)).toEqual(['ORD_5.csv']);
    expect([...runner.state.entries.keys()].filter((key) => key.startsWith('ask/'))).toEqual([]);
  });

  test.each(['ORD_\\d+', '(\\d+)(\\d+)', '(a+)+(\\d+)', '.*.*.*(\\d+)', '(\\d+)['])('F37 %s is no pattern of a sequence', (pattern) => {
    expect(readOptions.safeParse({ path: 'in', csv: {}, sequence: { pattern } }).success).toBe(false);
  });
});

describe('folders below', () => {
  test('F37 are read when asked for, with their paths in positions, archive and error folder', async () => {
    const runner = Runner.on(folder, { recursive: true, pattern: ['*.csv'] });
    put('a.csv', 'de/x/b.csv', '50%off/c.csv', 'ch/bad.csv');
    folder.write('in/ch/bad.csv', '');
    expect(await read(runner)).toEqual(['50%off/c.csv', 'a.csv', 'de/x/b.csv']);
    expect([folder.files('in/done/de/x'), folder.files('in/done/50%off'), folder.files('in/failed/ch')]).toEqual([['b.csv'], ['c.csv'], ['bad.csv', 'bad.csv.reason.json']]);
    put('ch/bad.csv');
    const [record] = await runner.poll();
    expect(record?.wire).toMatchObject({ 'file-name': 'bad.csv', 'file-folder': 'ch' });
    expect(await read(runner)).toEqual([]);
  });

  test('F8 a claimed file of a folder below keeps its path through a crash', async () => {
    const runner = Runner.on(folder, { recursive: 1 });
    await runner.open();
    put('.signalbox-work/0123456789ab+.de%2F50%25.csv', 'de/deeper/no.csv');
    runner.restart();
    expect(await read(runner)).toEqual(['de/50%.csv']);
  });

  test('F34 patterns with folders; links to folders are not followed, hostile folders not read', async () => {
    const runner = Runner.on(folder, { recursive: true, pattern: 'branch-*/**/*.csv', ignore: ['tmp', '.*'] });
    put('branch-1/a.csv', 'branch-2/x/b.csv', 'a.csv', 'branch-1/tmp/c.csv', 'branch-1/.hidden/d.csv', 'branch-3\nx/e.csv');
    symlinkSync(join(folder.root, 'in/branch-1'), join(folder.root, 'in/branch-9'));
    expect(await read(runner)).toEqual(['branch-1/a.csv', 'branch-2/x/b.csv']);
    expect(runner.log.lines.map(({ message }) => message).join('\n')).toContain('control character');
  });
});

describe('large folders', () => {
  test('F19 are read in bounded portions, in order, in one poll', async () => {
    const runner = Runner.on(folder, { max_files: 10 });
    put(...Array.from({ length: 95 }, (_, index) => `${String(index).padStart(3, '0')}.csv`));
    const names = await read(runner);
    expect(names).toHaveLength(95);
    expect(names).toEqual([...names].sort());
  });

  test('F19 100,000 files: a look at them takes seconds, and holds only its portion', async () => {
    let asked = 0;
    class Large extends Disk {
      override async *names(path: string, stop: AbortSignal) {
        if (path !== 'in') return yield* super.names(path, stop);
        for (let page = 0; page < 100; page++) yield Array.from({ length: 1_000 }, (_, index) => ({ name: `f${page * 1_000 + index}.csv`, kind: 'file' as const }));
      }
      override async stat(path: string): Promise<Entry | undefined> {
        if (path.startsWith('in/f')) asked++;
        return path.startsWith('in/f') ? { name: path.slice(3), kind: 'file', size: 3, modified: '1' } : super.stat(path, signal);
      }
    }
    const runner = new Runner({ max_files: 500, stable: { polls: 2, for: '0s' } }, new Large(folder.root));
    const began = performance.now();
    expect(await read(runner)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(asked).toBe(500);
    expect([...runner.state.entries.keys()]).toHaveLength(500);
  });
});

describe('times of change', () => {
  test('F3 nothing is missed that is older than what was read, or equally old', async () => {
    const runner = Runner.on(folder);
    const at = (name: string, seconds: number): void => {
      put(name);
      utimesSync(join(folder.root, 'in', name), seconds, seconds);
    };
    at('b.csv', 2_000_000_000);
    expect(await read(runner)).toEqual(['b.csv']);
    at('a.csv', 1_000);
    at('c.csv', 2_000_000_000);
    expect(await read(runner)).toEqual(['a.csv', 'c.csv']);
  });

  test('F4 are compared for equality only: whole seconds of another zone will do', async () => {
    class Elsewhere extends Disk {
      override async stat(path: string, stop: AbortSignal): Promise<Entry | undefined> {
        const entry = await super.stat(path, stop);
        return entry && { ...entry, modified: 'Mar  1 09:00' };
      }
    }
    const runner = new Runner({ stable: { polls: 2, for: '1s' } }, new Elsewhere(folder.root));
    put('a.csv');
    await read(runner);
    await runner.clock.advance(1_000);
    folder.write('in/a.csv', 'n\nlonger\n');
    expect(await read(runner)).toEqual([]);
    await runner.clock.advance(1_000);
    expect(await read(runner)).toEqual(['a.csv']);
  });

  test('F35 a folder that is gone is no empty folder: it is told each time, and read when it is back', async () => {
    const runner = Runner.on(folder);
    await runner.open();
    rmSync(join(folder.root, 'in'), { recursive: true });
    for (const _ of [1, 2]) await expect(runner.poll()).rejects.toMatchObject({ code: 'E440' });
    runner.restart();
    put('a.csv');
    expect(await read(runner)).toEqual(['a.csv']);
  });
});
