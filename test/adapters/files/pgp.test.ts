// A file for another key is a bad file; a key that can never work stops the endpoint, and no file is touched.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Misconfigured, Secret } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { Collect } from '../../../adapters/files/collect.js';
import { writeOptions } from '../../../adapters/files/options.js';
import { publish } from '../../../adapters/files/publish.js';
import { heldClock, memoryState, realClock, recordingLog } from '../../kit/fakes.js';
import { Gpg, type GpgKeys, unlock } from '../codecs/gpg.js';
import { Folder, Runner, signal, values } from './runner.js';

const own = new Gpg();
let us: GpgKeys;
let signer: GpgKeys;
beforeAll(() => {
  us = own.key('us');
  own.key('other');
  signer = own.key('signer', ['ed25519', 'sign', 'never']);
}, 60_000);
afterAll(() => own.close());

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'in'));
  mkdirSync(join(folder.root, 'out'));
});
afterEach(() => folder.remove());

const sealed = (name: string) => own.run(['--encrypt', '--recipient', `${name}@example.com`], 'a\n1\n');

describe('reading', () => {
  for (const allOrNothing of [false, true]) {
    test(`a file for another key is set aside with the reason, the others are read${allOrNothing ? '; all or nothing too' : ''}`, async () => {
      const runner = Runner.on(folder, { pgp: { decrypt: unlock(us) }, all_or_nothing: allOrNothing });
      folder.write('in/a.csv', sealed('other'));
      folder.write('in/b.csv', sealed('us'));
      expect(values(await runner.poll())).toEqual([...(allOrNothing ? [] : ['E371']), { a: '1' }]);
      expect(folder.names('in/failed')).toEqual(['a.csv', 'a.csv.reason.json']);
      expect(folder.read('in/failed/a.csv.reason.json')).toMatch(/it is encrypted for the key [0-9A-F]{16}/);
      expect(folder.names('in/done')).toEqual(['b.csv']);
      expect(runner.log.lines.map(({ event }) => event)).not.toContain('file.postponed');
    });
  }

  test.each<readonly [string, (keys: { readonly us: GpgKeys; readonly signer: GpgKeys }) => object]>([
    ['the passphrase is wrong', (keys) => unlock(keys.us, 'wrong')],
    ['the passphrase is missing', (keys) => ({ key: keys.us.private })],
    ['the key is a public one', (keys) => ({ key: new Secret('us', keys.us.public) })],
    ['the key is none', () => ({ key: new Secret('us', 'no key') })],
    ['the key cannot decrypt', (keys) => unlock(keys.signer)],
  ])('%s: the endpoint stops, and the files stay where they are', async (_, decrypt) => {
    const runner = Runner.on(folder, { pgp: { decrypt: decrypt({ us, signer }) } });
    folder.write('in/a.csv', sealed('us'));
    await expect(runner.poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E372', message: expect.stringContaining('the private key') });
    runner.restart();
    await expect(runner.poll()).rejects.toMatchObject({ code: 'E372' });
    expect(folder.files('in')).toEqual(['a.csv']);
    expect(folder.names('in/.signalbox-work')).toEqual([]);
  });
});

describe('writing', () => {
  const delivery = (number: number) => ({
    id: `D${number}`,
    messageId: `m${number}`,
    type: 'Order',
    key: String(number),
    idempotencyKey: `i${number}`,
    payload: { a: String(number) },
    time: '2026-03-01T08:00:00Z',
    attempt: 1,
    traceparent: undefined,
  });
  const options = (more: object) => writeOptions.parse({ path: '/out/{id}.csv', csv: { columns: ['a'] }, ...more });
  const collector = (space: Disk, more: object = {}) => {
    const parsed = options({ path: '/out/{batch.id}.csv', collect: { for: '1m' }, ...more });
    if (!parsed.collect) throw new Error('no collect');
    const [clock, log] = [heldClock(), recordingLog()];
    return { collect: new Collect(space, parsed, parsed.collect, { name: 'erp.orders', config: parsed, state: memoryState(), node: 'a' }, { clock, logger: log }), clock, log };
  };

  test('a key that cannot encrypt stops the endpoint before anything is sent, of collected files too', async () => {
    const pgp = { encrypt: [signer.public] };
    await expect(publish(new Disk(folder.root), options({ pgp })).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E372' });
    await expect(collector(new Disk(folder.root), { pgp }).collect.open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E372' });
    await publish(new Disk(folder.root), options({ pgp: { encrypt: [us.public] } })).open(signal);
  });

  test('when a collected file can never be written as configured, nothing more is collected', async () => {
    const disk = new Disk(folder.root);
    disk.write = () => Promise.reject(new Misconfigured('E441', 'no right to write'));
    const { collect, clock, log } = collector(disk);
    await collect.open(signal);
    await collect.send(delivery(1), signal);
    for (let turn = 0; clock.sleeping === 0 && turn < 1_000; turn++) await realClock.sleep(2);
    await clock.advance(60_000);
    for (let turn = 0; !log.lines.some(({ event }) => event === 'collect.postponed') && turn < 1_000; turn++) await realClock.sleep(2);
    await expect(collect.send(delivery(2), signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E441' });
    await collect.close();
  });
});
