import { afterEach, expect, test } from '@jest/globals';
import { NotConnected } from '../../../adapters/contract/index.js';
import type { ServerConnect } from '../../../adapters/sql/config.js';
import { connectMariadb } from '../../../adapters/sql/dialects/mariadb/database.js';
import { connectPostgres } from '../../../adapters/sql/dialects/postgres/database.js';
import spec from '../../../adapters/sql/index.js';
import { delivery, type Fixture, fixture, never } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

test.each(['postgres', 'mariadb'] as const)(
  '%s: a node that stands still in the middle of a transaction holds up the others no longer than they wait for a lock',
  async (driver) => {
    open = await fixture(driver, { lock_timeout: '8s' });
    await open.sql('CREATE TABLE t (num int NOT NULL)');
    const outbound = await open.outbound({ table: 't', mode: 'insert' });
    const connect = spec.connect.parse(open.connect) as ServerConnect;
    const stopped = driver === 'postgres' ? connectPostgres(connect, 'stopped') : connectMariadb(connect, 'stopped');
    const holds = Promise.withResolvers<void>();
    const goesOn = Promise.withResolvers<void>();
    // The other node has begun the very same delivery.
    const frozen = stopped.write(async (session) => {
      await session.query("INSERT INTO signalbox_inbox (delivery_id, endpoint) VALUES ('D1', 'legacy.report')");
      await session.query('INSERT INTO t (num) VALUES (1)');
      holds.resolve();
      await goesOn.promise;
      return session.query('SELECT 1');
    }, never);
    frozen.catch(() => undefined); // looked at below
    await holds.promise;
    const receipt = await outbound.send(delivery('D1', { num: 1n }), never);
    expect(receipt.duplicate).toBeUndefined();
    expect(await open.rows('SELECT num FROM t')).toHaveLength(1);
    // What wakes up finds its connection closed, and asks the inbox when it tries again.
    goesOn.resolve();
    await expect(frozen).rejects.toBeInstanceOf(NotConnected);
    expect((await outbound.send(delivery('D1', { num: 1n }), never)).duplicate).toBe(true);
    await stopped.close();
  },
  40_000,
);
