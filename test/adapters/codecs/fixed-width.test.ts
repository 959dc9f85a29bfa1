import { describe, expect, test } from '@jest/globals';
import { fixedWidthCodec, fixedWidthOptions } from '../../../adapters/codecs/fixed-width.js';
import { Decimal, type Value } from '../../../adapters/contract/index.js';
import { decodeAll, shown } from './decoding.js';

const orders = {
  encoding: 'cp1252',
  fields: [
    { name: 'ORDNO', width: 10 },
    { name: 'CUSTNO', width: 8, align: 'right', pad: '0' },
    { name: 'DUE', width: 8, date: 'yyyyMMdd' },
    { name: 'TOTAL', width: 12, align: 'right', pad: '0', decimals: 2, point: 'none' },
  ],
};
const codec = (options: object = orders) => fixedWidthCodec(fixedWidthOptions.parse(options));
const payload = { ORDNO: '4711', CUSTNO: '00000815', DUE: '2026-03-01', TOTAL: Decimal.parse('1234.50') ?? null };

describe('fixed width out', () => {
  test('the order of the guide is written exactly', async () => {
    expect(codec().preview(payload)).toBe('4711      0000081520260301000000123450');
    expect(codec().preview({ ...payload, CUSTNO: '815', TOTAL: '1234.5' })).toBe('4711      0000081520260301000000123450');
    expect(String(await codec().encode([payload, payload]))).toBe('4711      0000081520260301000000123450\n'.repeat(2));
  });

  test.each<[string, Value, string]>([
    ['ORDNO', '12345678901', 'field ORDNO: the value has 11 bytes, the field 10'],
    ['ORDNO', 'a\nb', 'line end'],
    ['ORDNO', 'Ж', 'does not exist in windows-1252'],
    ['DUE', '2026-02-30', 'cannot be written as yyyyMMdd'],
    ['TOTAL', '1234.505', '1234.505 has more than 2 decimals'],
    ['TOTAL', '12345678901.00', 'the value has 13 bytes, the field 12'],
    ['TOTAL', 'many', '"many" is no number'],
    ['COLOUR', 'red', 'there is no field "COLOUR"'],
  ])('%s of %j is refused', (name, value, problem) => {
    expect(() => codec().preview({ ...payload, [name]: value })).toThrow(problem);
  });

  test('widths count bytes of the encoding', async () => {
    const fields = [{ name: 'n', width: 6 }];
    expect(await codec({ encoding: 'cp1252', fields, record_separator: 'none' }).encode([{ n: 'Müller' }])).toHaveLength(6);
    expect(() => codec({ encoding: 'utf-8', fields }).preview({ n: 'Müller' })).toThrow('has 7 bytes');
    expect([...(await codec({ encoding: 'iso-8859-15', fields, record_separator: 'none' }).encode([{ n: '€' }]))]).toEqual([0xa4, 32, 32, 32, 32, 32]);
  });

  test('numbers: sign before the zeros, comma, exact digits of a large amount', () => {
    const field = (extra: object) => codec({ fields: [{ name: 'v', width: 10, align: 'right', ...extra }] });
    expect(field({ pad: '0', decimals: 2, point: 'none' }).preview({ v: Decimal.parse('-1.5') ?? null })).toBe('-000000150');
    expect(field({ decimals: 2, point: 'comma' }).preview({ v: 7n })).toBe('      7,00');
    expect(codec({ fields: [{ name: 'v', width: 20, decimals: 2, point: 'none' }] }).preview({ v: '123456789012345678.99' })).toBe('12345678901234567899');
  });

  test('nothing is spaces, or what empty says', () => {
    expect(
      codec({
        fields: [
          { name: 'd', width: 8, date: 'yyyyMMdd' },
          { name: 'e', width: 8, pad: '0', empty: '00000000' },
        ],
      }).preview({ d: null }),
    ).toBe('        00000000');
  });
});

describe('fixed width in', () => {
  test('reads what it writes, typed and exact; leading zeros stay', async () => {
    const records = await decodeAll(codec(), await codec().encode([payload, payload]), 7);
    expect(records.map(shown)).toEqual(Array(2).fill({ ORDNO: '4711', CUSTNO: '00000815', DUE: '2026-03-01', TOTAL: '1234.50' }));
    expect(records[1]).toMatchObject({ number: 2, line: 2, offset: 39 });
    expect(codec().fields).toEqual({ ORDNO: 'text', CUSTNO: 'text', DUE: 'date', TOTAL: 'decimal' });
  });

  test('F31 a record of the wrong length or with a wrong value fails alone', async () => {
    const good = '4711      0000081520260301000000123450';
    const text = `${good}\r\n4712\n4713      0000081520261301000000123450\n${good}\n`;
    expect((await decodeAll(codec(), text)).map((record) => record.failure?.code ?? 'read')).toEqual(['read', 'E347', 'E344', 'read']);
  });

  test('records without a separator, also split over chunks', async () => {
    const blocks = codec({
      fields: [
        { name: 'a', width: 2 },
        { name: 'b', start: 4, width: 1 },
      ],
      record_separator: 'none',
    });
    expect((await decodeAll(blocks, 'aa-1bb-2cc', 3)).map(shown)).toEqual([{ a: 'aa', b: '1' }, { a: 'bb', b: '2' }, 'E347 orders.csv:3: 2 bytes instead of 4']);
  });

  test('F28 a byte that does not exist in the encoding is named with field and offset', async () => {
    const [record] = await decodeAll(codec({ encoding: 'cp1252', fields: [{ name: 'a', width: 3 }] }), Buffer.from('a\x81b\n', 'latin1'));
    expect(record?.failure?.code).toBe('E341');
    expect(String(record?.failure?.cause)).toContain('byte 0x81 at offset 1');
  });

  test('overlapping fields, a wrong pattern and point without decimals are refused', () => {
    expect(
      fixedWidthOptions.safeParse({
        fields: [
          { name: 'a', width: 3 },
          { name: 'b', start: 3, width: 1 },
        ],
      }).success,
    ).toBe(false);
    expect(fixedWidthOptions.safeParse({ fields: [{ name: 'a', width: 8, date: 'yyyymmdd' }] }).success).toBe(false);
    expect(fixedWidthOptions.safeParse({ fields: [{ name: 'a', width: 8, point: 'none' }] }).success).toBe(false);
    expect(fixedWidthOptions.safeParse({ encoding: 'utf-16', fields: [{ name: 'a', width: 8 }] }).success).toBe(false);
  });
});
