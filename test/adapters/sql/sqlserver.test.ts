import { describe, expect, test } from '@jest/globals';
import { Decimal, Secret } from '../../../adapters/contract/index.js';
import type { SqlServerConnect } from '../../../adapters/sql/config.js';
import type { Column, Table } from '../../../adapters/sql/dialects/dialect.js';
import { columnOf } from '../../../adapters/sql/dialects/sqlserver/catalogue.js';
import { exact } from '../../../adapters/sql/dialects/sqlserver/cells.js';
import { configurationOf, NULL_BYTES } from '../../../adapters/sql/dialects/sqlserver/client.js';
import { beginning } from '../../../adapters/sql/dialects/sqlserver/database.js';
import { dialect } from '../../../adapters/sql/dialects/sqlserver/dialect.js';
import spec from '../../../adapters/sql/index.js';
import { readCell } from '../../../adapters/sql/values.js';
import { Scripted } from './scripted.js';

// No server of this kind can run here: what is sent and what is made of answers is compared with what Microsoft documents.

const column = (name: string, type: string, bytes = 8, precision = 0, scale = 0): Column => columnOf([name, type, true, bytes, precision, scale]);
const id = column('ID', 'int', 4, 10);
const amount = column('AMT', 'decimal', 9, 12, 2);
const changed = column('CHG', 'datetime2', 8, 27, 7);
const version = column('RV', 'timestamp');
const table: Table = { sql: '[dbo].[ORD]', name: 'ORD', schema: 'dbo', view: false, columns: [id, amount, changed, version] };
const parsed = (change: object = {}) =>
  spec.connect.parse({ driver: 'sqlserver', host: 'db.corp.local', database: 'erp', user: 'me', password: new Secret('p', 'secret'), ...change }) as SqlServerConnect;

describe('the client of SQL Server', () => {
  test('is encrypted, verified and named; off is off', () => {
    const { server, authentication, options } = configurationOf(parsed({ tls: { servername: 'db' }, statement_timeout: '5s' }), 'erp');
    expect(server).toBe('db.corp.local');
    expect(authentication).toEqual({ type: 'default', options: { userName: 'me', password: 'secret' } });
    expect(options).toMatchObject({
      port: 1433,
      database: 'erp',
      encrypt: true,
      trustServerCertificate: false,
      serverName: 'db',
      cryptoCredentialsDetails: { minVersion: 'TLSv1.2' },
      appName: 'signalbox',
      requestTimeout: 5000,
      abortTransactionOnError: true,
    });
    expect(configurationOf(parsed({ tls: 'off' }), 'erp').options).toMatchObject({ encrypt: false });
    expect(() => configurationOf(parsed({ tls: { ca: '/nowhere/ca.pem' } }), 'erp')).toThrow('cannot be read');
  });

  test('nobody there: NotConnected, and the pool is free again', async () => {
    const database = dialect.connect(parsed({ host: '127.0.0.1', port: 1, tls: 'off', connections: 1, connect_timeout: '2s' }), 'erp');
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(database.read((session) => session.query('SELECT 1'), new AbortController().signal)).rejects.toMatchObject({ name: 'NotConnected', code: 'E420' });
    }
    await database.close();
  });
});

