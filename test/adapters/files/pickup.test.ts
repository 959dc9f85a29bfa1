import { execFileSync } from 'node:child_process';
import { appendFileSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TryAgain } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { WORK } from '../../../adapters/files/survey.js';
import { Folder, Runner, signal, values } from './runner.js';

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'in'));
});
afterEach(() => folder.remove());

const rows = (count: number): string => `n\n${Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')}`;

describe('when a file is complete', () => {
  test('F1 a file that still grows is not read; size and time must stand still at two polls and for 2 s', async () => {
    const runner = Runner.on(folder, { stable: {} });
    folder.write('in/a.csv', 'n\n1\n');
    expect(await runner.poll()).toEqual([]);
    await runner.clock.advance(3_000);
    appendFileSync(join(folder.root, 'in/a.csv'), '2\n');
    expect(await runner.poll()).toEqual([]);
    await runner.clock.advance(1_000);
    expect(await runner.poll()).toEqual([]);
    await runner.clock.advance(1_000);
    expect(values(await runner.poll())).toEqual([{ n: '1' }, { n: '2' }]);
  });

  test('F2 a time of change in the past or the future means nothing', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(1));
    folder.write('in/b.csv', rows(1));
    utimesSync(join(folder.root, 'in/a.csv'), 0, 0);
    utimesSync(join(folder.root, 'in/b.csv'), 4_000_000_000, 4_000_000_000);
    expect(await runner.poll()).toHaveLength(2);
  });

  test('F1 temporary names are left alone, the pattern decides the rest', async () => {
    const runner = Runner.on(folder, { pattern: ['*.csv', 'x?'] });
    for (const name of ['a.csv', 'b.csv.part', '.c.csv', 'd.tmp', 'e.txt', 'x1', 'x12']) folder.write(`in/${name}`, rows(1));
    expect((await runner.poll()).map((record) => record.wire?.['file-name'])).toEqual(['a.csv', 'x1']);
  });
});

test('a claim that was cut off between its two steps: the file is read once, and does not wait in the folder for a marker that is gone', async () => {
  folder.write('in/a.csv', rows(1));
  folder.write('in/a.csv.done', '');
  mkdirSync(join(folder.root, 'in', WORK));
  linkSync(join(folder.root, 'in/a.csv'), join(folder.root, 'in', WORK, '0123456789ab.a.csv'));
  const runner = Runner.on(folder, { marker: { name: '{name}.done' } });
  expect(values([...(await runner.poll()), ...(await runner.poll())])).toEqual([{ n: '1' }]);
  expect(folder.names('in').filter((name) => name.startsWith('a.csv'))).toEqual([]);
});

describe('identity', () => {
  test('F5 the same name with new content is new input; the archive keeps both', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', 'n\n1\n');
    const first = await runner.poll();
    folder.write('in/a.csv', 'n\n2\n');
    const second = await runner.poll();
    expect(values([...first, ...second])).toEqual([{ n: '1' }, { n: '2' }]);
    expect(second[0]?.id).not.toBe(first[0]?.id);
    expect(
      folder
        .names('in/done')
        .map((name) => folder.read(`in/done/${name}`))
        .sort(),
    ).toEqual(['n\n1\n', 'n\n2\n']);
  });

  test('F6 the same content again has the same ids; with identity: arrival it has others', async () => {
    for (const [identity, same] of [
      ['content', true],
      ['arrival', false],
    ] as const) {
      const runner = Runner.on(folder, { identity });
      folder.write('in/a.csv', rows(2));
      const first = await runner.poll();
      folder.write('in/a.csv', rows(2));
      utimesSync(join(folder.root, 'in/a.csv'), 1_000, 1_000);
      const second = await runner.poll();
      expect(second.every((record, index) => (record.id === first[index]?.id) === same)).toBe(true);
      expect(second).toHaveLength(2);
    }
    expect(folder.files('in')).toEqual([]);
  });

  test('ids are the file and the number of the record; position and size are for people', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', 'n\n1\n"2\n"\n3\n');
    const records = await runner.poll();
    expect(records.map((record) => record.id.replace(/^[0-9a-f]{16}/, 'hash'))).toEqual(['hash:1', 'hash:2', 'hash:3']);
    expect(records.map((record) => record.position)).toEqual(['a.csv:2', 'a.csv:3', 'a.csv:5']);
    expect(String(records[2]?.raw)).toBe('3');
  });
});

