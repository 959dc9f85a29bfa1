import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { services } from '../../services/services.js';
import { delivery, type Fixture, fixture, never } from './fixture.js';

// The network goes away exactly at COMMIT, before or after the server got it.

interface Cutter {
  readonly port: number;
  /** Cuts at the next COMMIT of a client. */
  arm(forward: boolean): void;
  close(): Promise<void>;
}

async function cutter(port: number): Promise<Cutter> {
  const state: { armed: undefined | 'before' | 'after' } = { armed: undefined };
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(port, '127.0.0.1');
    const end = () => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    let muted = false;
    client.on('data', (chunk) => {
      if (state.armed !== undefined && /COMMIT(?!TED)/.test(chunk.toString('latin1'))) {
        const cut = state.armed;
        state.armed = undefined;
        if (cut === 'before') return end();
        muted = true;
      }
      server.write(chunk);
    });
    // The answer shows that the server has committed; it never gets through.
    server.on('data', (chunk) => (muted ? end() : client.write(chunk)));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as AddressInfo).port,
    arm: (forward) => {
      state.armed = forward ? 'after' : 'before';
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

let open: Fixture | undefined;
let cut: Cutter | undefined;
afterEach(async () => {
  await open?.close();
  await cut?.close();
  open = undefined;
  cut = undefined;
});

describe.each(['postgres', 'mariadb'] as const)('%s: the link breaks at COMMIT', (driver) => {
  test('after the server has it: the inbox says the effect was applied', async () => {
    cut = await cutter((await services[driver]()).port);
    open = await fixture(driver, { port: cut.port });
    await open.sql('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const target = await open.outbound({ table: 't', key: 'id', mode: 'insert' });
    cut.arm(true);
    const receipts = await Promise.all([1, 2, 3].map((id) => target.send(delivery(`d${id}`, { id: BigInt(id), n: 0n }), never)));
    expect(receipts.some((receipt) => receipt.detail.includes('found in the inbox'))).toBe(true);
    expect(await target.send(delivery('d1', { id: 1n, n: 0n }), never)).toMatchObject({ duplicate: true });
    expect(Number((await open.rows('SELECT count(*) FROM t'))[0]?.[0])).toBe(3);
  });

  test('before the server has it: NotConnected, and the next attempt applies it once', async () => {
    cut = await cutter((await services[driver]()).port);
    open = await fixture(driver, { port: cut.port });
    await open.sql('CREATE TABLE t (id int PRIMARY KEY, n int)');
    const target = await open.outbound({ table: 't', key: 'id', mode: 'insert' });
    cut.arm(false);
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
