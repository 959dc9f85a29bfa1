import { afterEach, describe, expect, test } from '@jest/globals';
import { type FaultProxy, startProxy } from '../../faults/proxy.js';
import { services } from '../../services/services.js';
import { delivery, type Fixture, fixture, never } from './fixture.js';

// The network goes away exactly at COMMIT, before or after the server got it.

const COMMIT = /COMMIT(?!TED)/;

let open: Fixture | undefined;
let proxy: FaultProxy | undefined;
afterEach(async () => {
  await open?.close();
  await proxy?.close();
  open = undefined;
  proxy = undefined;
});

describe.each(['postgres', 'mariadb'] as const)('%s: the link breaks at COMMIT', (driver) => {
  test('after the server has it: the inbox says the effect was applied', async () => {
    proxy = await startProxy((await services[driver]()).port);
    open = await fixture(driver, { port: proxy.port });
    await open.sql('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const target = await open.outbound({ table: 't', key: 'id', mode: 'insert' });
    proxy.cutAt(COMMIT, 'answered');
    const receipts = await Promise.all([1, 2, 3].map((id) => target.send(delivery(`d${id}`, { id: BigInt(id), n: 0n }), never)));
    expect(receipts.some((receipt) => receipt.detail.includes('found in the inbox'))).toBe(true);
    expect(await target.send(delivery('d1', { id: 1n, n: 0n }), never)).toMatchObject({ duplicate: true });
    expect(Number((await open.rows('SELECT count(*) FROM t'))[0]?.[0])).toBe(3);
  });

  test('before the server has it: NotConnected, and the next attempt applies it once', async () => {
    proxy = await startProxy((await services[driver]()).port);
    open = await fixture(driver, { port: proxy.port });
    await open.sql('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const target = await open.outbound({ table: 't', key: 'id', mode: 'insert' });
    proxy.cutAt(COMMIT, 'before');
    await expect(target.send(delivery('d1', { id: 1n, n: 0n }), never)).rejects.toMatchObject({ name: 'NotConnected', code: 'E420' });
    expect((await target.send(delivery('d1', { id: 1n, n: 0n }), never)).duplicate ?? false).toBe(false);
    expect(Number((await open.rows('SELECT count(*) FROM t'))[0]?.[0])).toBe(1);
  });

  test('TLS is asked for unless it is off: a server without it is Misconfigured', async () => {
    open = await fixture(driver, { tls: {} });
    await open.sql('CREATE TABLE t (id int PRIMARY KEY)');
    await expect(open.inbound({ table: 't', key: 'id', cursor: { column: 'id' } })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E421' });
  });
});
