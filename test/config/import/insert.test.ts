import { describe, expect, test } from '@jest/globals';
import { insertEndpoint } from '../../../config/import/insert.js';

const put = (text: string) => insertEndpoint(text, 'legacy', 'read', 'orders', { table: 'ORD_HEAD', key: 'ORD_NO' });
const NEW = 'orders: {table: ORD_HEAD, key: ORD_NO}';

describe('an endpoint is put into a file that people wrote; all else stays as it is', () => {
  test('a system that reads nothing yet', () => {
    expect(put('systems:\n  legacy: # ask Bob\n    adapter: sql\n    connect: {a: 1}\n  other:\n    adapter: file\n')).toBe(
      `systems:\n  legacy: # ask Bob\n    adapter: sql\n    connect: {a: 1}\n    read:\n      ${NEW}\n  other:\n    adapter: file\n`,
    );
  });

  test('a system that reads something, with comments behind and below', () => {
    expect(put('systems:\n  legacy:\n    read:\n      old:\n        table: T # keep\n      # the end\n    adapter: sql\n')).toBe(
      `systems:\n  legacy:\n    read:\n      old:\n        table: T # keep\n      ${NEW}\n      # the end\n    adapter: sql\n`,
    );
  });

  test('four blanks, no line end at the end', () => {
    expect(put('systems:\n    legacy:\n        adapter: sql')).toBe(`systems:\n    legacy:\n        adapter: sql\n        read:\n          ${NEW}\n`);
  });

  test('a block of text as the last value', () => {
    expect(put('systems:\n  legacy:\n    read:\n      old:\n        sql: |\n          select 1\n          from t\n\ntypes: {}\n')).toBe(
      `systems:\n  legacy:\n    read:\n      old:\n        sql: |\n          select 1\n          from t\n      ${NEW}\n\ntypes: {}\n`,
    );
  });

  test.each([
    ['systems: {legacy: {adapter: sql}} # keep\n', 'systems: {legacy: {adapter: sql, read: {orders: {table: ORD_HEAD, key: ORD_NO}}}} # keep\n'],
    ['systems:\n  legacy: {adapter: sql}\n', 'systems:\n  legacy: {adapter: sql, read: {orders: {table: ORD_HEAD, key: ORD_NO}}}\n'],
    ['systems:\n  legacy:\n    read: {a: {table: T}}\n', 'systems:\n  legacy:\n    read: {a: {table: T}, orders: {table: ORD_HEAD, key: ORD_NO}}\n'],
  ])('between braces: %s', (text, expected) => {
    expect(put(text)).toBe(expected);
  });

  test('a file that does not have the system', () => {
    expect(put('types: {}\n')).toBeUndefined();
  });
});
