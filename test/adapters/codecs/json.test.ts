import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { codecOf, formatOptions, oneFormat } from '../../../adapters/codecs/format.js';
import { Decimal } from '../../../adapters/contract/index.js';
import { decodeAll, shown } from './decoding.js';

const format = z.strictObject(formatOptions).superRefine(oneFormat);
const codec = (options: object) => codecOf(format.parse(options));

describe('json', () => {
  test('a document keeps every digit', async () => {
    const [record] = await decodeAll(codec({ json: {} }), '\ufeff{"id": 9007199254740993, "total": 1234.50}');
    expect(record?.value).toMatchObject({ id: 9007199254740993n, total: new Decimal(123450n, 2) });
  });

  test('lines: a bad line fails with its number, the rest goes on', async () => {
    for (const size of [1, 5, 100]) {
      const records = await decodeAll(codec({ json: { as: 'lines' } }), '{"a":1}\r\n\n{"a":}\n{"a":3}', size);
      expect(records.map(shown)).toEqual([{ a: 1 }, 'E346 orders.csv:3: unexpected character at offset 5', { a: 3 }]);
    }
  });

  test('array: elements are read one by one, wherever chunks end', async () => {
    const text = ' [ {"a":"x]\\",{"} , [1,[2]],\n"t", {"a":01}, 5 ] ';
    for (const size of [1, 2, 7, 100]) {
      const records = await decodeAll(codec({ json: { as: 'array' } }), text, size);
      expect(records.map(shown)).toEqual([{ a: 'x]",{' }, [1, [2]], 't', expect.stringContaining('E346'), 5]);
    }
  });

  test.each([
    ['[]', []],
    ['{"a":1}', ['E346 orders.csv: expected an array: the first character is no [']],
    ['[1,2', [1, 'E346 orders.csv: the array is not closed']],
    ['[1] x', [1, 'E346 orders.csv: unexpected text after the array at offset 4']],
    ['[1,]', [1, 'E346 orders.csv: unexpected end at offset 0']],
    ['', ['E346 orders.csv: expected an array: there is nothing']],
  ])('array %j', async (text, expected) => {
    expect((await decodeAll(codec({ json: { as: 'array' } }), text, 2)).map(shown)).toEqual(expected);
  });

  test('writes documents, lines and arrays', async () => {
    const payloads = [{ total: new Decimal(150n, 2) }, { total: 2n }];
    expect(String(await codec({ json: {} }).encode(payloads.slice(0, 1)))).toBe('{"total":1.50}\n');
    expect(String(await codec({ json: { as: 'lines' } }).encode(payloads))).toBe('{"total":1.50}\n{"total":2}\n');
    expect(String(await codec({ json: { as: 'array' } }).encode(payloads))).toBe('[{"total":1.50},\n{"total":2}]\n');
  });
});

describe('formats', () => {
  test('text is the whole file', async () => {
    expect((await decodeAll(codec({ text: { encoding: 'latin1' } }), Buffer.from('M\xfcller\r\n', 'latin1'))).map(shown)).toEqual([{ text: 'Müller\r\n' }]);
    expect(codec({ text: {} }).preview({ text: 'x' })).toBe('x');
  });

  test('an endpoint has exactly one format', () => {
    expect(format.safeParse({}).error?.issues[0]?.message).toContain('a format is missing: one of csv, json, fixed_width, copybook, text, xml');
    expect(format.safeParse({ csv: {}, json: {} }).error?.issues[0]?.message).toBe('there is csv already; an endpoint has one format');
  });
});
