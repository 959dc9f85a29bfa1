import { createServer, type Server as Listener, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import ssh2 from 'ssh2';
import { type Delivery, failureOf, Secret } from '../../../adapters/contract/index.js';
import { writeOptions } from '../../../adapters/files/options.js';
import { publish } from '../../../adapters/files/publish.js';
import { identify, SftpAdapter } from '../../../adapters/sftp/adapter.js';
import { SftpClient } from '../../../adapters/sftp/client.js';
import { connectOptions, lintConnect } from '../../../adapters/sftp/config.js';
import { Remote } from '../../../adapters/sftp/remote.js';
import { heldClock, realClock, recordingLog } from '../../kit/fakes.js';
import { Runner, signal, values } from '../files/runner.js';
import { HOST_KEYS, type Oddities, type OddServer, startOddServer } from './odd-server.js';

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const key = ssh2.utils.parseKey(HOST_KEYS[0] ?? '');
const FINGERPRINT = Error.isError(key) ? '' : `SHA256:${(await import('node:crypto')).createHash('sha256').update(key.getPublicSSH()).digest('base64').replace(/=+$/, '')}`;

async function oddServer(odd: Oddities = {}, algorithms: ssh2.Algorithms = {}, hostKeys = HOST_KEYS): Promise<OddServer> {
  const server = await startOddServer(odd, algorithms, hostKeys);
  closing.push(() => server.close());
  server.files.set('in/.', Buffer.alloc(0));
  server.files.set('out/.', Buffer.alloc(0));
  return server;
}
const options = (server: OddServer, change: object = {}) =>
  connectOptions.parse({
    host: '127.0.0.1',
    port: server.port,
    user: 'u',
    password: new Secret('p', 'good'),
    host_key: FINGERPRINT,
    timeout: '1s',
    connect_timeout: '5s',
    ...change,
  });
function remote(server: OddServer, change: object = {}, now?: () => Date): Remote {
  const client = new SftpClient(options(server, change), now);
  closing.push(() => client.close());
  return new Remote(client, undefined);
}
async function opened(odd: Oddities, change: object = {}): Promise<{ server: OddServer; space: Remote }> {
  const server = await oddServer(odd);
  const space = remote(server, change);
  await space.open(signal);
  return { server, space };
}
async function bytesOf(space: Remote, path: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await space.read(path, signal)) ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const delivery = (total: bigint): Delivery => ({
  id: '01ARZ3NDEKTSV4RRFFQ6000001',
  messageId: 'm1',
  type: 'Order',
  key: '1',
  idempotencyKey: 'i1',
  payload: { total },
  time: '2026-03-01T08:00:00Z',
  attempt: 1,
  traceparent: undefined,
});
const orders = (space: Remote, exists: string) => publish(space, writeOptions.parse({ path: 'out/ORD_{key}.json', json: {}, exists }));

describe('servers that hang or break off', () => {
  test.each([
    ['silent after the login', { silent: 'session' }, (space: Remote) => space.stat('in', signal)],
    ['silent in the middle of a read', { silent: 'read' }, (space: Remote) => bytesOf(space, 'in/a')],
    ['silent in a listing', { silent: 'list' }, (space: Remote) => space.list('in', signal)],
    ['dripping one byte at a time', { drip: true }, (space: Remote) => bytesOf(space, 'in/a')],
  ] as const)('F20 a server that is %s: NotConnected at the deadline, and the session is gone', async (_, odd, work) => {
    const { server, space } = await opened({});
    server.files.set('in/a', Buffer.alloc(100_000));
    server.odd = odd;
    await expect(work(space)).rejects.toMatchObject({ name: 'NotConnected', code: 'E445' });
    server.odd = {};
    await space.open(signal);
    expect(await bytesOf(space, 'in/a')).toHaveLength(100_000);
    expect(server.sessions).toBe(1);
  });

  test.each(['read', 'write', 'rename'] as const)('F20 F24 a connection cut in a %s: NotConnected, nothing under the final name, and the next attempt completes', async (drop) => {
    const { server, space } = await opened({});
    server.files.set('in/a', Buffer.alloc(100_000));
    const orderly = orders(space, 'fail');
    await orderly.open(signal);
    server.odd = { drop };
    const broken = drop === 'read' ? bytesOf(space, 'in/a') : orderly.send(delivery(1n), signal);
    await expect(broken).rejects.toMatchObject({ name: 'NotConnected', code: 'E400' });
    expect(server.files.has('out/ORD_1.json')).toBe(false);
    server.odd = {};
    await space.open(signal);
    await orderly.send(delivery(1n), signal);
    expect(server.files.get('out/ORD_1.json')?.toString()).toBe('{"total":1}\n');
    expect([...server.files.keys()].filter((name) => name.includes('.part'))).toEqual([]);
  });

  test('F22 a server that takes no more connections closes them at once: NotConnected, which backs off', async () => {
    const full: Listener = createServer((socket: Socket) => socket.resetAndDestroy());
    await new Promise<void>((done) => full.listen(0, '127.0.0.1', done));
    closing.push(() => new Promise<void>((done) => full.close(() => done())));
    const address = full.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const client = new SftpClient(connectOptions.parse({ host: '127.0.0.1', port, user: 'u', password: new Secret('p', 'good'), host_key: FINGERPRINT }));
    await expect(client.open(signal)).rejects.toMatchObject({ name: 'NotConnected', code: 'E400' });
  });

  test('F22 a server with room for one session: all endpoints share it, and a test of the connection does not need another', async () => {
    const server = await oddServer({ sessions: 1 });
    const system = new SftpAdapter(realClock, recordingLog()).system('erp', options(server));
    closing.push(() => system.close());
    const outbound = system.outbound?.({ name: 'erp.out', config: writeOptions.parse({ path: 'out/{key}.json', json: {} }), state: new Runner({}, remote(server)).state });
    await outbound?.open(signal);
    await outbound?.send(delivery(1n), signal);
    const steps = await system.probe(signal);
    expect(steps.filter((step) => !step.ok)).toEqual([]);
    expect(steps.find((step) => step.name === 'host key')?.detail).toContain('takes no second one');
    expect(server.peak).toBe(1);
  });

  test('F23 no shell and no command is ever asked for', async () => {
    const { server, space } = await opened({});
    server.files.set('in/a.csv', Buffer.from('n\n1\n'));
    await new Runner({}, space).poll();
    await orders(space, 'replace').send(delivery(1n), signal);
    expect(server.commands).toBe(0);
  });

  test('F25 after errors of every kind no session and no handle is left at the server', async () => {
    const { server, space } = await opened({});
    server.files.set('in/a', Buffer.alloc(100_000));
    const failing = [
      () => space.list('nowhere', signal),
      () => space.rename('in/a', 'nowhere/a', 'new', signal).then(() => space.rename('nowhere/a', 'in/a', 'new', signal)),
      () => bytesOf(space, 'in/a'),
      () => space.write('out/x', Buffer.alloc(10), signal),
      () => orders(space, 'fail').send(delivery(2n), signal),
    ];
    for (const odd of [{}, { lie: 5 }, { drop: 'read' }, { drop: 'write' }, { silent: 'read' }] as const) {
      for (const work of failing) {
        server.odd = odd;
        await work().catch((error: unknown) => expect(failureOf(error)).toBeDefined());
        server.odd = {};
        await space.open(signal);
      }
    }
    expect(await space.list('in', signal)).toHaveLength(1);
    expect(server).toMatchObject({ sessions: 1, handles: 0, peak: 1 });
  }, 30_000);

  test('F19 a listing without end is given up, with its memory', async () => {
    const { server, space } = await opened({}, { timeout: '30s' });
    for (let number = 0; number < 1_000; number++) server.files.set(`in/${'x'.repeat(20)}${number}`, Buffer.alloc(0));
    server.odd = { endless: true };
    await expect(space.list('in', signal)).rejects.toMatchObject({ name: 'TryAgain', code: 'E459' });
    expect(server.handles).toBe(0);
  }, 30_000);
});

describe('servers that answer oddly', () => {
  test('F12 F24 a size that is not what was sent: the old file stays, nothing appears under the name', async () => {
    const { server, space } = await opened({});
    server.files.set('out/ORD_1.json', Buffer.from('old'));
    for (const lie of [-3, 4]) {
      server.odd = { lie };
      await expect(orders(space, 'replace').send(delivery(1n), signal)).rejects.toMatchObject({ name: 'TryAgain', code: 'E447' });
      expect(server.files.get('out/ORD_1.json')?.toString()).toBe('old');
    }
  });

  test('F16 a file that is shorter or longer than the server says is no complete file', async () => {
    const { server, space } = await opened({});
    server.files.set('in/a', Buffer.alloc(1_000));
    for (const lie of [-3, 4]) {
      server.odd = { lie };
      await expect(bytesOf(space, 'in/a')).rejects.toMatchObject({ name: 'TryAgain', code: 'E456' });
    }
  });

  test('F12 without posix-rename the target steps aside before the new one gets its name; nothing is removed first', async () => {
    const { server, space } = await opened({});
    server.files.set('out/ORD_1.json', Buffer.from('old'));
    await orders(space, 'replace').send(delivery(1n), signal);
    expect(server.files.get('out/ORD_1.json')?.toString()).toBe('{"total":1}\n');
    const [aside, swap, removed] = server.requests.filter((request) => /^(rename out\/ORD|rename .*ORD_1.json$|remove .*replaced)/.test(request)).slice(-3);
    expect([aside, swap, removed]).toEqual([
      'rename out/ORD_1.json out/.ORD_1.json.replaced.part',
      expect.stringMatching(/^rename out\/\.ORD_1\.json\..*\.part out\/ORD_1\.json$/),
      'remove out/.ORD_1.json.replaced.part',
    ]);
    expect([...server.files.keys()].filter((name) => name.includes('.part'))).toEqual([]);
  });

  test.each(['replaces', 'denies'] as const)('F11 a server whose rename over a file %s: a claim takes nothing away, and the source is still there', async (renameOver) => {
    const { server, space } = await opened({ renameOver });
    server.files.set('in/a', Buffer.from('a')).set('in/b', Buffer.from('b'));
    expect(await space.rename('in/a', 'in/b', 'new', signal)).toBe('exists');
    expect(await space.rename('in/gone', 'in/c', 'new', signal)).toBe('missing');
    expect([server.files.get('in/a')?.toString(), server.files.get('in/b')?.toString()]).toEqual(['a', 'b']);
    expect(await space.rename('in/a', 'in/b', 'replace', signal)).toBe('renamed');
    expect(server.files.get('in/b')?.toString()).toBe('a');
  });

  test('F11 FAILURE for what is not there is still "not there"', async () => {
    const { space } = await opened({ failureForMissing: true });
    expect(await space.stat('in/gone', signal)).toBeUndefined();
    expect(await space.read('in/gone', signal)).toBeUndefined();
    expect(await space.rename('in/gone', 'in/x', 'new', signal)).toBe('missing');
    await space.remove('in/gone', signal);
  });

  test('F4 F3 without times, sizes or modes files are read and written all the same', async () => {
    const { server, space } = await opened({});
    for (const without of [['mtime'], ['size'], ['mode'], ['mtime', 'size', 'mode']] as const) {
      server.odd = { without };
      server.files.set('in/a.csv', Buffer.from('n\n1\n'));
      const runner = new Runner({ identity: 'arrival' }, space);
      expect(values(await runner.poll())).toEqual([{ n: '1' }]);
      server.files.delete('in/done/a.csv');
      await orders(space, 'replace').send(delivery(BigInt(without.length)), signal);
    }
  });

  test('F4 times are compared, never understood: year 2106, 1970 and none are all the same to it', async () => {
    const { server, space } = await opened({});
    server.files.set('in/a', Buffer.from('a'));
    expect((await space.stat('in/a', signal))?.modified).toBe('1700000000');
    server.odd = { without: ['mtime'] };
    expect((await space.stat('in/a', signal))?.modified).toBe('');
  });

  test('F21 a server that loses writes under way together: the upload is found out, and the next one goes one at a time', async () => {
    const { server, space } = await opened({ losesParallelWrites: true });
    const bytes = Buffer.alloc(300_000, 'abc');
    // Lost in the middle the size is still right: only what is lost at the end can be seen by it.
    await space.write('out/x', bytes, signal).catch((error: unknown) => expect(failureOf(error)?.code).toBe('E447'));
    await space.write('out/x', bytes, signal);
    expect(server.files.get('out/x')).toHaveLength(300_000);
  });
});

describe('servers that are hostile', () => {
  test('F34 names that would leave the folder, hide what they are or are no names: said once each, the other files are read', async () => {
    const names = ['..', '', '/etc/x.csv', 'x\\..\\y.csv', 'a\nb.csv', 'a\u202Evsc.exe.csv', `${'x'.repeat(300)}.csv`, 'a\u0000b.csv', '-rf.csv'];
    const { server, space } = await opened({ names });
    for (const name of ['good.csv', 'caf\u00e9.csv', 'cafe\u0301.csv']) server.files.set(`in/${name}`, Buffer.from('n\n1\n'));
    const runner = new Runner({ pattern: '*.csv' }, space);
    expect(values(await runner.poll())).toHaveLength(3);
    expect([...server.files.keys()].filter((name) => /^in\/done\/../.test(name)).sort()).toEqual(['in/done/cafe\u0301.csv', 'in/done/caf\u00e9.csv', 'in/done/good.csv']);
    await runner.poll();
    expect(runner.log.lines.filter((line) => line.event === 'file.skipped').map((line) => line.message.split(' is not read: ')[1])).toEqual([
      'the name is no name',
      'the name has a path separator',
      'the name has a control character',
      'the name has a control character',
      'the name has more than 200 bytes',
      'the name has a control character',
    ]);
    expect(server.requests.filter((request) => /\.\.|\/etc/.test(request))).toEqual([]);
  });

  test('a server that shows only a weaker kind of key than the pinned one is refused like any other wrong key', async () => {
    const server = await oddServer({}, {}, HOST_KEYS.slice(1));
    const failure = remote(server).open(signal);
    await expect(failure).rejects.toMatchObject({
      name: 'Misconfigured',
      code: 'E442',
      message: expect.stringMatching(/expected SHA256:\S+, got SHA256:\S+ \(ecdsa-sha2-nistp256\)$/),
    });
    expect(failureOf(await failure.catch((error: unknown) => error))?.hint).toContain('signalbox systems trust');
    expect(server.peak).toBe(0);
  });
});

describe('weak algorithms', () => {
  const old: ssh2.Algorithms = { hmac: ['hmac-sha1'], cipher: ['aes128-cbc'] };
  const legacy = { algorithms: ['hmac-sha1', 'aes128-cbc'], until: '2027-06-30' };

  test('are not offered unless they are allowed; the error has the words of the server', async () => {
    const server = await oddServer({}, old);
    await expect(remote(server).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E448' });
    await remote(server, { legacy }, () => new Date('2027-06-30T23:00:00Z')).open(signal);
  });

  test('are over the day after their date, which the error says', async () => {
    const server = await oddServer({}, old);
    const failure = remote(server, { legacy }, () => new Date('2027-07-01T00:00:00Z')).open(signal);
    await expect(failure).rejects.toMatchObject({ code: 'E448', message: expect.stringContaining('`legacy` ended on 2027-06-30') });
  });

  test('are a finding of the check, and said at each start', async () => {
    const server = await oddServer();
    expect(lintConnect(options(server))).toEqual([]);
    expect(lintConnect(options(server, { legacy }))).toEqual([expect.objectContaining({ severity: 'warning', path: ['legacy'], message: expect.stringContaining('2027-06-30') })]);
    const log = recordingLog();
    new SftpAdapter(heldClock(), log).system('erp', options(server, { legacy: { ...legacy, until: '9999-12-31' } }));
    new SftpAdapter(heldClock(), log).system('erp', options(server, { legacy: { ...legacy, until: '2001-01-01' } }));
    expect(log.lines.map((line) => [line.level, line.event])).toEqual([
      ['warn', 'sftp.legacy'],
      ['error', 'sftp.legacy'],
    ]);
    expect(connectOptions.safeParse({ ...options(server), host_key: FINGERPRINT, timeout: '1s', legacy: { algorithms: ['hmac-sha1'] } }).success).toBe(false);
  });
});

test('the host keys of a server are shown before any login, the preferred one first', async () => {
  const server = await oddServer();
  const keys = await identify({ host: '127.0.0.1', port: server.port }, signal);
  expect(keys.map((each) => each.kind)).toEqual(['ssh-ed25519', 'ecdsa-sha2-nistp256']);
  expect(keys[0]).toEqual({ kind: 'ssh-ed25519', fingerprint: FINGERPRINT, option: 'host_key' });
  expect(server.peak).toBe(0);
  await expect(identify({ host: '127.0.0.1', port: 1 }, signal)).rejects.toMatchObject({ name: 'NotConnected' });
});
