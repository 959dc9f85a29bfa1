import { afterEach, describe, expect, test } from '@jest/globals';
import { type Batch, isRecord, type PollingInbound, type SourceRecord } from '../../../adapters/contract/index.js';
import spec from '../../../adapters/sql/index.js';
import { DRIVERS, type Driver, type Fixture, firstBatch, fixture, never } from './fixture.js';

const SETTLEMENT = { accepted: 1, filtered: 0, dead: 0, reason: undefined };
const CLAIM = { column: 'ST', open: 'N', claimed: 'C', done: 'D' };
const LEASED = { ...CLAIM, owner: 'OWNER', since: 'SINCE', lease: '1m' };

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

async function start(driver: Driver): Promise<Fixture> {
  open = await fixture(driver);
  const time = { sqlite: 'TEXT', postgres: 'timestamp', mariadb: 'datetime(6)' }[driver];
  await open.sql(
    `CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, ST VARCHAR(1), OWNER VARCHAR(40), SINCE ${time}, CUST VARCHAR(20))`,
    "INSERT INTO ORD_HEAD (ORD_NO, ST, CUST) VALUES (1, 'N', '007'), (2, 'D', 'old'), (3, 'N', 'b'), (4, 'N', 'c')",
  );
  return open;
}

const orders = { table: 'ORD_HEAD', key: 'ORD_NO', claim: CLAIM };

/** One poll whose batches are all settled, as the runtime does. */
async function take(inbound: PollingInbound, maxRecords = 100, settle: (batch: Batch) => Promise<void> = async (batch) => batch.settle?.(SETTLEMENT)): Promise<SourceRecord[]> {
  const records: SourceRecord[] = [];
  for await (const batch of inbound.poll({ checkpoint: undefined, maxRecords, signal: never })) {
    records.push(...batch.records);
    await settle(batch);
  }
  return records;
}

const keys = (records: readonly SourceRecord[] | undefined) => records?.map((record) => record.key);

