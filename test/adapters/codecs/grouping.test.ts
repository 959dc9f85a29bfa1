import { describe, expect, test } from '@jest/globals';
import { csvCodec, csvOptions } from '../../../adapters/codecs/csv.js';
import { fixedWidthCodec, fixedWidthOptions } from '../../../adapters/codecs/fixed-width.js';
import { decodeAll, shown } from './decoding.js';

const csv = (options: object = {}) => csvCodec(csvOptions.parse(options));
const fixed = (options: object) => fixedWidthCodec(fixedWidthOptions.parse(options));

const orders = {
  header_record: {
    when: { at: 1, is: 'H' },
    fields: [
      { name: 'KIND', width: 1 },
      { name: 'DATE', width: 8, date: 'yyyyMMdd' },
    ],
    as: 'file',
  },
  records: {
    order: { when: { at: 1, is: 'O' }, fields: [{ name: 'NO', start: 2, width: 4 }], children: { lines: 'line', notes: 'note' } },
    line: {
      when: { at: 1, is: ['L', 'M'] },
      fields: [
        { name: 'SKU', start: 2, width: 3 },
        { name: 'AMT', width: 6, decimals: 2, point: 'none', align: 'right', pad: '0' },
      ],
    },
    note: { when: { at: 1, is: 'N' }, fields: [{ name: 'TEXT', start: 2, width: 5 }] },
  },
  trailer_record: {
    when: { at: 1, is: 'T' },
    fields: [
      { name: 'ORDERS', start: 2, width: 3, type: 'integer', align: 'right', pad: '0' },
      { name: 'ALL', width: 3, type: 'integer', align: 'right', pad: '0' },
      { name: 'SUM', width: 8, decimals: 2, point: 'none', align: 'right', pad: '0' },
    ],
    count: { ORDERS: 'order', ALL: 'all' },
    sum: { SUM: 'line.AMT' },
  },
};
const file = ['H20260301', 'O4711', 'LA01000150', 'MA02000250', 'Nurgnt', 'O4712', 'T00200700000400', ''].join('\n');

describe('records of several kinds', () => {
  test('children stand in lists below their parent; header and trailer are checked and taken out', async () => {
    for (const size of [1, 5, 1000]) {
      const records = await decodeAll(fixed(orders), file, size);
      expect(records.map(shown)).toEqual([
        {
          NO: '4711',
          lines: [
            { SKU: 'A01', AMT: '1.50' },
            { SKU: 'A02', AMT: '2.50' },
          ],
          notes: [{ TEXT: 'urgnt' }],
          file: { KIND: 'H', DATE: '2026-03-01' },
        },
        { NO: '4712', lines: [], notes: [], file: { KIND: 'H', DATE: '2026-03-01' } },
      ]);
      expect(records.map(({ number, line }) => [number, line])).toEqual([
        [1, 2],
        [2, 6],
      ]);
      expect(String(records[0]?.raw)).toBe('O4711\nLA01000150\nMA02000250\nNurgnt');
    }
    expect(fixed(orders).fields).toMatchObject({ NO: 'text', lines: { list: { AMT: 'decimal' } }, file: { record: { DATE: 'date' } } });
  });

  test('F31 a bad child, or a record of no kind, fails its whole group: nothing incomplete is handed over', async () => {
    const text = 'H20260301\nO4711\nLA0100x150\nLA01000150\nO4712\nLA01000250\nX?\nO4713\n';
    const records = await decodeAll(fixed({ ...orders, trailer_record: undefined }), text);
    expect(records.map((record) => record.failure?.message ?? (shown(record) as { NO: string }).NO)).toEqual([
      'orders.csv:3: field AMT at byte 5',
      'orders.csv:7: no kind of record fits',
      '4713',
    ]);
    expect(String(records[0]?.raw)).toBe('O4711\nLA0100x150\nLA01000150');
  });

  test('F31 a child without its parent fails alone', async () => {
    const records = await decodeAll(fixed({ records: orders.records }), 'LA01000150\nO4711\n');
    expect(records.map(shown)).toEqual(['E354 orders.csv:1: a record of kind line stands below none that takes it', { NO: '4711', lines: [], notes: [] }]);
  });

  test('more children than allowed fail in bounded memory', async () => {
    const text = `O4711\n${'LA01000150\n'.repeat(50_000)}O4712\n`;
    const [bad, good] = await decodeAll(fixed({ records: orders.records, max_children: 100 }), text);
    expect(bad?.failure?.message).toBe('orders.csv:1: more than 100 records below this record');
    expect(bad?.raw.length).toBeLessThanOrEqual(65_536);
    expect(shown(good)).toMatchObject({ NO: '4712' });
  });

  test('several kinds at the top carry their name; children of children', async () => {
    const options = {
      header: false,
      records: {
        order: { when: { is: 'O' }, columns: ['K', 'NO'], children: { lines: 'line' } },
        line: { when: { is: 'L' }, columns: ['K', 'SKU'], children: { dates: 'schedule' } },
        schedule: { when: { is: 'S' }, columns: ['K', 'DAY'] },
        customer: { when: { is: 'C' }, columns: ['K', 'NAME'] },
      },
    };
    const text = 'C,Müller\nO,1\nL,A\nS,mon\nS,tue\nL,B\n';
    const records = [
      { record_type: 'customer', K: 'C', NAME: 'Müller' },
      {
        record_type: 'order',
        K: 'O',
        NO: '1',
        lines: [
          {
            K: 'L',
            SKU: 'A',
            dates: [
              { K: 'S', DAY: 'mon' },
              { K: 'S', DAY: 'tue' },
            ],
          },
          { K: 'L', SKU: 'B', dates: [] },
        ],
      },
    ];
    expect((await decodeAll(csv(options), text)).map(shown)).toEqual(records);
    expect(String(await csv(options).encode(records))).toBe(text);
    expect(() => csv(options).encode([{ NO: '1' }])).toThrow('record_type says which record is written');
  });
});

