import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../../bus/sqlite/database.js';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'signalbox-sqlite-'));
  path = join(directory, 'x.db');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const TABLE = 'CREATE TABLE t (a INTEGER) STRICT';

describe('openDatabase', () => {
  test.each([false, true])('every connection is FULL and WAL, also when the file has tables already (exclusive: %s)', (exclusive) => {
    for (const migrations of [[], [TABLE], [TABLE, 'ALTER TABLE t ADD COLUMN b TEXT']]) {
      const database = openDatabase(path, { exclusive, migrations });
      const read = (name: string): unknown => database.pragma(name, { simple: true });
      expect([read('journal_mode'), read('synchronous'), read('wal_autocheckpoint'), read('auto_vacuum'), read('foreign_keys')]).toEqual(['wal', 2, 4000, 2, 0]);
      expect(read('user_version')).toBe(migrations.length);
      database.close();
    }
  });

  test('a setting SQLite does not take is an error, not a wish', () => {
    expect(() => openDatabase(':memory:')).toThrow(expect.objectContaining({ name: 'Misconfigured', code: 'E530' }));
  });

  test('a failing migration leaves the version before it, a newer file is refused', () => {
    openDatabase(path, { migrations: [TABLE] }).close();
    expect(() => openDatabase(path, { migrations: [TABLE, 'CREATE TABLE u (a INTEGER); NONSENSE'] })).toThrow(/syntax error/);
    const database = openDatabase(path, { migrations: [TABLE, 'CREATE TABLE u (a INTEGER)'] });
    expect(database.pragma('user_version', { simple: true })).toBe(2);
    database.close();
    expect(() => openDatabase(path, { migrations: [TABLE] })).toThrow(expect.objectContaining({ code: 'E532' }));
  });

  test('a file that is not a database is named as such', async () => {
    await writeFile(path, 'this is not a database, '.repeat(200));
    expect(() => openDatabase(path)).toThrow(expect.objectContaining({ code: 'E535' }));
  });
});
