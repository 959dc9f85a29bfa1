import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { zipOf } from '../../../adapters/codecs/archive-writer.js';
import { codecOf, formatOf, formatOptions, oneFormat, readWrappers } from '../../../adapters/codecs/format.js';
import { decodeAll, shown } from './decoding.js';
import { openSpools } from './spools.js';

const format = z.strictObject({ ...formatOptions, ...readWrappers }).superRefine(oneFormat);
const codec = (compression: unknown, options: object = { csv: { columns: ['a'] } }) => codecOf(format.parse({ ...options, compression }));
const entry = (name: string, text: string | Buffer) => ({ name, bytes: Buffer.from(text as Buffer) });
const all = async (compression: unknown, bytes: Uint8Array, size?: number) => (await decodeAll(codec(compression), bytes, size)).map(shown);

/** Bytes with some of them exchanged. */
function patched(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}
const central = (bytes: Buffer): number => bytes.indexOf(Buffer.from('504b0102', 'hex'));

describe('gzip', () => {
  const [one, two] = [gzipSync('a\n1\n'), gzipSync('2\n')];

  test('members one after another are one file, wherever chunks end', async () => {
    for (const size of [1, 7, 1000]) expect(await all('gzip', Buffer.concat([one, two]), size)).toEqual([{ a: '1' }, { a: '2' }]);
    expect(await all('gzip', Buffer.concat([one, Buffer.alloc(600)]), 7)).toEqual([{ a: '1' }]);
  });

  test.each([
    ['it ends too early', one.subarray(0, -3), 'unexpected end of file'],
    ['the second member ends too early', Buffer.concat([one, two.subarray(0, 5)]), 'unexpected end of file'],
    ['its checksum differs', patched(one, (copy) => copy.fill(1, copy.length - 8, copy.length - 4)), 'incorrect data check'],
    ['it is no gzip', Buffer.from('a\n1\n'), 'incorrect header check'],
    ['there is nothing', Buffer.alloc(0), 'unexpected end of file'],
    ['something follows', Buffer.concat([one, Buffer.from('xyz')]), 'incorrect header check'],
    ['a member follows padding', Buffer.concat([one, Buffer.alloc(9), two]), 'behind the end of the compressed data'],
  ])('hostile: %s', async (_, bytes, message) => {
    for (const size of [1, 13, 1000]) expect((await all('gzip', bytes, size)).at(-1)).toMatch(new RegExp(`^E369 .*${message}`));
  });

  test('hostile: what grows too much is refused', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024));
    expect((await decodeAll(codec('gzip', { text: { max_record: '1GiB' } }), bomb)).map(shown)).toEqual([
      'E370 orders.csv: the content is more than 100 times larger than the file',
    ]);
    expect(await all({ kind: 'gzip', max_size: '3B' }, one)).toEqual(['E370 orders.csv: the content has more than 3 bytes']);
  });

  test('what was written is read back, with the same bytes each time', async () => {
    for (const kind of ['gzip', 'zip'] as const) {
      const bytes = await codec(kind).encode([{ a: '00123' }]);
      expect(await all(kind, bytes)).toEqual([{ a: '00123' }]);
      expect(Buffer.compare(bytes, await codec(kind).encode([{ a: '00123' }]))).toBe(0);
    }
    expect(codec('gzip').preview({ a: '1' })).toBe('1');
    expect(Buffer.from(await formatOf(format.parse({ csv: { columns: ['a'] }, compression: 'gzip' })).encode([{ a: '1' }])).toString()).toBe('a\n1\n');
  });
});

