import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Delivery, Secret } from '../../../adapters/contract/index.js';
import { readOptions, writeOptions } from '../../../adapters/files/options.js';
import { publish } from '../../../adapters/files/publish.js';
import { FtpAdapter } from '../../../adapters/ftp/adapter.js';
import { connectOptions, lintConnect } from '../../../adapters/ftp/config.js';
import { Pool } from '../../../adapters/ftp/pool.js';
import { Remote } from '../../../adapters/ftp/remote.js';
import { memoryState, realClock, recordingLog } from '../../kit/fakes.js';
import { type FtpAccess, type Server, startVsftpd } from '../../services/servers.js';
import { Runner, signal, values } from '../files/runner.js';
import { descendants, kill, signalEach } from '../sftp/kill.js';

let server: Server<FtpAccess>;
let implicit: Server<FtpAccess>;
let root: string;
let number = 0;
const pools: Pool[] = [];
beforeAll(async () => {
  [server, implicit] = await Promise.all([startVsftpd('explicit'), startVsftpd('implicit', ['idle_session_timeout=2'])]);
}, 30_000);
afterAll(() => Promise.all([server.stop(), implicit.stop()]));
beforeEach(() => {
  root = `case${++number}`;
  for (const name of ['', 'in', 'out']) mkdirSync(path(name));
});
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
});

const path = (...names: readonly string[]): string => join(server.access.directory, root, ...names);
const options = (change: object = {}, access: FtpAccess = server.access) =>
  connectOptions.parse({ host: access.host, port: access.port, user: access.user, password: new Secret('ftp-password', access.password), ca: access.ca, root, ...change });
function remote(change: object = {}, access?: FtpAccess): Remote {
  const config = options(change, access);
  const pool = new Pool(config);
  pools.push(pool);
  return new Remote(pool, config.root);
}
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

