import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHttpHost, type RunningHttpHost } from '../../bus/runtime/http.js';
import { recordingLog } from '../kit/fakes.js';
import { rawHttp } from '../kit/raw-http.js';

let host: RunningHttpHost;
let port: number;
let handled: number;

beforeEach(async () => {
  handled = 0;
  host = createHttpHost({ host: '127.0.0.1', port: 0, log: recordingLog(), limits: { headersMs: 1_000, requestMs: 1_500, connections: 200 } });
  port = (await host.start()).port;
  for (const path of ['/hook', '/admin']) {
    await host.serve({
      method: 'POST',
      path,
      maxBodyBytes: 1024,
      handle: async () => {
        handled++;
        return { status: 202, body: '{}' };
      },
    });
  }
});
afterEach(() => host.stop(0));

describe('041 malformed requests are refused and the connection ends', () => {
  test.each([
    ['bare CR in a header', 'X-A: a\rX-B: b\r\n'],
    ['LF inside a header value', 'X-A: a\n b\r\n'],
    ['an obsolete line fold', 'X-A: a\r\n  folded: b\r\n'],
    ['Transfer-Encoding with Content-Length', 'Transfer-Encoding: chunked\r\nContent-Length: 2\r\n'],
    ['two Content-Length', 'Content-Length: 2\r\nContent-Length: 3\r\n'],
    ['a Content-Length that is no number', 'Content-Length: 0x2\r\n'],
    ['a space before the colon', 'Content-Length : 2\r\n'],
    ['a NUL in a header', 'X-A: a\u0000b\r\n'],
    ['headers larger than 16 KiB', `X-A: ${'a'.repeat(20_000)}\r\n`],
  ])('%s', async (_, header) => {
    const { status, text } = await rawHttp(port, `POST /hook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${header}\r\n{}`);
    expect(text.startsWith('HTTP/1.1 4') || status === 0).toBe(true);
    expect(handled).toBe(0);
  });
});

describe('042 slow callers', () => {
  test('headers and bodies that do not come end by timeouts, while others are answered', async () => {
    const head = rawHttp(port, 'POST /hook HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const body = rawHttp(port, 'POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc');
    const good = await fetch(`http://127.0.0.1:${port}/hook`, { method: 'POST', body: '{}' });
    expect(good.status).toBe(202);
    for (const { status } of await Promise.all([head, body])) expect([0, 400, 408]).toContain(status);
    expect(handled).toBe(1);
  });

  test('more connections than allowed are closed, those that are there are answered', async () => {
    const idle: Socket[] = [];
    let closed = 0;
    for (let i = 0; i < 260; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined).on('close', () => closed++);
      idle.push(socket);
    }
    while (closed < 60) await new Promise((done) => setTimeout(done, 20));
    for (const socket of idle) socket.destroy();
    for (;;) {
      const status = await fetch(`http://127.0.0.1:${port}/hook`, { method: 'POST', body: '{}' }).then(
        (response) => response.status,
        () => 0, // the destroyed connections may still be counted
      );
      if (status === 202) break;
    }
    expect(handled).toBe(1);
  });
});

describe('043 there is one spelling of a path', () => {
  test.each([
    '/hook/../admin',
    '/%61dmin',
    '/%2e%2e/admin',
    '/hook/%2e%2e/admin',
    '/hook;.jar',
    '//hook',
    '/hook//',
    '/hook/',
    '/HOOK',
    '/hook%00',
    '/./hook',
    '/hook/.',
    '\\hook',
    '/hook%2f',
    '*',
  ])('%s is not found', async (path) => {
    const { status } = await rawHttp(port, `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`);
    expect([400, 404]).toContain(status);
    expect(handled).toBe(0);
  });

  test('an absolute address is no other spelling', async () => {
    const { status } = await rawHttp(port, `POST http://other/hook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`);
    expect(status).toBe(404);
    expect(handled).toBe(0);
  });
});
