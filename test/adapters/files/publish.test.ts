import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Delivery, Outbound } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { lintWrite, writeOptions } from '../../../adapters/files/options.js';
import { publish } from '../../../adapters/files/publish.js';
import { Folder, signal } from './runner.js';

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'out'));
});
afterEach(() => folder.remove());

const outbound = (options: object = {}, space = new Disk(folder.root)): Outbound => publish(space, writeOptions.parse({ path: '/out/ORD_{key}.json', json: {}, ...options }));
const delivery = (change: Partial<Delivery> = {}): Delivery => ({
  id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  messageId: 'm1',
  type: 'Order',
  key: '4711',
  idempotencyKey: 'i1',
  payload: { total: 2n },
  time: '2026-03-01T08:00:00Z',
  attempt: 1,
  traceparent: undefined,
  ...change,
});

describe('publishing a file', () => {
  test('F36 the file appears under its name only, complete, and nothing else is left', async () => {
    const seen: (readonly string[])[] = [];
    class Watched extends Disk {
      override async rename(...args: Parameters<Disk['rename']>) {
        seen.push(folder.names('out'));
        return super.rename(...args);
      }
    }
    const receipt = await outbound({}, new Watched(folder.root)).send(delivery(), signal);
    expect(receipt).toEqual({ detail: '/out/ORD_4711.json 12 B' });
    expect(seen).toEqual([['.ORD_4711.json.01ARZ3NDEKTSV4RRFFQ69G5FAV.part']]);
    expect(folder.names('out')).toEqual(['ORD_4711.json']);
    expect(folder.read('out/ORD_4711.json')).toBe('{"total":2}\n');
  });

  test('F36 what a crash left under the temporary name does not hinder the repeat', async () => {
    folder.write('out/.ORD_4711.json.01ARZ3NDEKTSV4RRFFQ69G5FAV.part', '{"tot');
    await outbound().send(delivery(), signal);
    expect(folder.names('out')).toEqual(['ORD_4711.json']);
  });

  test('a repeat changes nothing; another content under the name is refused, or replaces when told', async () => {
    await outbound().send(delivery(), signal);
    expect(await outbound().send(delivery({ attempt: 2 }), signal)).toMatchObject({ duplicate: true });
    await expect(outbound().send(delivery({ payload: { total: 3n } }), signal)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E351' });
    expect(folder.read('out/ORD_4711.json')).toBe('{"total":2}\n');
    expect(await outbound({ exists: 'replace' }).send(delivery(), signal)).toMatchObject({ duplicate: true });
    expect((await outbound({ exists: 'replace' }).send(delivery({ payload: { total: 3n } }), signal)).duplicate).toBeUndefined();
    expect(folder.read('out/ORD_4711.json')).toBe('{"total":3}\n');
    expect(folder.names('out')).toEqual(['ORD_4711.json']);
  });

  test('the same delivery twice at the same time has one effect', async () => {
    const space = new Disk(folder.root);
    const results = await Promise.allSettled([outbound({}, space).send(delivery(), signal), outbound({}, space).send(delivery(), signal)]);
    expect(results.some((result) => result.status === 'fulfilled')).toBe(true);
    expect(folder.names('out')).toEqual(['ORD_4711.json']);
  });

  test.each(['../../etc/passwd', 'a/b', 'a\\b', 'a\nb', 'a\0b', '\u202eb', 'x'.repeat(300)])('F34 a key %j never becomes a path', async (key) => {
    await expect(outbound().send(delivery({ key }), signal)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E352' });
    expect(folder.names('out')).toEqual([]);
  });

  test('F34 a name may not start with a dot, and a missing key is an error', async () => {
    await expect(outbound({ path: 'out/{key}' }).send(delivery({ key: '.hidden' }), signal)).rejects.toMatchObject({ code: 'E352' });
    await expect(outbound().send(delivery({ key: undefined }), signal)).rejects.toMatchObject({ code: 'E320' });
  });

  test('F34 a link in the place of the file or of the folder is not followed', async () => {
    const outside = new Folder();
    try {
      outside.write('target', 'untouched');
      symlinkSync(join(outside.root, 'target'), join(folder.root, 'out/ORD_4711.json'));
      await expect(outbound().send(delivery(), signal)).rejects.toMatchObject({ code: 'E351' });
      expect(outside.read('target')).toBe('untouched');
      symlinkSync(outside.root, join(folder.root, 'away'));
      await expect(outbound({ path: 'away/{key}' }).send(delivery(), signal)).rejects.toMatchObject({ code: 'E444' });
      expect(outside.names('.')).toEqual(['target']);
    } finally {
      outside.remove();
    }
  });

  test('F35 a missing folder is Misconfigured', async () => {
    rmSync(join(folder.root, 'out'), { recursive: true });
    await expect(outbound().open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    await expect(outbound().send(delivery(), signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    expect(existsSync(join(folder.root, 'out'))).toBe(false);
  });

  test('paths are checked when they are configured', () => {
    const accepted = (path: string): boolean => writeOptions.safeParse({ path, json: {} }).success;
    expect(['out/{key}.dat', '/in/ORD_{key}_{id}.dat', '{payload.NO}.csv'].map(accepted)).toEqual([true, true, true]);
    expect(['../x', 'a/../b', 'out/', '{key}/x', '.x', 'a\\b', '{batch.id}', 'a{key'].map(accepted)).toEqual(Array(8).fill(false));
    expect(lintWrite(writeOptions.parse({ path: 'out/fixed.json', json: {} }))).toHaveLength(1);
    expect(lintWrite(writeOptions.parse({ path: 'out/{id}.json', json: {} }))).toEqual([]);
  });
});
