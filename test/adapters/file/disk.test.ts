import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Calls } from '../../../adapters/file/calls.js';
import { Disk } from '../../../adapters/file/disk.js';
import { Folder, Runner, signal } from '../files/runner.js';

let folder: Folder;
const shared = `/dev/shm/signalbox-disk-${process.pid}`;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'in'));
  mkdirSync(shared);
});
afterEach(() => {
  folder.remove();
  rmSync(shared, { recursive: true, force: true });
});

const rows = (count: number): string => `n\n${Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')}`;

describe('moves to another device', () => {
  const elsewhere = (options: object = {}): Runner =>
    new Runner({ path: join(folder.root, 'in'), archive: join(shared, 'done'), error: join(shared, 'failed'), ...options }, new Disk('/'));

  test('F10 keep content, time and rights; a file of the name that is there is not replaced', async () => {
    const runner = elsewhere();
    folder.write('in/a.csv', rows(100_000));
    folder.lock('in/a.csv', 0o640);
    utimesSync(join(folder.root, 'in/a.csv'), 1_000_000, 1_000_000);
    await runner.poll({ maxRecords: 200_000 });
    const { size, mode, mtimeMs } = statSync(join(shared, 'done/a.csv'));
    expect([size, mode & 0o777, mtimeMs]).toEqual([rows(100_000).length, 0o640, 1_000_000_000]);
    folder.write('in/a.csv', rows(2));
    await runner.poll();
    expect(readdirSync(join(shared, 'done'))).toHaveLength(2);
    expect(statSync(join(shared, 'done/a.csv')).size).toBe(rows(100_000).length);
    expect(folder.names('in/.signalbox-work')).toEqual([]);
  });

  test('F10 F14 the error folder too, with the reason beside each', async () => {
    const runner = elsewhere();
    folder.write('in/a.csv', '');
    await runner.poll();
    folder.write('in/a.csv', '');
    await runner.poll();
    expect(readdirSync(join(shared, 'failed'))).toHaveLength(4);
  });

  test.each(['file.copied', 'file.copy.renamed'])('F10 a process that dies at %s: the next attempt ends the move, and there is one file', async (point) => {
    const [source, target] = [join(folder.root, 'in/a.csv'), join(shared, 'a.csv')];
    folder.write('in/a.csv', rows(50_000));
    const module = new URL('../../../adapters/file/disk.js', import.meta.url).href;
    const script = `const { Disk } = await import(${JSON.stringify(module)}); await new Disk('/').rename(${JSON.stringify(source)}, ${JSON.stringify(target)}, 'new', new AbortController().signal);`;
    const died = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, SIGNALBOX_FAILPOINT: point }, encoding: 'utf8' });
    expect([died.signal, died.stderr]).toEqual(['SIGKILL', '']);
    expect(existsSync(source)).toBe(true);
    expect(await new Disk('/').rename(source, target, 'new', signal)).toBe('renamed');
    expect(existsSync(source)).toBe(false);
    expect(readdirSync(shared)).toEqual(['a.csv']);
    expect(readFileSync(target, 'utf8')).toBe(rows(50_000));
  });

  test('F10 a file of the same size and time with other content is not taken for the copy', async () => {
    folder.write('in/a.csv', 'n\n1\n');
    writeFileSync(join(shared, 'a.csv'), 'n\n2\n');
    for (const path of [join(folder.root, 'in/a.csv'), join(shared, 'a.csv')]) utimesSync(path, 1_000, 1_000);
    expect(await new Disk('/').rename(join(folder.root, 'in/a.csv'), join(shared, 'a.csv'), 'new', signal)).toBe('exists');
    expect(folder.read('in/a.csv')).toBe('n\n1\n');
  });
});

describe('a file system that does not answer', () => {
  test('F26 a call that hangs has a deadline, holds few threads, and the next calls fail at once until it is back', async () => {
    // Opening a FIFO for writing waits in the kernel for a reader, as a call to a share that is gone waits for its server.
    execFileSync('mkfifo', [join(folder.root, 'in/hangs')]);
    const disk = new Disk(folder.root, 300);
    const reader = (): number => openSync(join(folder.root, 'in/hangs'), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      await expect(disk.write('in/hangs', Buffer.from('x'), signal)).rejects.toMatchObject({ name: 'NotConnected', code: 'E449' });
      const began = performance.now();
      await expect(disk.list('in', signal)).rejects.toMatchObject({ name: 'NotConnected', code: 'E449' });
      expect(performance.now() - began).toBeLessThan(250);
      // Others go on.
      expect(await new Disk(folder.root).list('in', signal)).toHaveLength(1);
    } finally {
      closeSync(reader());
    }
    for (;;) {
      const entries = await disk.list('in', signal).catch(() => undefined);
      if (entries) return;
      await sleep(10);
    }
  });

  test('F26 one file system never has more than its part of the threads; what waits for its turn has the deadline too', async () => {
    const calls = new Calls('/share', 200);
    const released = Promise.withResolvers<void>();
    let started = 0;
    const work = async (): Promise<void> => {
      started++;
      await released.promise;
    };
    const all = Array.from({ length: 20 }, () => calls.run(signal, work).catch((error: unknown) => (error as { readonly code: string }).code));
    expect(new Set(await Promise.all(all))).toEqual(new Set(['E449']));
    expect(started).toBeLessThan(5);
    released.resolve();
    await sleep(0);
    await expect(calls.run(signal, async () => 'back')).resolves.toBe('back');
    expect(started).toBeLessThan(5);
  });

  test('F26 a handle that is opened after its deadline is closed', async () => {
    const calls = new Calls('/share', 50);
    const late = Promise.withResolvers<string>();
    const closed: string[] = [];
    await expect(
      calls.run(
        signal,
        () => late.promise,
        async (handle) => void closed.push(handle),
      ),
    ).rejects.toMatchObject({ code: 'E449' });
    late.resolve('handle');
    await sleep(0);
    expect(closed).toEqual(['handle']);
  });
});

describe('a file that is open elsewhere', () => {
  test.each(['EBUSY', 'EPERM'])('F33 %s passes: the move is repeated at once, and then at later polls', async (code) => {
    let [failures, attempts] = [2, 0];
    class Share extends Disk {
      protected override move(source: string, target: string, mode: 'new' | 'replace'): Promise<void> {
        attempts++;
        return failures-- > 0 ? Promise.reject(Object.assign(new Error(code), { code })) : super.move(source, target, mode);
      }
    }
    const disk = new Share(folder.root);
    folder.write('in/a.csv', rows(1));
    expect(await disk.rename('in/a.csv', 'in/b.csv', 'new', signal)).toBe('renamed');
    expect(attempts).toBe(3);
    failures = Number.POSITIVE_INFINITY;
    await expect(disk.rename('in/b.csv', 'in/c.csv', 'new', signal)).rejects.toMatchObject({ name: 'TryAgain', code: 'E446' });
    expect(folder.files('in')).toEqual(['b.csv']);
  });
});
