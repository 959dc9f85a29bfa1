import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { copybookCodec, copybookOptions } from '../../../adapters/codecs/copybook/codec.js';
import { csvCodec, csvOptions } from '../../../adapters/codecs/csv.js';
import { encodeText } from '../../../adapters/codecs/encodings.js';
import { fixedWidthCodec, fixedWidthOptions } from '../../../adapters/codecs/fixed-width.js';
import { copybookToOptions } from '../../../adapters/codecs/infer/copybook.js';
import { inferCsv } from '../../../adapters/codecs/infer/csv.js';
import { inferEncoding } from '../../../adapters/codecs/infer/encoding.js';
import { inferFixed } from '../../../adapters/codecs/infer/fixed.js';
import { inferType } from '../../../adapters/codecs/infer/types.js';
import { decodeAll, shown } from './decoding.js';

describe('encoding of a sample', () => {
  test.each<[string, string, string]>([
    ['utf-8', 'Müller', 'utf-8'],
    ['utf-8', 'plain', 'utf-8'],
    ['utf-16le', '\ufeffMüller', 'utf-16le'],
    ['utf-16be', 'name;amount\n', 'utf-16be'],
    ['windows-1252', 'Müller;5 €\n', 'windows-1252'],
    ['iso-8859-15', 'Müller;Straße\n', 'windows-1252'],
    ['cp273', 'ORDER 4711 for Miller in Koeln  12345', 'cp037'],
    ['shift_jis', '表示テスト,カタカナ,ひらがな\n', 'shift_jis'],
    ['gbk', '中文名称,客户地址,订单号码\n', 'gbk'],
  ])('%s: %j', (encoding, text, inferred) => {
    expect(inferEncoding(encodeText(text, encoding, '')).encoding).toBe(inferred);
  });

  test('a sample that ends inside a character is UTF-8 all the same', () => {
    expect(inferEncoding(Buffer.from('aüb€').subarray(0, -1))).toMatchObject({ encoding: 'utf-8', certain: true });
  });
});

describe('types of a column', () => {
  test.each<[string[], object]>([
    [['1', '20', '-3'], { type: 'integer' }],
    [['00123', '4711'], { type: 'text', note: 'leading zeros: kept as text' }],
    [['1.5', '10.25'], { type: 'decimal', decimal: 'point', decimals: 2 }],
    [['1,5', '1.234,50'], { type: 'decimal', decimal: 'comma', decimals: 2 }],
    [['1.234', '5.678'], { type: 'text', note: '1.234 may have thousands or decimals' }],
    [['2026-03-01'], { type: 'date', date: 'yyyy-MM-dd' }],
    [['01.03.2026'], { type: 'date', date: 'dd.MM.yyyy' }],
    [['20260301', '20260302'], { type: 'integer' }],
    [['20260301', '20260302', '20260331'], { type: 'date', date: 'yyyyMMdd' }],
    [['01/02/2026', '03/04/2026'], { type: 'text', note: 'day/month or month/day: nothing in the sample decides it' }],
    [['01/02/2026', '13/04/2026'], { type: 'date', date: 'dd/MM/yyyy' }],
    [['01/02/2026', '04/13/2026'], { type: 'date', date: 'MM/dd/yyyy' }],
    [['a', '1'], { type: 'text' }],
    [[], { type: 'text', note: 'no value in the sample' }],
  ])('%j', (values, type) => {
    expect(inferType(values)).toEqual(type);
  });
});

