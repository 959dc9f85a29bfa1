import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { NotConnected, TryAgain, writeJson } from '../../adapters/contract/index.js';
import { type Hook, openHook, TOKEN } from '../adapters/rest/webhook.js';
import { rawHttp } from '../kit/raw-http.js';

let hook: Hook;

afterEach(() => hook?.close());

describe('033 what is no JSON is refused with its offset', () => {
  test.each([
    ['duplicate members', '{"a":1,"a":2}', 7],
    ['a trailing comma', '{"a":1,}', 7],
    ['NaN', '{"a":NaN}', 5],
    ['a byte order mark', '\uFEFF{}', 0],
    ['a lone surrogate', '{"a":"\\ud800"}', 5],
    ['an empty body', '', 0],
    ['two values', '{} {}', 3],
    ['single quotes', "{'a':1}", 1],
    ['a raw line break in text', '{"a":"\n"}', 6],
  ])('%s', async (_, body, offset) => {
    hook = await openHook();
    const { status, text } = await hook.post(body);
    expect([status, JSON.parse(text)]).toEqual([400, { error: 'the body is no JSON', offset }]);
    expect(hook.records).toEqual([]);
  });

  test('names of the prototype are plain data', async () => {
    hook = await openHook();
    const body = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}';
    expect((await hook.post(body)).status).toBe(202);
    expect(writeJson(hook.records[0]?.value ?? null)).toBe(body);
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });
});

describe('034 bombs', () => {
  test.each([
    ['100,000 deep', '['.repeat(100_000), 400],
    ['2 MB of text', `{"a":"${'x'.repeat(2_000_000)}"}`, 413],
    ['a million members', `{${Array.from({ length: 90_000 }, (_, i) => `"${i}":0`).join()},"x":[${'0,'.repeat(120_000)}0]}`, 413],
    ['more values than allowed', `[${'0,'.repeat(250_000)}0]`, 400],
  ])('%s', async (_, body, expected) => {
    hook = await openHook();
    expect((await hook.post(body)).status).toBe(expected);
    expect((await hook.post('{"next":"good"}')).status).toBe(202);
    expect(hook.records).toHaveLength(1);
  });
});

describe('035 numbers keep their digits', () => {
  test.each(['12345678901234567890', '0.1000000000000000055', '-0.10', '9007199254740993'])('%s', async (number) => {
    hook = await openHook();
    expect((await hook.post(`{"n":${number}}`)).status).toBe(202);
    expect(writeJson(hook.records[0]?.value ?? null)).toBe(`{"n":${number}}`);
  });

  test('1E400 is exact as well, an absurd exponent is refused', async () => {
    hook = await openHook();
    expect((await hook.post('{"n":1E400}')).status).toBe(202);
    expect(writeJson(hook.records[0]?.value ?? null)).toBe(`{"n":1${'0'.repeat(400)}}`);
    expect((await hook.post('{"n":1E999999999}')).status).toBe(400);
  });
});

describe('036 fields that other servers take as files', () => {
  test('are data', async () => {
    hook = await openHook();
    const body = '{"files":{"x":{"filepath":"/etc/passwd"}}}';
    expect((await hook.post(body)).status).toBe(202);
    expect(writeJson(hook.records[0]?.value ?? null)).toBe(body);
  });
});

describe('037 content types that are not quite JSON', () => {
  test.each([
    'application/json\ta',
    'application/json garbage',
    'application/json; charset=utf-7',
    'application/json; charset=utf-8; x=y',
    'text/plain',
    'application/jsonp',
    'application/json, text/plain',
    '',
  ])('%p', async (type) => {
    hook = await openHook();
    const header = type === '' ? '' : `Content-Type: ${type}\r\n`;
    const { status } = await rawHttp(
      hook.port,
      `POST /hooks/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${TOKEN}\r\n${header}Content-Length: 2\r\n\r\n{}`,
    );
    expect(status).toBe(415);
    expect(hook.records).toEqual([]);
  });

  test('a second content type does not replace the first', async () => {
    hook = await openHook();
    const two = `Content-Type: application/json\r\nContent-Type: text/plain\r\n`;
    const { status } = await rawHttp(
      hook.port,
      `POST /hooks/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${TOKEN}\r\n${two}Content-Length: 2\r\n\r\n{}`,
    );
    expect(status).toBe(415);
  });

  test('JSON types with the right charset pass', async () => {
    hook = await openHook();
    for (const type of ['application/json', 'Application/JSON; charset=UTF-8', 'application/problem+json;charset="utf-8"']) {
      expect((await hook.post('{}', { 'content-type': type })).status).toBe(202);
    }
  });
});