describe('statements', () => {
  test('pages, with and without a lock', () => {
    const select = { columns: '[ID]', from: '[dbo].[ORD]', where: ['[ST] = @p1', '[ID] > 5'], order: '[ID]', limit: 101 };
    expect(dialect.page(select)).toBe('SELECT TOP (101) [ID] FROM [dbo].[ORD] WHERE [ST] = @p1 AND [ID] > 5 ORDER BY [ID]');
    expect(dialect.page({ ...select, lock: [id] })).toBe('SELECT TOP (101) [ID] FROM [dbo].[ORD] WITH (UPDLOCK, READPAST, ROWLOCK) WHERE [ST] = @p1 AND [ID] > 5 ORDER BY [ID]');
  });

  test('a name cannot leave its brackets', () => {
    expect(dialect.quote('a]b')).toBe('[a]]b]');
  });

  test('D8, D10 what is compared is the type of its column; an overlap is computed by the server', () => {
    expect(dialect.place(1, changed)).toBe('CAST(@p1 AS datetime2(7))');
    expect(dialect.place(2, amount)).toBe('CAST(@p2 AS decimal(12,2))');
    expect(dialect.place(3)).toBe('@p3');
    expect(dialect.back('x', { ms: 300_000 })).toBe('DATEADD(second, -300, x)');
    expect(dialect.back('x', { distance: 7 })).toBe('x - 7');
  });

  test('D10, D11, D16 numbers and times come as text with all digits', () => {
    expect(dialect.select(amount)).toBe('CONVERT(varchar(45), [AMT])');
    expect(dialect.select(column('M', 'money', 8, 19, 4))).toBe('CONVERT(varchar(30), [M], 2)');
    expect(dialect.select(changed)).toBe('CONVERT(varchar(27), [CHG], 121)');
    expect(dialect.select(column('D', 'date', 3))).toBe('CONVERT(char(10), [D], 23)');
    expect(dialect.select(column('Z', 'datetimeoffset', 10, 34, 7))).toBe("REPLACE(REPLACE(CONVERT(varchar(34), [Z], 121), ' +', '+'), ' -', '-')");
    expect(dialect.select(column('N', 'nvarchar', 40))).toBe('[N]');
    expect(dialect.select(column('L', 'nvarchar', -1))).toMatch(
      /^CASE WHEN DATALENGTH\(\[L\]\) > \d+ THEN CAST\('signalbox:.*:' \+ .* AS nvarchar\(max\)\) ELSE CAST\(\[L\] AS nvarchar\(max\)\) END$/,
    );
    expect(readCell('2026-03-29 02:30:00.1234567+02:00', 'instant')).toBe('2026-03-29T02:30:00.1234567+02:00');
  });

  test('D22 an upsert is one MERGE that holds its range, and keeps the newer version', () => {
    expect(dialect.upsert({ table, columns: [id, amount, changed], key: [id], version: changed })).toBe(
      'MERGE INTO [dbo].[ORD] WITH (HOLDLOCK) AS t USING (SELECT 1 AS one) AS s ON t.[ID] = CAST(@p1 AS int) WHEN MATCHED AND (t.[CHG] IS NULL OR CAST(@p3 AS datetime2(7)) > t.[CHG]) THEN UPDATE SET [AMT] = @p2, [CHG] = @p3 WHEN NOT MATCHED THEN INSERT ([ID], [AMT], [CHG]) VALUES (@p1, @p2, @p3);',
    );
    expect(dialect.upsert({ table, columns: [id], key: [id], version: undefined })).toBe(
      'MERGE INTO [dbo].[ORD] WITH (HOLDLOCK) AS t USING (SELECT 1 AS one) AS s ON t.[ID] = CAST(@p1 AS int) WHEN NOT MATCHED THEN INSERT ([ID]) VALUES (@p1);',
    );
  });

  test('D1 the rowversion below which nothing is open is read before the snapshot of the rows', async () => {
    const session = new Scripted([[/MIN_ACTIVE_ROWVERSION/, [['2001', '2002']]]]);
    expect(await dialect.watermark?.current(session)).toEqual({ below: 2001n, next: 2002n });
    expect(session.asked.map(({ sql }) => sql)).toEqual([
      'IF @@TRANCOUNT > 0 COMMIT TRANSACTION; SELECT CAST(MIN_ACTIVE_ROWVERSION() AS bigint), CAST(@@DBTS AS bigint) + 1; BEGIN TRANSACTION',
    ]);
    expect(dialect.watermark?.fits(version)).toBe(true);
    expect(dialect.watermark?.fits(column('B', 'binary', 16))).toBe(false);
    expect(dialect.watermark?.written(0n, version)).toBe('[RV]');
    expect(dialect.watermark?.number(2001n, version)).toBe('CAST(CAST(2001 AS bigint) AS binary(8))');
  });

  test('D27 a transaction waits for locks no longer than it may, and reads a snapshot where there are any', () => {
    expect(beginning(true, true, 5000)).toBe('SET LOCK_TIMEOUT 5000; SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION');
    expect(beginning(false, true, 5000)).toBe('SET LOCK_TIMEOUT 5000; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN TRANSACTION');
  });

  test('a procedure is called by the names of its parameters', async () => {
    const session = new Scripted([
      [/sys\.procedures/, [['dbo', 'BookOrder', 1]]],
      [
        /sys\.parameters/,
        [
          ['@OrdNo', 'nvarchar', true, 40, 0, 0, false],
          ['@Amount', 'decimal', true, 9, 12, 2, false],
        ],
      ],
    ]);
    const procedure = await dialect.procedures?.find(session, 'bookorder');
    if (!procedure || 'candidates' in procedure) throw new Error('expected the procedure');
    expect(procedure.parameters).toMatchObject([
      { name: 'OrdNo', length: 20 },
      { name: 'Amount', precision: 12, scale: 2 },
    ]);
    expect(dialect.procedures?.call(procedure, procedure.parameters)).toBe('EXEC [dbo].[BookOrder] @OrdNo = @p1, @Amount = @p2');
  });
});