describe('memory', () => {
  test.each([
    ['csv', csv({ trailer_record: { when: { is: 'T' }, columns: ['T'], required: false } }), 'a,b\n', '1,"2"\n'],
    ['csv in Shift_JIS', csv({ encoding: 'shift_jis' }), 'a,b\n', '1,"2"\n'],
    ['fixed_width', fixed({ fields: [{ name: 'a', width: 6 }], record_separator: 'none' }), '', 'abcdef'],
  ])('F18 %s reads no further than its records are taken, whatever the size of the file', async (_, codec, head, row) => {
    let pulled = 0;
    const block = Buffer.from(row.repeat(2_000));
    async function* endless(): AsyncGenerator<Uint8Array> {
      if (head !== '') yield Buffer.from(head);
      for (;;) {
        pulled++;
        yield block;
      }
    }
    let taken = 0;
    for await (const list of codec.decode(endless(), 'endless.dat')) {
      taken += list.length;
      expect((pulled - 4) * 2_000).toBeLessThan(taken);
      if (taken > 60_000) break;
    }
    expect(taken).toBeGreaterThan(60_000);
  });
});

describe('control totals', () => {
  const totals = {
    delimiter: ';',
    header_record: { when: { is: 'HDR' }, columns: ['K', 'N'], count: 'N', required: false },
    trailer_record: { when: { is: 'END' }, columns: ['K', 'COUNT', 'SUM'], count: 'COUNT', sum: { SUM: 'AMT' } },
    decimal: 'comma',
  };
  const read = async (text: string, options: object = {}): Promise<unknown[]> => (await decodeAll(csv({ ...totals, ...options }), text)).map(shown);

  test('F30 a bad row goes to the dead letters, the trailer still counts it', async () => {
    expect(await read('NO;AMT\n1;0,10\n2;"x"y\n3;1.000,20\nEND;3;9\n')).toEqual([
      { NO: '1', AMT: '0,10' },
      'E340 orders.csv:3: column 2: expected the delimiter or the end of the line after the closing quote',
      { NO: '3', AMT: '1.000,20' },
    ]);
  });

  test('F31 sums are exact; a wrong one is one failure at the end', async () => {
    expect(await read(`NO;AMT\n${'1;0,10\n'.repeat(3)}END;3;0,3\n`)).toHaveLength(3);
    expect((await read('HDR;3\nNO;AMT\n1;0,10\n2;x\nEND;3;0,11\n')).slice(2)).toEqual([
      'E353 orders.csv:5: COUNT says 3 records, there are 2; SUM cannot be compared: AMT is no number in 1 records',
      'E353 orders.csv:1: N says 3 records, there are 2',
    ]);
    expect((await read('NO;AMT\n1;90071992547409931,01\nEND;1;90071992547409931,02\n')).slice(1)).toEqual([
      'E353 orders.csv:3: SUM says 90071992547409931.02, the sum of AMT is 90071992547409931.01',
    ]);
  });

  test.each<[string, string, object, string]>([
    ['no trailer', 'NO;AMT\n1;1\n', {}, 'E353 orders.csv: the file ends without its trailer: it is not complete'],
    ['records behind it', 'NO;AMT\nEND;0;0\n1;1\n', {}, 'E353 orders.csv:3: there are records behind the trailer'],
    ['two trailers', 'NO;AMT\nEND;0;0\nEND;0;0\n', {}, 'E353 orders.csv:3: there is a second trailer'],
    ['no header', 'NO;AMT\n1;1\nEND;1;1\n', { header_record: { ...totals.header_record, required: true } }, 'E353 orders.csv:2: the file does not begin with its header'],
    ['a trailer that is none', 'NO;AMT\nEND;1\n', {}, 'E340 orders.csv:2: 2 columns instead of 3, see from "COUNT" on'],
  ])('F31 %s', async (_, text, options, problem) => {
    expect(await read(text, options)).toContain(problem);
  });

  test('what is written has its header and trailer, with the totals of what is written', async () => {
    const options = { ...totals, columns: ['NO', 'AMT'] };
    const rows = [
      { NO: '1', AMT: '0,10' },
      { NO: '2', AMT: '0,20' },
    ];
    expect(String(await csv(options).encode(rows))).toBe('HDR;2\nNO;AMT\n1;0,10\n2;0,20\nEND;2;0,30\n');
    const payloads = (await decodeAll(fixed(orders), file)).map((record) => record.value as never);
    expect(String(await fixed({ ...orders, header_record: { ...orders.header_record, required: false } }).encode(payloads))).toBe(
      file.replace('H20260301', 'H        ').replace('MA', 'LA'),
    );
  });
});