describe('after a crash', () => {
  test('F7 F8 a file that was claimed and nothing more is read by the next process', async () => {
    const runner = Runner.on(folder);
    await runner.open();
    folder.write('in/.signalbox-work/0123456789ab.a.csv', rows(1));
    runner.restart();
    expect((await runner.poll()).map((record) => record.position)).toEqual(['a.csv:2']);
    expect(folder.names('in/done')).toEqual(['a.csv']);
    expect(folder.names('in/.signalbox-work')).toEqual([]);
  });

  test('F8 a file is read on from the record after the last durable one, with the same ids', async () => {
    const whole = Runner.on(folder);
    folder.write('in/a.csv', rows(10));
    const expected = (await whole.poll()).map((record) => record.id);
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(10));
    const seen: string[] = [];
    for (let crash = 0; crash < 10 && folder.names('in/.signalbox-work').length + folder.files('in').length > 0; crash++) {
      seen.push(...(await runner.poll({ maxRecords: 3, batches: 1 })).map((record) => record.id));
      runner.restart();
    }
    expect(seen).toEqual(expected);
    expect(folder.names('in/done')).toHaveLength(2);
  });

  test('F8 a batch that was not durable comes again with the same ids', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(4));
    const lost = await runner.poll({ maxRecords: 2, batches: 1, settle: false });
    runner.checkpoint = undefined;
    runner.restart();
    expect((await runner.poll()).map((record) => record.id).slice(0, 2)).toEqual(lost.map((record) => record.id));
  });

  test('F13 durable but not settled: the file is put away and not read again', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(2));
    await runner.poll({ settle: false, batches: 1 });
    runner.restart();
    expect(await runner.poll()).toEqual([]);
    expect(folder.names('in/done')).toEqual(['a.csv']);
  });

  test('F16 content that changed between two halves is not mixed: the rest goes to the error folder', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(4));
    await runner.poll({ maxRecords: 2, batches: 1 });
    const [claimed = ''] = folder.names('in/.signalbox-work');
    folder.write(`in/.signalbox-work/${claimed}`, rows(5));
    runner.restart();
    expect(values(await runner.poll())).toEqual(['E350']);
    expect(folder.names('in/failed')).toEqual(['a.csv', 'a.csv.reason.json']);
  });
});

describe('putting away', () => {
  test('F13 when the archive is not there the file stays claimed, is never read again and is moved later', async () => {
    const runner = Runner.on(folder);
    await runner.open();
    rmSync(join(folder.root, 'in/done'), { recursive: true });
    folder.write('in/a.csv', rows(1));
    await expect(runner.poll()).rejects.toMatchObject({ code: 'E440' });
    folder.write('in/b.csv', rows(1));
    expect((await runner.poll({ settle: false, batches: 1 })).map((record) => record.position)).toEqual(['b.csv:2']);
    expect(runner.log.lines.map((line) => line.event)).toContain('file.postponed');
    mkdirSync(join(folder.root, 'in/done'));
    runner.restart();
    expect(await runner.poll()).toEqual([]);
    expect(folder.names('in/done')).toEqual(['a.csv', 'b.csv']);
    expect([...runner.state.entries.keys()].filter((key) => key.startsWith('file/'))).toEqual([]);
  });

  test('F14 a file with records that failed here or later goes to the error folder with the reason', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', 'a,b\n1,2\n1\n');
    folder.write('in/b.csv', rows(1));
    expect(values(await runner.poll({ settlement: {} }))).toEqual([{ a: '1', b: '2' }, 'E340', { n: '1' }]);
    expect(folder.names('in/failed')).toEqual(['a.csv', 'a.csv.reason.json']);
    expect(JSON.parse(folder.read('in/failed/a.csv.reason.json'))).toMatchObject({ accepted: 1, dead: 1, reason: expect.stringContaining('a.csv:3') });
    expect(folder.names('in/done')).toEqual(['b.csv']);
    folder.write('in/c.csv', rows(1));
    await runner.poll({ settlement: { accepted: 0, dead: 1, reason: 'no rule matched' } });
    expect(folder.read('in/failed/c.csv.reason.json')).toContain('no rule matched');
  });

  test('F10 an archive on another device gets a complete copy with its time', async () => {
    const shared = `/dev/shm/signalbox-${process.pid}`;
    mkdirSync(shared);
    try {
      const runner = new Runner({ path: join(folder.root, 'in'), archive: shared }, new Disk('/'));
      folder.write('in/a.csv', rows(50_000));
      expect(await runner.poll({ maxRecords: 100_000 })).toHaveLength(50_000);
      expect(execFileSync('wc', ['-l', join(shared, 'a.csv')], { encoding: 'utf8' })).toContain('50001');
      expect(folder.names('in/.signalbox-work')).toEqual([]);
    } finally {
      rmSync(shared, { recursive: true });
    }
  });
});

