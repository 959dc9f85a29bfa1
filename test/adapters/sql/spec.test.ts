import { describe, expect, test } from '@jest/globals';
import { Decimal, Secret, type Value } from '../../../adapters/contract/index.js';
import type { Column } from '../../../adapters/sql/dialects/dialect.js';
import { dialect as mariadb } from '../../../adapters/sql/dialects/mariadb/dialect.js';
import { dialect as postgres } from '../../../adapters/sql/dialects/postgres/dialect.js';
import { dialect as sqlite } from '../../../adapters/sql/dialects/sqlite/dialect.js';
import spec from '../../../adapters/sql/index.js';
import { readPosition, writePosition } from '../../../adapters/sql/reading/position.js';
import { parseStatement } from '../../../adapters/sql/statement.js';

const server = { host: 'db.corp.local', database: 'erp', user: 'signalbox', password: new Secret('db', 'x') };
const postgresAt = (change: object = {}) => spec.connect.parse({ driver: 'postgres', ...server, ...change });

describe('options', () => {
  test('the system `legacy` of the guide is valid', () => {
    const read = spec.read.config.parse({ table: 'ORD_HEAD', key: 'ORD_NO', cursor: { column: 'CHG_TS', overlap: '5m' }, include: { lines: { table: 'ORD_LINE', by: 'ORD_NO' } } });
    expect(read).toMatchObject({ key: ['ORD_NO'], cursor: { overlap: { ms: 300_000 } }, include: { lines: { by: ['ORD_NO'] } } });
  });

  test.each([
    [{ driver: 'odbc' }],
    [{ driver: 'postgres', ...server, password: 'plain text' }],
    [{ driver: 'postgres', ...server, url: 'postgres://x' }],
    [{ driver: 'mariadb', ...server, tls: false }],
    [{ driver: 'sqlite' }],
  ])('connect %j is refused', (connect) => {
    expect(spec.connect.safeParse(connect).success).toBe(false);
  });

  test.each(['ORD"; DROP TABLE x', 'a b', '1st', 'a.b.c.d', 'ord`'])('table name %s is refused', (table) => {
    expect(spec.read.config.safeParse({ table, key: 'id' }).success).toBe(false);
    expect(spec.write.config.safeParse({ table, key: 'id' }).success).toBe(false);
  });

  test('tls is on and verified unless it says off, and off across a network is a finding', () => {
    expect(postgresAt()).toMatchObject({ tls: {} });
    const finding = expect.objectContaining({ message: expect.stringContaining('clear text') });
    const read = spec.read.config.parse({ table: 't', key: 'id' });
    expect(spec.read.lint(read, postgresAt({ tls: 'off' }))).toContainEqual(finding);
    expect(spec.read.lint(read, postgresAt({ tls: 'off', host: '127.0.0.1' }))).not.toContainEqual(finding);
    expect(spec.read.lint(read, postgresAt())).not.toContainEqual(finding);
  });
});

