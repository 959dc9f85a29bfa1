import { afterEach, describe, expect, test } from '@jest/globals';
import { isRecord } from '../../../adapters/contract/index.js';
import { DRIVERS, delivery, type Fixture, fixture, never, poll } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (...options: Parameters<typeof fixture>): Promise<Fixture> => {
  open = await fixture(...options);
  return open;
};
const cell = (record: { readonly value: unknown } | undefined, name: string) => {
  const value = record?.value as Parameters<typeof isRecord>[0];
  return isRecord(value) ? value[name] : undefined;
};
const ORDERS = { table: 't', key: 'id', cursor: { column: 'id' } };

describe('large values', () => {
  test.each(DRIVERS)('%s: a value larger than a message is not loaded; its row is set aside with table, column, row and size, the others go on', async (driver) => {
    const { sql, rows, inbound } = await start(driver);
    const type = { postgres: ['bytea', 'text'], mariadb: ['longblob', 'longtext'], sqlite: ['BLOB', 'TEXT'] }[driver];
    await sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, doc ${type[0]}, txt ${type[1]})`);
    if (driver === 'sqlite') {
      await sql("INSERT INTO t VALUES (1, x'00', 'a'), (2, zeroblob(70000000), 'a'), (3, NULL, printf('%.*c', 70000000, 'x')), (4, x'ff', 'b')");
    } else if (driver === 'postgres') {
      await sql(`INSERT INTO t VALUES (1, '\\x00', 'a'), (2, decode(repeat('00', 70000000), 'hex'), 'a'), (3, NULL, repeat('x', 70000000)), (4, '\\xff', 'b')`);
    } else {
      // A server sends no more than its packet, and builds no larger value.
      await sql(
        "INSERT INTO t SELECT 1, x'00', 'a' UNION SELECT 2, REPEAT('x', @@max_allowed_packet - 1000), 'a' UNION SELECT 3, NULL, REPEAT('x', @@max_allowed_packet - 1000) UNION SELECT 4, x'ff', 'b'",
      );
    }
    const size = driver === 'mariadb' ? Number((await rows('SELECT @@max_allowed_packet - 1000')).flat()[0]) : 70_000_000;
    const { records } = await poll(await inbound(ORDERS));
    expect(records.map(({ key, failure }) => [key, failure?.code])).toEqual([
      ['1', undefined],
      ['2', 'E330'],
      ['3', 'E330'],
      ['4', undefined],
    ]);
    expect(records[1]?.failure).toMatchObject({ message: expect.stringContaining(`t.doc: has ${size} bytes and was not loaded`), place: 'id=2' });
    expect(records[2]?.failure).toMatchObject({ message: expect.stringContaining(`t.txt: has ${size} bytes and was not loaded`), place: 'id=3' });
    expect(records[1]?.raw?.length).toBeLessThan(200);
    expect([cell(records[0], 'doc'), cell(records[3], 'doc'), cell(records[3], 'txt')]).toEqual([new Uint8Array([0]), new Uint8Array([255]), 'b']);
  });

  test('PostgreSQL: pages of a text key use its index', async () => {
    const { sql, rows, inbound } = await start('postgres');
    await sql('CREATE TABLE t (id text PRIMARY KEY, doc jsonb)', "INSERT INTO t SELECT lpad(n::text, 5, '0'), '{}' FROM generate_series(1, 30) AS n");
    const { records } = await poll(await inbound({ table: 't', key: 'id' }), undefined, 7);
    expect(records.map(({ key }) => key)).toEqual(Array.from({ length: 30 }, (_, at) => String(at + 1).padStart(5, '0')));
    const { dialect } = await import('../../../adapters/sql/dialects/postgres/dialect.js');
    const select = dialect.select({ name: 'id', type: 'text', kind: 'text', nullable: false, large: true });
    await sql('SET enable_seqscan = off', 'SET enable_sort = off');
    expect((await rows(`EXPLAIN SELECT ${select} FROM t ORDER BY "id" LIMIT 5`)).flat().join()).toMatch(/Index (Only )?Scan/);
  });
});

describe('character sets of old servers', () => {
  test('MariaDB: a latin1 table is read and written as what it means; what it has no letter for names its column', async () => {
    const { sql, rows, inbound, outbound } = await start('mariadb');
    await sql('CREATE TABLE t (id int PRIMARY KEY, name varchar(20)) CHARACTER SET latin1', "INSERT INTO t VALUES (1, _latin1 x'5AFC72696368208081')");
    const { records } = await poll(await inbound(ORDERS));
    // Windows-1252, as MariaDB calls latin1: 80 is the euro sign, 81 is a control character.
    expect(cell(records[0], 'name')).toBe('Zürich €\u0081');
    const target = await outbound({ table: 't', key: 'id', mode: 'insert' });
    await target.send(delivery('a', { id: 2n, name: 'Zürich €\u0081' }), never);
    expect(await rows('SELECT HEX(name) FROM t')).toEqual([['5AFC72696368208081'], ['5AFC72696368208081']]);
    await expect(target.send(delivery('b', { id: 3n, name: 'Ωmega' }), never)).rejects.toMatchObject({
      name: 'InvalidMessage',
      code: 'E332',
      message: expect.stringContaining('name'),
    });
  });

  test('PostgreSQL: a LATIN1 database is read and written as what it means', async () => {
    const { sql, rows, inbound, outbound } = await start('postgres', {}, "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    await sql('CREATE TABLE t (id int PRIMARY KEY, name text)', "INSERT INTO t VALUES (1, convert_from('\\x5AFC72696368'::bytea, 'LATIN1'))");
    expect(cell((await poll(await inbound(ORDERS))).records[0], 'name')).toBe('Zürich');
    const target = await outbound({ table: 't', key: 'id', mode: 'insert' });
    await target.send(delivery('a', { id: 2n, name: 'Zürich' }), never);
    expect(await rows("SELECT encode(convert_to(name, 'LATIN1'), 'hex') FROM t")).toEqual([['5afc72696368'], ['5afc72696368']]);
    await expect(target.send(delivery('b', { id: 3n, name: '10 €' }), never)).rejects.toMatchObject({
      name: 'InvalidMessage',
      code: 'E332',
      message: expect.stringContaining('LATIN1'),
    });
  });

  test('PostgreSQL: bytes that are no UTF-8 in a SQL_ASCII database set only their row aside', async () => {
    const { sql, inbound, outbound } = await start('postgres', {}, "ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    await sql(
      'CREATE TABLE t (id int PRIMARY KEY, name text, code char(6))',
      "INSERT INTO t VALUES (1, 'Zürich', 'a'), (2, convert_from('\\x5AFC72696368'::bytea, 'SQL_ASCII'), 'b'), (3, NULL, 'c')",
    );
    const { records } = await poll(await inbound(ORDERS));
    expect(records.map(({ failure }) => failure?.code)).toEqual([undefined, 'E330', undefined]);
    expect([cell(records[0], 'name'), cell(records[0], 'code'), cell(records[2], 'name')]).toEqual(['Zürich', 'a     ', null]);
    expect(records[1]?.failure).toMatchObject({ message: expect.stringContaining('t.name: Zürich is no UTF-8 text'), place: 'id=2' });
    const target = await outbound({ table: 't', key: 'id', mode: 'insert' });
    await target.send(delivery('a', { id: 4n, name: 'Ωmega', code: 'x' }), never);
    await sql('SELECT 1');
    expect(cell((await poll(await inbound(ORDERS))).records[3], 'name')).toBe('Ωmega');
  });

  test('SQLite: bytes in a text column are bytes, or set their row aside where text is declared; text that is no UTF-8 does too', async () => {
    const { sql, inbound } = await start('sqlite');
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)', "INSERT INTO t VALUES (1, 'Zürich'), (2, x'00ff'), (3, CAST(x'5AFC72' AS TEXT)), (4, 'last')");
    const undeclared = (await poll(await inbound(ORDERS))).records;
    expect(undeclared.map(({ failure }) => failure?.code)).toEqual([undefined, undefined, 'E330', undefined]);
    expect(cell(undeclared[1], 'name')).toEqual(new Uint8Array([0, 255]));
    const declared = (await poll(await inbound({ ...ORDERS, columns: { name: 'text' } }))).records;
    expect(declared.map(({ failure }) => failure?.message)).toEqual([undefined, 't.name: 00ff is no text', expect.stringContaining('no UTF-8'), undefined]);
  });
});