describe('what lies in a folder', () => {
  test('F15 a file that vanishes between listing and claim is a normal event, the others go on', async () => {
    class Vanishing extends Disk {
      override async stat(path: string, signal: AbortSignal) {
        const entry = await super.stat(path, signal);
        if (path === 'in/a.csv') rmSync(join(folder.root, 'in/a.csv'), { force: true });
        return entry;
      }
    }
    const runner = new Runner({}, new Vanishing(folder.root));
    await runner.open();
    folder.write('in/a.csv', rows(1));
    folder.write('in/b.csv', rows(1));
    expect((await runner.poll()).map((record) => record.position)).toEqual(['b.csv:2']);
    expect(runner.log.lines.map((line) => [line.level, line.event])).toEqual([['info', 'file.vanished']]);
  });

  test('F9 a claim that fails is no claim: the file is not read, the others are', async () => {
    class Busy extends Disk {
      override rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal) {
        return from === 'in/a.csv' ? Promise.reject(new TryAgain('E446', 'a.csv is open elsewhere')) : super.rename(from, to, mode, signal);
      }
    }
    const runner = new Runner({}, new Busy(folder.root));
    folder.write('in/a.csv', rows(1));
    folder.write('in/b.csv', rows(1));
    for (let poll = 0; poll < 2; poll++) expect((await runner.poll()).map((record) => record.position)).toEqual(poll === 0 ? ['b.csv:2'] : []);
    expect(runner.log.lines.filter((line) => line.event === 'file.skipped')).toHaveLength(1);
    expect(folder.files('in')).toEqual(['a.csv']);
  });

  test('F34 links, FIFOs, folders and hostile names stay where they are with a reason, the others go on', async () => {
    const runner = Runner.on(folder);
    folder.write('secret.csv', rows(3));
    symlinkSync(join(folder.root, 'secret.csv'), join(folder.root, 'in/link.csv'));
    execFileSync('mkfifo', [join(folder.root, 'in/fifo.csv')]);
    mkdirSync(join(folder.root, 'in/folder.csv'));
    folder.write('in/line\nbreak.csv', rows(1));
    folder.write('in/right\u202eleft.csv', rows(1));
    writeFileSync(Buffer.concat([Buffer.from(`${folder.root}/in/`), Buffer.from([0x66, 0xff]), Buffer.from('.csv')]), rows(1));
    folder.write('in/good.csv', rows(1));
    for (let poll = 0; poll < 2; poll++) expect(await runner.poll()).toHaveLength(poll === 0 ? 1 : 0);
    const reasons = runner.log.lines.map((line) => line.message).sort();
    expect(reasons).toHaveLength(5);
    for (const reason of ['symbolic link', 'no regular file']) expect(reasons.join('\n')).toContain(reason);
    expect(reasons.join('\n')).toContain('"line\\nbreak.csv" is not read: the name has a control character');
    expect(reasons.join('\n')).toContain('not valid UTF-8');
    expect(reasons.join('\n')).toContain('right\\u202eleft');
  });

  test('a file that cannot be moved to the error folder has its reason there before, and one reason after', async () => {
    folder.write('in/a.csv', '');
    folder.write('in/failed/a.csv', 'an older one');
    const disk = new Disk(folder.root);
    const rename = jest.spyOn(disk, 'rename');
    const runner = new Runner({}, disk);
    rename.mockImplementation((from, to, mode, stop) =>
      to.includes('/failed/a.') && to !== 'in/failed/a.csv' ? Promise.reject(new TryAgain('E446', 'not now')) : Disk.prototype.rename.call(disk, from, to, mode, stop),
    );
    await runner.poll().catch(() => undefined);
    expect(folder.names('in/failed').filter((name) => name.endsWith('.reason.json'))).toHaveLength(1);
    rename.mockRestore();
    await runner.poll();
    expect(folder.names('in/failed').filter((name) => name.endsWith('.csv'))).toHaveLength(2);
    expect(folder.names('in/failed').filter((name) => name.endsWith('.reason.json'))).toHaveLength(1);
  });

  test('F34 a folder that is a link out of the root is refused', async () => {
    const outside = new Folder();
    try {
      outside.write('a.csv', rows(1));
      symlinkSync(outside.root, join(folder.root, 'out'));
      await expect(Runner.on(folder, { path: 'out' }).poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E444' });
      expect(outside.names('.')).toEqual(['a.csv']);
    } finally {
      outside.remove();
    }
  });

  test('F35 an empty file goes to the error folder with its reason, or to the archive', async () => {
    folder.write('in/a.csv', '');
    expect(await Runner.on(folder).poll()).toEqual([]);
    expect(folder.names('in/failed')).toEqual(['a.csv', 'a.csv.reason.json']);
    folder.write('in/b.csv', '');
    expect(await Runner.on(folder, { empty: 'archive' }).poll()).toEqual([]);
    expect(folder.names('in/done')).toEqual(['b.csv']);
  });

  test('F35 a missing folder is Misconfigured, a missing root is NotConnected; neither is "no files"', async () => {
    await expect(Runner.on(folder, { path: 'nowhere' }).poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    const runner = Runner.on(folder);
    await runner.open();
    renameSync(join(folder.root, 'in'), join(folder.root, 'away'));
    await expect(runner.poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    await expect(new Runner({}, new Disk(join(tmpdir(), 'signalbox-no-such-root'))).poll()).rejects.toMatchObject({ name: 'NotConnected' });
  });

  test('F37 files are read by name, or by time of change', async () => {
    const fill = (): void => {
      for (const [index, name] of ['b.csv', 'a.csv', 'c.csv'].entries()) {
        folder.write(`in/${name}`, rows(1));
        utimesSync(join(folder.root, 'in', name), 1_000 + index, 1_000 + index);
      }
    };
    fill();
    expect((await Runner.on(folder).poll()).map((record) => record.position)).toEqual(['a.csv:2', 'b.csv:2', 'c.csv:2']);
    fill();
    expect((await Runner.on(folder, { order: 'time' }).poll()).map((record) => record.position)).toEqual(['b.csv:2', 'a.csv:2', 'c.csv:2']);
  });

  test('a header without rows is a good file without records', async () => {
    folder.write('in/a.csv', 'n\n');
    expect(await Runner.on(folder).poll()).toEqual([]);
    expect(folder.names('in/done')).toEqual(['a.csv']);
  });

  test('F18 a large file is read in batches, hashed and decoded as a stream', async () => {
    folder.write('in/a.csv', rows(300_000));
    const records = await Runner.on(folder).poll({ maxRecords: 10_000 });
    expect(records).toHaveLength(300_000);
    expect(new Set(records.map((record) => record.id)).size).toBe(300_000);
    expect(folder.names('in/done')).toEqual(['a.csv']);
  });
});

describe('a node that may not read any more', () => {
  /** Throws from the given call on, as the lease of a process does that stood still. */
  const fenceAfter = (calls: number) => (): void => {
    if (calls-- <= 0) throw new Error('the lease was lost');
  };

  test('F8 F9 claims nothing', async () => {
    const runner = Runner.on(folder);
    folder.write('in/a.csv', rows(1));
    const batches = (await runner.open()).poll({ checkpoint: undefined, maxRecords: 10, signal, fence: fenceAfter(0) });
    await expect(batches.next()).rejects.toThrow('the lease was lost');
    expect(folder.files('in')).toEqual(['a.csv']);
    expect(await runner.poll()).toHaveLength(1);
  });

  test('F8 F13 puts nothing away: its last batch is durable, and the next holder does it once', async () => {
    const zombie = Runner.on(folder);
    folder.write('in/a.csv', rows(2));
    let isLost = false;
    const fence = (): void => {
      if (isLost) throw new Error('the lease was lost');
    };
    const batches = (await zombie.open()).poll({ checkpoint: undefined, maxRecords: 10, signal, fence });
    const { value: batch } = (await batches.next()) as { readonly value: { readonly checkpoint?: string; settle(settlement: object): Promise<void> } };
    isLost = true;
    const next = new Runner({}, new Disk(folder.root), zombie.state);
    next.checkpoint = batch.checkpoint;
    const settlement = { accepted: 2, filtered: 0, dead: 1, reason: 'it would go to the error folder' };
    await expect(batch.settle(settlement)).rejects.toThrow('the lease was lost');
    expect(folder.names('in/done')).toEqual([]);
    expect(await next.poll()).toEqual([]);
    expect(folder.names('in/done')).toEqual(['a.csv']);
    await expect(batch.settle(settlement)).rejects.toThrow('the lease was lost');
    expect([folder.names('in/done'), folder.names('in/failed'), [...zombie.state.entries.keys()].filter((key) => key.startsWith('file/'))]).toEqual([['a.csv'], [], []]);
  });
});