describe('fixed width, what programs do to it', () => {
  const fields = [
    { name: 'a', width: 2 },
    { name: 'n', width: 3, type: 'packed', decimals: 2 },
    { name: 'z', width: 4, type: 'zoned' },
  ];

  test('F28 EBCDIC with packed and zoned numbers, in blocks', async () => {
    const options = fixed({ encoding: 'cp273', record_separator: 'none', record_length: 10, fields });
    const bytes = await options.encode([
      { a: 'ü', n: '-123.45', z: -12n },
      { a: 'x', n: '1', z: null },
    ]);
    expect(Buffer.from(bytes).toString('hex')).toBe('d04012345df0f0f1d240' + 'a74000100c4040404040');
    expect((await decodeAll(options, bytes, 3)).map(shown)).toEqual([
      { a: 'ü', n: '-123.45', z: -12 },
      { a: 'x', n: '1.00', z: null },
    ]);
    expect(options.fields).toEqual({ a: 'text', n: 'decimal', z: 'integer' });
    const [bad] = await decodeAll(options, bytes.fill(0x40, 2, 5));
    expect(`${bad?.failure?.message} ${String(bad?.failure?.cause)}`).toContain('field n at byte 3 InvalidMessage: no packed number: 404040');
  });

  test('F28 lines of EBCDIC end with next-line', async () => {
    const options = fixed({ encoding: 'cp037', record_separator: 'nl', fields: [{ name: 'a', width: 3 }] });
    expect(Buffer.from(await options.encode([{ a: 'x' }])).toString('hex')).toBe('a7404015');
    expect((await decodeAll(options, await options.encode([{ a: 'x' }, { a: 'y' }]), 2)).map(shown)).toEqual([{ a: 'x' }, { a: 'y' }]);
  });

  test('F31 short_records: pad reads lines whose spaces were taken away', async () => {
    const options = {
      fields: [
        { name: 'a', width: 3 },
        { name: 'b', width: 3 },
      ],
    };
    expect((await decodeAll(fixed({ ...options, short_records: 'pad' }), 'x\nabcdef\n')).map(shown)).toEqual([
      { a: 'x', b: '' },
      { a: 'abc', b: 'def' },
    ]);
    expect((await decodeAll(fixed(options), 'x\n')).map(shown)).toEqual(['E347 orders.csv:1: 1 bytes instead of 6']);
  });

  test('F28 widths count bytes in Shift_JIS; a character cut by a border is an error of its field', async () => {
    const options = fixed({
      encoding: 'shift_jis',
      fields: [
        { name: 'a', width: 4 },
        { name: 'b', width: 2 },
      ],
    });
    const bytes = await options.encode([{ a: '表', b: 'x' }]);
    expect(bytes).toHaveLength(7);
    expect((await decodeAll(options, bytes, 1)).map(shown)).toEqual([{ a: '表', b: 'x' }]);
    expect((await decodeAll(options, Buffer.concat([Buffer.from('xxx'), bytes.subarray(0, 2), Buffer.from('x\n')]))).map((record) => record.failure?.message)).toEqual([
      'orders.csv:1: field a at byte 1',
    ]);
  });

  test('one line of 100 MB is a limit error in bounded memory', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < 100; at++) yield chunk;
      yield Buffer.from('\nabc\n');
    }
    const codes: unknown[] = [];
    for await (const list of fixed({ fields: [{ name: 'a', width: 3 }] }).decode(bytes(), 'big.dat')) codes.push(...list.map((record) => record.failure?.code ?? shown(record)));
    expect(codes).toEqual(['E345', { a: 'abc' }]);
  });

  test('a record that would not be recognised is not written', () => {
    const options = fixed({ records: { order: { when: { at: 1, is: 'O' }, fields: [{ name: 'K', width: 1 }] } } });
    expect(options.preview({ K: null })).toBe('O');
    expect(() => options.preview({ K: 'X' })).toThrow('would not be read as order: byte 1 is not O');
  });
});
