import { afterEach, describe, expect, test } from '@jest/globals';
import { type Delivery, failureOf, Secret } from '../../../adapters/contract/index.js';
import { writeOptions } from '../../../adapters/files/options.js';
import { publish } from '../../../adapters/files/publish.js';
import { connectOptions } from '../../../adapters/ftp/config.js';
import { Pool } from '../../../adapters/ftp/pool.js';
import { Remote } from '../../../adapters/ftp/remote.js';
import { Runner, signal, values } from '../files/runner.js';
import { type Oddities, type OddServer, startOddServer } from './odd-server.js';

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function opened(odd: Oddities, change: object = {}): Promise<{ server: OddServer; space: Remote }> {
  const server = await startOddServer(odd);
  server.files.set('/in/.', Buffer.alloc(0)).set('/out/.', Buffer.alloc(0));
  const options = { host: '127.0.0.1', port: server.port, user: 'u', password: new Secret('p', 'good'), tls: 'off', timeout: '1s', connect_timeout: '2s', ...change };
  const pool = new Pool(connectOptions.parse(options));
  closing.push(
    () => server.close(),
    () => pool.close(),
  );
  return { server, space: new Remote(pool, undefined) };
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
    ['silent from the start', { silent: 'greeting' }, (space: Remote) => space.open(signal)],
    ['silent after the login', { silent: 'command' }, (space: Remote) => space.list('in', signal)],
    ['silent in the middle of a download', { silent: 'transfer' }, (space: Remote) => bytesOf(space, 'in/a')],
    ['silent in the middle of an upload', { silent: 'transfer' }, (space: Remote) => space.write('out/x', Buffer.alloc(10), signal)],
    ['dripping one byte at a time', { drip: true }, (space: Remote) => bytesOf(space, 'in/a')],
  ] as const)('F20 a server that is %s: NotConnected at the deadline, and the next attempt works', async (_, odd, work) => {
    const { server, space } = await opened({ mlst: true, ...odd });
    server.files.set('/in/a', Buffer.alloc(100_000));
    await expect(work(space)).rejects.toMatchObject({ name: 'NotConnected', code: 'E445' });
    server.odd = { mlst: true };
    await space.open(signal);
    expect(await bytesOf(space, 'in/a')).toHaveLength(100_000);
  });

  test.each(['data', 'control'] as const)('F20 F24 a %s connection cut in a transfer: NotConnected, nothing under the final name, the next attempt completes', async (drop) => {
    const { server, space } = await opened({ mlst: true });
    server.files.set('/in/a', Buffer.alloc(100_000));
    server.odd = { mlst: true, drop };
    await expect(bytesOf(space, 'in/a')).rejects.toMatchObject({ name: 'NotConnected', code: 'E400' });
    await expect(orders(space, 'fail').send(delivery(1n), signal)).rejects.toMatchObject({ name: 'NotConnected', code: 'E400' });
    expect(server.files.has('/out/ORD_1.json')).toBe(false);
    server.odd = { mlst: true };
    await orders(space, 'fail').send(delivery(1n), signal);
    expect(server.files.get('/out/ORD_1.json')?.toString()).toBe('{"total":1}\n');
    expect([...server.files.keys()].filter((name) => name.includes('.part'))).toEqual([]);
  });

  test('F16 a download that ends early and is called complete is no complete file', async () => {
    const { server, space } = await opened({ mlst: true });
    server.files.set('/in/a', Buffer.alloc(100_000));
    server.odd = { mlst: true, drop: 'data', claimsSuccess: true };
    await expect(bytesOf(space, 'in/a')).rejects.toMatchObject({ name: 'TryAgain', code: 'E456' });
  });

  test('F22 421 at the door is NotConnected with the words of the server; with one connection inside, the others wait for it', async () => {
    const { server, space } = await opened({ connections: 0 });
    await expect(space.open(signal)).rejects.toMatchObject({ name: 'NotConnected', message: expect.stringContaining('too many connections') });
    while (server.connections > 0) await new Promise((done) => setImmediate(done));
    server.odd = { connections: 1 };
    server.files.set('/in/a', Buffer.alloc(10));
    await space.open(signal);
    const all = await Promise.all([space.list('in', signal), space.list('in', signal), bytesOf(space, 'in/a'), space.write('out/x', Buffer.from('x'), signal)]);
    expect(all[0]).toHaveLength(1);
    expect(server.files.get('/out/x')?.toString()).toBe('x');
  });

  test('F22 F25 one connection for all: a reader gives way to a writer, and reads on where it was', async () => {
    const { server, space } = await opened({}, { connections: 1 });
    const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => `${index}\n`).join(''));
    server.files.set('/in/a', content);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await space.read('in/a', signal)) ?? []) {
      // The reader is busy with its first bytes until the writer has had its turn.
      if (chunks.length === 0) await space.write('out/x', Buffer.from('x'), signal);
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
    expect(server.peak).toBeLessThanOrEqual(2); // the closed one and the one after it
    expect(server.commands.some((line) => line.startsWith('REST '))).toBe(true);
  });

  test('F24 a connection the server has ended while it was at rest is not used again; one at rest is kept alive', async () => {
    const { server, space } = await opened({}, { keepalive: '1s' });
    await space.open(signal);
    server.cut();
    while (server.connections > 0) await new Promise((done) => setImmediate(done));
    await new Promise((done) => setTimeout(done, 50));
    await orders(space, 'fail').send(delivery(1n), signal);
    expect(server.files.get('/out/ORD_1.json')?.toString()).toBe('{"total":1}\n');
    const asked = (): number => server.commands.filter((line) => line === 'NOOP').length;
    const before = asked();
    while (asked() === before) await new Promise((done) => setTimeout(done, 50));
  });

  test('F25 after errors of every kind no connection is left over', async () => {
    const { server, space } = await opened({ mlst: true });
    server.files.set('/in/a', Buffer.alloc(100_000));
    const failing = [
      () => space.list('nowhere', signal),
      () => space.rename('in/a', 'nowhere/a', 'new', signal),
      () => bytesOf(space, 'in/a'),
      () => space.write('nowhere/x', Buffer.alloc(10), signal),
      () => orders(space, 'fail').send(delivery(2n), signal),
    ];
    for (const odd of [{}, { lie: 5 }, { drop: 'data' }, { drop: 'control' }] as const) {
      for (const work of failing) {
        server.odd = { mlst: true, ...odd };
        await work().catch((error: unknown) => expect(failureOf(error)).toBeDefined());
      }
    }
    // A reader that stops in the middle.
    server.odd = { mlst: true };
    for await (const chunk of (await space.read('in/a', signal)) ?? []) if (chunk.length > 0) break;
    expect(await space.list('in', signal)).toHaveLength(1);
    while (server.connections > 2) await new Promise((done) => setImmediate(done));
    expect(server.peak).toBeLessThanOrEqual(4);
  });

  test('F19 a listing without end is given up, with its memory', async () => {
    const { server, space } = await opened({ mlst: true }, { timeout: '10s' });
    for (let number = 0; number < 1_000; number++) server.files.set(`/in/${'x'.repeat(150)}${number}`, Buffer.alloc(0));
    server.odd = { mlst: true, endless: true };
    await expect(space.list('in', signal)).rejects.toMatchObject({ name: 'TryAgain', code: 'E459' });
  }, 20_000);
});