describe('values', () => {
  test('D11, D13 what the column would round or cut is refused; NULL of bytes is one of bytes', () => {
    expect(dialect.bind(Decimal.parse('12.50') ?? null, amount)).toBe('12.50');
    expect(() => dialect.bind(Decimal.parse('12.505') ?? null, amount)).toThrow('AMT');
    expect(() => dialect.bind('x'.repeat(21), column('N', 'nvarchar', 40))).toThrow('the column keeps 20');
    expect(() => dialect.bind('2026-03-29T02:30:00.1234', column('DT', 'datetime'))).toThrow('the column keeps 3');
    expect(dialect.bind(true, column('F', 'bit', 1))).toBe('1');
    expect(dialect.bind(9007199254740993n, column('B', 'bigint'))).toBe('9007199254740993');
    expect(dialect.bind(null, column('B', 'varbinary', 100))).toBe(NULL_BYTES);
    expect(dialect.bind(null, id)).toBeNull();
  });

  const cell = (value: unknown, name: string, scale?: number, dataLength?: number) => exact(value, { colName: 'c', type: { name }, scale, dataLength });

  test('D11 the answer of a call: what went through a double is exact or refused', () => {
    expect(cell(0.1, 'DecimalN', 4)).toBe('0.1000');
    expect(cell(123_456_789.12, 'Decimal', 2)).toBe('123456789.12');
    expect(() => cell(2 ** 53, 'NumericN', 2)).toThrow('CAST(c AS varchar(40))');
    expect(cell(19.99, 'MoneyN')).toBe('19.9900');
    expect(cell('9007199254740993', 'BigInt')).toBe('9007199254740993');
    expect(cell(0.1, 'Float')).toBe(0.1);
    expect(cell(Math.fround(0.1), 'FloatN', undefined, 4)).toBe(0.1);
  });

  test('D10, D16 the answer of a call: times keep seven digits, dates no time', () => {
    const at = Object.assign(new Date('2026-03-29T02:30:00.123Z'), { nanosecondsDelta: 0.000_456_7 });
    expect(cell(at, 'DateTime2', 7)).toBe('2026-03-29T02:30:00.1234567');
    expect(cell(at, 'DateTimeOffset', 7)).toBe('2026-03-29T02:30:00.1234567Z');
    expect(cell(new Date('2026-03-29T00:00:00Z'), 'Date')).toBe('2026-03-29');
    expect(cell(new Date('1970-01-01T23:59:59Z'), 'Time', 0)).toBe('23:59:59');
  });

  test.each([
    [{ code: 'ESOCKET' }, 'E420'],
    [{ code: 'ETIMEOUT', message: 'Failed to connect to db:1433 in 10000ms' }, 'E420'],
    [{ code: 'ETIMEOUT', message: 'Timeout: Request failed to complete in 60000ms' }, 'E424'],
    [{ code: 'ESOCKET', message: 'self-signed certificate' }, 'E421'],
    [{ code: 'ELOGIN', message: 'Login failed' }, 'E421'],
    [{ code: 'EREQUEST', number: 208 }, 'E422'],
    [{ code: 'EREQUEST', number: 229 }, 'E423'],
    [{ code: 'EREQUEST', number: 1205 }, 'E424'],
    [{ code: 'EREQUEST', number: 1222 }, 'E424'],
    [{ code: 'EREQUEST', number: 2627, message: 'Violation of PRIMARY KEY. The duplicate key value is (secret).' }, 'E331'],
    [{ code: 'EREQUEST', number: 8115 }, 'E332'],
    [{ code: 'EREQUEST', number: 102, class: 15 }, 'E427'],
  ] as readonly (readonly [{ readonly code: string; readonly message?: string; readonly number?: number; readonly class?: number }, string])[])('%j is %s', (fields, code) => {
    const failure = dialect.classify(Object.assign(new Error(fields.message ?? 'x'), fields));
    expect(failure?.code).toBe(code);
    expect(failure?.message).not.toContain('secret');
  });
});

