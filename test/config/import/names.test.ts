import { describe, expect, test } from '@jest/globals';
import { endpointName, fieldName, fieldOf, typeName, unique } from '../../../config/import/names.js';

describe('names for people, from names that systems have', () => {
  test.each([
    ['ORD_HEAD', 'OrdHead', 'ordHead', 'ord-head'],
    ['orderNo', 'OrderNo', 'orderNo', 'order-no'],
    ['Straße Nr.', 'StrasseNr', 'strasseNr', 'strasse-nr'],
    ['2nd line', 'Type2ndLine', 'field2ndLine', 'data-2nd-line'],
    ['in', 'In', 'inValue', 'in'],
    ['日本', 'Field', 'field', 'field'],
    ['__proto__', 'Proto', 'proto', 'proto'],
  ])('%s', (given, type, field, endpoint) => {
    expect([typeName(given), fieldName(given), endpointName(given)]).toEqual([type, field, endpoint]);
  });

  test('a name that is taken gets a number', () => {
    expect(unique('a', new Set(['b']))).toBe('a');
    expect(unique('a', new Set(['a', 'a2']))).toBe('a3');
  });

  test('an expression names any field', () => {
    expect(fieldOf('record', 'ORD_NO')).toBe('record.ORD_NO');
    expect(fieldOf('it', 'ORD "NO"')).toBe('it["ORD \\"NO\\""]');
    expect(fieldOf('record', 'in')).toBe('record["in"]');
  });
});
