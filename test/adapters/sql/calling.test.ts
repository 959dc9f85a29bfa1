import { afterEach, describe, expect, test } from '@jest/globals';
import { type Clock, Decimal, type Value, type ValueRecord } from '../../../adapters/contract/index.js';
import { SqlCallable } from '../../../adapters/sql/callable.js';
import type { Session } from '../../../adapters/sql/dialects/dialect.js';
import { dialect } from '../../../adapters/sql/dialects/sqlite/dialect.js';
import spec from '../../../adapters/sql/index.js';
import { DRIVERS, type Fixture, fixture, never } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** A database that counts what it is asked and answers when it is told to, and a clock that is moved by hand. */
function counting(config: Record<string, unknown>) {
  const state = { now: 0, asked: [] as unknown[], hold: undefined as Promise<void> | undefined, rows: (value: unknown): unknown[][] => [[value]] };
  const clock: Clock = { now: () => new Date(state.now), monotonic: () => state.now, sleep: async () => undefined, random: () => 0 };
  const signals: AbortSignal[] = [];
  const session: Session = {
    query: async (_, binds = []) => {
      state.asked.push(binds[0]);
      await state.hold;
      return { fields: [{ name: 'qty', kind: 'any' }], rows: state.rows(binds[0]) as Awaited<ReturnType<Session['query']>>['rows'], changed: 0 };
    },
  };
  const database = {
    read: async <T>(work: (each: Session) => Promise<T>, signal: AbortSignal) => {
      signals.push(signal);
      return work(session);
    },
    write: async () => Promise.reject(new Error('nothing is written')),
    close: async () => undefined,
  };
  const callable = new SqlCallable(
    spec.call.config.parse({ sql: 'select qty from stock where sku = :sku', one: true, ...config }),
    spec.connect.parse({ driver: 'sqlite', file: 'x' }),
    async () => ({ dialect, database }),
    clock,
  );
  return { state, signals, callable, ask: (sku: Value, signal = never) => callable.call({ sku }, signal) };
}

describe('answers used again', () => {
  test('an answer is used for as long as the configuration says, by value and kind of the parameters', async () => {
    const { state, ask } = counting({ cache: { for: '5m' } });
    expect(await ask('1')).toEqual({ qty: '1' });
    expect(await ask('1')).toEqual({ qty: '1' });
    await ask(1n);
    expect(state.asked).toEqual(['1', 1n]);
    state.now = 299_999;
    await ask('1');
    state.now = 300_000;
    await ask('1');
    expect(state.asked).toEqual(['1', 1n, '1']);
  });

  test('without a cache every call asks', async () => {
    const { state, ask } = counting({});
    await ask('1');
    await ask('1');
    expect(state.asked).toEqual(['1', '1']);
  });

  test('"not there" is kept only where the configuration says so, and errors never', async () => {
    const none = counting({ cache: { for: '5m' } });
    none.state.rows = () => [];
    expect([await none.ask('x'), await none.ask('x')]).toEqual([null, null]);
    expect(none.state.asked).toHaveLength(2);
    const kept = counting({ cache: { for: '5m', negative: '10s' }, one: false });
    kept.state.rows = () => [];
    expect([await kept.ask('x'), await kept.ask('x')]).toEqual([[], []]);
    kept.state.now = 10_000;
    await kept.ask('x');
    expect(kept.state.asked).toHaveLength(2);
    const failing = counting({ cache: { for: '5m' } });
    failing.state.rows = () => [[1n], [2n]];
    await expect(failing.ask('x')).rejects.toMatchObject({ code: 'E335' });
    failing.state.rows = () => [[1n]];
    expect(await failing.ask('x')).toEqual({ qty: 1n });
  });

  test('the answer used longest ago goes first', async () => {
    const { state, ask } = counting({ cache: { for: '1h', entries: 2 } });
    for (const sku of ['a', 'b', 'a', 'c', 'a', 'b']) await ask(sku);
    expect(state.asked).toEqual(['a', 'b', 'c', 'b']);
  });

  test('answers together take no more than their share of the memory', async () => {
    const { state, ask } = counting({ cache: { for: '1h' } });
    state.rows = () => [['x'.repeat(1_900_000)]];
    for (let sku = 0; sku < 40; sku++) await ask(BigInt(sku));
    await ask(39n);
    await ask(0n);
    expect(state.asked).toHaveLength(41);
    // One that is larger than a sixteenth of it is not kept at all.
    state.rows = () => [['x'.repeat(3_000_000)]];
    await ask('large');
    await ask('large');
    expect(state.asked).toHaveLength(43);
  });

  test('many who ask the same at once are one question; one who gives up leaves it to the others, the last one ends it', async () => {
    const { state, signals, ask } = counting({ cache: { for: '5m' } });
    const gate = Promise.withResolvers<void>();
    state.hold = gate.promise;
    const leaving = new AbortController();
    const asking = [ask('1', leaving.signal), ask('1'), ask('1'), ask('2')];
    const left = expect(asking[0]).rejects.toThrow('left');
    await new Promise(setImmediate);
    leaving.abort(new Error('left'));
    await left;
    expect(signals[0]?.aborted).toBe(false);
    gate.resolve();
    expect(await Promise.all(asking.slice(1))).toEqual([{ qty: '1' }, { qty: '1' }, { qty: '2' }]);
    expect(state.asked).toEqual(['1', '2']);
    state.hold = new Promise<void>(() => undefined);
    const alone = new AbortController();
    const given = expect(ask('3', alone.signal)).rejects.toThrow('left');
    await new Promise(setImmediate);
    alone.abort(new Error('left'));
    await given;
    expect(signals.at(-1)?.aborted).toBe(true);
    state.hold = undefined;
    expect(await ask('3')).toEqual({ qty: '3' });
  });
});

