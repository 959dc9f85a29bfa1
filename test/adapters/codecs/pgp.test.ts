import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { codecOf, formatOptions, oneFormat, readWrappers, writeWrappers } from '../../../adapters/codecs/format.js';
import { Secret } from '../../../adapters/contract/index.js';
import { decodeAll, shown } from './decoding.js';
import { Gpg, type GpgKeys, unlock } from './gpg.js';
import { openSpools } from './spools.js';

const own = new Gpg();
const { home, run: gpg } = own;
const reading = z.strictObject({ ...formatOptions, ...readWrappers }).superRefine(oneFormat);
const writing = z.strictObject({ ...formatOptions, ...writeWrappers }).superRefine(oneFormat);
const reader = (pgp: object, rest: object = {}) => codecOf(reading.parse({ csv: { columns: ['a'] }, pgp, ...rest }));
const writer = (pgp: object) => codecOf(writing.parse({ csv: { columns: ['a'] }, pgp }));
const read = async (pgp: object, bytes: Uint8Array, size?: number) => (await decodeAll(reader(pgp), bytes, size)).map(shown);

let us: GpgKeys;
let partner: GpgKeys;
let other: GpgKeys;

beforeAll(() => {
  us = own.key('us');
  other = own.key('other');
  own.key('partner', ['rsa2048', 'default', 'never']);
  const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(gpg(['--with-colons', '--list-keys', 'partner@example.com']).toString())?.[1] ?? '';
  gpg(['--quick-add-key', fingerprint, 'rsa2048', 'encr', 'never']);
  partner = own.keys('partner');
}, 60_000);
afterAll(() => own.close());

const from = ['--local-user', 'partner@example.com'];
const to = ['--recipient', 'us@example.com'];

