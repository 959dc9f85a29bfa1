import { describe, expect, test } from '@jest/globals';
import { Decimal, Secret } from '../../../adapters/contract/index.js';
import { connectSchema, readSchema, writeSchema } from '../../../adapters/rest/config.js';
import rest from '../../../adapters/rest/index.js';
import { KnownIds } from '../../../adapters/rest/known-ids.js';

const secret = new Secret('s', 'x'.repeat(32));

describe('the spec of rest', () => {
  test('the preview is the body that would be sent', () => {
    const payload = { n: 9007199254740993n, d: new Decimal(1000n, 4), t: 'ü' };
    expect(rest.write.preview(writeSchema.parse({ path: '/a' }), payload)).toBe('{"n":9007199254740993,"d":0.1000,"t":"ü"}');
    expect(rest.write.preview(writeSchema.parse({ path: '/a', numbers: 'text' }), payload)).toBe('{"n":"9007199254740993","d":"0.1000","t":"ü"}');
  });

  test('an id that the signature does not cover is a warning', () => {
    const hmac = { hmac: { header: 'x-sig', secret, encoding: 'hex' } };
    const lint = (config: unknown) => rest.read.lint(readSchema.parse(config)).map((finding) => finding.severity);
    expect(lint({ path: '/a', auth: hmac, id: 'x-github-delivery' })).toEqual(['warning']);
    expect(lint({ path: '/a', auth: hmac, id: '/id' })).toEqual([]);
    expect(lint({ path: '/a', auth: hmac })).toEqual([]);
    expect(lint({ path: '/a', auth: { bearer: secret }, id: 'x-id' })).toEqual([]);
  });

  test('sending without a base address is an error, receiving is not', () => {
    expect(rest.write.lint({}, connectSchema.parse({})).map((finding) => finding.severity)).toEqual(['error']);
    expect(rest.call.lint({}, connectSchema.parse({ base: 'https://example.org' }))).toEqual([]);
  });

  test('one kind of credentials at most', () => {
    expect(connectSchema.safeParse({ bearer: secret, basic: { user: 'a', password: secret } }).success).toBe(false);
    expect(connectSchema.safeParse({ basic: { user: 'a:b', password: secret } }).success).toBe(false);
    expect(connectSchema.safeParse({ api_key: { header: 'Host', value: secret } }).success).toBe(false);
    expect(connectSchema.safeParse({ api_key: { header: 'x-key', value: secret } }).success).toBe(true);
  });
});

describe('known ids', () => {
  test('the oldest is forgotten', async () => {
    const known = new KnownIds<string>(2);
    for (const id of ['a', 'b', 'c']) await known.once(id, '1', async () => 'done');
    expect(await known.once('c', '2', async () => 'done')).toBe('other body');
    expect(await known.once('a', '2', async () => 'done')).toBe('done');
  });
});
