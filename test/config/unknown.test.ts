import { describe, expect, test } from '@jest/globals';
import { catalog as specs } from '../../adapters/catalog.js';
import { load, places } from './support/directory.js';

const VERIFY = 'verify: {path: "/bookings/{key}"}';

function rest(write: string) {
  return load(
    {
      'a.yaml': `version: 1\nsystems:\n  erp:\n    adapter: rest\n    connect: {base: "https://erp.corp.local", timeout: 7s}\n    write:\n      bookings: {path: /bookings${write}}\n`,
    },
    { specs },
  );
}

async function policy(write: string): Promise<unknown> {
  const { configuration, text } = await rest(write);
  return configuration?.systems.get('erp')?.outbound.get('erp.bookings')?.onUnknown ?? text;
}

describe('what happens to a delivery whose outcome is unknown', () => {
  test.each([
    ['a POST with an idempotency key', '', 'resend'],
    ['a POST with a key in a header of the partner', ', idempotency_key: x-request-id', 'resend'],
    ['a POST without a key', ', idempotency_key: none', 'park'],
    ['a PATCH without a key', ', method: PATCH, idempotency_key: none', 'park'],
    ['a PUT without a key', ', method: PUT, idempotency_key: none', 'resend'],
    ['a POST that can be verified', `, idempotency_key: none, ${VERIFY}`, 'verify'],
    ['what was asked for', `, on_unknown: park, ${VERIFY}`, 'park'],
  ])('%s: %s is %s', async (_, write, wanted) => {
    expect(await policy(write)).toBe(wanted);
  });

  test('a call ends with its timeout', async () => {
    expect((await rest('')).configuration?.systems.get('erp')?.outbound.get('erp.bookings')?.longestCallMs).toBe(7_000);
  });

  test('a file is written again, under the same name', async () => {
    const { configuration } = await load(
      { 'a.yaml': 'version: 1\nsystems:\n  out: {adapter: file, connect: {root: /srv}, write: {orders: {path: "{id}.json", json: {}}}}\n' },
      { specs },
    );
    expect(configuration?.systems.get('out')?.outbound.get('out.orders')).toMatchObject({ onUnknown: 'resend', longestCallMs: 60_000 });
  });

  test('verify without a way to do it is an error', async () => {
    const wrong = await rest(', on_unknown: verify');
    expect(places(wrong)).toEqual(['E191 a.yaml:7:47']);
    expect(wrong.text).toContain('add `verify:` to the endpoint');
    const never = await load(
      { 'a.yaml': 'version: 1\nsystems:\n  out: {adapter: file, connect: {root: /srv}, write: {orders: {path: "{id}.json", json: {}, on_unknown: verify}}}\n' },
      { specs },
    );
    expect(never.text).toContain('this adapter cannot verify');
    expect((await rest(`, on_unknown: verify, ${VERIFY}`)).diagnostics).toEqual([]);
  });

  test('to send again what cannot be recognised is a warning', async () => {
    const doubtful = await rest(', idempotency_key: none, on_unknown: resend');
    expect(places(doubtful)).toEqual(['W190 a.yaml:7:70']);
    expect(doubtful.configuration).toBeDefined();
    expect((await rest(', on_unknown: resend')).diagnostics).toEqual([]);
  });

  test('it has no effect where the target remembers each delivery', async () => {
    const table =
      'version: 1\nsystems:\n  erp: {adapter: sql, connect: {driver: sqlite, file: erp.db}, write: {orders: {table: orders, mode: insert, columns: {number: text}, on_unknown: park}}}\n';
    const wrong = await load({ 'a.yaml': table }, { specs });
    expect(places(wrong).map((place) => place.slice(0, 4))).toEqual(['E190']);
    expect(wrong.text).toContain('remove it');
  });
});
