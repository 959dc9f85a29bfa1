import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WorkerDatabase } from '../../../bus/sqlite/worker-database.js';
import type { NotesData, NotesOperations } from './notes-worker.js';

let directory: string;
let opened: WorkerDatabase<NotesOperations>[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'signalbox-sqlite-'));
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.map((database) => database.close()));
  await rm(directory, { recursive: true, force: true });
});

async function open(data: Partial<NotesData> = {}, options = {}): Promise<WorkerDatabase<NotesOperations>> {
  const url = new URL('./notes-worker.js', import.meta.url);
  const database = await WorkerDatabase.start<NotesOperations>(url, { path: join(directory, 'notes.db'), ...data }, AbortSignal.timeout(20_000), options);
  opened.push(database);
  return database;
}

describe('group commit', () => {
  test('writes of one turn share one commit and are answered after it', async () => {
    const database = await open();
    const ids = await Promise.all(Array.from({ length: 200 }, (_, index) => database.write('add', { id: `n${String(index).padStart(3, '0')}`, text: 'x' })));
    expect(ids).toHaveLength(200);
    expect(await database.read('ids', null)).toEqual(ids);
    expect(await database.read('commits', null)).toBe(1);
  });

  test('a failing write fails alone; the others of its group are stored once', async () => {
    const database = await open();
    await database.write('add', { id: 'b', text: 'first' });
    const results = await Promise.allSettled(['a', 'b', 'c'].map((id) => database.write('add', { id, text: 'second' })));
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await database.read('ids', null)).toEqual(['a', 'b', 'c']);
  });

  test('a read sees what was written before it in the same turn', async () => {
    const database = await open();
    const [, ids] = await Promise.all([database.write('add', { id: 'a', text: '' }), database.read('ids', null)]);
    expect(ids).toEqual(['a']);
    expect(await database.read('bigint', 9_223_372_036_854_775_806n)).toBe(9_223_372_036_854_775_807n);
  });

  test('a full disk is named, nothing of the group is stored, reads go on', async () => {
    const database = await open({ maxPages: 12 });
    const write = database.write('add', { id: 'big', text: 'x'.repeat(100_000) });
    const small = database.write('add', { id: 'small', text: 'x' });
    const read = database.read('ids', null);
    await expect(write).rejects.toMatchObject({ name: 'TryAgain', code: 'E533' });
    await expect(small).rejects.toMatchObject({ code: 'E533' });
    expect(await read).toEqual([]);
    await database.write('add', { id: 'later', text: 'x' });
    expect(await database.read('ids', null)).toEqual(['later']);
  });

  test('a second owner is refused while the first is open', async () => {
    await open();
    await expect(open()).rejects.toMatchObject({ code: 'E531' });
  });

  test('when the worker dies everything pending is rejected and the owner is told', async () => {
    const reasons: Error[] = [];
    const database = await open({}, { onBroken: (reason: Error) => reasons.push(reason) });
    const pending = [database.write('crash', null), database.read('ids', null)];
    for (const result of await Promise.allSettled(pending)) expect(result).toMatchObject({ status: 'rejected', reason: { name: 'NotConnected', code: 'E536' } });
    await expect(database.read('ids', null)).rejects.toMatchObject({ code: 'E536' });
    expect(reasons).toHaveLength(1);
  });

  test('close answers what was asked, events arrive, and the file can be opened again', async () => {
    const events: unknown[] = [];
    const database = await open({}, { onEvent: (event: unknown) => events.push(event) });
    const write = database.write('add', { id: 'last', text: '' });
    await database.close();
    expect(await write).toBe('last');
    expect(events).toEqual([{ commits: 1 }]);
    await expect(database.write('add', { id: 'x', text: '' })).rejects.toMatchObject({ code: 'E536' });
    expect(await (await open()).read('ids', null)).toEqual(['last']);
  });

  test('a missing directory is Misconfigured', async () => {
    await expect(open({ path: join(directory, 'no', 'notes.db') })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E537' });
  });
});
