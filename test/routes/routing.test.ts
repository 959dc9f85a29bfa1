import { describe, expect, test } from '@jest/globals';
import { failureOf } from '../../bus/errors.js';
import type { Outcome } from '../../bus/handler.js';
import { type Changes, handlerOf, now, values } from './orders.js';

const inbound = 'in: {from: a.b, publish: Thing, map: {id: record.id, n: record.n}}';
const changes: Changes = { sources: { 'a.b': undefined }, targets: { 'c.d': undefined, 'e.f': undefined } };

function routed(routes: string, record: Readonly<Record<string, unknown>>): Outcome {
  const handler = handlerOf(`types: {Thing: {id: required text, n: integer}}\nroutes:\n  ${inbound}\n${routes}`, changes);
  const [outcome] = handler.receive('a.b', { id: 'r1', key: 'K1', value: { n: null, ...values(record) }, wire: { 'x-kind': 'urgent' } }, now);
  if (!outcome) throw new Error('no outcome');
  return outcome;
}

function summary({ deliveries, failures, filtered }: Outcome) {
  return [
    ...deliveries.map(({ rule }) => rule),
    ...failures.map(({ rule, failure }) => `${rule ?? ''} ${failureOf(failure)?.code}`),
    ...(filtered === undefined ? [] : [`filtered ${filtered}`]),
  ];
}

const two = (match: string, otherwise = '') => `  out:
    subscribe: Thing
    ${match}
    deliver:
      - {name: small, when: thing.n < 10, to: c.d, map: {id: thing.id}}
      - {name: even, when: thing.n % 2 == 0, to: e.f, map: {id: thing.id}}
    ${otherwise}`;

describe('which rules fire', () => {
  test.each([
    ['all', { id: '1', n: 4 }, ['small', 'even']],
    ['all', { id: '1', n: 14 }, ['even']],
    ['first', { id: '1', n: 4 }, ['small']],
    ['first', { id: '1', n: 14 }, ['even']],
    ['all', { id: '1', n: 15 }, ['otherwise E318']],
    ['first', { id: '1', n: 15 }, ['otherwise E318']],
    // An error is never false: the message is kept, and with `first` no later rule fires beside the repair.
    ['all', { id: '1' }, ['small E312', 'even E312']],
    ['first', { id: '1' }, ['small E312']],
  ])('match: %s, %j', (match, record, expected) => {
    expect(summary(routed(two(`match: ${match}`), record))).toEqual(expected);
  });

  test('otherwise: drop is recorded as filtered', () => {
    expect(summary(routed(two('', 'otherwise: {to: drop, reason: odd and large}'), { id: '1', n: 15 }))).toEqual(['filtered odd and large']);
    expect(summary(routed(two('', 'otherwise: {to: drop}'), { id: '1', n: 4 }))).toEqual(['small', 'even']);
  });

  test('several routes of one type: each has its own otherwise', () => {
    const other = '\n  other: {subscribe: Thing, deliver: [{name: always, to: e.f, map: {id: thing.id}}]}';
    expect(summary(routed(two('', 'otherwise: {to: drop}') + other, { id: '1', n: 15 }))).toEqual(['always']);
    expect(summary(routed(two('') + other, { id: '1', n: 15 }))).toEqual(['always', 'otherwise E318']);
  });

  test('a type nobody subscribes to is a dead letter', () => {
    expect(summary(routed('', { id: '1' }))).toEqual([' E317']);
  });

  test('a split without elements is no delivery, so the message goes to otherwise', () => {
    const split = '  out: {subscribe: Thing, deliver: [{name: each, to: c.d, split: {each: "[1, 2, 3]", only: it > thing.n}, map: {n: it}}]}';
    expect(summary(routed(split, { id: '1', n: 3 }))).toEqual(['otherwise E318']);
    const outcome = routed(split, { id: '1', n: 1 });
    expect(outcome.deliveries.map(({ payload }) => payload['n'])).toEqual([2n, 3n]);
    expect(new Set(outcome.deliveries.map(({ id }) => id)).size).toBe(2);
    expect(outcome.deliveries.map(({ id, idempotencyKey }) => id === idempotencyKey)).toEqual([true, true]);
    expect(summary(routed(split, { id: '1' }))).toEqual(['each E312', 'each E312', 'each E312']);
  });
});

describe('the message in expressions', () => {
  test('its attributes and wire headers', () => {
    const rule = (when: string) => summary(routed(`  out: {subscribe: Thing, deliver: [{name: yes, when: '${when}', to: c.d, map: {id: msg.id}}]}`, { id: '1' }))[0];
    expect(rule('msg.wire["x-kind"] == "urgent" && msg.type == "Thing" && msg.source == "/a/b" && msg.subject == "K1"')).toBe('yes');
    expect(rule('has(msg.wire.other)')).toBe('otherwise E318');
    expect(rule('msg.wire.other == "x"')).toBe('yes E310');
    expect(rule('msg.time == "2026-03-02T08:00:00Z"')).toBe('yes');
  });

  test('source time and trace context are kept', () => {
    const handler = handlerOf(`types: {Thing: {id: required text, n: integer}}\nroutes:\n  ${inbound}\n${two('')}`, changes);
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const [outcome] = handler.receive('a.b', { id: 'r', value: { id: 'x', n: 1n }, time: '2026-01-01T00:00:00Z', traceparent }, now);
    expect(outcome?.message).toMatchObject({ time: '2026-01-01T00:00:00Z', traceparent, wire: {} });
    expect(outcome?.message).not.toHaveProperty('subject');
  });
});

test('two inbound routes of one endpoint give two outcomes with ids of their own', () => {
  const handler = handlerOf(
    `types: {Thing: {id: required text, n: integer}}\nroutes:\n  ${inbound}\n  again: {from: a.b, publish: Thing, filter: record.n > 5, map: {id: record.id}}\n${two('')}`,
    changes,
  );
  const outcomes = handler.receive('a.b', { id: 'r', value: { id: 'x', n: 1n } }, now);
  expect(outcomes.map(({ route, filtered }) => [route, filtered])).toEqual([
    ['in', undefined],
    ['again', 'record.n > 5 is false'],
  ]);
  expect(new Set(outcomes.map(({ messageId }) => messageId)).size).toBe(2);
});

test('many rules are summed up in the history', () => {
  const rules = Array.from({ length: 60 }, (_, i) => `      - {name: r${i}, when: thing.id == "K${i % 30}", to: c.d, map: {id: thing.id}}`).join('\n');
  const outcome = routed(`  out:\n    subscribe: Thing\n    deliver:\n${rules}`, { id: 'K7' });
  expect(summary(outcome)).toEqual(['r7', 'r37']);
  expect(outcome.notes.filter(({ kind }) => kind !== 'mapped').map(({ kind, text }) => `${kind} ${text}`)).toEqual([
    'matched thing.id == "K7"',
    'matched thing.id == "K7"',
    'not-matched 58 other rules: their conditions are false',
  ]);
});