describe('reading what gpg wrote', () => {
  test('encrypted, signed, both, as bytes and as text, wherever chunks end', async () => {
    const both = { decrypt: unlock(us), verify: [other.public, partner.public] };
    for (const armor of [[], ['--armor']]) {
      const sealed = gpg([...armor, '--encrypt', '--sign', ...from, ...to], 'a\n00123\n');
      for (const size of [1, 100, 10_000]) expect(await read(both, sealed, size)).toEqual([{ a: '00123' }]);
      expect(await read({ decrypt: unlock(us) }, sealed)).toEqual([{ a: '00123' }]);
      expect(await read({ verify: [partner.public] }, gpg([...armor, '--sign', ...from], 'a\n1\n'))).toEqual([{ a: '1' }]);
      expect(await read({ decrypt: unlock(us) }, gpg([...armor, '--encrypt', ...to], 'a\n1\n'))).toEqual([{ a: '1' }]);
    }
    expect(openSpools()).toEqual([]);
  });

  test('around compression, and larger than one chunk', async () => {
    const rows = `${'0123456789'.repeat(100)}\n`.repeat(2_000);
    const codec = reader({ decrypt: unlock(us), verify: [partner.public] }, { compression: 'gzip' });
    expect(await decodeAll(codec, gpg(['--encrypt', '--sign', ...from, ...to], gzipSync(`a\n${rows}`)))).toHaveLength(2_000);
  });

  test('hostile: without a valid signature of a configured key nothing is taken over', async () => {
    const both = { decrypt: unlock(us), verify: [partner.public] };
    expect(await read(both, gpg(['--encrypt', ...to], 'a\n1\n'))).toEqual(['E371 orders.csv: it has no signature']);
    expect(await read(both, gpg(['--encrypt', '--sign', '--local-user', 'other@example.com', ...to], 'a\n1\n'))).toEqual([
      expect.stringMatching(/^E371 orders\.csv: no signature is accepted: key [0-9A-F]{16}: Could not find signing key/),
    ]);
    expect(await read({ verify: [partner.public] }, gpg(['--encrypt', '--sign', ...from, ...to], 'a\n1\n'))).toEqual([expect.stringContaining('E371')]);
    expect(await read({ decrypt: unlock(other) }, gpg(['--encrypt', ...to], 'a\n1\n'))).toEqual([
      expect.stringMatching(/^E371 orders\.csv: it is encrypted for the key [0-9A-F]{16}, and the configured one is [0-9A-F]{16}/),
    ]);
    // Whose recipient is hidden is tried.
    expect(await read({ decrypt: unlock(us) }, gpg(['--encrypt', '--throw-keyids', ...to], 'a\n1\n'))).toEqual([{ a: '1' }]);
    expect(await read({ decrypt: unlock(other) }, gpg(['--encrypt', '--throw-keyids', ...to], 'a\n1\n'))).toEqual([expect.stringContaining('E371')]);
    expect(await read({ decrypt: unlock(us) }, gpg(['--symmetric'], 'a\n1\n'))).toEqual([expect.stringContaining('E371')]);
    expect(await read({ decrypt: unlock(us) }, gpg(['--sign', ...from], 'a\n1\n'))).toEqual([expect.stringContaining('E371')]);
    expect(await read(both, gpg(['--clearsign', ...from], 'a\n1\n'))).toEqual([expect.stringContaining('signed text in the clear')]);
  });

  test('hostile: changed, cut, surrounded by text, layered, or without integrity protection', async () => {
    const sealed = gpg(['--encrypt', '--sign', '--compress-algo', 'none', ...from, ...to], `a\n${'row\n'.repeat(50_000)}`);
    const both = { decrypt: unlock(us), verify: [partner.public] };
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(changed.length - 300) ^ 1, changed.length - 300);
    expect(await read({ decrypt: unlock(us) }, changed)).toEqual([expect.stringContaining('E371')]);
    expect(await read(both, sealed.subarray(0, -100))).toEqual([expect.stringContaining('E371')]);
    const forged = gpg(['--sign', '--compress-algo', 'none', ...from], 'a\n1\n');
    forged.write('a\n2\n', forged.indexOf('a\n1\n'));
    expect(await read({ verify: [partner.public] }, forged)).toEqual([expect.stringContaining('no signature is accepted')]);
    const armored = gpg(['--armor', '--encrypt', '--sign', ...from, ...to], 'a\n1\n');
    expect(await read(both, Buffer.concat([Buffer.from('pay us\n'), armored]))).toEqual([expect.stringContaining('it is no OpenPGP message')]);
    const literal = packet(11, Buffer.concat([Buffer.from([0x62, 0, 0, 0, 0, 0]), Buffer.from('a\n1\n')]));
    const layered = [1, 2, 3].reduce((inner) => packet(8, Buffer.concat([Buffer.from([1]), deflateRawSync(inner)])), literal);
    expect(await read({ verify: [partner.public] }, layered)).toEqual([expect.stringContaining('E371')]);
    const unprotected = gpg(['--encrypt', '--rfc2440', '--disable-mdc', '--cipher-algo', '3DES', '--recipient', 'partner@example.com'], 'a\n1\n');
    expect(await read({ decrypt: unlock(partner) }, unprotected)).toEqual([expect.stringContaining('E371')]);
    expect(await read({ decrypt: unlock(us) }, Buffer.from('a\n1\n'))).toEqual([expect.stringContaining('it is no OpenPGP message')]);
    expect(await read({ decrypt: unlock(us) }, Buffer.alloc(0))).toEqual([expect.stringContaining('it is no OpenPGP message')]);
    expect(openSpools()).toEqual([]);
  });

  test('hostile: content that grows beyond max_size is refused', async () => {
    const sealed = gpg(['--encrypt', ...to], Buffer.alloc(8 * 1024 * 1024));
    expect(sealed.length).toBeLessThan(100_000);
    expect(await read({ decrypt: unlock(us), max_size: '1MiB' }, sealed)).toEqual([expect.stringMatching(/^E37[13]/)]);
  });

  test('keys that cannot be used are said to be', async () => {
    const sealed = gpg(['--encrypt', ...to], 'a\n1\n');
    await expect(read({ decrypt: { key: us.private, passphrase: new Secret('pw', 'wrong') } }, sealed)).rejects.toMatchObject({ code: 'E372', name: 'Misconfigured' });
    await expect(read({ decrypt: { key: us.private } }, sealed)).rejects.toMatchObject({ code: 'E372' });
    await expect(read({ decrypt: { key: new Secret('us', 'x') } }, sealed)).rejects.toMatchObject({ code: 'E372' });
    await expect(read({ verify: ['-----BEGIN PGP PUBLIC KEY BLOCK-----\nx'] }, sealed)).rejects.toMatchObject({ code: 'E372' });
    expect(() => reader({ verify: ['partner.asc'] })).toThrow('expected a public key');
    expect(() => reader({})).toThrow('decrypt or verify is needed');
  });
});

