import { describe, expect, test } from '@jest/globals';
import { failureOf } from '../../bus/errors.js';
import { type Changes, compile, handlerOf, now, values } from './orders.js';

const changes: Changes = { sources: { 'a.b': undefined }, targets: { 'c.d': undefined, 'e.f': undefined } };
const config = (orderBy: string) => `types: {Thing: {id: required text, customer: text, n: integer, amount: decimal 10.2, tags: list of text}}
routes:
  in: {from: a.b, publish: Thing, map: {id: record.id, customer: record.customer, n: record.n, amount: record.amount}}
  out:
    subscribe: Thing
    ${orderBy}
    deliver:
      - {name: one, to: c.d, map: {id: thing.id}}
      - {name: two, when: thing.id != "x", to: e.f, map: {id: thing.id}}`;

function routed(orderBy: string, record: Readonly<Record<string, unknown>>) {
  const value = values({ id: '1', customer: null, n: null, amount: null, ...record });
  const [outcome] = handlerOf(config(orderBy), changes).receive('a.b', { id: 'r1', value }, now);
  return outcome;
}

describe('order_by', () => {
  test.each([
    ['order_by: thing.customer', { customer: '00123' }, '00123'],
    ['order_by: thing.n', { n: 7 }, '7'],
    ['order_by: thing.amount', { amount: '7.50' }, '7.5'],
    ['order_by: thing.amount', { amount: '100.00' }, '100'],
    ['order_by: {key: thing.customer + "/" + thing.id}', { customer: 'C' }, 'C/1'],
  ])('%s gives every delivery of the message its key', (orderBy, record, key) => {
    expect(routed(orderBy, record)?.deliveries.map(({ orderKey }) => orderKey)).toEqual([key, key]);
  });

  test('without it there is no key', () => {
    expect(routed('', { customer: 'C' })?.deliveries.map((dispatch) => 'orderKey' in dispatch)).toEqual([false, false]);
  });

  test('a long key stays one of its own', () => {
    const [a, b] = ['a', 'b'].map((end) => routed('order_by: thing.customer', { customer: `${'x'.repeat(500)}${end}` })?.deliveries[0]?.orderKey ?? '');
    expect(a?.length).toBe(200);
    expect(a).not.toBe(b);
  });

  test.each([
    ['nothing', null],
    ['empty text', ''],
  ])('%s is no key: a dead letter for each rule, and no delivery loses its order', (_, customer) => {
    const outcome = routed('order_by: thing.customer', { customer });
    expect(outcome?.deliveries).toEqual([]);
    expect(outcome?.failures.map(({ rule, endpoint, failure, place }) => [rule, endpoint, failureOf(failure)?.code, place])).toEqual([
      ['one', 'c.d', 'E301', 'routes/out/order_by'],
      ['two', 'e.f', 'E301', 'routes/out/order_by'],
    ]);
  });

  test('a rule that fails says where the order has a gap', () => {
    const yaml = config('order_by: thing.customer').replace('map: {id: thing.id}', 'map: {id: thing.n + 1}');
    const [outcome] = handlerOf(yaml, changes).receive('a.b', { id: 'r1', value: values({ id: '1', customer: 'C', n: null, amount: null }) }, now);
    expect(outcome?.failures.map(({ rule, orderKey }) => [rule, orderKey])).toEqual([['one', 'C']]);
  });

  test('what is wrong with it is said when it is loaded', () => {
    const problem = (orderBy: string) => compile(config(orderBy), changes).findings.map(({ code, path }) => `${code} ${path.join('/')}`);
    expect(problem('order_by: thing.custmer')).toEqual(['E211 routes/out/order_by']);
    expect(problem('order_by: {key: thing.tags}')).toEqual(['E214 routes/out/order_by/key']);
    expect(() => problem('order_by: {key: thing.customer, on_failure: block}')).toThrow();
    expect(() => problem('order_by: {key: thing.customer, hold: 2h}')).toThrow();
  });

  test('the handler tells how each route is ordered', () => {
    const { ordered } = handlerOf(config('order_by: {key: thing.customer, on_failure: skip, hold: 2m}'), changes);
    expect([...(ordered ?? [])]).toEqual([['out', { by: 'thing.customer', targets: ['c.d', 'e.f'], onFailure: 'skip', holdMs: 120_000 }]]);
    expect(handlerOf(config('order_by: thing.customer'), changes).ordered?.get('out')).toMatchObject({ onFailure: 'park', holdMs: 300_000 });
  });
});
