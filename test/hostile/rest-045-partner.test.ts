import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Delivery, failureOf, type Receipt, Secret, type ValueRecord } from '../../adapters/contract/index.js';
import { retryAfter } from '../../adapters/rest/answers.js';
import { RestCallable } from '../../adapters/rest/callable.js';
import { RestClient } from '../../adapters/rest/client.js';
import { callSchema, connectSchema, writeSchema } from '../../adapters/rest/config.js';
import { RestOutbound } from '../../adapters/rest/outbound.js';
import { type AnyFailure } from '../../bus/errors.js';
import { Partner } from '../adapters/rest/partner.js';
import { deliveryOf, sample } from '../kit/adapter/index.js';
import { heldClock } from '../kit/fakes.js';

const TOKEN = 'partner-token-1234567890';
const signal = new AbortController().signal;
const partner = new Partner(TOKEN);
const open: RestOutbound[] = [];

beforeAll(() => partner.start());
afterAll(() => partner.stop());
beforeEach(() => partner.clear());
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function outbound(write: Readonly<Record<string, unknown>> = {}, connect: Readonly<Record<string, unknown>> = {}): Promise<RestOutbound> {
  const client = new RestClient(connectSchema.parse({ base: partner.base, bearer: new Secret('crm', TOKEN), timeout: '1s', max_answer: '64KiB', ...connect }));
  const made = new RestOutbound(client, writeSchema.parse({ path: '/shipments', ...write }), heldClock('2026-03-01T08:00:00.000Z'));
  open.push(made);
  await made.open(signal);
  return made;
}

function delivery(payload: ValueRecord = { a: 1n }, more: Partial<Delivery> = {}): Delivery {
  return { ...deliveryOf(sample(1), payload), ...more };
}

/** What came of one send: the receipt, or the failure. */
async function outcome(made: RestOutbound, one: Delivery = delivery()): Promise<Receipt | AnyFailure> {
  try {
    return await made.send(one, signal);
  } catch (error) {
    const failure = failureOf(error);
    if (!failure) throw error;
    return failure;
  }
}

const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}, body: string | Uint8Array = '') =>
  (_: unknown, response: ServerResponse) =>
    void response.writeHead(status, headers).end(body);
const JSON_TYPE = { 'content-type': 'application/json' };

