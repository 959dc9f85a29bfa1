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

  test('an array below a path, wherever chunks end', async () => {
    const nested = codec({ json: { as: 'array', each: 'data.items' } });
    const text = '{"items":[9],"x":{"data":{"items":[8]}},"d\\u0061ta" : {"n":"]}","items": [ {"items":[1]}, "t]", 3 ], "total":3}, "y":[{"items":[7]}]}';
    for (const size of [1, 2, 7, 1000]) {
      const records = await decodeAll(nested, text, size);
      expect(records.map(shown)).toEqual([{ items: [1] }, 't]', 3]);
      expect(records[1]?.offset).toBe(text.indexOf('"t]"') - 1);
    }
    expect((await decodeAll(nested, await nested.encode([{ a: 1n }, { a: 2n }]), 3)).map(shown)).toEqual([{ a: 1 }, { a: 2 }]);
    expect(format.safeParse({ json: { each: 'a' } }).success).toBe(false);
  });

  test.each([
    ['{"data":{}}', ['E346 orders.csv: there is no data.items']],
    ['{"data":[]}', ['E346 orders.csv: data is no object']],
    ['{"data":{"items":{}}}', ['E346 orders.csv: data.items is no array']],
    ['[1]', ['E346 orders.csv: expected an object with data.items']],
    ['{"data":{"items":[1,2', ['E346 orders.csv: the document is not complete']],
    ['{"data":{"items":[1]}} x', ['E346 orders.csv: unexpected text after the document at offset 23']],
    ['{"data":{"items":[1],"items":[2]}}', ['E346 orders.csv: data.items is there twice']],
    ['', ['E346 orders.csv: the document is not complete']],
  ])('each in %j fails', async (text, expected) => {
    for (const size of [1, 1000]) expect((await decodeAll(codec({ json: { as: 'array', each: 'data.items' } }), text, size)).map(shown).slice(-1)).toEqual(expected);
  });

  test('hostile: deep nesting, endless elements and names of JavaScript', async () => {
    const [deep] = await decodeAll(codec({ json: {} }), '['.repeat(100_000));
    expect(shown(deep)).toMatch(/^E346/);
    const records = await decodeAll(
      codec({ json: { as: 'array', max_record: '1KiB' } }),
      `["${'x'.repeat(1_000_000)}",${'['.repeat(1_000)}${']'.repeat(1_000)},{"__proto__":{"a":1},"constructor":2}]`,
      4_096,
    );
    expect(records.map(({ failure }) => failure?.code)).toEqual(['E345', expect.anything(), undefined]);
    expect(Object.keys(records[2]?.value as object)).toEqual(['__proto__', 'constructor']);
    expect(shown((await decodeAll(codec({ json: {} }), '{"a":1,"a":2}'))[0])).toMatch(/^E346/);
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