describe.each(DRIVERS)('claim on %s', (driver) => {
  test('D19: rows are claimed, handed over and marked done when they are safe; a crash in between gives them again with the same id', async () => {
    const { inbound, rows } = await start(driver);
    const first = await firstBatch(await inbound(orders), undefined, 2);
    expect(keys(first?.records)).toEqual(['1', '3']);
    expect((await rows('SELECT ST FROM ORD_HEAD ORDER BY ORD_NO')).flat()).toEqual(['C', 'D', 'C', 'N']);
    // The process died here: another one starts.
    const again = await take(await inbound(orders), 2);
    expect(keys(again)).toEqual(['1', '3', '4']);
    expect(again.slice(0, 2).map(({ id }) => id)).toEqual(first?.records.map(({ id }) => id));
    expect((await rows('SELECT ST FROM ORD_HEAD ORDER BY ORD_NO')).flat()).toEqual(['D', 'D', 'D', 'D']);
    expect(await take(await inbound(orders))).toEqual([]);
  });

  test('D14, D20: exactly the rows that were read are marked; the columns of the claim are no fields', async () => {
    const { inbound, rows, sql } = await start(driver);
    const endpoint = await inbound(orders);
    const read = await take(endpoint, 100, async (batch) => {
      await sql("INSERT INTO ORD_HEAD (ORD_NO, ST) VALUES (5, 'N')", "UPDATE ORD_HEAD SET ST = 'N', CUST = 'new' WHERE ORD_NO = 3");
      await batch.settle?.(SETTLEMENT);
    });
    expect(isRecord(read[0]?.value ?? null) ? Object.keys(read[0]?.value as object).sort() : []).toHaveLength(4);
    expect(JSON.stringify(read[0]?.value, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))).toContain('"007"');
    expect((await rows('SELECT ORD_NO, ST FROM ORD_HEAD ORDER BY ORD_NO')).map(([no, st]) => `${String(no)}${String(st)}`)).toEqual(['1D', '2D', '3N', '4D', '5N']);
    expect(open?.warnings.join()).toContain('1 of 3 rows were not marked done');
    const next = await take(endpoint);
    expect(keys(next)).toEqual(['3', '5']);
    expect(next[0]?.id).not.toBe(read[1]?.id);
  });

  test('a mark that keeps failing does not go round in circles: the next poll hands the rows over again', async () => {
    const { inbound } = await start(driver);
    const endpoint = await inbound(orders);
    const unsettled = await take(endpoint, 1, async () => undefined);
    expect(keys(unsettled)).toEqual(['1', '3', '4']);
    expect((await take(endpoint, 1, async () => undefined)).map(({ id }) => id)).toEqual(unsettled.map(({ id }) => id));
  });

  test('D21: a row that another has claimed is left alone until its lease is over, by the clock of the database', async () => {
    const { inbound, sql, rows } = await start(driver);
    const now = { sqlite: (s: number) => `strftime('%Y-%m-%d %H:%M:%f', 'now', '-${s} seconds')`, postgres: (s: number) => `(now() AT TIME ZONE 'UTC') - interval '${s} seconds'` };
    const ago = (s: number) => (driver === 'mariadb' ? `utc_timestamp(6) - INTERVAL ${s} SECOND` : now[driver](s));
    await sql(
      `UPDATE ORD_HEAD SET ST = 'C', OWNER = 'other', SINCE = ${ago(30)} WHERE ORD_NO = 1`,
      `UPDATE ORD_HEAD SET ST = 'C', OWNER = 'other', SINCE = ${ago(90)} WHERE ORD_NO = 3`,
      `UPDATE ORD_HEAD SET ST = 'C', OWNER = 'legacy.orders', SINCE = ${ago(30)} WHERE ORD_NO = 4`,
    );
    const fence: string[] = [];
    const read: SourceRecord[] = [];
    for await (const batch of (await inbound({ ...orders, claim: LEASED })).poll({ checkpoint: undefined, maxRecords: 10, signal: never, fence: () => void fence.push('asked') })) {
      read.push(...batch.records);
      expect((await rows("SELECT OWNER FROM ORD_HEAD WHERE ST = 'C' ORDER BY ORD_NO")).flat()).toEqual(['other', 'legacy.orders', 'legacy.orders']);
      await batch.settle?.(SETTLEMENT);
    }
    expect(keys(read)).toEqual(['3', '4']);
    expect(fence.length).toBeGreaterThan(1);
    expect((await rows('SELECT ST FROM ORD_HEAD ORDER BY ORD_NO')).flat()).toEqual(['C', 'D', 'D', 'D']);
  });

  test('child rows come with it; NULL as the open state, numbers as states', async () => {
    const { inbound, sql } = await start(driver);
    await sql(
      'CREATE TABLE T (ID INTEGER PRIMARY KEY, S INTEGER)',
      'CREATE TABLE L (ID INTEGER, POS INTEGER)',
      'INSERT INTO T VALUES (1, NULL), (2, 2)',
      'INSERT INTO L VALUES (1, 7)',
    );
    const read = await take(
      await inbound({
        table: 'T',
        key: 'ID',
        claim: { column: 'S', open: null, claimed: 1, done: 2 },
        columns: { ID: 'integer' },
        include: { lines: { table: 'L', by: 'ID', columns: { POS: 'integer' } } },
      }),
    );
    expect(read.map(({ value }) => value)).toEqual([{ ID: 1n, lines: [{ ID: 1n, POS: 7n }] }]);
  });

  test('the probe says that it writes', async () => {
    const { inbound, system } = await start(driver);
    await inbound(orders);
    expect((await system.probe(never)).find(({ name }) => name === 'write right ORD_HEAD')?.detail).toMatch(driver === 'sqlite' ? 'may be written' : 'UPDATE');
  });
});

describe.each(['postgres', 'mariadb'] as const)('claim on %s', (driver) => {
  test('D21, D27: a row that a transaction holds is passed over and read later; no lock is held while the bus stores', async () => {
    const { inbound, sql } = await start(driver);
    const endpoint = await inbound(orders);
    await sql(driver === 'postgres' ? 'BEGIN' : 'START TRANSACTION', "UPDATE ORD_HEAD SET CUST = 'x' WHERE ORD_NO = 1");
    expect(keys(await take(endpoint))).toEqual(['3', '4']);
    await sql('ROLLBACK');
    const seen = await take(endpoint, 100, async (batch) => {
      await sql("UPDATE ORD_HEAD SET CUST = 'while it is read' WHERE ORD_NO = 1");
      await batch.settle?.(SETTLEMENT);
    });
    expect(keys(seen)).toEqual(['1']);
  });
});

