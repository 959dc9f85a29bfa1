import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { csvCodec, csvOptions } from '../../../adapters/codecs/csv.js';
import { EBCDIC } from '../../../adapters/codecs/ebcdic.js';
import { decodeText, encodeText, encodingOf } from '../../../adapters/codecs/encodings.js';
import { textCodec, textOptions } from '../../../adapters/codecs/text.js';
import { decodeAll, shown } from './decoding.js';

const codec = (options: object = {}) => csvCodec(csvOptions.parse(options));
const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

describe('EBCDIC', () => {
  test.each(EBCDIC)('F28 %s is what iconv says, byte by byte and back', (page) => {
    const text = decodeText(every, page);
    expect([...encodeText(text, page, 'text')]).toEqual([...every]);
    const iconv = spawnSync('iconv', ['-f', page.replace('cp', 'IBM'), '-t', 'UTF-8'], { input: every });
    // A machine without iconv compares with what it said.
    if (iconv.status === 0) expect(text).toBe(iconv.stdout.toString());
    expect(createHash('sha256').update(text).digest('hex').slice(0, 16)).toBe(
      {
        cp037: '5324efcff066d6ba',
        cp273: '94a3e74dcd70999e',
        cp500: '1fc831a58bad8d73',
        cp1047: '2453a52a523b0c33',
        cp1140: 'b762cd7f5def57eb',
        cp1141: 'cc360ac8a89a3d29',
        cp1148: 'be4d8140ca9d96e2',
      }[page],
    );
  });

  test('F28 CSV in EBCDIC: rows end with next-line, the euro has its place', async () => {
    const options = codec({ encoding: 'IBM-1141', columns: ['name', 'price'], delimiter: ';' });
    const bytes = await options.encode([{ name: 'Müßig "x"', price: '5 €' }]);
    expect([...bytes.subarray(0, 4)]).toEqual([0x95, 0x81, 0x94, 0x85]);
    expect(bytes.at(-1)).toBe(0x15);
    for (const size of [1, 3, 100]) expect((await decodeAll(options, bytes, size)).map(shown)).toEqual([{ name: 'Müßig "x"', price: '5 €' }]);
  });
});

describe('encodings', () => {
  test.each(['shift_jis', 'euc-jp', 'gbk', 'big5', 'euc-kr'])('F28 %s: characters split at every chunk border, and back', async (encoding) => {
    const name = { shift_jis: '表示テスト―ｱ', 'euc-jp': '日本語ー', gbk: '中文、测试', big5: '中文測試功', 'euc-kr': '한국어' }[encoding] ?? '';
    const options = codec({ encoding, columns: ['name', 'b'], delimiter: '|' });
    const bytes = await options.encode([
      { name, b: 'x' },
      { name: `"${name}"`, b: `${name}\\` },
    ]);
    for (const size of [1, 2, 3, 5, 1000]) {
      expect((await decodeAll(options, bytes, size)).map(shown)).toEqual([
        { name, b: 'x' },
        { name: `"${name}"`, b: `${name}\\` },
      ]);
    }
  });

  test('F28 a sequence that is none fails its row with the offset in the file, the rest goes on', async () => {
    const good = encodeText('表', 'shift_jis', '');
    const bytes = Buffer.concat([Buffer.from('n\nok\n'), good, Buffer.of(0x81, 0x0a), good, Buffer.of(0x0a), Buffer.of(0x81)]);
    for (const size of [1, 2, 100]) {
      const records = await decodeAll(codec({ encoding: 'sjis' }), bytes, size);
      expect(records.map((record) => record.failure?.code ?? shown(record))).toEqual([{ n: 'ok' }, 'E341', { n: '表' }, 'E341']);
      expect(String(records[1]?.failure?.cause)).toContain('offset 7 is not text in the declared encoding');
    }
  });

  test('F28 half a surrogate pair in UTF-16 fails its row only', async () => {
    const bytes = Buffer.from('\ufeffn\na\n\ud83d\n😀\n', 'utf16le');
    for (const size of [1, 3, 7, 100]) {
      const records = await decodeAll(codec({ encoding: 'utf-16' }), bytes, size);
      expect(records.map((record) => record.failure?.code ?? shown(record))).toEqual([{ n: 'a' }, 'E341', { n: '😀' }]);
      expect(String(records[1]?.failure?.cause)).toContain('offset 10 ');
    }
    expect((await decodeAll(codec({ encoding: 'utf-16' }), Buffer.concat([bytes, Buffer.of(0x41)]))).map((record) => record.failure?.code)).toEqual([
      undefined,
      'E341',
      undefined,
      'E341',
    ]);
  });

  test('F27 a mark of UTF-16 decides over the declared UTF-8, also when it is split over chunks', async () => {
    const little = Buffer.from('\ufeffn\nM€\n', 'utf16le');
    for (const bytes of [little, Buffer.from(little).swap16()]) {
      for (const size of [1, 2, 100]) expect((await decodeAll(codec(), bytes, size)).map(shown)).toEqual([{ n: 'M€' }]);
    }
  });

  test.each([
    ['cp1252', '→'],
    ['iso-8859-1', '€'],
    ['shift_jis', 'ü'],
    ['gbk', '😀'],
    ['big5', 'ß'],
    ['cp037', '€'],
    ['cp1140', '¤'],
    ['us-ascii', 'é'],
  ])('F28 %s cannot write %s: an error naming column and character, never a question mark', (encoding, character) => {
    expect(() => codec({ encoding, columns: ['a', 'b'] }).encode([{ a: 'x', b: `y${character}` }])).toThrow(`column "b": "${character}" (U+`);
  });

  test('names people use for the same encoding', () => {
    expect(['CP1252', 'latin1', 'SJIS', 'ibm037', 'IBM-1141', 'EBCDIC-500', 'UTF8', 'cp936', 'nonsense'].map(encodingOf)).toEqual([
      'windows-1252',
      'iso-8859-1',
      'shift_jis',
      'cp037',
      'cp1141',
      'cp500',
      'utf-8',
      'gbk',
      undefined,
    ]);
  });

  test('a whole text file in EBCDIC', async () => {
    const options = textCodec(textOptions.parse({ encoding: 'cp1047' }));
    expect((await decodeAll(options, await options.encode([{ text: 'Hello [x]' }]), 2)).map(shown)).toEqual([{ text: 'Hello [x]' }]);
  });
});