describe('045 answers of a partner', () => {
  test.each([
    ['200 with HTML', answering(200, { 'content-type': 'text/html' }, '<h1>Log in</h1>'), 'TryAgain', 'E475'],
    ['201 with broken JSON', answering(201, JSON_TYPE, '{"id":'), 'TryAgain', 'E475'],
    ['a redirect to the metadata service', answering(302, { location: 'http://169.254.169.254/latest' }), 'Misconfigured', 'E471'],
    ['307', answering(307, { location: '/api/other' }), 'Misconfigured', 'E471'],
    ['a compressed bomb', answering(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(10 * 1024 * 1024))), 'TryAgain', 'E475'],
    ['a header of 1 MB', answering(200, { 'x-large': 'x'.repeat(1_000_000) }), 'TryAgain', 'E475'],
    ['an answer over the limit', answering(200, JSON_TYPE, `"${'x'.repeat(100_000)}"`), 'TryAgain', 'E475'],
    ['bad request', answering(400, JSON_TYPE, '{"error":"qty"}'), 'InvalidMessage', 'E473'],
    ['not found', answering(404), 'InvalidMessage', 'E473'],
    ['conflict', answering(409), 'TryAgain', 'E474'],
    ['key used for another request', answering(422), 'InvalidMessage', 'E473'],
    ['unauthorized', answering(401), 'Misconfigured', 'E470'],
    ['forbidden', answering(403), 'Misconfigured', 'E470'],
    ['too many', answering(429), 'TryAgain', 'E472'],
    ['unavailable', answering(503), 'TryAgain', 'E472'],
    ['partial content', answering(206), 'InvalidMessage', 'E473'],
  ])('%s', async (_, behave, name, code) => {
    partner.behave = behave;
    expect(await outcome(await outbound())).toMatchObject({ name, code });
    expect(partner.seen).toHaveLength(1);
  });

  test('an answer that never ends, and none at all, are cut by the timeout', async () => {
    partner.behave = (_, response) => {
      const timer = setInterval(() => response.write(' '), 50);
      response.writeHead(200, JSON_TYPE).on('close', () => clearInterval(timer));
    };
    expect(await outcome(await outbound())).toMatchObject({ name: 'TryAgain', code: 'E476' });
    partner.behave = () => undefined;
    expect(await outcome(await outbound())).toMatchObject({ name: 'TryAgain', code: 'E476' });
  });

  test('a connection that breaks off before the answer is NotConnected', async () => {
    partner.behave = (_, response) => void response.destroy();
    expect(await outcome(await outbound())).toMatchObject({ name: 'NotConnected', code: 'E400' });
  });

  test('204, an empty 202, an id, and 409 where it means done are success', async () => {
    partner.behave = answering(204);
    expect(await outcome(await outbound())).toEqual({ detail: '204' });
    partner.behave = answering(202);
    expect(await outcome(await outbound())).toEqual({ detail: '202' });
    partner.behave = answering(201, JSON_TYPE, '{"id":9007199254740993}');
    expect(await outcome(await outbound())).toEqual({ detail: '201 9007199254740993' });
    partner.behave = answering(409, { 'content-type': 'text/plain' }, 'exists');
    expect(await outcome(await outbound({ success: [201, 409] }))).toEqual({ detail: '409', duplicate: true });
    partner.behave = answering(200, { 'content-type': 'text/plain' }, 'OK');
    expect(await outcome(await outbound({ expect: 'any' }))).toEqual({ detail: '200' });
  });

  test('what a partner says is shown short, without control characters and without our token', async () => {
    partner.behave = answering(400, { 'content-type': 'text/plain' }, `no: Bearer ${TOKEN} \u001b[31mred\u001b[0m\u202e\r\n${'x'.repeat(1000)}`);
    const { message } = (await outcome(await outbound())) as AnyFailure;
    expect(message).not.toContain(TOKEN);
    expect(message).toContain('no: *** \\u{1b}[31mred\\u{1b}[0m\\u{202e} xxx');
    expect(message.length).toBeLessThan(280);
    expect(message).not.toMatch(/\p{C}/u);
  });

  test('a call has the same bounds', async () => {
    const callable = new RestCallable(new RestClient(connectSchema.parse({ base: partner.base, timeout: '1s' })), callSchema.parse({ path: '/c/{id}' }), heldClock());
    await callable.open(signal);
    try {
      partner.behave = answering(302, { location: 'http://169.254.169.254/' });
      await expect(callable.call({ id: '1' }, signal)).rejects.toMatchObject({ code: 'E471' });
      partner.behave = answering(200, { 'content-type': 'text/html' }, '<html>');
      await expect(callable.call({ id: '1' }, signal)).rejects.toMatchObject({ code: 'E475' });
      await expect(callable.call({ id: '..' }, signal)).rejects.toMatchObject({ code: 'E361' });
      await expect(callable.call({}, signal)).rejects.toMatchObject({ code: 'E320' });
      await expect(callable.call({ id: [] }, signal)).rejects.toMatchObject({ code: 'E362' });
      partner.behave = answering(200, JSON_TYPE, '{"n":0.10}');
      await callable.call({ id: 'a/b?c', q: 'x&y=z#', none: null }, signal);
      expect(partner.seen.at(-1)?.url).toBe('/api/c/a%2Fb%3Fc?q=x%26y%3Dz%23');
    } finally {
      await callable.close();
    }
  });
});

describe('046 certificates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-tls-'));
  const servers: Server[] = [];
  afterAll(async () => {
    for (const server of servers) await new Promise((done) => server.close(done).closeAllConnections());
    rmSync(folder, { recursive: true });
  });

  async function secured(name: string, san: string, days = '2'): Promise<{ readonly base: string; readonly cert: string; readonly requests: () => number }> {
    const [key, request, cert] = ['key', 'csr', 'crt'].map((ending) => join(folder, `${name}.${ending}`)) as [string, string, string];
    const openssl = (...parameters: readonly string[]) => execFileSync('openssl', parameters, { stdio: 'ignore' });
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      request,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=${san}`,
    );
    openssl('x509', '-req', '-in', request, '-signkey', key, '-days', days, '-copy_extensions', 'copy', '-out', cert);
    let requests = 0;
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
      requests++;
      response.writeHead(204).end();
    });
    servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return { base: `https://localhost:${(server.address() as AddressInfo).port}`, cert, requests: () => requests };
  }

  test('an unknown authority, another host and an expired certificate get no request', async () => {
    const unknown = await secured('unknown', 'DNS:localhost');
    expect(await outcome(await outbound({}, { base: unknown.base }))).toMatchObject({ name: 'Misconfigured', code: 'E477' });
    const other = await secured('other', 'DNS:example.org');
    expect(await outcome(await outbound({}, { base: other.base, ca: other.cert }))).toMatchObject({
      name: 'Misconfigured',
      code: 'E477',
      message: expect.stringContaining('ALTNAME'),
    });
    const expired = await secured('expired', 'DNS:localhost', '-1');
    expect(await outcome(await outbound({}, { base: expired.base, ca: expired.cert }))).toMatchObject({
      name: 'Misconfigured',
      code: 'E477',
      message: expect.stringContaining('EXPIRED'),
    });
    expect([unknown.requests(), other.requests(), expired.requests()]).toEqual([0, 0, 0]);
  });

  test('a certificate of the named authority is taken', async () => {
    const good = await secured('good', 'DNS:localhost');
    expect(await outcome(await outbound({}, { base: good.base, ca: readFileSync(good.cert, 'utf8') }))).toEqual({ detail: '204' });
  });

  test('an authority that cannot be read, and a host with a NUL, are configuration errors', async () => {
    await expect(outbound({}, { ca: join(folder, 'absent.pem') })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E477' });
    for (const base of ['https://a\u0000.example.org', 'https://user:pw@example.org', 'ftp://example.org', 'https://example.org/?a=b']) {
      expect(connectSchema.safeParse({ base }).success).toBe(false);
    }
  });
});

