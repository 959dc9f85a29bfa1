import type { MessageHeaders } from '../broker.js';

type Plain = string | number | boolean | { readonly i: string } | { readonly b: string } | { readonly n: string };

/** Headers as one line of JSON; what JSON has no word for is an object of one letter: int64, bytes, odd numbers. */
export function writeHeaders(headers: MessageHeaders): string {
  if (Object.values(headers).every(isPlain)) return Object.keys(headers).length === 0 ? '' : JSON.stringify(headers);
  let plain: Record<string, Plain> | undefined;
  for (const [name, value] of Object.entries(headers)) {
    plain ??= Object.create(null) as Record<string, Plain>;
    if (typeof value === 'bigint') plain[name] = { i: value.toString() };
    else if (value instanceof Uint8Array) plain[name] = { b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
    else if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))) plain[name] = { n: Object.is(value, -0) ? '-0' : String(value) };
    else plain[name] = value;
  }
  return plain === undefined ? '' : JSON.stringify(plain);
}

function isPlain(value: MessageHeaders[string]): boolean {
  return typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0));
}

export function readHeaders(text: string): MessageHeaders {
  if (text === '') return {};
  const plain = JSON.parse(text) as Record<string, Plain>;
  if (Object.values(plain).every((value) => typeof value !== 'object')) return plain as MessageHeaders;
  const headers: Record<string, string | number | bigint | boolean | Uint8Array> = {};
  for (const [name, value] of Object.entries(plain)) {
    if (typeof value !== 'object') headers[name] = value;
    else if ('i' in value) headers[name] = BigInt(value.i);
    else if ('b' in value) headers[name] = new Uint8Array(Buffer.from(value.b, 'base64'));
    else headers[name] = Number(value.n);
  }
  return headers;
}
