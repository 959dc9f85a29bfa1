import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Secret } from '../../adapters/contract/index.js';
import { readSchema } from '../../adapters/rest/config.js';
import { verifierOf } from '../../adapters/rest/webhook-auth.js';
import { type Hook, NOW, openHook } from '../adapters/rest/webhook.js';

const KEY = 'signing-secret-of-32-bytes-long!';
const BODY = '{"order":4711}';
const SECONDS = Date.parse(NOW) / 1000;
let hook: Hook;

afterEach(() => hook?.close());

function sign(text: string, key: string | Buffer = KEY, encoding: 'hex' | 'base64' = 'hex'): string {
  return createHmac('sha256', key).update(text).digest(encoding);
}

const hmac = (encoding: 'hex' | 'base64', more = {}) => ({ auth: { hmac: { header: 'X-Signature', secret: new Secret('hook', KEY), encoding, ...more } } });

describe('025 a wrong signature is refused before anything is parsed', () => {
  const good = sign(BODY);
  test.each([
    ['absent', undefined],
    ['empty', ''],
    ['of another key', sign(BODY, 'another-secret-of-32-bytes-long!')],
    ['of another body', sign(`${BODY} `)],
    ['base64 where hex is expected', sign(BODY, KEY, 'base64')],
    ['one character short', good.slice(0, -1)],
    ['one character long', `${good}0`],
    ['with a character that is no hex', `${good.slice(0, -1)}g`],
    ['with junk that a lenient decoder skips', `${good}zz`],
    ['without the prefix', good],
    ['twice', `sha256=${good}, sha256=${good}`],
  ])('%s', async (_, signature) => {
    hook = await openHook(hmac('hex', { prefix: 'sha256=' }));
    const broken = await hook.post('{"order":', signature === undefined ? {} : { 'x-signature': signature });
    expect([broken.status, broken.text]).toEqual([401, '{"error":"unauthorized"}']);
    expect((await hook.post(BODY, signature === undefined ? {} : { 'x-signature': signature })).status).toBe(401);
    expect(hook.records).toEqual([]);
  });

  test('the right one passes, in both encodings and cases, also with the previous secret', async () => {
    hook = await openHook(hmac('hex', { prefix: 'sha256=', previous: new Secret('old', 'previous-secret-of-32-bytes-long') }));
    expect((await hook.post(BODY, { 'x-signature': `sha256=${sign(BODY).toUpperCase()}` })).status).toBe(202);
    expect((await hook.post(BODY, { 'x-signature': `sha256=${sign(BODY, 'previous-secret-of-32-bytes-long')}` })).status).toBe(202);
    await hook.close();
    hook = await openHook(hmac('base64'));
    expect((await hook.post(BODY, { 'x-signature': sign(BODY, KEY, 'base64') })).status).toBe(202);
    expect((await hook.post(BODY, { 'x-signature': `${sign(BODY, KEY, 'base64')}!` })).status).toBe(401);
    expect(hook.records[0]?.wire).not.toHaveProperty('x-signature');
  });

  test('bearer and basic', async () => {
    hook = await openHook();
    for (const authorization of ['', 'Bearer', 'Bearer ', 'Bearer wrong', 'Basic aG9vazp4', `Bearer ${'x'.repeat(5000)}`]) {
      expect((await hook.post(BODY, { authorization })).status).toBe(401);
    }
    expect((await hook.post(BODY)).status).toBe(202);
    expect(hook.records[0]?.wire).not.toHaveProperty('authorization');
    await hook.close();
    hook = await openHook({ auth: { basic: { user: 'shop', password: new Secret('hook', 'correct horse') } } });
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    expect((await hook.post(BODY, basic('shop:wrong'))).status).toBe(401);
    expect((await hook.post(BODY, basic('shop:correct horse'))).status).toBe(202);
  });
});

