import { afterEach, describe, expect, test } from '@jest/globals';
import { Decimal } from '../../../adapters/contract/index.js';
import { DRIVERS, type Driver, delivery, type Fixture, fixture, never } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (driver: Driver, options?: Record<string, unknown>): Promise<Fixture> => {
  open = await fixture(driver, options);
  return open;
};
const decimal = (text: string) => Decimal.parse(text) ?? null;
const table = (driver: Driver) =>
  `CREATE TABLE REPORT (ORD_NO INTEGER PRIMARY KEY, CUST ${driver === 'sqlite' ? 'TEXT CHECK (length(CUST) < 6)' : 'VARCHAR(5)'} NOT NULL, AMT ${driver === 'sqlite' ? 'TEXT' : 'DECIMAL(12,2)'}, VER INTEGER)`;

describe.each(DRIVERS)('outbound of %s', (driver) => {
  const insert = { table: 'REPORT', key: 'ORD_NO', mode: 'insert' };
  const upsert = { table: 'REPORT', key: 'ORD_NO', mode: 'upsert', version: 'VER' };
  const row = (no: number, cust: string, amount = '1.50', version = 1) => ({ ORD_NO: BigInt(no), CUST: cust, AMT: decimal(amount), VER: BigInt(version) });

  test('the effect and its inbox row are one; the same id again is a duplicate', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(table(driver));
    const target = await outbound(insert);
    expect(await target.send(delivery('d1', row(1, '00123', '1234.50')), never)).toEqual({ detail: 'insert REPORT ORD_NO=1' });
    expect(await target.send(delivery('d1', row(1, '00123', '1234.50')), never)).toMatchObject({ duplicate: true });
    const read = (await rows('SELECT CUST, AMT FROM REPORT')).map((cells) => cells.map(String));
    expect(read).toEqual([['00123', '1234.50']]);
    expect(await rows("SELECT delivery_id FROM signalbox_inbox WHERE endpoint = 'legacy.report'")).toEqual([['d1']]);
  });

  test('many at a time: every row once, a bad one alone fails, the same id twice at a time is one effect', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(table(driver));
    const target = await outbound(insert);
    const sends = Array.from({ length: 1_000 }, (_, i) => target.send(delivery(`d${i}`, row(i, i === 777 ? 'too long' : 'abc')), never));
    sends.push(target.send(delivery('d5', row(5, 'abc')), never));
    const settled = await Promise.allSettled(sends);
    const failed = settled.flatMap((each, at) => (each.status === 'rejected' ? [[at, (each.reason as Error).name]] : []));
    expect(failed).toEqual([[777, 'InvalidMessage']]);
    expect(settled.at(-1)).toMatchObject({ status: 'fulfilled', value: { duplicate: true } });
    expect(Number((await rows('SELECT count(*) FROM REPORT'))[0]?.[0])).toBe(999);
    expect(Number((await rows('SELECT count(*) FROM signalbox_inbox'))[0]?.[0])).toBe(999);
  });

  test('11,000 rows, 200 at a time', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(table(driver));
    const target = await outbound(upsert);
    let next = 0;
    const lane = async () => {
      while (next < 11_000) {
        const number = next++;
        await target.send(delivery(`d${number}`, row(number, 'abc')), never);
      }
    };
    await Promise.all(Array.from({ length: 200 }, lane));
    expect(Number((await rows('SELECT count(*) FROM REPORT'))[0]?.[0])).toBe(11_000);
  }, 60_000);

  test('D22: a row that is there is an invalid message that names the constraint, and leaves no inbox row', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(table(driver), "INSERT INTO REPORT VALUES (1, 'a', NULL, 1)");
    const target = await outbound(insert);
    const failure = await target.send(delivery('d1', row(1, 'b')), never).catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'InvalidMessage', code: 'E331', message: expect.stringMatching(/report_pkey|PRIMARY|ORD_NO/) });
    expect(await rows('SELECT delivery_id FROM signalbox_inbox')).toEqual([]);
  });

  test('upsert keeps the newer version', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(table(driver));
    const target = await outbound(upsert);
    await target.send(delivery('d1', row(1, 'v5', '5', 5)), never);
    await target.send(delivery('d2', row(1, 'v3', '3', 3)), never);
    expect((await rows('SELECT CUST, VER FROM REPORT')).map((cells) => cells.map(String))).toEqual([['v5', '5']]);
    await target.send(delivery('d3', row(1, 'v6', '6', 6)), never);
    expect((await rows('SELECT CUST, VER FROM REPORT')).map((cells) => cells.map(String))).toEqual([['v6', '6']]);
    await expect(target.send(delivery('d4', { ORD_NO: 1n, CUST: 'x' }), never)).rejects.toMatchObject({
      name: 'InvalidMessage',
      message: expect.stringMatching(/ver/i),
    });
  });

  test('D13: data that does not fit names its column and writes nothing', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(table(driver));
    const target = await outbound(insert);
    const failing = async (payload: Parameters<typeof delivery>[1]) => target.send(delivery('bad', payload), never).catch((error: unknown) => error);
    expect(await failing({ ORD_NO: 1n, CUST: null })).toMatchObject({ name: 'InvalidMessage', code: 'E332', message: expect.stringMatching(/CUST/i) });
    expect(await failing({ ORD_NO: 1n, CUST: 'toolong' })).toMatchObject({ name: 'InvalidMessage', message: expect.stringMatching(/CUST/i) });
    expect(await failing({ ORD_NO: 1n, CUST: ['a'] })).toMatchObject({ name: 'InvalidMessage', code: 'E334' });
    expect(await failing({ ORD_NO: decimal('1.5'), CUST: 'a' })).toMatchObject({ name: 'InvalidMessage', message: expect.stringMatching(/ORD_NO|datatype mismatch/i) });
    if (driver !== 'sqlite') {
      expect(await failing(row(1, 'a', '1.005'))).toMatchObject({ name: 'InvalidMessage', code: 'E333', message: expect.stringMatching(/AMT/i) });
      expect(await failing(row(1, 'a', '12345678901.00'))).toMatchObject({ name: 'InvalidMessage', code: 'E332', message: expect.stringMatching(/AMT/i) });
    }
    expect(await failing({ ORD_NO: 1n, CUSTT: 'a' })).toMatchObject({ name: 'Misconfigured', code: 'E422', message: expect.stringMatching(/did you mean CUST/i) });
    expect(await rows('SELECT * FROM REPORT')).toEqual([]);
    expect(await rows('SELECT * FROM signalbox_inbox')).toEqual([]);
  });

  test('without the right to create the inbox the statement to run is in the message', async () => {
    const { sql, outbound } = await start(driver);
    await sql(table(driver));
    await expect(outbound({ ...insert, create_inbox: false })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E425', message: expect.stringContaining('CREATE TABLE') });
    await expect(outbound({ ...insert, table: 'REPROT' })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E422' });
  });

  test('a lock of another session is TryAgain', async () => {
    const { sql, outbound } = await start(driver, { lock_timeout: '100ms' });
    await sql(table(driver), "INSERT INTO REPORT VALUES (1, 'a', NULL, 1)");
    const target = await outbound(upsert);
    await sql(driver === 'sqlite' ? 'BEGIN IMMEDIATE' : 'BEGIN', 'UPDATE REPORT SET VER = 2 WHERE ORD_NO = 1');
    await expect(target.send(delivery('d1', row(1, 'b', '1', 9)), never)).rejects.toMatchObject({ name: 'TryAgain', code: 'E424' });
    await sql('ROLLBACK');
    await target.send(delivery('d1', row(1, 'b', '1', 9)), never);
  });

  test('call: parameters by name, a list of records or one', async () => {
    const { sql, callable } = await start(driver);
    await sql(table(driver), "INSERT INTO REPORT VALUES (1, '007', '1.50', 9), (2, 'b', NULL, 9)");
    const list = await callable({ sql: "select ORD_NO as no, CUST as cust from REPORT where VER = :ver and VER = :ver and CUST <> ':x' order by ORD_NO" });
    expect(await list.call({ ver: 9n }, never)).toEqual([
      { no: 1n, cust: '007' },
      { no: 2n, cust: 'b' },
    ]);
    const one = await callable({ sql: 'select CUST as cust from REPORT where CUST = :cust', one: true });
    expect(await one.call({ cust: '007' }, never)).toEqual({ cust: '007' });
    expect(await one.call({ cust: "'; drop table REPORT; --" }, never)).toBeNull();
    await expect(one.call({}, never)).rejects.toMatchObject({ code: 'E335' });
    await expect(one.call({ cust: ['x'] }, never)).rejects.toMatchObject({ code: 'E334' });
    const wrong = await callable({ sql: 'select nothing_like_it from REPORT' });
    await expect(wrong.call({}, never)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E422' });
  });
});

describe('the answer to COMMIT is lost', () => {
  test.each([true, false])('committed before the link broke: %s', async (committed) => {
    const { SqlOutbound } = await import('../../../adapters/sql/outbound.js');
    const { CommitUnknown } = await import('../../../adapters/sql/dialects/dialect.js');
    const { dialect } = await import('../../../adapters/sql/dialects/sqlite/dialect.js');
    const spec = (await import('../../../adapters/sql/index.js')).default;
    const { context } = await import('./fixture.js');
    const base = await start('sqlite');
    await base.sql(table('sqlite'));
    const real = dialect.connect(spec.connect.parse(base.connect), 'legacy');
    let breaking = false;
    const database: typeof real = {
      ...real,
      write: async (work, signal) => {
        if (!breaking) return real.write(work, signal);
        if (committed) await real.write(work, signal);
        throw new CommitUnknown('the connection was lost while committing');
      },
    };
    const target = new SqlOutbound(context('legacy.report', undefined), spec.write.config.parse({ table: 'REPORT', key: 'ORD_NO', mode: 'insert' }), async () => ({
      dialect,
      database,
    }));
    await target.open(never);
    breaking = true;
    const sent = target.send(delivery('d1', { ORD_NO: 1n, CUST: 'a' }), never);
    if (committed) expect(await sent).toMatchObject({ detail: expect.stringContaining('found in the inbox') });
    else await expect(sent).rejects.toMatchObject({ name: 'NotConnected' });
    breaking = false;
    const again = await target.send(delivery('d1', { ORD_NO: 1n, CUST: 'a' }), never);
    expect(again.duplicate ?? false).toBe(committed);
    expect(await base.rows('SELECT count(*) FROM REPORT')).toEqual([[1]]);
    await target.close();
    await real.close();
  });
});
