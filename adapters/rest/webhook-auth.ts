import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { type HttpRequest, Misconfigured, type Secret } from '../contract/index.js';
import { type Auth, webhookKey } from './config.js';

/** Decides on raw bytes whether a request is from the sender; nothing of it was parsed before. */
export type Verifier = (request: HttpRequest, now: Date) => boolean;

/** Every candidate is compared with every digest, to the end, in constant time: how long it takes says nothing. */
const MOST_SIGNATURES = 10;

export function verifierOf(auth: Auth): Verifier {
  if ('bearer' in auth) {
    const expected = digestOf(`Bearer ${auth.bearer.reveal()}`);
    return ({ headers }) => timingSafeEqual(digestOf((headers['authorization'] ?? '').replace(/^bearer /i, 'Bearer ')), expected);
  }
  if ('basic' in auth) {
    const expected = digestOf(`Basic ${Buffer.from(`${auth.basic.user}:${auth.basic.password.reveal()}`).toString('base64')}`);
    return ({ headers }) => timingSafeEqual(digestOf((headers['authorization'] ?? '').replace(/^basic /i, 'Basic ')), expected);
  }
  if ('hmac' in auth) return hmac(auth.hmac);
  return 'stripe' in auth ? stripe(auth.stripe) : standardWebhooks(auth.standard_webhooks);
}

/** Headers that prove something; they are not handed on. */
export function authHeaders(auth: Auth): readonly string[] {
  const names = ['authorization', 'proxy-authorization', 'cookie', 'webhook-signature', 'stripe-signature'];
  return 'hmac' in auth ? [...names, auth.hmac.header.toLowerCase()] : names;
}

function hmac(options: Extract<Auth, { hmac: unknown }>['hmac']): Verifier {
  const keys = keysOf(options.secret, options.previous);
  const length = options.algorithm === 'sha256' ? 32 : 64;
  const name = options.header.toLowerCase();
  return ({ headers, body }) => {
    const text = headers[name];
    if (text === undefined || !text.startsWith(options.prefix)) return false;
    const given = decode(text.slice(options.prefix.length), options.encoding, length);
    return given !== undefined && matches([given], keys, options.algorithm, [body]);
  };
}

/** `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64> ...` over `id.timestamp.body`. */
function standardWebhooks(options: Extract<Auth, { standard_webhooks: unknown }>['standard_webhooks']): Verifier {
  const keys = [webhookKey(options.secret), options.previous && webhookKey(options.previous)].filter((key) => key !== undefined);
  return ({ headers, body }, now) => {
    const id = headers['webhook-id'] ?? '';
    const time = headers['webhook-timestamp'] ?? '';
    if (!/^[^.\s]{1,200}$/.test(id) || !fresh(time, options.tolerance, now)) return false;
    const given = candidates((headers['webhook-signature'] ?? '').split(' '), 'v1,', 'base64');
    return matches(given, keys, 'sha256', [Buffer.from(`${id}.${time}.`), body]);
  };
}

/** `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]` over `t.body`. */
function stripe(options: Extract<Auth, { stripe: unknown }>['stripe']): Verifier {
  const keys = keysOf(options.secret, options.previous);
  return ({ headers, body }, now) => {
    const parts = (headers['stripe-signature'] ?? '').split(',');
    const times = parts.filter((part) => part.startsWith('t='));
    const time = (times[0] ?? '').slice('t='.length);
    if (times.length !== 1 || !fresh(time, options.tolerance, now)) return false;
    return matches(candidates(parts, 'v1=', 'hex'), keys, 'sha256', [Buffer.from(`${time}.`), body]);
  };
}

function fresh(seconds: string, toleranceMs: number, now: Date): boolean {
  return /^\d{1,12}$/.test(seconds) && Math.abs(now.getTime() - Number(seconds) * 1000) <= toleranceMs;
}

function candidates(parts: readonly string[], prefix: string, encoding: 'hex' | 'base64'): readonly Buffer[] {
  const texts = parts.filter((part) => part.startsWith(prefix)).slice(0, MOST_SIGNATURES);
  return texts.map((text) => decode(text.slice(prefix.length), encoding, 32)).filter((digest) => digest !== undefined);
}

/** Node's decoders skip what they do not know; a digest is taken only as it would be written. */
function decode(text: string, encoding: 'hex' | 'base64', length: number): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  const canonical = encoding === 'hex' ? text.toLowerCase() : text;
  return bytes.byteLength === length && bytes.toString(encoding) === canonical ? bytes : undefined;
}

function matches(given: readonly Buffer[], keys: readonly Uint8Array[], algorithm: string, parts: readonly Uint8Array[]): boolean {
  let found = false;
  for (const key of keys) {
    const mac = createHmac(algorithm, key);
    for (const part of parts) mac.update(part);
    const expected = mac.digest();
    for (const each of given) found = timingSafeEqual(each, expected) || found;
  }
  return found;
}

function keysOf(...secrets: readonly (Secret | undefined)[]): readonly Uint8Array[] {
  const keys = secrets.filter((each) => each !== undefined).map((each) => Buffer.from(each.reveal()));
  // The schema refuses short secrets; this holds whoever built the configuration.
  if (keys.some((key) => key.byteLength < 24)) throw new Misconfigured('E478', 'a signing secret is shorter than 24 bytes');
  return keys;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