describe('026 a secret that protects nothing is refused', () => {
  test.each(['', 'short', 'x'.repeat(23)])('a signing secret of %p', (value) => {
    const auth = { hmac: { header: 'x-signature', secret: new Secret('hook', value), encoding: 'hex' } };
    expect(
      readSchema
        .safeParse({ path: '/hooks/a', auth })
        .error?.issues.map((issue) => issue.message)
        .join(),
    ).toMatch(/shorter than 24 bytes|Invalid input/);
    expect(() => verifierOf({ hmac: { header: 'x-signature', secret: new Secret('hook', value), encoding: 'hex', algorithm: 'sha256', prefix: '' } })).toThrow(/24 bytes/);
  });

  test('no authentication, two of them, an empty token or plain text is no configuration', () => {
    const parses = (auth: unknown) => readSchema.safeParse({ path: '/hooks/a', auth }).success;
    const bearer = new Secret('hook', 'x'.repeat(16));
    expect([parses(undefined), parses({}), parses('none'), parses({ bearer: 'x'.repeat(16) }), parses({ bearer: new Secret('hook', '') })]).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
    expect(parses({ bearer, basic: { user: 'a', password: new Secret('p', 'long enough') } })).toBe(false);
    expect(parses({ standard_webhooks: { secret: new Secret('hook', `whsec_${Buffer.alloc(16).toString('base64')}`) } })).toBe(false);
    expect(parses({ bearer })).toBe(true);
  });
});

const WHSEC = Buffer.alloc(32, 7);
const standard = () => ({ auth: { standard_webhooks: { secret: new Secret('hook', `whsec_${WHSEC.toString('base64')}`) } } });
const webhook = (id: string, time: string, body = BODY) => ({
  'webhook-id': id,
  'webhook-timestamp': time,
  'webhook-signature': `v1,${sign(`${id}.${time}.${body}`, WHSEC, 'base64')}`,
});
const stripe = () => ({ auth: { stripe: { secret: new Secret('hook', KEY) } } });

describe('027 times out of tolerance', () => {
  test.each(['-301', '+301', '1674087231abc', '-5', '', '1e9', `${SECONDS}.5`])('%s', async (offset) => {
    const time = /^[+-]301$/.test(offset) ? String(SECONDS + Number(offset)) : offset;
    hook = await openHook(standard());
    expect((await hook.post(BODY, webhook('msg_1', time))).status).toBe(401);
    await hook.close();
    hook = await openHook(stripe());
    expect((await hook.post(BODY, { 'stripe-signature': `t=${time},v1=${sign(`${time}.${BODY}`)}` })).status).toBe(401);
  });

  test('within tolerance both ways it passes; two times do not', async () => {
    hook = await openHook(standard());
    expect((await hook.post(BODY, webhook('msg_1', String(SECONDS - 299)))).status).toBe(202);
    expect((await hook.post(BODY, webhook('msg_2', String(SECONDS + 299)))).status).toBe(202);
    expect((await hook.post(BODY, webhook('msg.3', String(SECONDS)))).status).toBe(401);
    expect(hook.records.map((record) => record.id)).toEqual(['msg_1', 'msg_2']);
    await hook.close();
    hook = await openHook(stripe());
    const v1 = sign(`${SECONDS}.${BODY}`);
    expect((await hook.post(BODY, { 'stripe-signature': `t=${SECONDS},t=${SECONDS},v1=${v1}` })).status).toBe(401);
    expect((await hook.post(BODY, { 'stripe-signature': `t=${SECONDS},v1=${'0'.repeat(64)},v1=${v1}` })).status).toBe(202);
  });
});