describe('the catalogue', () => {
  test("D25 a table in any case, the account's own schema before dbo; types as a cast takes them", async () => {
    const session = new Scripted([
      [
        /LOWER\(o\.name\)/,
        [
          ['dbo', 'Ord', 'U ', 1],
          ['sales', 'ord', 'U ', 2],
          ['other', 'ORD', 'U ', 0],
        ],
      ],
      [
        /sys\.columns/,
        [
          ['OrdNo', 'nvarchar', false, 20, 0, 0],
          ['Amt', 'decimal', true, 9, 12, 2],
          ['Chg', 'datetime2', true, 8, 27, 3],
          ['Rv', 'timestamp', false, 8, 0, 0],
          ['Doc', 'varbinary', true, -1, 0, 0],
        ],
      ],
    ]);
    expect(await dialect.table(session, 'ORD')).toEqual({
      sql: '[sales].[ord]',
      name: 'ord',
      schema: 'sales',
      view: false,
      columns: [
        { name: 'OrdNo', type: 'nvarchar(10)', kind: 'text', nullable: false, length: 10 },
        { name: 'Amt', type: 'decimal(12,2)', kind: 'decimal', nullable: true, precision: 12, scale: 2 },
        { name: 'Chg', type: 'datetime2(3)', kind: 'timestamp', nullable: true, fraction: 3 },
        { name: 'Rv', type: 'binary(8)', kind: 'bytes', nullable: false, bytes: 8 },
        { name: 'Doc', type: 'varbinary(max)', kind: 'bytes', nullable: true, large: true },
      ],
    });
    expect(session.asked.at(-1)?.binds).toEqual(['[sales].[ord]']);
    expect(await dialect.table(new Scripted([[/ORDER BY/, [['dbo', 'Ord', 'U ', 1]]]]), 'nope')).toEqual({ candidates: ['Ord'] });
  });

  test('keys, indexes, references, rows, comments, triggers', async () => {
    const session = new Scripted([
      [/sys\.partitions/, [['order heads', '214', 1]]],
      [
        /sys\.default_constraints/,
        [
          ['OrdNo', 'nvarchar', null, 'number', 0],
          ['Rv', 'timestamp', null, null, 1],
        ],
      ],
      [
        /sys\.indexes/,
        [
          ['pk', 'OrdNo', true, true],
          ['by_chg', 'Chg', false, false],
          ['by_chg', 'OrdNo', false, false],
        ],
      ],
      [/f\.parent_object_id = OBJECT_ID/, [['fk', 'customer', 'Cust', 'Id']]],
      [/f\.referenced_object_id = OBJECT_ID/, [['fk2', 'ord_line', 'OrdNo', 'OrdNo']]],
    ]);
    expect(await dialect.catalogue.facts(session, table)).toMatchObject({
      comment: 'order heads',
      rows: 214,
      triggers: true,
      key: ['OrdNo'],
      indexes: [{ name: 'by_chg', fields: ['Chg', 'OrdNo'], unique: false }],
      parents: [{ table: 'customer', fields: ['Cust'], theirs: ['Id'] }],
      children: [{ table: 'ord_line', fields: ['OrdNo'], theirs: ['OrdNo'] }],
    });
    expect(session.asked.every(({ binds }) => binds[0] === '[dbo].[ORD]')).toBe(true);
  });
});