describe('047 values cannot change the request around them', () => {
  test.each([
    ['../admin', '/api/s/..%2Fadmin'],
    ['a?b=c#d', '/api/s/a%3Fb%3Dc%23d'],
    ['x\r\nX-Evil: y', '/api/s/x%0D%0AX-Evil%3A%20y'],
    ['@evil.example', '/api/s/%40evil.example'],
    ['//evil.example', '/api/s/%2F%2Fevil.example'],
    ['%2e%2e', '/api/s/%252e%252e'],
    ['東', '/api/s/%E6%9D%B1'],
  ])('%p stays in its segment', async (key, url) => {
    await outcome(await outbound({ path: '/s/{key}', method: 'PUT' }), delivery({}, { key }));
    expect(partner.seen.map((seen) => seen.url)).toEqual([url]);
    expect(partner.seen[0]?.headers).not.toHaveProperty('x-evil');
  });

  test.each(['.', '..', '\ud800', ''])('%p is refused', async (key) => {
    expect(await outcome(await outbound({ path: '/s/{key}' }), delivery({}, { key }))).toMatchObject({ name: 'InvalidMessage' });
    expect(partner.seen).toEqual([]);
  });

  test('an idempotency key or trace context with a line break is not sent', async () => {
    expect(await outcome(await outbound(), delivery({}, { idempotencyKey: 'a\r\nX-Evil: y' }))).toMatchObject({ name: 'InvalidMessage', code: 'E361' });
    expect(await outcome(await outbound(), delivery({}, { traceparent: 'a\r\nX-Evil: y' }))).toMatchObject({ detail: '201 SHP-1' });
    expect(partner.seen[0]?.headers).not.toHaveProperty('traceparent');
  });

  test('headers that belong to the protocol cannot be configured, nor values with line breaks', () => {
    const parses = (headers: unknown) => writeSchema.safeParse({ path: '/s', headers }).success;
    for (const name of ['Host', 'content-length', 'Transfer-Encoding', 'Authorization', 'Connection', 'idempotency-key', 'a b', 'a:b'])
      expect([name, parses({ [name]: 'x' })]).toEqual([name, false]);
    expect(parses({ 'x-tenant': 'a\r\nb' })).toBe(false);
    expect(parses({ 'x-tenant': 'main' })).toBe(true);
    for (const path of ['s', '/s/{nothing}', '/s/{key', '/s#x', '/a b', '/s\r\n']) expect([path, writeSchema.safeParse({ path }).success]).toEqual([path, false]);
  });

  test('a token with a line break is a configuration error that does not show it', async () => {
    const error = await outbound({}, { bearer: new Secret('crm', 'abc\r\nX-Evil: y') }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'Misconfigured', code: 'E478' });
    expect(String(error)).not.toContain('Evil');
  });

  test('what is sent: exact JSON, the key, the trace context, the static headers', async () => {
    const { traceparent, id } = delivery();
    await outcome(await outbound({ headers: { 'x-tenant': 'main' } }), delivery({ n: 9007199254740993n }));
    expect(partner.seen[0]).toMatchObject({
      method: 'POST',
      url: '/api/shipments',
      body: '{"n":9007199254740993}',
      headers: { 'content-type': 'application/json', 'idempotency-key': id, traceparent, 'x-tenant': 'main', 'accept-encoding': 'identity', authorization: `Bearer ${TOKEN}` },
    });
  });
});

describe('048 Retry-After', () => {
  const now = new Date('2026-03-01T08:00:00Z');
  test.each([
    ['999999999', 21_600_000],
    ['30', 30_000],
    ['0', 1_000],
    ['Sun, 01 Mar 2026 08:01:00 GMT', 60_000],
    ['Sun, 01 Mar 2020 08:01:00 GMT', 1_000],
    ['Sun, 01 Mar 2126 08:01:00 GMT', 21_600_000],
    ['soon', undefined],
    ['-5', undefined],
    ['1e3', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%p', (text, expected) => {
    expect(retryAfter(text, now)).toBe(expected);
  });

  test('is given to the runtime', async () => {
    partner.behave = answering(429, { 'retry-after': '7' });
    expect(await outcome(await outbound())).toMatchObject({ name: 'TryAgain', afterMs: 7_000 });
  });
});
