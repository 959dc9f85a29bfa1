import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decimal } from '../../bus/decimal.js';

const decimal = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: 0, max: 20 })).map(([unscaled, scale]) => new Decimal(unscaled, scale));
const of = (text: string): Decimal => Decimal.parse(text) ?? new Decimal(-1n, 9);

describe('Decimal', () => {
  test.each(['0', '-0.05', '1234.50', '0.1000', '12345678901234567890.123456789', '9007199254740993'])('%s keeps its digits', (text) => {
    expect(of(text).toString()).toBe(text);
  });

  test.each(['', ' 1', '1 ', '1,5', 'NaN', 'Infinity', '0x1F', '1.', '.5', '1e9999', '--1'])('refuses %j', (text) => {
    expect(Decimal.parse(text)).toBeUndefined();
  });

  test('reads exponents exactly', () => {
    expect([of('1.5E-2'), of('12e3'), of('1e0')].map(String)).toEqual(['0.015', '12000', '1']);
  });

  test('never loses digits when the scale changes', () => {
    expect(of('1.50').withScale(1)?.toString()).toBe('1.5');
    expect(of('1.55').withScale(1)).toBeUndefined();
    expect(of('1.5').withScale(4)?.toString()).toBe('1.5000');
  });

  test('rounds half to even', () => {
    expect(
      ['0.125', '0.135', '-0.125', '2.5', '-3.5', '0.1251'].map((text) =>
        of(text)
          .rounded(text.length > 4 ? 2 : 0)
          .toString(),
      ),
    ).toEqual(['0.12', '0.14', '-0.12', '2', '-4', '0.13']);
  });

  test('counts the digits before the point', () => {
    expect(['0.05', '12.5', '-100', '0'].map((text) => of(text).integerDigits)).toEqual([0, 2, 3, 0]);
  });

  test('parse and toString are inverse, arithmetic agrees with integers', () => {
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        expect(of(a.toString()).equals(a)).toBe(true);
        expect(a.plus(b).minus(b).equals(a)).toBe(true);
        expect(a.times(b).equals(b.times(a))).toBe(true);
        expect(Math.sign(a.compare(b))).toBe(-Math.sign(b.compare(a)) + 0);
      }),
    );
  });
});