describe('zip', () => {
  test('entries one after another, numbers go on, the file beside it is gone', async () => {
    const bytes = await zipOf([entry('b/1.csv', 'a\n1\n"2\n'), entry('notes.txt', 'x'), entry('2.csv', 'a\n3\n')]);
    for (const size of [1, 1000]) {
      const records = await decodeAll(codec({ kind: 'zip', entries: '*.csv' }), bytes, size);
      expect(records.map((record) => [record.number, shown(record)])).toEqual([
        [1, { a: '1' }],
        [2, expect.stringContaining('E340 orders.csv/b/1.csv:3')],
        [3, { a: '3' }],
      ]);
    }
    expect(openSpools()).toEqual([]);
  });

  test('an entry that is damaged fails, the next one is read', async () => {
    const bytes = await zipOf([entry('1', 'a\n1\n'), entry('2', 'a\n2\n')]);
    const damaged = patched(bytes, (copy) => {
      copy.writeUInt32LE(7, central(copy) + 16);
    });
    expect(await all('zip', damaged)).toEqual([{ a: '1' }, 'E369 orders.csv/1: the checksum differs', { a: '2' }]);
    expect(await all('zip', bytes.subarray(0, -30))).toEqual([expect.stringContaining('E369')]);
    expect(await all('zip', Buffer.from('a\n1\n'))).toEqual([expect.stringContaining('E369')]);
    expect(await all({ kind: 'zip', entries: '*.xml' }, bytes)).toEqual(['E369 orders.csv: no entry matches *.xml; there are 2']);
  });

  test.each(['../x', 'a/../../x', '/etc/passwd', 'C:/x', 'a\\b', '..\\x', './a', 'a\u202ecsv', 'a\nb'])(
    'F34 an entry named %j is refused with the whole archive, nothing is written',
    async (name) => {
      const place = 'x'.repeat(Buffer.byteLength(name));
      const bytes = await zipOf([entry('1', 'a\n1\n'), entry(place, 'a\n2\n')]);
      const evil = patched(bytes, (copy) => {
        for (let at = copy.indexOf(place); at >= 0; at = copy.indexOf(place, at + 1)) copy.write(name, at);
      });
      expect(await all('zip', evil)).toEqual([expect.stringMatching(/^E3(69|70) /)]);
      expect(openSpools()).toEqual([]);
    },
  );

  test('F34 a link, an encrypted entry, a name that is there twice and an archive in the archive are refused', async () => {
    const bytes = await zipOf([entry('1', 'a\n1\n'), entry('2', 'a\n2\n')]);
    const link = patched(bytes, (copy) => {
      copy.writeUInt32LE((0o120777 << 16) >>> 0, central(copy) + 38);
    });
    const encrypted = patched(bytes, (copy) => {
      copy.writeUInt16LE(1, central(copy) + 8);
    });
    expect(await all('zip', link)).toEqual(['E370 orders.csv/1: it is a link or no regular file']);
    expect(await all('zip', encrypted)).toEqual(['E370 orders.csv/1: it is encrypted']);
    expect(await all('zip', await zipOf([entry('1', 'a'), entry('1', 'b')]))).toEqual(['E370 orders.csv/1: the name is there twice']);
    expect(await all('zip', await zipOf([entry('1', bytes)]))).toEqual(['E370 orders.csv/1: is an archive itself']);
    expect(await all('zip', await zipOf([entry('1', gzipSync('x'))]))).toEqual(['E370 orders.csv/1: is an archive itself']);
  });

  test('F34 bombs: counted in real bytes, whatever sizes are declared', async () => {
    const bomb = await zipOf([entry('1', Buffer.alloc(20 * 1024 * 1024)), entry('2', 'a\n2\n')]);
    const limited = codec('zip', { text: { max_record: '1GiB' } });
    expect((await decodeAll(limited, bomb)).map(shown)).toEqual(['E370 orders.csv/1: the entries are more than 100 times larger than the archive']);
    const lying = patched(bomb, (copy) => {
      copy.writeUInt32LE(0, central(copy) + 24);
    });
    expect((await decodeAll(limited, lying)).map(shown)[0]).toMatch(/^E369 .*too many bytes/);
    expect(await all({ kind: 'zip', max_size: '1B' }, bomb)).toEqual(['E373 orders.csv: there are more than 1 bytes']);
    const many = await zipOf(Array.from({ length: 1_001 }, (_, at) => entry(String(at), '')));
    expect(await all('zip', many)).toEqual(['E370 orders.csv: there are 1001 entries, 1000 are allowed']);
    expect(openSpools()).toEqual([]);
  });
});
