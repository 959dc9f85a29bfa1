import { describe, expect, test } from '@jest/globals';
import type { ValueRecord } from '../../bus/value.js';
import { textOf } from '../../routes/mapping/conversions.js';
import { runTests, type TestRun } from '../../routes/test.js';
import { inputOf, ordersYaml, sample, testOf, values } from './orders.js';

const input = inputOf(ordersYaml);
/** Stands in for the adapter: the fixed-width line of the guide. */
const preview = (endpoint: string, payload: ValueRecord) => {
  const text = (field: string) => textOf(payload[field] ?? null) ?? '';
  if (endpoint !== 'erp.orders') return undefined;
  return `${text('ORDNO').padEnd(10)}${text('CUSTNO')}${text('DUE').replaceAll('-', '')}${text('TOTAL').replace('.', '').padStart(12, '0')}\n`;
};

function run(yaml: string, set: Readonly<Record<string, unknown>> = {}, config = input): TestRun {
  return runTests(
    [
      {
        config: testOf(`name: a test\nnow: "2026-03-02 08:00"\ngiven: {legacy.orders: samples/ord-4711.json}\n${yaml}`),
        given: new Map([['legacy.orders', [{ ...sample, ...values(set) }]]]),
      },
    ],
    config,
    preview,
  );
}

function problems(yaml: string, set?: Readonly<Record<string, unknown>>, config = input) {
  return run(yaml, set, config).results[0]?.problems;
}

describe('tests of a configuration', () => {
  test('the tests of the guide pass', () => {
    expect(
      run(`expect:
  Order: {id: "4711", country: CH, due: 2026-03-01, total: 1234.50}
  erp: ["4711      0000081520260301000000123450"]
  accounting: {count: 1, body: {Amount: 1234.50, PostingDate: "2026-03-02"}}
  shipping: {count: 2}`),
    ).toEqual({ results: [{ name: 'a test', passed: true, place: 'tests/0', problems: [] }], coverage: { fired: 3, rules: 4, never: ['orders-out/otherwise'] } });
    expect(problems('expect: {dead_letter: {code: E311, count: 1}}', { CTRY: '999' })).toEqual([]);
    expect(problems('expect: {filtered: true, dead_letter: {count: 0}}', { STATUS: 'DRAFT' })).toEqual([]);
    expect(problems('expect: {filtered: record.STATUS, erp: 0, shipping.createShipment: []}', { STATUS: 'DRAFT' })).toEqual([]);
  });

  test('an expected dead letter that was delivered says why', () => {
    const lenient = inputOf(ordersYaml.replace('"840": US}}', '"840": US}, missing: keep}'));
    expect(problems('expect: {dead_letter: {code: E311, count: 1}}', { CTRY: '99' }, lenient)).toEqual([
      {
        what: 'dead_letter.code',
        expected: 'E311',
        got: 'nothing: delivered to accounting.BookInvoice, shipping.createShipment',
        because: 'table country has missing: keep',
        place: 'tables/country',
      },
    ]);
  });

  test('a dead letter nobody expects is a failure', () => {
    expect(problems('expect: {}', { CTRY: '999' })).toEqual([
      { what: 'dead_letter', expected: 'none', got: 'E311 no row "999" in table country', place: 'routes/orders-in/map/country/from' },
    ]);
    expect(problems('expect: {dead_letter: {code: E304}}', { CTRY: '999' })).toMatchObject([
      { what: 'dead_letter.code', expected: 'E304', got: 'E311 no row "999" in table country' },
    ]);
    expect(problems('expect: {dead_letter: {code: E311, count: 2}}', { CTRY: '999' })).toEqual([{ what: 'dead_letter.count', expected: '2', got: '1' }]);
  });

  test('a delivery that is missing says which condition was false', () => {
    expect(problems('expect: {accounting: {count: 1}}', { AMT: '612,40' })).toEqual([
      { what: 'accounting.count', expected: '1', got: '0', because: 'rule accounting: order.total >= 1000 is false', place: 'routes/orders-out/deliver/1/when' },
    ]);
  });

  test('differences are named field by field', () => {
    expect(problems('expect: {Order: {id: "4712", total: 1234.51, lines: [{sku: A-1}, {sku: S-2}, {}]}}')).toEqual([
      { what: 'Order.id', expected: '"4712"', got: '"4711"' },
      { what: 'Order.total', expected: '1234.51', got: '1234.50' },
      { what: 'Order.lines[1].sku', expected: '"S-2"', got: '"S-1"' },
    ]);
    expect(problems('expect: {Order: {id: 4711, nothing: null, currency: EUR}}')).toEqual([{ what: 'Order.id', expected: '4711', got: '"4711"' }]);
    expect(problems('expect: {erp: ["x"], shipping: [{sku: A-1}, {quantity: 3}]}')).toEqual([{ what: 'erp[0]', expected: '"x"', got: '"4711      0000081520260301000000123450"' }]);
    expect(problems('expect: {accounting: ["x"]}')).toEqual([{ what: 'accounting[0]', expected: '"x"', got: 'no text: this adapter has no preview' }]);
  });

  test('what was expected is shown as it was written', () => {
    expect(problems('expect: {accounting: {body: {Amount: 1, Ref: "x"}}}', { AMT: '1,00' })).toMatchObject([{ what: 'accounting.body', expected: '{"Amount":1,"Ref":"x"}' }]);
    expect(problems('expect: {shipping: [{sku: A-1}]}')).toEqual([{ what: 'shipping', expected: '1', got: '2' }]);
  });

  test('names that do not exist', () => {
    expect(problems('expect: {Ordr: {}}')).toEqual([{ what: 'Ordr', expected: 'a type, a system, an endpoint, dead_letter or filtered', got: 'unknown; did you mean Order?' }]);
    const unknown = runTests([{ config: testOf('{name: x, given: {a.b: []}, expect: {}}'), given: new Map([['a.b', [{}]]]) }], input, preview);
    expect(unknown.results[0]?.problems).toMatchObject([{ what: 'given.a.b' }]);
  });

  test('a canonical message may be given', () => {
    const order = values({ id: '1', customer: '1', country: 'US', total: '5.00', lines: [] });
    const result = runTests([{ config: testOf('{name: x, given: {Order: {}}, expect: {dead_letter: {code: E318}}}'), given: new Map([['Order', [order]]]) }], input, preview);
    expect(result).toMatchObject({ results: [{ passed: true }], coverage: { fired: 1, never: ['orders-out/erp', 'orders-out/accounting', 'orders-out/shipping'] } });
  });

  test('a configuration with errors fails every test', () => {
    expect(problems('expect: {}', {}, inputOf(ordersYaml.replace('order.total >= 1000', 'order.totl >= 1000')))).toEqual([
      { what: 'configuration', expected: 'a configuration without errors', got: 'unknown field `totl` in Order' },
    ]);
  });
});

test('the clock of a test stands still', () => {
  const at = (now: string) =>
    runTests(
      [{ config: testOf(`{name: x, ${now}given: {legacy.orders: x}, expect: {accounting: {body: {PostingDate: "2026-01-01"}}}}`), given: new Map([['legacy.orders', [sample]]]) }],
      input,
      preview,
    ).results[0]?.passed;
  expect([at(''), at('now: "2026-01-01 23:59:59", '), at('now: "2026-01-01", '), at('now: "2026-01-02T00:00Z", ')]).toEqual([true, true, true, false]);
});