describe('csv of a sample', () => {
  const read = async (text: string | Uint8Array) => {
    const bytes = Buffer.from(text as Uint8Array);
    const inferred = inferCsv(bytes);
    return { inferred, records: (await decodeAll(csvCodec(csvOptions.parse(inferred.options)), bytes)).map(shown) };
  };

  test('an export of a German program', async () => {
    const text = 'Auftragsliste\r\n\r\nAuftrag;Kunde;Betrag;Datum;\r\n00123;"Müller; Söhne";1.234,50;01.03.2026;\r\n00124;Meier;7,00;13.03.2026;\r\n';
    const { inferred, records } = await read(encodeText(text, 'windows-1252', ''));
    expect(inferred.options).toMatchObject({ delimiter: ';', encoding: 'windows-1252', line_end: 'crlf', skip_lines: 2, trailing_delimiter: true });
    expect(inferred.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(['Auftrag text', 'Kunde text', 'Betrag decimal', 'Datum date']);
    expect(inferred.notes.join('\n')).toContain('Auftrag: leading zeros');
    expect(records[0]).toEqual({ Auftrag: '00123', Kunde: 'Müller; Söhne', Betrag: '1.234,50', Datum: '01.03.2026' });
  });

  test('tabs, no header, nulls; a trailer is suspected', async () => {
    const { inferred, records } = await read('1\tA\t\\N\n2\tB\t5\n3\tC\t6\nEND\t3\n');
    expect(inferred.options).toMatchObject({ delimiter: '\t', header: false, columns: ['COLUMN_1', 'COLUMN_2', 'COLUMN_3'], null_text: '\\N' });
    expect(inferred.notes.join()).toContain('looks like a trailer');
    expect(records[0]).toEqual({ COLUMN_1: '1', COLUMN_2: 'A', COLUMN_3: null });
  });

  test('stray quotes, several characters between, a name twice', async () => {
    expect((await read('a,b,a\n1,say "x",2\n3,y,4\n')).records).toEqual([
      { a: '1', b: 'say "x"', a_2: '2' },
      { a: '3', b: 'y', a_2: '4' },
    ]);
    expect((await read('id~|~name\n1~|~x\n2~|~y\n')).inferred.options.delimiter).toBe('~|~');
  });

  test('whatever the bytes are, the options pass the schema', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: fc.constantFrom('a', '1', ',', ';', '"', '\n', '\r', '\\', ' ', 'ü', '.'), maxLength: 200 })),
        (sample) => {
          expect(csvOptions.safeParse(inferCsv(Buffer.from(sample as Uint8Array)).options).error).toBeUndefined();
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('fixed width of a sample', () => {
  const lines = [
    '0000471110Mueller        Koeln     20260301   12.50',
    '0000081511Meier & Soehne Aachen    20260302 1234.00',
    '0000009912Li             Duesseldorf20260315    0.99',
  ];

  test('borders, types and alignment of lines', async () => {
    const bytes = Buffer.from(
      lines
        .map((line) => line.padEnd(53).slice(0, 53))
        .join('\r\n')
        .concat('\r\n'),
    );
    const inferred = inferFixed(bytes);
    expect(inferred.options.record_separator).toBe('crlf');
    const [record] = await decodeAll(fixedWidthCodec(fixedWidthOptions.parse(inferred.options)), bytes);
    expect(Object.values(shown(record) as object)).toEqual(expect.arrayContaining(['0000471110', 'Mueller']));
    expect(record?.failure).toBeUndefined();
  });

  test('header, records, trailer are told apart by how they begin', async () => {
    const text = `H20260301SHOP\n${Array.from({ length: 6 }, (_, n) => `O${String(n).padStart(6, '0')}Customer ${n}\n`).join('')}T000006\n`;
    const inferred = inferFixed(Buffer.from(text));
    expect(inferred.kinds.map(({ mark, records, suspicion }) => [mark, records, suspicion])).toEqual([
      ['H', 1, 'header'],
      ['O', 6, undefined],
      ['T', 1, 'trailer'],
    ]);
    expect(inferred.options).toMatchObject({ header_record: { when: { at: 1, is: 'H' } }, trailer_record: { when: { at: 1, is: 'T' } } });
    const records = await decodeAll(fixedWidthCodec(fixedWidthOptions.parse(inferred.options)), text);
    expect(records.map((record) => record.failure?.message)).toEqual(Array(6).fill(undefined));
  });

  test('EBCDIC without line ends: the length that repeats best', async () => {
    const bytes = encodeText(
      Array.from({ length: 40 }, (_, n) => `${String(n * 7919).padStart(8, '0')}${`NAME ${n}`.padEnd(20)}${`TOWN ${n % 7}`.padEnd(12)}`).join(''),
      'cp037',
      '',
    );
    const inferred = inferFixed(bytes);
    expect(inferred.options).toMatchObject({ encoding: 'cp037', record_separator: 'none', record_length: 40 });
    expect((await decodeAll(fixedWidthCodec(fixedWidthOptions.parse(inferred.options)), bytes)).every((record) => !record.failure)).toBe(true);
  });

  test('whatever the bytes are, the options pass the schema', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: fc.constantFrom('A', 'b', '1', ' ', '\n', '\r', 'ü', '.'), maxLength: 300 })), (sample) => {
        expect(fixedWidthOptions.safeParse(inferFixed(Buffer.from(sample as Uint8Array)).options).error).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });
});

describe('options for a copybook', () => {
  test('what only a person knows is said; the options pass the schema', () => {
    const inferred = copybookToOptions('01 A-REC. 05 K PIC X. 05 B PIC X(4). 05 C REDEFINES B PIC 9(4).\n01 T-REC. 05 K PIC X. 05 N PIC 9(6) COMP-3.');
    expect(inferred.records).toEqual([
      { name: 'A-REC', length: 5 },
      { name: 'T-REC', length: 5 },
    ]);
    expect(inferred.notes.join('\n')).toMatch(/cp037 is a guess[^]*C redefines B[^]*2 records/);
    expect(copybookOptions.safeParse(inferred.options).error).toBeUndefined();
  });

  test('a sample decides encoding and record format', async () => {
    const layout = '01 R. 05 ID PIC 9(5). 05 NAME PIC X(20).';
    for (const [encoding, record_format] of [
      ['cp037', 'variable'],
      ['cp037', 'blocked'],
      ['utf-8', 'lines'],
    ]) {
      const codec = copybookCodec(copybookOptions.parse({ layout, encoding, record_format }));
      const bytes = await codec.encode([1, 2, 3].map((id) => ({ ID: BigInt(id), NAME: `CUSTOMER NUMBER ${id}` })));
      expect(copybookToOptions(layout, bytes).options).toMatchObject({ encoding, record_format });
    }
  });
});