test('keys that can never work are found before the first file', async () => {
  const signer = own.key('signer', ['ed25519', 'sign', 'never']);
  const expired = own.key('expired', ['future-default', 'default', '1y'], ['--faked-system-time', '20200101T000000']);
  const refused = (message: RegExp) => ({ name: 'Misconfigured', code: 'E372', message: expect.stringMatching(message) });
  await expect(reader({ decrypt: unlock(us, 'wrong') }).ready?.()).rejects.toMatchObject(refused(/the private key us: .*passphrase/));
  await expect(reader({ decrypt: { key: new Secret('us', us.public) } }).ready?.()).rejects.toMatchObject(refused(/the private key/));
  await expect(reader({ decrypt: unlock(signer) }).ready?.()).rejects.toMatchObject(refused(/cannot decrypt/));
  await expect(reader({ verify: ['-----BEGIN PGP PUBLIC KEY BLOCK-----\nx'] }).ready?.()).rejects.toMatchObject(refused(/public key 1/));
  await expect(writer({ encrypt: [partner.public, signer.public] }).ready?.()).rejects.toMatchObject(refused(/public key 2.*cannot encrypt/));
  await expect(writer({ encrypt: [expired.public] }).ready?.()).rejects.toMatchObject(refused(/public key 1.*cannot encrypt.*expired/));
  await expect(writer({ sign: unlock(expired) }).ready?.()).rejects.toMatchObject(refused(/the private key expired cannot sign: .*expired/));
  // What an expired key can read, it still reads: files were encrypted before.
  await reader({ decrypt: unlock(expired), verify: [expired.public] }).ready?.();
  await reader({ decrypt: unlock(us), verify: [partner.public, other.public] }).ready?.();
  await writer({ sign: unlock(us), encrypt: [partner.public] }).ready?.();
  await expect(writer({ encrypt: [expired.public] }).encode([{ a: '1' }])).rejects.toMatchObject({ name: 'Misconfigured', code: 'E372' });
});

test('gpg reads what was written, encrypted and signed, as bytes and as text', async () => {
  const path = join(home, 'out');
  for (const armor of [false, true]) {
    const codec = writer({ sign: unlock(us), encrypt: [partner.public], armor });
    expect(codec.repeatable).toBe(false);
    writeFileSync(path, await codec.encode([{ a: '00123' }]));
    const result = gpg(['--status-fd', '1', '--decrypt', path]).toString();
    expect(result).toContain('a\n00123\n');
    expect(result).toMatch(/GOODSIG [0-9A-F]+ us@example\.com/);
    writeFileSync(path, await writer({ sign: unlock(us), armor }).encode([{ a: '1' }]));
    expect(gpg(['--status-fd', '1', '--decrypt', path]).toString()).toMatch(/GOODSIG/);
  }
});

function packet(tag: number, body: Buffer): Buffer {
  const length = Buffer.alloc(5);
  length.writeUInt8(0xff);
  length.writeUInt32BE(body.length, 1);
  return Buffer.concat([Buffer.from([0xc0 | tag]), length, body]);
}