describe.each(DRIVERS)('outbox on %s', (driver) => {
  const events = async () => {
    open = await fixture(driver);
    await open.sql('CREATE TABLE EV (SEQ INTEGER PRIMARY KEY, NO VARCHAR(10), SENT VARCHAR(1))', "INSERT INTO EV VALUES (1, '0017', NULL), (2, 'b', NULL), (5, 'c', NULL)");
    return open;
  };

  test('D19, D20: rows in order, deleted when they are safe, exactly those that were read; the same id after a crash', async () => {
    const { inbound, rows, sql } = await events();
    const endpoint = await inbound({ table: 'EV', key: 'SEQ', outbox: {} });
    const first = await firstBatch(endpoint, undefined, 2);
    expect(keys(first?.records)).toEqual(['1', '2']);
    const read = await take(endpoint, 2, async (batch) => {
      // Committed late, with numbers between and behind those that were read (D1).
      if (batch.records[0]?.key === '1') await sql("INSERT INTO EV VALUES (0, 'late', NULL), (3, 'late', NULL)");
      await batch.settle?.(SETTLEMENT);
    });
    expect(read.slice(0, 2).map(({ id }) => id)).toEqual(first?.records.map(({ id }) => id));
    expect(keys(read)).toEqual(['1', '2', '3', '5']);
    expect((await rows('SELECT SEQ FROM EV')).map(([seq]) => Number(seq))).toEqual([0]);
    expect(keys(await take(endpoint))).toEqual(['0']);
    expect(await rows('SELECT SEQ FROM EV')).toEqual([]);
  });

  test('rows are marked and stay; a mark that fails is made up for', async () => {
    const { inbound, rows } = await events();
    const endpoint = await inbound({ table: 'EV', key: 'SEQ', outbox: { keep: { mark: 'SENT', done: 'Y' } } });
    const lost = await take(endpoint, 2, async () => undefined);
    expect(keys(lost)).toEqual(['1', '2', '5']);
    expect((await take(endpoint, 2)).map(({ id }) => id)).toEqual(lost.map(({ id }) => id));
    expect((await rows('SELECT SENT FROM EV')).flat()).toEqual(['Y', 'Y', 'Y']);
    expect(await take(endpoint)).toEqual([]);
  });

  test('another reader of the same table is said aloud', async () => {
    const { inbound, sql, warnings } = await events();
    await take(await inbound({ table: 'EV', key: 'SEQ', outbox: {} }), 100, async (batch) => {
      await sql('DELETE FROM EV WHERE SEQ = 2');
      await batch.settle?.(SETTLEMENT);
    });
    expect(warnings.join()).toContain('2 rows were deleted for 3 that were read');
  });
});

describe('lint', () => {
  const server = { driver: 'mariadb', host: 'db', database: 'erp', user: 'u', password: undefined };
  const lint = (read: object) => spec.read.lint(spec.read.config.parse(read), { ...server, tls: {} });

  test('D17, D18: a claim and an outbox say what they cannot see and which right they need', () => {
    expect(lint({ ...orders, claim: LEASED }).map(({ message }) => message)).toEqual([
      'only rows with ST = "N" are seen: the application sets it for every new and changed row; deleted rows are not seen',
      'needs the right to UPDATE ORD_HEAD: the session that claims is not read-only',
    ]);
    expect(lint(orders).map(({ message }) => message)[0]).toContain('only one Signalbox');
    expect(
      lint({ table: 'EV', key: 'SEQ', outbox: {} })
        .map(({ message }) => message)
        .join(),
    ).toContain('DELETE from EV');
  });

  test('errors: states that are not different, a lease without its time, a field that is the claim itself', () => {
    const errors = (read: object) => lint(read).filter(({ severity }) => severity === 'error');
    expect(errors({ ...orders, claim: { ...CLAIM, done: 'N' } })).toHaveLength(1);
    expect(errors({ ...orders, claim: { ...CLAIM, lease: '1m' } })).toHaveLength(1);
    expect(errors({ ...orders, columns: { ST: 'text' } })).toHaveLength(1);
    expect(errors({ table: 'EV', key: 'SEQ', columns: { SENT: 'text' }, outbox: { keep: { mark: 'SENT', open: 'Y', done: 'Y' } } })).toHaveLength(2);
  });

  test('at most one strategy', () => {
    const parsed = spec.read.config.safeParse({ ...orders, outbox: {} });
    expect(parsed.error?.issues[0]?.message).toContain('at most one of');
    expect(spec.read.config.safeParse({ claim: CLAIM, key: 'A' }).error?.issues[0]?.message).toContain('table is missing');
  });
});