test.each(['postgres', 'mariadb'] as const)('D8 %s: a time without a zone in an answer is an instant where the zone is known', async (driver) => {
  open = await fixture(driver, { zone: 'Europe/Berlin' });
  await open.sql(`CREATE TABLE t (ts ${driver === 'postgres' ? 'timestamp' : 'datetime'}, d date)`, "INSERT INTO t VALUES ('2026-07-01 08:00:00', '2026-07-01')");
  const asked = await open.callable({ sql: 'select ts, d from t', one: true });
  expect(await asked.call({}, never)).toEqual({ ts: '2026-07-01T06:00:00Z', d: '2026-07-01' });
});

test.each(DRIVERS)('%s: a cached answer stays until its time is over, and a restarted endpoint asks anew', async (driver) => {
  open = await fixture(driver);
  await open.sql('CREATE TABLE stock (sku VARCHAR(10) PRIMARY KEY, qty INTEGER)', "INSERT INTO stock VALUES ('00123', 5)");
  const stock = await open.callable({ sql: 'select qty from stock where sku = :sku', one: true, cache: { for: '1h' } });
  expect(await stock.call({ sku: '00123' }, never)).toEqual({ qty: 5n });
  await open.sql('UPDATE stock SET qty = 6');
  expect(await stock.call({ sku: '00123' }, never)).toEqual({ qty: 5n });
  await stock.close();
  await stock.open(never);
  expect(await stock.call({ sku: '00123' }, never)).toEqual({ qty: 6n });
  expect(await stock.call({ sku: '123' }, never)).toBeNull();
});

test.each(DRIVERS)('D11 %s: large numbers as parameters are compared exactly with columns, and computed with exactly where the statement says as what', async (driver) => {
  open = await fixture(driver);
  await open.sql('CREATE TABLE t (id BIGINT PRIMARY KEY, amt DECIMAL(30,10), code VARCHAR(20))');
  await open.sql("INSERT INTO t VALUES (9007199254740992, '12345678901234567890.0000000001', '00123'), (9007199254740993, '12345678901234567890.0000000002', '9007199254740993')");
  const ask = async (sql: string, parameters: ValueRecord) => (await open?.callable({ sql }))?.call(parameters, never);
  const [id, amt] = [9007199254740993n, Decimal.parse('12345678901234567890.0000000002') ?? null];
  const found = [{ id }];
  expect(await ask('select id from t where id = :id', { id })).toEqual(found);
  expect(await ask('select id from t where id > :id', { id: id - 1n })).toEqual(found);
  expect(await ask('select id from t where id + 0 in (:id, 5)', { id })).toEqual(found);
  expect(await ask('select id from t where id > :id', { id: 9223372036854775807n })).toEqual([]);
  expect(await ask('select id from t order by id desc limit :most', { most: 1n })).toEqual(found);
  // A number for a column of text is text: 123 is not 00123.
  expect(await ask('select id from t where code = :code', { code: id })).toEqual(found);
  expect(await ask('select id from t where code = :code', { code: 123n })).toEqual([]);
  const integer = driver === 'mariadb' ? 'signed' : 'bigint';
  expect(await ask(`select cast(:id as ${integer}) + 1 as n from t limit 1`, { id })).toEqual([{ n: id + 1n }]);
  if (driver === 'sqlite') return; // has no exact decimals
  expect(await ask('select id from t where amt = :amt', { amt })).toEqual(found);
  expect(await ask('select id from t where amt between cast(:amt as decimal(30,10)) and cast(:amt as decimal(30,10))', { amt })).toEqual(found);
});