describe('028 downgrade and flood of signatures', () => {
  test('only v0, or thousands of v1', async () => {
    hook = await openHook(stripe());
    expect((await hook.post(BODY, { 'stripe-signature': `t=${SECONDS},v0=${sign(`${SECONDS}.${BODY}`)}` })).status).toBe(401);
    const verify = verifierOf(readSchema.parse({ path: '/hooks/a', ...stripe() }).auth);
    const flood = `t=${SECONDS}${`,v1=${'0'.repeat(64)}`.repeat(10_000)}`;
    const request = { method: 'POST', path: '/hooks/a', headers: { 'stripe-signature': flood }, query: {}, body: Buffer.from(BODY), remoteAddress: '::1' };
    const began = performance.now();
    expect(verify(request, new Date(NOW))).toBe(false);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe('029 one delivery id is one input', () => {
  test('again and at once: one record under way, 200 for what was known', async () => {
    hook = await openHook();
    let release = () => {};
    const held = new Promise<void>((done) => {
      release = done;
    });
    hook.accept = async () => {
      await held;
      return { result: 'accepted', messageId: 'M1' };
    };
    const both = [hook.post(BODY, { 'idempotency-key': 'k1' }), hook.post(BODY, { 'idempotency-key': 'k1' })];
    while (hook.records.length === 0) await new Promise(setImmediate);
    release();
    expect((await Promise.all(both)).map(({ status, text }) => [status, text])).toEqual([
      [202, '{"id":"M1"}'],
      [202, '{"id":"M1"}'],
    ]);
    hook.accept = async () => ({ result: 'duplicate', messageId: 'M1' });
    const again = await hook.post(BODY, { 'idempotency-key': 'k1' });
    expect([again.status, again.text]).toEqual([200, '{"id":"M1"}']);
    expect(new Set(hook.records.map((record) => record.id))).toEqual(new Set(['k1']));
  });

  test('one key for two bodies is 422, and nothing of the second is taken', async () => {
    hook = await openHook();
    expect((await hook.post(BODY, { 'idempotency-key': 'k1' })).status).toBe(202);
    expect((await hook.post('{"order":4712}', { 'idempotency-key': 'k1' })).status).toBe(422);
    expect(hook.records).toHaveLength(1);
  });

  test('after a refusal of the bus the same key may come with a corrected body', async () => {
    hook = await openHook();
    hook.accept = () => Promise.reject(new Error('a bug'));
    expect((await hook.post(BODY, { 'idempotency-key': 'k1' })).status).toBe(500);
    hook.accept = async () => ({ result: 'accepted', messageId: 'M2' });
    expect((await hook.post('{"order":4712}', { 'idempotency-key': 'k1' })).status).toBe(202);
  });
});

describe('030 a signed body under a new, unsigned id', () => {
  test('has the id of its body, whatever the headers say', async () => {
    hook = await openHook(hmac('hex'));
    for (const id of ['a', 'b']) await hook.post(BODY, { 'x-signature': sign(BODY), 'idempotency-key': id, 'webhook-id': id, 'ce-id': id });
    expect(new Set(hook.records.map((record) => record.id)).size).toBe(1);
    expect(hook.records[0]?.id).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

describe('031 a body that a proxy wrote anew', () => {
  test('is refused; the log has the hint, the answer has not', async () => {
    hook = await openHook(hmac('hex'));
    const { status, text } = await hook.post('{"b":2,"a":1}', { 'x-signature': sign('{"a":1,"b":2}') });
    expect([status, text]).toEqual([401, '{"error":"unauthorized"}']);
    expect(hook.log.lines.map((line) => line.message).join()).toContain('body altered');
  });
});

describe('032 authentic bytes that are no UTF-8', () => {
  test('are taken and set aside with their bytes', async () => {
    hook = await openHook(hmac('hex'));
    const bytes = new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    const { status } = await hook.post(bytes, { 'x-signature': createHmac('sha256', KEY).update(bytes).digest('hex') });
    expect(status).toBe(202);
    expect(hook.records[0]?.failure).toMatchObject({ name: 'InvalidMessage', code: 'E360' });
    expect(Buffer.from(hook.records[0]?.raw ?? []).equals(bytes)).toBe(true);
  });
});
