import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decimal } from '../../bus/decimal.js';
import { JsonError, parseJson, writeJson } from '../../bus/json.js';
import { isRecord } from '../../bus/value.js';

describe('JSON', () => {
  test.each(['12345678901234567890', '0.1000000000000000055', '9007199254740993', '-0.50', '{"a":[1,2.50,null,true,"x"]}', '""', '[]', '{}', '"\\u0001\\n"'])(
    '%s crosses unchanged',
    (text) => {
      expect(writeJson(parseJson(text))).toBe(text);
    },
  );

  test('whole numbers are bigint, others Decimal', () => {
    expect(parseJson('[1, 1.0]')).toEqual([1n, new Decimal(10n, 1)]);
  });

  test.each([
    ['{"a":1,"a":2}', 7],
    ['[1,]', 3],
    ['{"a":1,}', 7],
    ['NaN', 0],
    ['01', 1],
    ['\uFEFF1', 0],
    ['"\\ud800"', 0],
    ['', 0],
    ['[1] x', 4],
    ['"a\nb"', 2],
    ['{"a"', 4],
    ['1E400000', 0],
    ['"\\x"', 1],
  ])('refuses %j naming the offset', (text, offset) => {
    const error = thrown(() => parseJson(text));
    expect(error).toBeInstanceOf(JsonError);
    expect((error as JsonError).offset).toBe(offset);
  });

  test('bounds depth and number of values', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow('nested deeper than 128');
    expect(() => parseJson(`[${'1,'.repeat(50)}1]`, { values: 50 })).toThrow('more values than allowed');
  });

  test('__proto__ and toString are plain members', () => {
    const value = parseJson('{"__proto__": {"polluted": true}, "toString": 1, "constructor": {"prototype": 2}}');
    expect(isRecord(value) && Object.keys(value)).toEqual(['__proto__', 'toString', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('writes numbers as text for canonical messages', () => {
    expect(writeJson({ a: 1n, b: new Decimal(150n, 2) }, 'text')).toBe('{"a":"1","b":"1.50"}');
  });

  test('what JSON.stringify writes is read to the same content', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        if (!text.isWellFormed() || /\\u[dD][89a-fA-F]/.test(text)) return;
        expect(JSON.parse(writeJson(parseJson(text)))).toEqual(JSON.parse(text));
      }),
    );
  });
});

function thrown(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}