describe('lint', () => {
  const findings = (driver: string, read: object) =>
    spec.read.lint(spec.read.config.parse(read), spec.connect.parse(driver === 'sqlite' ? { driver, file: 'x.db' } : { driver, ...server })).map((finding) => finding.message);

  test('a driver that no test runs says so, for each endpoint; the others do not', () => {
    const password = new Secret('db', 'x');
    const untested = expect.objectContaining({ severity: 'warning', message: expect.stringContaining('not tested against a server') });
    for (const connect of [
      { driver: 'sqlserver', ...server },
      { driver: 'oracle', host: 'db', service: 'ERP', user: 'me', password },
    ].map((each) => spec.connect.parse(each))) {
      expect(spec.read.lint(spec.read.config.parse({ table: 't', key: 'id' }), connect)).toContainEqual(untested);
      expect(spec.write.lint(spec.write.config.parse({ table: 't', key: 'id' }), connect)).toContainEqual(untested);
      expect(spec.call.lint(spec.call.config.parse({ sql: 'select 1' }), connect)).toContainEqual(untested);
    }
    const read = spec.read.config.parse({ table: 't', key: 'id' });
    for (const connect of [postgresAt(), spec.connect.parse({ driver: 'odbc', dsn: 'X' })]) expect(spec.read.lint(read, connect)).not.toContainEqual(untested);
  });

  test('D17: deletes are invisible', () => {
    expect(findings('postgres', { table: 't', key: 'id' }).join()).toContain('deleted rows');
  });

  test('D18: an id cursor sees no updates', () => {
    expect(findings('sqlite', { table: 't', key: 'id', cursor: { column: 'id' } }).join()).toContain('changes of rows that were read are not seen');
    expect(findings('postgres', { table: 't', key: 'id', cursor: { column: 'id' } }).join()).not.toContain('changes of rows that were read');
  });

  test('D1, D2, D6: a cursor without overlap, and NULL', () => {
    expect(findings('mariadb', { table: 't', key: 'id', cursor: { column: 'ts' } }).join()).toMatch(/NULL.*committed late/);
    expect(findings('mariadb', { table: 't', key: 'id', cursor: { column: 'ts', overlap: '5m' } }).join()).not.toContain('committed late');
    expect(findings('sqlite', { table: 't', key: 'id', cursor: { column: 'id' } }).join()).not.toContain('committed late');
  });

  test('errors: no cursor for several key columns, upsert without a key, a call that changes something', () => {
    const errors = spec.read
      .lint(spec.read.config.parse({ table: 't', key: ['a', 'b'] }), spec.connect.parse({ driver: 'sqlite', file: 'x' }))
      .filter(({ severity }) => severity === 'error');
    expect(errors).toHaveLength(1);
    expect(spec.write.lint(spec.write.config.parse({ table: 't' }), postgresAt())).toContainEqual(expect.objectContaining({ severity: 'error', path: ['mode'] }));
    expect(spec.call.lint(spec.call.config.parse({ sql: 'delete from t' }), postgresAt())).toContainEqual(expect.objectContaining({ severity: 'error', path: ['sql'] }));
  });

  describe('writing', () => {
    const lint = (write: object, connect: unknown = postgresAt()) =>
      spec.write.lint(spec.write.config.parse(write), connect).map(({ severity, path, message }) => `${severity} ${path.join('.')}: ${message}`);

    test.each([
      [{ table: 't', mode: 'update' }, 'error mode: update needs the key of the row'],
      [{ table: 't', mode: 'delete' }, 'error mode: delete needs the key of the row'],
      [{ table: 't', mode: 'insert', version: 'v' }, 'error version: version guards changes'],
      [{ table: 't', key: 'id', missing: 'ignore' }, 'error missing: only an update'],
      [{ table: 't', key: 'id', mode: 'update' }, 'warning mode: an older message that arrives late overwrites'],
      [{ table: 't', key: 'id', mode: 'delete' }, 'warning mode: an older message that arrives late brings a deleted row back'],
      [{ table: 't', key: 'id', include: { l: { table: 'c', by: 'id', mode: 'upsert' } } }, 'error include.l: upsert needs the key of a child'],
      [{ table: 't', key: 'id', include: { l: { table: 'c', by: 'id', key: 'x' } } }, 'error include.l.key: replace writes all children anew'],
      [{ table: 't', key: 'id', include: { l: { table: 'c', by: ['a', 'b'], parent: 'id' } } }, 'error include.l.parent: by and parent need the same number'],
    ])('%j: %s', (write, expected) => {
      expect(lint(write)).toContainEqual(expect.stringContaining(expected));
    });

    test('a procedure needs its name and no table, and a database that has any', () => {
      const problems = (write: object) => spec.write.config.safeParse(write).error?.issues.map(({ message }) => message) ?? [];
      expect(problems({ mode: 'procedure' })).toEqual(['procedure is missing: mode procedure needs it']);
      expect(problems({ mode: 'procedure', procedure: 'p', table: 't' })).toEqual(['mode procedure writes no table: leave it out']);
      expect(problems({ table: 't', procedure: 'p' })).toEqual(['mode upsert calls no procedure: mode: procedure does']);
      expect(problems({})).toEqual(['table is missing']);
      expect(lint({ mode: 'procedure', procedure: 'p' })).toEqual([]);
      expect(lint({ mode: 'procedure', procedure: 'p' }, spec.connect.parse({ driver: 'sqlite', file: 'x' }))).toEqual([
        'error mode: stored procedures of SQLite cannot be called',
      ]);
    });

    test('fields are the declared columns and lists', () => {
      const write = spec.write.config.parse({
        table: 't',
        key: 'id',
        columns: { id: 'integer' },
        include: { lines: { table: 'l', by: 'id', columns: { art: 'text' } }, notes: { table: 'n', by: 'id' } },
      });
      expect(spec.write.fields(write)).toEqual({ id: 'integer', lines: { list: { art: 'text' } }, notes: 'any' });
      expect(spec.write.fields(spec.write.config.parse({ table: 't', key: 'id' }))).toBeUndefined();
    });
  });

  test('fields are the declared columns, with key, cursor and lists', () => {
    const read = spec.read.config.parse({
      table: 't',
      key: 'id',
      cursor: { column: 'ts' },
      columns: { id: 'integer', name: 'text' },
      include: { lines: { table: 'l', by: 'id', columns: { art: 'text' } }, notes: { table: 'n', by: 'id' } },
    });
    expect(spec.read.fields(read)).toEqual({ id: 'integer', ts: 'any', name: 'text', lines: { list: { id: 'any', art: 'text' } }, notes: 'any' });
    expect(spec.read.fields(spec.read.config.parse({ table: 't', key: 'id' }))).toBeUndefined();
  });
});