describe('TLS', () => {
  test('a certificate of an unknown authority, or for another name, is Misconfigured before any login', async () => {
    await expect(remote({ ca: undefined }).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E457' });
    await expect(remote({ servername: 'ftp.partner.example' }).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E457' });
    await expect(remote({ ca: '/nowhere/ca.pem' }).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E457' });
    await expect(remote({ ca: undefined, tls: 'implicit', root: undefined }, implicit.access).open(signal)).rejects.toMatchObject({ code: 'E457' });
    await remote({ servername: 'localhost' }).open(signal);
  });

  test('implicit TLS from the first byte; a server that ends what rests is asked in time, or connected anew', async () => {
    const space = remote({ tls: 'implicit', root: undefined, keepalive: '1s' }, implicit.access);
    await space.open(signal);
    await space.write('a', Buffer.from('a'), signal);
    const log = (): number => descendants(implicit.process.pid ?? 0).length;
    const sessions = log();
    await new Promise((done) => setTimeout(done, 3_500));
    expect(log()).toBe(sessions);
    expect((await space.list('.', signal)).map((entry) => entry.name)).toEqual(['a']);
  }, 15_000);

  test('off is said by the check, and fails at a server that insists on TLS', async () => {
    expect(lintConnect(options())).toEqual([]);
    expect(lintConnect(options({ tls: 'off', ca: undefined }))).toEqual([expect.objectContaining({ severity: 'warning', path: ['tls'] })]);
    expect(connectOptions.safeParse({ host: 'h', user: 'u', password: new Secret('p', 'p'), tls: 'off', ca: 'x.pem' }).success).toBe(false);
    await expect(remote({ tls: 'off', ca: undefined }).open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E443' });
  });

  test('the probe goes step by step, reads and writes, and says what to do', async () => {
    const system = new FtpAdapter(realClock, recordingLog()).system('erp', options());
    const endpoint = (name: string, config: unknown) => ({ name, config, state: memoryState() });
    system.inbound?.(endpoint('erp.in', readOptions.parse({ path: 'in', csv: {} })));
    system.outbound?.(endpoint('erp.out', writeOptions.parse({ path: 'out/{id}', json: {} })));
    system.outbound?.(endpoint('erp.gone', writeOptions.parse({ path: 'gone/{id}', json: {} })));
    const steps = await system.probe(signal);
    expect(steps.map((step) => [step.name, step.ok, step.ok ? '' : step.fix])).toEqual([
      ['dns', true, ''],
      ['tcp', true, ''],
      ['tls (explicit)', true, ''],
      ['login', true, ''],
      ['list in', true, ''],
      ['write out', true, ''],
      ['write gone', false, expect.stringContaining('Create the folder')],
    ]);
    expect(steps[2]?.detail).toMatch(/^certificate verified, TLSv1\.[23]$/);
    expect(readdirSync(path('out'))).toEqual([]);
    await system.close();
    const probe = (change: object) => new FtpAdapter(realClock, recordingLog()).system('erp', options(change)).probe(signal);
    expect((await probe({ password: new Secret('p', 'a wrong one') })).at(-1)).toMatchObject({ name: 'login', ok: false });
    expect((await probe({ ca: undefined })).at(-1)).toMatchObject({ name: 'tls (explicit)', ok: false, fix: expect.stringContaining('`ca`') });
  });
});

describe('files over FTPS', () => {
  const rows = (count: number): string => `n\n${Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')}`;

  test('F5 F7 reads, archives and resumes as on a local disk, names with spaces and accents too', async () => {
    const runner = new Runner({}, remote());
    writeFileSync(path('in/Größe 1.csv'), rows(5));
    await runner.poll({ maxRecords: 2, batches: 1 });
    runner.restart();
    expect(values(await runner.poll())).toEqual([{ n: '3' }, { n: '4' }, { n: '5' }]);
    expect(readFileSync(path('in/done/Größe 1.csv'), 'utf8')).toBe(rows(5));
  });

  test('F11 F12 a file of the name: same content is a duplicate, other content fails or is replaced in one step', async () => {
    const space = remote();
    const orders = (exists: string) => publish(space, writeOptions.parse({ path: '/out/ORD_{key}.json', json: {}, exists }));
    await orders('fail').open(signal);
    expect(await orders('fail').send(delivery('1'), signal)).toEqual({ detail: '/out/ORD_1.json 12 B' });
    expect(await orders('fail').send(delivery('1'), signal)).toMatchObject({ duplicate: true });
    await expect(orders('fail').send(delivery('1', { total: 3n }), signal)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E351' });
    await orders('replace').send(delivery('1', { total: 3n }), signal);
    expect(readdirSync(path('out'))).toEqual(['ORD_1.json']);
    expect(readFileSync(path('out/ORD_1.json'), 'utf8')).toBe('{"total":3}\n');
  });

  test('F35 missing folders are Misconfigured', async () => {
    await expect(new Runner({ path: 'nowhere' }, remote()).poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    await expect(remote().write('nowhere/x', Buffer.from('x'), signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E440' });
    await expect(remote().rename('in', 'nowhere/x', 'new', signal)).rejects.toMatchObject({ code: 'E440' });
  });

  test('12 MB go there and back unchanged, bytes of line ends too', async () => {
    const space = remote();
    const bytes = Buffer.alloc(12_000_001, 'abc\r\ndef\n');
    await space.write('out/large', bytes, signal);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await space.read('out/large', signal)) ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('F34 links and pipes at the server are not read', async () => {
    writeFileSync(path('secret'), rows(1));
    execFileSync('ln', ['-s', path('secret'), path('in/link.csv')]);
    execFileSync('mkfifo', [path('in/pipe.csv')]);
    const runner = new Runner({}, remote());
    expect(await runner.poll()).toEqual([]);
    expect(runner.log.lines.filter((line) => line.event === 'file.skipped')).toHaveLength(2);
  });

  test('F20 F25 a server that falls silent is given up at the deadline; when it is back, the work goes on', async () => {
    const space = remote({ timeout: '1s', connect_timeout: '2s' });
    await space.open(signal);
    const sessions = [server.process.pid ?? 0, ...descendants(server.process.pid ?? 0)];
    signalEach(sessions, 'SIGSTOP');
    try {
      const waiting = await Promise.allSettled([space.list('in', signal), space.stat('in', signal), space.write('out/x', Buffer.from('x'), signal)]);
      expect(waiting.map((each) => each.status === 'rejected' && (each.reason as Error).name)).toEqual(Array(3).fill('NotConnected'));
    } finally {
      signalEach(sessions, 'SIGCONT');
    }
    await space.open(signal);
    expect(await space.list('in', signal)).toEqual([]);
  });

  test('F8 F20 a server that dies in the middle of a file: the rest comes after the reconnect, with no id twice', async () => {
    const runner = new Runner({}, remote());
    writeFileSync(path('in/a.csv'), rows(200_000));
    const first = await runner.poll({ maxRecords: 1_000, batches: 1 });
    await kill(server);
    runner.restart();
    await expect(runner.poll()).rejects.toMatchObject({ name: 'NotConnected' });
    await server.restart();
    runner.restart();
    const rest = await runner.poll({ maxRecords: 50_000 });
    expect(new Set([...first, ...rest].map((record) => record.id)).size).toBe(200_000);
  });
});
