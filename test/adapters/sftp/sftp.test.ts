import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server as Listener, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Delivery, Secret } from '../../../adapters/contract/index.js';
import { readOptions, writeOptions } from '../../../adapters/files/options.js';
import { publish } from '../../../adapters/files/publish.js';
import { SftpAdapter } from '../../../adapters/sftp/adapter.js';
import { type Requests, SftpClient } from '../../../adapters/sftp/client.js';
import { connectOptions } from '../../../adapters/sftp/config.js';
import { Remote } from '../../../adapters/sftp/remote.js';
import { startProxy } from '../../faults/proxy.js';
import { memoryState, realClock, recordingLog } from '../../kit/fakes.js';
import { type Server, type SshdAccess, startSshd } from '../../services/servers.js';
import { Runner, signal, values } from '../files/runner.js';
import { descendants, kill, signalEach } from './kill.js';

const WRONG = 'SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

let server: Server<SshdAccess>;
let root: string;
let number = 0;
const clients: SftpClient[] = [];
beforeAll(async () => {
  server = await startSshd();
}, 30_000);
afterAll(() => server.stop());
beforeEach(() => {
  root = `case${++number}`;
  for (const name of ['', 'in', 'out']) mkdirSync(path(name));
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

const path = (...names: readonly string[]): string => join(server.access.directory, root, ...names);
const options = (change: object = {}) =>
  connectOptions.parse({
    host: server.access.host,
    port: server.access.port,
    user: server.access.username,
    key: new Secret('sftp-key', server.access.privateKey),
    host_key: server.access.hostKey,
    root,
    ...change,
  });
const remote = (change: object = {}): Remote => {
  const config = options(change);
  const client = new SftpClient(config);
  clients.push(client);
  return new Remote(client, config.root);
};
const delivery = (key: string, payload = { total: 2n }): Delivery => ({
  id: `01ARZ3NDEKTSV4RRFFQ6${key.padStart(6, '0')}`,
  messageId: 'm1',
  type: 'Order',
  key,
  idempotencyKey: 'i1',
  payload,
  time: '2026-03-01T08:00:00Z',
  attempt: 1,
  traceparent: undefined,
});

async function remoteNames(folder: string): Promise<readonly string[]> {
  const space = remote();
  await space.open(signal);
  return (await space.list(folder, signal)).map((entry) => entry.name);
}

function portOf(listener: Listener): number {
  const address = listener.address();
  return typeof address === 'object' && address ? address.port : 0;
}

describe('connecting', () => {
  test('a host key that is not pinned is Misconfigured with both fingerprints, and no login is tried', async () => {
    const failure = remote({ host_key: WRONG }).open(signal);
    await expect(failure).rejects.toMatchObject({ name: 'Misconfigured', code: 'E442', message: expect.stringContaining(`expected ${WRONG}, got ${server.access.hostKey}`) });
    expect(readFileSync(join(server.access.directory, '..', 'log'), 'utf8')).not.toMatch(/Accepted publickey/);
  });

  test('one of several pinned keys is enough; without a pinned key there is no configuration', async () => {
    await remote({ host_key: [WRONG, server.access.hostKey] }).open(signal);
    expect(connectOptions.safeParse({ host: 'h', user: 'u', password: new Secret('p', 'p') }).success).toBe(false);
    expect(connectOptions.safeParse({ host: 'h', user: 'u', host_key: 'SHA256:Vx3k', password: new Secret('p', 'p') }).success).toBe(false);
  });

  test('logs in with a key under a passphrase, and with the keys of an agent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-agent-'));
    const [locked, socket] = [join(folder, 'locked'), join(folder, 'agent')];
    writeFileSync(locked, server.access.privateKey, { mode: 0o600 });
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'a passphrase', '-f', locked]);
    const key = new Secret('locked', readFileSync(locked, 'utf8'));
    await remote({ key, passphrase: new Secret('passphrase', 'a passphrase') }).open(signal);
    await expect(remote({ key, passphrase: new Secret('passphrase', 'a wrong one') }).open(signal)).rejects.toMatchObject({ code: 'E443' });

    const before = process.env['SSH_AUTH_SOCK'];
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      delete process.env['SSH_AUTH_SOCK'];
      await expect(remote({ key: undefined, agent: true }).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E480' });
      process.env['SSH_AUTH_SOCK'] = socket;
      while (!existsSync(socket)) await sleep(20);
      await expect(remote({ key: undefined, agent: true }).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E443' });
      execFileSync('ssh-add', ['-q', '-'], { input: server.access.privateKey, env: { ...process.env, SSH_AUTH_SOCK: socket } });
      await remote({ key: undefined, agent: true }).open(signal);
    } finally {
      agent.kill();
      if (before === undefined) delete process.env['SSH_AUTH_SOCK'];
      else process.env['SSH_AUTH_SOCK'] = before;
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('a refused login and a key that is none are Misconfigured', async () => {
    await expect(remote({ user: 'nobody-here' }).open(signal)).rejects.toMatchObject({ code: 'E443' });
    await expect(remote({ key: new Secret('k', 'no key') }).open(signal)).rejects.toMatchObject({ code: 'E443' });
  });

  test('the probe goes step by step and says what to do', async () => {
    const probe = (change: object) => new SftpAdapter(realClock, recordingLog()).system('erp', options(change)).probe(signal);
    expect((await probe({})).map((step) => [step.name, step.ok])).toEqual([
      ['dns', true],
      ['tcp', true],
      ['host key', true],
      ['login', true],
      ['list .', true],
    ]);
    expect((await probe({ host_key: WRONG })).at(-1)).toMatchObject({ name: 'host key', ok: false, fix: expect.stringContaining('fingerprint') });
    expect((await probe({ user: 'nobody-here' })).at(-1)).toMatchObject({ name: 'login', ok: false });
    expect((await probe({ port: 1 })).at(-1)).toMatchObject({ name: 'tcp', ok: false });
  });

  test('the probe lists the folders that are read and tries a temporary file where files are written', async () => {
    const system = new SftpAdapter(realClock, recordingLog()).system('erp', options());
    const endpoint = (name: string, config: unknown) => ({ name, config, state: memoryState() });
    system.inbound?.(endpoint('erp.in', readOptions.parse({ path: 'in', csv: {} })));
    system.outbound?.(endpoint('erp.out', writeOptions.parse({ path: 'out/{id}', json: {} })));
    system.outbound?.(endpoint('erp.gone', writeOptions.parse({ path: 'gone/{id}', json: {} })));
    const steps = await system.probe(signal);
    expect(steps.slice(4).map((step) => [step.name, step.ok, step.ok ? '' : step.fix])).toEqual([
      ['list in', true, ''],
      ['write out', true, ''],
      ['write gone', false, expect.stringContaining('Create the folder')],
    ]);
    expect(await remoteNames('out')).toEqual([]);
    await system.close();
  });

  test('F20 a server that accepts and stays silent is NotConnected within the deadline', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done));
    await expect(remote({ port: portOf(silent), connect_timeout: '1s' }).open(signal)).rejects.toMatchObject({ name: 'NotConnected' });
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => silent.close(done));
  });

  test('F20 a session that falls silent is given up at the deadline, all requests end, the next open works', async () => {
    const space = remote({ timeout: '1s' });
    await space.open(signal);
    const sessions = descendants(server.process.pid ?? 0);
    signalEach(sessions, 'SIGSTOP');
    const waiting = await Promise.allSettled([space.list('in', signal), space.stat('in', signal), space.write('out/x', Buffer.from('x'), signal)]);
    expect(waiting.map((each) => each.status === 'rejected' && (each.reason as Error).name)).toEqual(Array(3).fill('NotConnected'));
    signalEach(sessions, 'SIGKILL');
    await space.open(signal);
    expect(await space.list('in', signal)).toEqual([]);
  });

  test('F20 a killed server is noticed at once; after its restart open connects again', async () => {
    const space = remote();
    await space.open(signal);
    await kill(server);
    await expect(space.list('in', signal)).rejects.toMatchObject({ name: 'NotConnected' });
    await expect(space.open(signal)).rejects.toMatchObject({ name: 'NotConnected' });
    await server.restart();
    await space.open(signal);
    expect(await space.list('in', signal)).toEqual([]);
  });

  test('F22 endpoints of a system share one session, also when they open at the same time', async () => {
    const proxy = await startProxy(server.access.port);
    const space = remote({ port: proxy.port });
    await Promise.all([space.open(signal), space.open(signal), space.open(signal)]);
    await space.open(signal);
    expect(await space.list('in', signal)).toEqual([]);
    expect(proxy.connections).toBe(1);
    await proxy.close();
  });
});