describe('statements', () => {
  test.each([
    ['select a::text, \':no\', ":no" from t -- :no\n where b = :b /* :no */ and c = :c', ['b', 'c']],
    ['with x as (select 1) select * from x;', []],
  ])('%s has the parameters %j', (sql, parameters) => {
    const statement = parseStatement(sql);
    expect(typeof statement === 'string' ? statement : [...statement.parameters]).toEqual(parameters);
  });

  test.each(['update t set a = 1', 'select 1; delete from t', 'select * from t where a = ${x}', 'select * from {{t}}'])('%s is refused', (sql) => {
    expect(typeof parseStatement(sql)).toBe('string');
  });

  test('a name is quoted, and a quote in a column of the database cannot end it', () => {
    expect(postgres.quote('a"b')).toBe('"a""b"');
    expect(sqlite.quote('a"b')).toBe('"a""b"');
    expect(mariadb.quote('a`b')).toBe('`a``b`');
  });
});

describe('values', () => {
  const column = (change: Partial<Column>): Column => ({ name: 'AMT', type: '', kind: 'any', nullable: true, ...change });

  test('a position keeps every digit, bytes and the kind of number', () => {
    const values: readonly Value[] = ['2026-03-01T08:00:00.123456789', 9007199254740993n, new Decimal(100n, 2), new Decimal(7n, 0), new Uint8Array([0, 255]), -1n];
    const text = writePosition({ by: 'cursor', high: values, upto: 5n, after: values }, ['a', 'b']);
    expect(readPosition(text, 'cursor', ['a', 'b'])).toEqual({ by: 'cursor', high: values, upto: 5n, after: values });
    expect(readPosition(undefined, 'cursor', ['a'])).toBeUndefined();
    expect(() => readPosition(text, 'transaction', ['a', 'b'])).toThrow('cursor');
  });

  test('D11, D14: SQLite refuses what it would change', () => {
    const amount = Decimal.parse('12345678901234567.89') ?? null;
    expect(() => sqlite.bind(amount, column({ type: 'NUMERIC' }))).toThrow('AMT');
    expect(() => sqlite.bind('00123', column({ type: 'INTEGER' }))).toThrow('AMT');
    expect(sqlite.bind(amount, column({ type: 'TEXT' }))).toBe('12345678901234567.89');
    expect(sqlite.bind('00123', column({ type: 'TEXT' }))).toBe('00123');
    expect(() => sqlite.bind(2n ** 63n, column({ type: 'INTEGER' }))).toThrow('out of range');
  });

  test('D8 a time gets into a column without a zone, or out of one, only where the configuration names the zone', () => {
    const zone = { name: 'Europe/Berlin', repeated: 'earlier' } as const;
    expect(() => postgres.bind('2026-03-01T08:00:00+02:00', column({ kind: 'timestamp' }))).toThrow('AMT: a time with a zone for a column without one');
    expect(() => mariadb.bind('2026-03-01T08:00:00', column({ kind: 'instant' }))).toThrow('AMT: a time without a zone for a column with one');
    expect(postgres.bind('2026-03-01T08:00:00.123456+02:00', column({ kind: 'timestamp', zone }))).toBe('2026-03-01T07:00:00.123456');
    expect(postgres.bind('2026-07-01T08:00:00.1Z', column({ kind: 'timestamp', zone }))).toBe('2026-07-01T10:00:00.1');
    expect(mariadb.bind('2026-07-01T08:00:00', column({ kind: 'instant', zone }))).toBe('2026-07-01T06:00:00');
    expect(postgres.bind('2026-03-01T08:00:00+02:00', column({ kind: 'instant' }))).toBe('2026-03-01T08:00:00+02:00');
    expect(mariadb.bind('2026-03-01T00:30:00+02:00', column({ kind: 'instant' }))).toBe('2026-02-28T22:30:00');
    expect(mariadb.bind('2026-03-01T08:00:00', column({ kind: 'timestamp' }))).toBe('2026-03-01T08:00:00');
  });
});
