// Digests that tell whether two configurations, or two systems, are the same.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { Secret } from '../adapters/contract/secret.js';
import { Decimal } from '../bus/decimal.js';

// A digest is shown; keyed with something only this process knows it tells nothing about a weak secret in it.
const KEY = randomBytes(32);

/** SHA-256 over all files, in order of their paths. */
export function filesDigest(files: readonly { readonly path: string; readonly text: string }[]): string {
  const hash = createHash('sha256');
  for (const { path, text } of files.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))) {
    hash.update(`${Buffer.byteLength(path)}:${path}${Buffer.byteLength(text)}:`).update(text);
  }
  return hash.digest('hex');
}

/** Digest of one value, the same for any order of keys. With a secret in it, comparable within this process only. */
export function valueDigest(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (value instanceof Secret) return `secret:${createHmac('sha256', KEY).update(value.reveal()).digest('hex')}`;
  if (typeof value === 'bigint' || value instanceof Decimal) return `number:${value}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
}
