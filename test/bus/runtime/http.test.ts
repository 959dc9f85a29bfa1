import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { HttpReply, HttpRequest, HttpRoute } from '../../../adapters/contract/index.js';
import { absentHttpHost, createHttpHost, type RunningHttpHost } from '../../../bus/runtime/http.js';
import { type RecordingLog, recordingLog } from '../../kit/fakes.js';

let host: RunningHttpHost;
let log: RecordingLog;
let base: string;
let seen: HttpRequest[];

function route(path: string, handle?: HttpRoute['handle'], maxBodyBytes = 1024): HttpRoute {
  return {
    method: 'POST',
    path,
    maxBodyBytes,
    handle:
      handle ??
      (async (request): Promise<HttpReply> => {
        seen.push(request);
        return { status: 202, body: '{"id":"1"}' };
      }),
  };
}

async function post(path: string, body: string | Uint8Array<ArrayBuffer>, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${base}${path}`, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

beforeEach(async () => {
  seen = [];
  log = recordingLog();
  host = createHttpHost({ host: '127.0.0.1', port: 0, log });
  base = `http://127.0.0.1:${(await host.start()).port}`;
});
afterEach(() => host.stop(0));

describe('the HTTP listener', () => {
  test('gives the handler raw bytes, all headers and the query, and its answer to the caller', async () => {
    await host.serve(route('/hooks/orders'));
    const bytes = new Uint8Array([0xff, 0xfe, 0x00, 0x7b]);
    const { status, text, headers } = await post('/hooks/orders?a=1&a=2&__proto__=x', bytes, { 'X-Custom': 'ü'.normalize(), 'content-type': 'application/x-odd' });
    expect([status, text, headers.get('content-type'), headers.get('cache-control')]).toEqual([202, '{"id":"1"}', 'application/json; charset=utf-8', 'no-store']);
    expect(Buffer.from(seen[0]?.body ?? []).equals(bytes)).toBe(true);
    expect([seen[0]?.path, seen[0]?.query['a'], seen[0]?.headers['content-type'], seen[0]?.remoteAddress]).toEqual(['/hooks/orders', '1', 'application/x-odd', '127.0.0.1']);
    expect(Object.keys(seen[0]?.query ?? {})).toEqual(['a', '__proto__']);
  });

  test('routes come and go while it runs; a path given up a moment ago says to come again', async () => {
    expect((await post('/later', '{}')).status).toBe(404);
    const served = await host.serve(route('/later'));
    expect((await post('/later', '{}')).status).toBe(202);
    expect((await fetch(`${base}/later`)).status).toBe(405);
    await served.close();
    const gone = await post('/later', '{}');
    expect([gone.status, gone.headers.get('retry-after')]).toEqual([503, '5']);
    await host.serve(route('/later'));
    expect((await post('/later', '{}')).status).toBe(202);
  });

  test('a path is served once, and is plain', async () => {
    await host.serve(route('/one'));
    await expect(host.serve(route('/one'))).rejects.toMatchObject({ name: 'Misconfigured', code: 'E468' });
    for (const path of ['one', '/', '//a', '/a/../b', '/a/.', '/a b', '/a;b', '/%41', '/a?b', '/a/']) {
      await expect(host.serve(route(path))).rejects.toMatchObject({ code: 'E468' });
    }
  });

  test('each route has its own limit for bodies, announced or not', async () => {
    await host.serve(route('/small', undefined, 10));
    await host.serve(route('/large', undefined, 8 * 1024 * 1024));
    expect((await post('/small', 'x'.repeat(10))).status).toBe(202);
    expect((await post('/small', 'x'.repeat(11))).status).toBe(413);
    const chunked = ReadableStream.from([Buffer.alloc(6), Buffer.alloc(6)]);
    const answer = await fetch(`${base}/small`, { method: 'POST', body: chunked, duplex: 'half' } as RequestInit);
    expect(answer.status).toBe(413);
    expect((await post('/large', 'x'.repeat(7 * 1024 * 1024))).status).toBe(202);
  });

  test('a handler that throws is a 500 without detail, and logged', async () => {
    await host.serve(route('/bug', () => Promise.reject(new Error('password hunter2'))));
    const { status, text } = await post('/bug', '{}');
    expect([status, text]).toEqual([500, '{"error":"internal error"}']);
    expect(log.lines.map((line) => line.event)).toEqual(['http.handler-failed']);
  });

  test('pages for machines are read with GET and HEAD', async () => {
    host.get('/livez', async () => ({ status: 200, body: 'ok', headers: { 'content-type': 'text/plain' } }));
    const page = await fetch(`${base}/livez`);
    expect([page.status, await page.text(), page.headers.get('content-type')]).toEqual([200, 'ok', 'text/plain']);
    expect((await fetch(`${base}/livez`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${base}/livez`, { method: 'DELETE' })).status).toBe(404);
  });

  test('stop answers what is under way, refuses what is new with 503, and ends', async () => {
    let release = () => {};
    const arrived = new Promise<void>((done) => {
      void host.serve(
        route('/slow', async () => {
          done();
          await new Promise<void>((go) => {
            release = go;
          });
          return { status: 202, body: '{"id":"slow"}' };
        }),
      );
    });
    const slow = post('/slow', '{}');
    await arrived;
    const stopped = host.stop(10_000);
    const refused = await post('/slow', '{}');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    release();
    expect(await slow).toMatchObject({ status: 202, text: '{"id":"slow"}' });
    await stopped;
    await expect(post('/slow', '{}')).rejects.toThrow();
  });

  test('stop is bounded: what does not end is aborted', async () => {
    const reasons: unknown[] = [];
    let arrive = () => {};
    const arrived = new Promise<void>((done) => {
      arrive = done;
    });
    await host.serve(
      route(
        '/stuck',
        (_, signal) =>
          new Promise((_done, fail) => {
            arrive();
            signal.addEventListener('abort', () => {
              reasons.push(signal.reason);
              fail(signal.reason as Error);
            });
          }),
      ),
    );
    const stuck = post('/stuck', '{}').catch((error: unknown) => error);
    await arrived;
    await host.stop(50);
    expect(reasons).toHaveLength(1);
    await stuck;
  });

  test('a port that is taken is Misconfigured', async () => {
    const other = createHttpHost({ host: '127.0.0.1', port: Number(new URL(base).port), log });
    await expect(other.start()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E469' });
  });

  test('without a listener an endpoint is told so', async () => {
    await expect(absentHttpHost.serve(route('/a'))).rejects.toMatchObject({ name: 'Misconfigured', code: 'E467' });
  });

  test('speaks TLS with certificate files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'signalbox-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost'],
      {
        stdio: 'ignore',
      },
    );
    const secure = createHttpHost({ host: '127.0.0.1', port: 0, tls: { cert, key }, log });
    try {
      const { port } = await secure.start();
      await secure.serve(route('/hooks/orders'));
      const status = await new Promise((done, fail) => {
        httpsRequest({ port, host: '127.0.0.1', path: '/hooks/orders', method: 'POST', rejectUnauthorized: false, agent: false }, (response) => done(response.resume().statusCode))
          .on('error', fail)
          .end('{}');
      });
      expect(status).toBe(202);
    } finally {
      await secure.stop(0);
      rmSync(folder, { recursive: true });
    }
  });
});
