import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type FileCustody, Secret } from '../../../adapters/contract/index.js';
import { SftpClient } from '../../../adapters/sftp/client.js';
import { connectOptions } from '../../../adapters/sftp/config.js';
import { Remote } from '../../../adapters/sftp/remote.js';
import { services } from '../../services/services.js';
import { Runner, signal } from '../files/runner.js';

let client: SftpClient;
let options: ReturnType<typeof connectOptions.parse>;
let folder: string;
let root: string;
beforeAll(async () => {
  const sshd = await services.sshd();
  root = `custody-${process.pid}-${Date.now()}`;
  folder = join(sshd.directory, root);
  mkdirSync(folder);
  const access = { host: sshd.host, port: sshd.port, user: sshd.username, key: new Secret('sftp-key', sshd.privateKey), host_key: sshd.hostKey, root };
  options = connectOptions.parse(access);
  client = new SftpClient(options);
}, 60_000);
afterAll(() => {
  client.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  rmSync(join(folder, 'in'), { recursive: true, force: true });
  mkdirSync(join(folder, 'in'));
});

const runner = (options: object = {}): Runner => new Runner(options, new Remote(client, root));
const put = (name: string): void => {
  mkdirSync(join(folder, 'in', name, '..'), { recursive: true });
  writeFileSync(join(folder, 'in', name), `n\n${name}\n`);
};
const read = async (from: Runner): Promise<readonly unknown[]> => (await from.poll()).map((record) => record.position?.replace(/:2$/, ''));

test('F19 a large folder comes page by page, and is read in order in bounded portions', async () => {
  for (let index = 0; index < 400; index++) put(`${String(index).padStart(3, '0')}.csv`);
  const space = new Remote(client, root);
  await space.open(signal);
  const pages: number[] = [];
  for await (const page of space.names('in', signal)) pages.push(page.length);
  expect(pages.length).toBeGreaterThan(1);
  expect(pages.reduce((sum, size) => sum + size, 0)).toBe(400);
  for (let index = 20; index < 400; index++) rmSync(join(folder, 'in', `${String(index).padStart(3, '0')}.csv`));
  const names = await read(runner({ max_files: 7 }));
  expect(names).toEqual(Array.from({ length: 20 }, (_, index) => `${String(index).padStart(3, '0')}.csv`));
}, 60_000);

test('F37 markers, a sequence and folders below work as on a local disk', async () => {
  const from = runner({ marker: { name: '{stem}.ok' }, sequence: { pattern: 'ORD_(\\d+)\\.csv', start: 1 }, recursive: true });
  for (const name of ['de/ORD_2.csv', 'de/ORD_2.ok', 'ORD_3.csv', 'ORD_3.ok', 'ORD_1.csv']) put(name);
  expect(await read(from)).toEqual([]);
  put('ORD_1.ok');
  expect(await read(from)).toEqual(['ORD_1.csv', 'de/ORD_2.csv', 'ORD_3.csv']);
  expect(readdirSync(join(folder, 'in/done/de'))).toEqual(['ORD_2.csv']);
  expect(readdirSync(join(folder, 'in')).sort()).toEqual(['.signalbox-work', 'de', 'done', 'failed']);
});

test('F10 F13 an archive on another device, which the server cannot rename to: the file is told of as cleanup, and not read again', async () => {
  const elsewhere = `/dev/shm/${root}`;
  mkdirSync(elsewhere);
  try {
    symlinkSync(elsewhere, join(folder, 'in/done'));
    const from = runner();
    put('a.csv');
    const state = (): string | undefined => [...from.state.entries].filter(([key]) => key.startsWith('custody/')).map(([, text]) => (JSON.parse(text) as FileCustody).state)[0];
    await expect(from.poll()).rejects.toMatchObject({ name: 'TryAgain' });
    expect([await read(from), state()]).toEqual([[], 'cleanup']);
    rmSync(join(folder, 'in/done'));
    from.restart();
    expect([await read(from), state()]).toEqual([[], 'archived']);
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});

test('F7 F9 of two sessions that claim the same files at once each file goes to one', async () => {
  const second = new SftpClient(options);
  try {
    const [one, other] = [new Remote(client, root), new Remote(second, root)];
    await Promise.all([one.open(signal), other.open(signal)]);
    const names = Array.from({ length: 30 }, (_, index) => `${index}.csv`);
    for (const name of names) put(name);
    const claims = await Promise.all(
      names.flatMap((name) => [one.rename(`in/${name}`, `in/one-${name}`, 'new', signal), other.rename(`in/${name}`, `in/other-${name}`, 'new', signal)]),
    );
    expect(claims.filter((result) => result === 'renamed')).toHaveLength(30);
    expect(readdirSync(join(folder, 'in'))).toHaveLength(30);
  } finally {
    second.close();
  }
});