describe('servers that answer oddly', () => {
  test.each([
    ['MLSD', { mlst: true }],
    ['LIST', {}],
    ['LIST of DOS', { listing: 'dos' }],
    ['LIST without -a', { noDashA: true }],
    ['neither SIZE nor MLST', { without: ['SIZE'] }],
    ['MLSD announced and not there', { mlst: true, without: ['MLSD', 'MLST'] }],
    ['names in Latin-1', { latin1: true }],
  ] as const)('F4 a server with %s: reads, archives and writes, names with spaces and accents too', async (_, odd) => {
    const { server, space } = await opened(odd, 'latin1' in odd ? { names: 'latin1' } : {});
    server.files.set('/in/Größe 1.csv', Buffer.from('n\n1\n'));
    server.files.set('/in/total 2.csv', Buffer.from('n\n2\n'));
    const runner = new Runner({ pattern: '*.csv' }, space);
    expect(values(await runner.poll())).toEqual([{ n: '1' }, { n: '2' }]);
    expect(server.files.get('/in/done/Größe 1.csv')?.toString()).toBe('n\n1\n');
    await orders(space, 'replace').send(delivery(1n), signal);
    await orders(space, 'replace').send(delivery(2n), signal);
    expect(server.files.get('/out/ORD_1.json')?.toString()).toBe('{"total":2}\n');
    expect([...server.files.keys()].filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('a listing in no known form is Misconfigured, not "no files"', async () => {
    const { server, space } = await opened({ listing: 'none' });
    expect(await space.list('in', signal)).toEqual([]);
    server.files.set('/in/a', Buffer.alloc(1));
    await expect(space.list('in', signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E458' });
  });

  test.each(['replaces', 'denies'] as const)('F11 F12 a server whose RNTO over a file %s: claims take nothing away, replacing removes nothing first', async (renameOver) => {
    const { server, space } = await opened({ renameOver });
    server.files.set('/in/a', Buffer.from('a')).set('/in/b', Buffer.from('b'));
    expect(await space.rename('in/a', 'in/b', 'new', signal)).toBe('exists');
    expect(await space.rename('in/gone', 'in/c', 'new', signal)).toBe('missing');
    expect([server.files.get('/in/a')?.toString(), server.files.get('/in/b')?.toString()]).toEqual(['a', 'b']);
    expect(await space.rename('in/a', 'in/b', 'replace', signal)).toBe('renamed');
    expect(server.files.get('/in/b')?.toString()).toBe('a');
    expect(server.commands.filter((line) => line === 'DELE /in/b')).toEqual([]);
    expect([...server.files.keys()].sort()).toEqual(['/in/.', '/in/b', '/out/.']);
  });

  test('F12 F24 a size that is not what was sent: the old file stays', async () => {
    const { server, space } = await opened({});
    server.files.set('/out/ORD_1.json', Buffer.from('old'));
    for (const lie of [-3, 4]) {
      server.odd = { lie };
      await expect(orders(space, 'replace').send(delivery(1n), signal)).rejects.toMatchObject({ name: 'TryAgain', code: 'E447' });
      expect(server.files.get('/out/ORD_1.json')?.toString()).toBe('old');
    }
  });

  test('transfers go to the server itself, whatever address its answer to PASV names', async () => {
    const { server, space } = await opened({ passive: '192.0.2.1' });
    server.files.set('/in/a', Buffer.from('a'));
    expect((await bytesOf(space, 'in/a')).toString()).toBe('a');
  });

  test('F34 names that would leave the folder, and lines that are no entries, are not read', async () => {
    const lines = [
      'type=file;size=4;modify=1; ../../etc/x.csv',
      'type=file;size=4; a\\b.csv',
      'type=file;size=4; a\u202Efdp.csv',
      'type=OS.unix=slink:/etc/passwd; link.csv',
      'x.csv',
      'type=file;size=4; ',
    ];
    const { server, space } = await opened({ mlst: true, lines });
    server.files.set('/in/good.csv', Buffer.from('n\n1\n'));
    const runner = new Runner({ pattern: '*.csv' }, space);
    expect(values(await runner.poll())).toEqual([{ n: '1' }]);
    expect(runner.log.lines.filter((line) => line.event === 'file.skipped').map((line) => line.message.split(' is not read: ')[1])).toEqual([
      'the name is no name',
      'the name has a path separator',
      'the name has a control character',
      'it is a symbolic link',
    ]);
    expect((await space.list('in', signal)).filter((entry) => entry.name.includes('\ufffd'))).toHaveLength(2);
    expect(server.commands.filter((line) => /\.\.\/|passwd/.test(line))).toEqual([]);
  });

  test('without TLS at the server there is no login, and the error says what it would take', async () => {
    const { server, space } = await opened({}, { tls: 'explicit' });
    await expect(space.open(signal)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E458' });
    const implicit = await opened({}, { tls: 'implicit' });
    await expect(implicit.space.open(signal)).rejects.toMatchObject({ code: expect.stringMatching(/E458|E445|E400/) });
    expect([...server.commands, ...implicit.server.commands].filter((line) => /^(USER|PASS)/.test(line))).toEqual([]);
  });
});
