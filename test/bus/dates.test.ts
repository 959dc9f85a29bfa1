import { describe, expect, test } from '@jest/globals';
import { datePatternProblem, formatDate, parseDate } from '../../bus/dates.js';

describe('date patterns', () => {
  test.each([
    ['2026-03-01', 'yyyyMMdd', '20260301'],
    ['2026-03-01', 'dd.MM.yyyy', '01.03.2026'],
    ['2026-03-01', 'yyMMdd', '260301'],
    ['2026-03-01', 'd/M/yyyy', '1/3/2026'],
    ['2026-03-01', 'yyDDD', '26060'],
    ['2024-12-31', 'yyyyDDD', '2024366'],
    ['2026-03-01T08:05:09', "yyyyMMdd'T'HHmmss", '20260301T080509'],
    ['2026-03-01T08:05:09.250', 'yyyy-MM-dd HH:mm:ss.SSS', '2026-03-01 08:05:09.250'],
    ['2026-03-01T08:05:00+01:00', 'dd.MM.yyyy HH:mmXXX', '01.03.2026 08:05+01:00'],
  ])('%s as %s is %s, and back', (iso, pattern, text) => {
    expect(formatDate(iso, pattern)).toBe(text);
    expect(parseDate(text, pattern)).toBe(iso);
    expect(datePatternProblem(pattern)).toBeUndefined();
  });

  test('a two-digit year is read by the POSIX window and never written outside it', () => {
    expect(parseDate('690101', 'yyMMdd')).toBe('1969-01-01');
    expect(parseDate('680101', 'yyMMdd')).toBe('2068-01-01');
    expect(formatDate('1968-01-01', 'yyMMdd')).toBeUndefined();
  });

  test.each([
    ['20260229', 'yyyyMMdd'],
    ['20261301', 'yyyyMMdd'],
    ['00000000', 'yyyyMMdd'],
    ['2026030', 'yyyyMMdd'],
    [' 20260301', 'yyyyMMdd'],
    ['2026366', 'yyyyDDD'],
    ['2026030124', 'yyyyMMddHH'],
  ])('%s is no date in the form %s', (text, pattern) => {
    expect(parseDate(text, pattern)).toBeUndefined();
  });

  test('a time is not invented for a plain date', () => {
    expect(formatDate('2026-03-01', 'yyyyMMddHHmm')).toBeUndefined();
    expect(formatDate('not a date', 'yyyyMMdd')).toBeUndefined();
  });

  test.each(['yyyymmdd', 'YYYYMMDD', 'MMdd', 'yyyyMM', "yyyyMMdd'", 'yyyyMMddss'])('pattern %s is refused', (pattern) => {
    expect(datePatternProblem(pattern)).toEqual(expect.any(String));
  });
});