describe('038 compressed bodies', () => {
  test.each([
    ['a bomb', gzipSync(Buffer.alloc(50 * 1024 * 1024)), 'gzip'],
    ['gzip twice', gzipSync(gzipSync('{}')), 'gzip, gzip'],
    ['gzip over a plain body', Buffer.from('{}'), 'gzip'],
    ['an unknown coding', Buffer.from('{}'), 'rot13'],
  ])('%s is refused', async (_, body, coding) => {
    hook = await openHook();
    expect((await hook.post(new Uint8Array(body), { 'content-encoding': coding })).status).toBe(415);
    expect(hook.records).toEqual([]);
  });
});

describe('039 multipart', () => {
  test('is not read at all', async () => {
    hook = await openHook();
    const part = '--b\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\nx\r\n';
    expect((await hook.post(part.repeat(10_000), { 'content-type': 'multipart/form-data; boundary=b' })).status).toBe(415);
    expect((await hook.post(part, { 'content-type': `multipart/form-data; boundary=${'b'.repeat(8_000)}` })).status).toBe(415);
  });
});

describe('040 headers that steer other brokers', () => {
  test('are kept as wire headers and nothing else', async () => {
    hook = await openHook();
    const hostile = `CamelExecCommandExecutable: rm\r\nx-broker-route: admin\r\nX-BROKER-Destination: q\r\n__proto__: x\r\nx-signalbox-id: 7\r\n${Array.from({ length: 190 }, (_, i) => `x-${i}: y\r\n`).join('')}`;
    const { status } = await rawHttp(
      hook.port,
      `POST /hooks/orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n${hostile}Content-Length: 2\r\n\r\n{}`,
    );
    expect(status).toBe(202);
    const record = hook.records[0];
    expect(record?.wire?.['camelexeccommandexecutable']).toBe('rm');
    expect(Object.keys(record?.wire ?? {})).toContain('__proto__');
    expect(Object.keys(record ?? {}).sort()).toEqual(['id', 'position', 'raw', 'size', 'value', 'wire']);
  });

  test('a trace context is taken over when it is one', async () => {
    hook = await openHook();
    const good = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    for (const traceparent of [good, '00-00000000000000000000000000000000-b7ad6b7169203331-01', `${good}-x`, 'x']) await hook.post('{}', { traceparent });
    expect(hook.records.map((record) => record.traceparent)).toEqual([good, undefined, undefined, undefined]);
  });
});

describe('044 the bus cannot store', () => {
  test.each([
    ['away', new NotConnected('E400', 'secret-host is down'), '5'],
    ['full', new TryAgain('E400', 'disk alarm'), '5'],
    ['full and says when', new TryAgain('E400', 'disk alarm', { afterMs: 12_300 }), '13'],
    ['full for days', new TryAgain('E400', 'disk alarm', { afterMs: 9e9 }), '3600'],
  ])('%s: 503 and Retry-After, later the same input is taken', async (_, failure, wait) => {
    hook = await openHook();
    hook.accept = () => Promise.reject(failure);
    const refused = await hook.post('{"a":1}', { 'idempotency-key': 'k' });
    expect([refused.status, refused.text, refused.headers.get('retry-after')]).toEqual([503, '{"error":"try again later"}', wait]);
    hook.accept = async () => ({ result: 'accepted', messageId: 'M' });
    expect((await hook.post('{"a":1}', { 'idempotency-key': 'k' })).status).toBe(202);
  });

  test('an accept that hangs is answered in time, and its record is not confirmed', async () => {
    hook = await openHook({ answer_within: '100ms' });
    hook.accept = () => new Promise(() => {});
    expect((await hook.post('{}')).status).toBe(503);
  });
});
