import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Diagnosis } from '../../../bus/diagnosis.js';
import { EmbeddedBroker } from '../../../bus/embedded/embedded-broker.js';
import { openDatabase } from '../../../bus/sqlite/database.js';
import { fileSystemOf, refuseNetwork } from '../../../bus/sqlite/file-system.js';
import { SqliteStore } from '../../../bus/store/sqlite/sqlite-store.js';
import { clock, recorder } from '../../kit/broker/services.js';

const how = { integrity: false, signal: AbortSignal.timeout(60_000) };
const deep = { ...how, integrity: true };
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-doctor-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const words = (found: readonly Diagnosis[]): Record<string, string> => Object.fromEntries(found.map(({ check, result }) => [check, result]));

describe.each([
  ['bus', () => new EmbeddedBroker({ directory, clock, log: recorder() })],
  ['store', () => new SqliteStore(directory)],
] as const)('the doctor at the %s in SQLite', (what, make) => {
  const diagnose = (part: EmbeddedBroker | SqliteStore, options = how): Promise<readonly Diagnosis[]> =>
    part instanceof EmbeddedBroker ? part.diagnose([], options) : part.diagnose(options);

  test('asks the connection that writes, and opens the file itself when nobody has', async () => {
    const part = make();
    await part.open(AbortSignal.timeout(20_000));
    const open = await diagnose(part);
    expect(open.find(({ check }) => check === `${what}.durability`)).toEqual({ check: `${what}.durability`, result: 'ok', found: 'synchronous = FULL, journal_mode = WAL' });
    expect(words(open)).toMatchObject({ [`${what}.file`]: 'ok', [`${what}.integrity`]: 'not-checked', 'state.file-system': expect.any(String), 'state.permissions': 'ok' });
    expect(words(await diagnose(part, deep))).toMatchObject({ [`${what}.integrity`]: 'ok' });
    const second = make();
    expect(await diagnose(second)).toContainEqual(expect.objectContaining({ check: `${what}.file`, result: 'not-checked' }));
    await part.close();
    expect(words(await diagnose(second))).toMatchObject({ [`${what}.durability`]: 'ok', [`${what}.integrity`]: 'ok' });
  });

  test('makes nothing, and tells a file that is damaged or of a newer version', async () => {
    const part = make();
    const path = join(directory, `${what}.db`);
    expect(words(await diagnose(part))).toMatchObject({ [`${what}.file`]: 'ok' });
    const newer = openDatabase(path, { exclusive: true });
    newer.pragma('user_version = 99');
    newer.close();
    expect(words(await diagnose(part))).toMatchObject({ [`${what}.schema`]: 'problem' });
    rmSync(path);
    writeFileSync(path, 'no database at all, and long enough to be read as a header of one');
    expect(await diagnose(part)).toContainEqual(expect.objectContaining({ check: `${what}.file`, result: 'problem' }));
  });
});

describe('the directory', () => {
  test.each([
    [0o700, 'ok'],
    [0o750, 'warning'],
    [0o777, 'problem'],
  ])('mode %i', async (mode, result) => {
    chmodSync(directory, mode);
    expect(words(await new SqliteStore(directory).diagnose(how))).toMatchObject({ 'state.permissions': result });
  });

  test('must not be on a network', () => {
    for (const type of [0x6969, 0xff534d42, 0xff534d42 | 0, 0xfe534d42]) {
      expect(fileSystemOf(type).kind).toBe('network');
      expect(() => refuseNetwork('/mnt/share/bus.db', type)).toThrow(expect.objectContaining({ name: 'Misconfigured', code: 'E523' }));
    }
    expect(fileSystemOf(0x01021994)).toEqual({ kind: 'fleeting', name: 'tmpfs' });
    expect(() => refuseNetwork('/var/lib/bus.db', 0xef53)).not.toThrow();
  });
});