describe('files over SFTP', () => {
  const rows = (count: number): string => `n\n${Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')}`;

  test('F5 F7 reads, archives and resumes as on a local disk', async () => {
    const runner = new Runner({}, remote());
    writeFileSync(path('in/a.csv'), rows(5));
    await runner.poll({ maxRecords: 2, batches: 1 });
    runner.restart();
    expect(values(await runner.poll())).toEqual([{ n: '3' }, { n: '4' }, { n: '5' }]);
    writeFileSync(path('in/a.csv'), rows(1));
    expect(await runner.poll()).toHaveLength(1);
    expect(readFileSync(path('in/done/a.csv'), 'utf8')).toBe(rows(5));
  });

  test('F8 F20 a server that dies in the middle of a large file: the rest comes after the reconnect, with no id twice', async () => {
    const runner = new Runner({}, remote());
    writeFileSync(path('in/a.csv'), rows(400_000));
    const first = await runner.poll({ maxRecords: 1_000, batches: 1 });
    let died = false;
    const broken = (async () => {
      const ids: string[] = [];
      for await (const batch of (await runner.open()).poll({ checkpoint: runner.checkpoint, maxRecords: 1_000, signal })) {
        ids.push(...batch.records.map((record) => record.id));
        runner.checkpoint = batch.checkpoint;
        if (!died) await kill(server);
        died = true;
      }
      return ids;
    })();
    await expect(broken).rejects.toMatchObject({ name: 'NotConnected' });
    await server.restart();
    runner.restart();
    const rest = await runner.poll({ maxRecords: 50_000 });
    expect(new Set([...first, ...rest].map((record) => record.id)).size).toBe(first.length + rest.length);
    expect(rest.at(-1)?.value).toEqual({ n: '400000' });
  });

  test('F34 links and hostile names at the server are not read', async () => {
    const runner = new Runner({}, remote());
    writeFileSync(path('secret.csv'), rows(1));
    symlinkSync(path('secret.csv'), path('in/link.csv'));
    writeFileSync(path('in/line\nbreak.csv'), rows(1));
    writeFileSync(Buffer.concat([Buffer.from(path('in/')), Buffer.from([0x66, 0xff, 0x2e, 0x63])]), rows(1));
    writeFileSync(path('in/good.csv'), rows(1));
    expect((await runner.poll()).map((record) => record.position)).toEqual(['good.csv:2']);
    expect(runner.log.lines.filter((line) => line.event === 'file.skipped')).toHaveLength(3);
  });

  test('F35 missing folders are Misconfigured', async () => {
    await expect(new Runner({ path: 'nowhere' }, remote()).poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    await expect(publish(remote(), writeOptions.parse({ path: 'nowhere/{id}', json: {} })).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
  });

  test('F11 F12 a file of the name: same content is a duplicate, other content fails or is replaced in one step', async () => {
    const space = remote();
    const orders = (exists: string) => publish(space, writeOptions.parse({ path: '/out/ORD_{key}.json', json: {}, exists }));
    await orders('fail').open(signal);
    expect(await orders('fail').send(delivery('1'), signal)).toEqual({ detail: '/out/ORD_1.json 12 B' });
    expect(await orders('fail').send(delivery('1'), signal)).toMatchObject({ duplicate: true });
    await expect(orders('fail').send(delivery('1', { total: 3n }), signal)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E351' });
    await orders('replace').send(delivery('1', { total: 3n }), signal);
    expect(readFileSync(path('out/ORD_1.json'), 'utf8')).toBe('{"total":3}\n');
    expect((await space.list('out', signal)).map((entry) => entry.name)).toEqual(['ORD_1.json']);
  });

  test('F11 claiming never replaces: a rename to a name that is taken says so', async () => {
    const space = remote();
    await space.open(signal);
    for (const name of ['a', 'b']) writeFileSync(path('in', name), name);
    expect(await space.rename('in/a', 'in/b', 'new', signal)).toBe('exists');
    expect(await space.rename('in/gone', 'in/c', 'new', signal)).toBe('missing');
    await expect(space.rename('in/a', 'nowhere/a', 'new', signal)).rejects.toMatchObject({ code: 'E440' });
    expect(readFileSync(path('in/b'), 'utf8')).toBe('b');
  });

  test('F36 what is written is durable at the server, and its size compared, before it gets its name', async () => {
    const asked: string[] = [];
    class Watched extends SftpClient {
      override request<T>(...[stop, send, late]: Parameters<typeof SftpClient.prototype.request<T>>): Promise<T> {
        const noted = (requests: Requests): Requests =>
          new Proxy(requests, {
            get: (target, name) => {
              const member: unknown = Reflect.get(target, name);
              if (typeof member !== 'function') return member;
              return (...values: unknown[]): unknown => {
                asked.push(String(name));
                return Reflect.apply(member, target, values);
              };
            },
          });
        return super.request(stop, (requests, done) => send(noted(requests), done), late);
      }
    }
    const client = new Watched(options());
    clients.push(client);
    const space = new Remote(client, root);
    await space.open(signal);
    await publish(space, writeOptions.parse({ path: 'out/ORD_{key}.json', json: {}, exists: 'replace' })).send(delivery('1'), signal);
    expect(asked.slice(asked.indexOf('open'))).toEqual(['open', 'write', 'ext_openssh_fsync', 'close', 'lstat', 'ext_openssh_rename']);
  });

  test('F21 12 MB go there and back unchanged', async () => {
    const space = remote();
    await space.open(signal);
    const bytes = Buffer.alloc(12_000_001, 'abcdefg');
    await space.write('out/large', bytes, signal);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await space.read('out/large', signal)) ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('F25 no handle is left open, also when reading is broken off', async () => {
    const space = remote();
    await space.open(signal);
    writeFileSync(path('in/a'), Buffer.alloc(200_000));
    // OpenSSH gives a session at most 1024 handles (or what the limit of open files leaves).
    for (let round = 0; round < 1_100; round++) {
      for await (const chunk of (await space.read('in/a', signal)) ?? []) {
        if (chunk.length > 0) break;
      }
      const stop = new AbortController();
      const aborted = space.read('in/a', stop.signal).catch(() => undefined);
      stop.abort(new Error('stop'));
      await aborted;
    }
    expect(await space.list('in', signal)).toHaveLength(1);
  }, 60_000);

  test('many small files are written over one session, several at a time, in a few milliseconds each', async () => {
    const orders = publish(remote(), writeOptions.parse({ path: 'out/ORD_{key}.json', json: {} }));
    await orders.open(signal);
    const started = performance.now();
    const keys = Array.from({ length: 1_000 }, (_, index) => String(index)).values();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (const key of keys) await orders.send(delivery(key), signal);
      }),
    );
    const each = (performance.now() - started) / 1_000;
    expect(each).toBeLessThan(30);
  }, 60_000);

  test('F33 a folder that comes back under the same name is used again', async () => {
    const runner = new Runner({}, remote());
    await runner.poll();
    renameSync(path('in'), path('away'));
    await expect(runner.poll()).rejects.toMatchObject({ code: 'E440' });
    renameSync(path('away'), path('in'));
    writeFileSync(path('in/a.csv'), rows(1));
    expect(await runner.poll()).toHaveLength(1);
  });
});
