import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type AdminServer, createAdminServer } from '../../console/server/server.js';
import { type FakeService, fakeService } from './fake-service.js';
import { type Line, silentLog } from './silent-log.js';

let directory: string;
let socketPath: string;
let service: FakeService;
let lines: Line[];
let server: AdminServer;
const opened: { close(): unknown }[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-admin-'));
  socketPath = join(directory, 'state', 'signalbox.sock');
  service = fakeService();
  lines = [];
  server = createAdminServer(service, { socketPath, log: silentLog(lines) });
});

afterEach(async () => {
  await server.close();
  for (const other of opened.splice(0)) await other.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('the socket', () => {
  test('is made with mode 0600 whatever the umask, in a directory of mode 0700, and is gone after close', async () => {
    const before = process.umask(0);
    try {
      await server.listen();
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(before);
    }
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'state')).mode & 0o777).toBe(0o700);
    await server.close();
    expect(existsSync(socketPath)).toBe(false);
  });

  test('of a crashed process is replaced', async () => {
    leaveStaleSocket(socketPath);
    await server.listen();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('of a running instance is refused and left alone', async () => {
    await server.listen();
    const second = createAdminServer(fakeService(), { socketPath, log: silentLog() });
    opened.push(second);
    await expect(second.listen()).rejects.toMatchObject({ code: 'E551', message: expect.stringContaining(socketPath) });
    await second.close();
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('of a process that accepts but never answers counts as running', async () => {
    const path = join(directory, 'mute.sock');
    const mute = createServer().listen(path);
    opened.push(mute);
    await new Promise((resolve) => mute.once('listening', resolve));
    const second = createAdminServer(service, { socketPath: path, log: silentLog() });
    await expect(second.listen()).rejects.toMatchObject({ code: 'E551' });
    expect(existsSync(path)).toBe(true);
  });

  test('only one of two that find the same stale socket gets it', async () => {
    leaveStaleSocket(socketPath);
    const rivals = [server, createAdminServer(service, { socketPath, log: silentLog() })];
    opened.push(...rivals);
    const results = await Promise.allSettled(rivals.map((rival) => rival.listen()));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: expect.stringMatching(/^E55[15]$/) });
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  test('never replaces a file that is no socket', async () => {
    const path = join(directory, 'data');
    writeFileSync(path, 'precious');
    const other = createAdminServer(service, { socketPath: path, log: silentLog() });
    await expect(other.listen()).rejects.toMatchObject({ code: 'E555' });
    expect(existsSync(path)).toBe(true);
  });

  test('with a path too long for the system is refused with words', async () => {
    const other = createAdminServer(service, { socketPath: join(directory, 'x'.repeat(120)), log: silentLog() });
    await expect(other.listen()).rejects.toMatchObject({ code: 'E555', message: expect.stringContaining('bytes') });
  });
});

describe('calls', () => {
  beforeEach(() => server.listen());

  test('answer JSON', async () => {
    const { status, headers, body } = await ask('GET', '/v1/systems/legacy');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    expect(body).toMatchObject({ name: 'legacy', adapter: 'sql' });
  });

  test.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/status/'],
    ['GET', '/v1/../v1/status'],
    ['HEAD', '/v1/status'],
    ['POST', '/v1/status'],
    ['DELETE', '/v1/systems/legacy'],
    ['GET', '/v1/dead-letters/redeliver/x'],
    ['GET', '/V1/status'],
    ['OPTIONS', '/v1/status'],
  ])('%s %s is not in the table and answered 404', async (method, path) => {
    const { status, body } = await ask(method, path);
    expect(status).toBe(404);
    if (method !== 'HEAD') expect(body).toMatchObject({ code: 'E553', message: expect.any(String), hint: expect.any(String) });
  });

  test.each([
    ['/v1/status?x=1'],
    ['/v1/messages?sate=dead'],
    ['/v1/messages?state=lost'],
    ['/v1/messages?limit=0'],
    ['/v1/messages?limit=100000'],
    ['/v1/messages?limit=1e3'],
    ['/v1/messages?key=a&key=b'],
    ['/v1/messages/find'],
    ['/v1/events?limit=5'],
    ['/v1/events?after=-1'],
  ])('GET %s does not fit and is answered 400', async (path) => {
    expect(await ask('GET', path)).toMatchObject({ status: 400, body: { code: 'E554' } });
  });

  test.each([
    ['no body', '', 'application/json'],
    ['no JSON', '{"who":"anna"', 'application/json'],
    ['a duplicate member', '{"who":"anna","who":"bob"}', 'application/json'],
    ['an unknown member', '{"who":"anna","force":true}', 'application/json'],
    ['nobody', '{"reason":"x"}', 'application/json'],
    ['a list', '[]', 'application/json'],
    ['broken UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'application/json'],
    ['another content type', '{"who":"anna"}', 'text/plain'],
  ])('a body with %s changes nothing', async (_, body, type) => {
    const { status, body: answer } = await ask('POST', '/v1/systems/legacy/pause', body, type);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(answer).toMatchObject({ code: 'E554' });
    expect(service.changes).toEqual([]);
  });

  test('a change carries who and why', async () => {
    const { status } = await ask('POST', '/v1/systems/legacy/pause', '{"who":"anna","reason":"month end"}');
    expect(status).toBe(200);
    expect(service.changes).toEqual([{ what: 'pause', subject: ['legacy'], by: { who: 'anna', reason: 'month end' } }]);
  });

  test('more ids than allowed in one call are refused', async () => {
    const ids = Array.from({ length: 10_001 }, (_, i) => `d-${i}`);
    expect(await ask('POST', '/v1/dead-letters/discard', JSON.stringify({ ids, who: 'anna' }))).toMatchObject({ status: 400, body: { code: 'E554' } });
    expect(service.changes).toEqual([]);
  });

  test('an unknown name is 404 with the code the command line knows', async () => {
    expect(await ask('GET', '/v1/systems/nope')).toMatchObject({ status: 404, body: { code: 'E552', message: 'no system nope' } });
  });

  test('names may hold anything when they are encoded', async () => {
    expect(await ask('GET', `/v1/systems/${encodeURIComponent('../status')}`)).toMatchObject({ status: 404, body: { code: 'E552', message: 'no system ../status' } });
  });

  test('the text of an unexpected error goes to the log only', async () => {
    const answer = await ask('GET', '/v1/routes/broken');
    expect(answer).toMatchObject({ status: 500, body: { code: 'E500' } });
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
    expect(lines).toContainEqual(expect.objectContaining({ level: 'error', event: 'admin-failed' }));
  });

  test('lists of dead letters go without content, whatever the service gives', async () => {
    const { body } = await ask('GET', '/v1/dead-letters?reference=G7A2');
    expect(body).toHaveLength(3);
    expect(JSON.stringify(body)).not.toMatch(/content|headers/);
  });

  test('bytes travel as base64', async () => {
    expect(await ask('GET', '/v1/dead-letters/d-2')).toMatchObject({ status: 200, body: { content: 'AP9B' } });
    expect(await ask('GET', `/v1/payloads/${'ab'.repeat(32)}`)).toMatchObject({ status: 200, body: { content: expect.stringMatching(/^eyJkb2N1/) } });
    expect(await ask('GET', '/v1/payloads/other')).toMatchObject({ body: { code: 'E552' } });
  });
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
}

function ask(method: string, path: string, body?: string | Buffer, type = 'application/json'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** A process that listened and was killed leaves its socket file. */
function leaveStaleSocket(path: string): void {
  const script = `const fs=require('fs');fs.mkdirSync(require('path').dirname(${JSON.stringify(path)}),{recursive:true});
    require('net').createServer().listen(${JSON.stringify(path)},()=>process.kill(process.pid,'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  if (!existsSync(path)) throw new Error('no stale socket was left');
}
