import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Decimal, isRecord, type Value, type ValueRecord, writeJson } from '../../../adapters/contract/index.js';
import { decodePayload } from '../../../bus/runtime/envelope.js';
import { DRIVERS, type Driver, delivery, type Fixture, fixture, never, poll } from './fixture.js';

// Every type, from every database over the bus to every database, and read back.
const TYPES: Readonly<Record<string, { readonly declared: string; readonly of: Readonly<Record<Driver, string>>; readonly value: Value; readonly literal?: string }>> = {
  id: { declared: 'integer', of: { postgres: 'integer PRIMARY KEY', mariadb: 'integer PRIMARY KEY', sqlite: 'INTEGER PRIMARY KEY' }, value: -7n },
  big: { declared: 'integer', of: { postgres: 'bigint', mariadb: 'bigint', sqlite: 'INTEGER' }, value: 9007199254740993n },
  huge: { declared: 'integer', of: { postgres: 'numeric(20)', mariadb: 'bigint unsigned', sqlite: 'TEXT' }, value: 18446744073709551615n },
  amount: { declared: 'decimal', of: { postgres: 'numeric(20,4)', mariadb: 'decimal(20,4)', sqlite: 'TEXT' }, value: new Decimal(1000n, 4) },
  wide: { declared: 'decimal', of: { postgres: 'numeric', mariadb: 'decimal(38,10)', sqlite: 'TEXT' }, value: new Decimal(-12345678901234567890123456789n, 10) },
  ratio: { declared: 'decimal', of: { postgres: 'double precision', mariadb: 'double', sqlite: 'REAL' }, value: new Decimal(1n, 1) },
  code: { declared: 'text', of: { postgres: 'varchar(10)', mariadb: 'varchar(10)', sqlite: 'TEXT' }, value: '00123' },
  note: { declared: 'text', of: { postgres: 'text', mariadb: 'longtext', sqlite: 'TEXT' }, value: ' Zürich 😀 \n 1e3 ' },
  empty: { declared: 'text', of: { postgres: 'text', mariadb: 'text', sqlite: 'TEXT' }, value: '' },
  nothing: { declared: 'text', of: { postgres: 'text', mariadb: 'text', sqlite: 'TEXT' }, value: null, literal: 'NULL' },
  flag: { declared: 'boolean', of: { postgres: 'boolean', mariadb: 'tinyint(1)', sqlite: 'INTEGER' }, value: true, literal: 'true' },
  day: { declared: 'date', of: { postgres: 'date', mariadb: 'date', sqlite: 'TEXT' }, value: '2026-03-29' },
  clock: { declared: 'text', of: { postgres: 'time(6)', mariadb: 'time(6)', sqlite: 'TEXT' }, value: '23:59:59.123456' },
  // A time that clocks in Berlin jump over: without a zone it is a text like any other.
  local: { declared: 'timestamp', of: { postgres: 'timestamp', mariadb: 'datetime(6)', sqlite: 'TEXT' }, value: '2026-03-29T02:30:00.123456' },
  instant: {
    declared: 'timestamp',
    of: { postgres: 'timestamptz', mariadb: 'timestamp(6) NULL', sqlite: 'TEXT' },
    value: '2026-10-25T00:30:00.123456Z',
  },
  bytes: { declared: 'bytes', of: { postgres: 'bytea', mariadb: 'varbinary(10)', sqlite: 'BLOB' }, value: new Uint8Array([0, 255, 92, 120, 39]) },
};
const columns = Object.fromEntries(Object.entries(TYPES).map(([name, { declared }]) => [name, declared]));
const all: ValueRecord = Object.fromEntries(Object.entries(TYPES).map(([name, { value }]) => [name, value]));
const create = (driver: Driver, table: string) =>
  `CREATE TABLE ${table} (${Object.entries(TYPES)
    .map(([name, { of }]) => `${driver === 'mariadb' ? `\`${name}\`` : `"${name}"`} ${of[driver]}`)
    .join(', ')})`;

function literal(driver: Driver, name: string, { value, literal: own }: (typeof TYPES)[string]): string {
  if (own !== undefined) return own;
  if (value instanceof Uint8Array) return driver === 'postgres' ? `'\\x${Buffer.from(value).toString('hex')}'` : `x'${Buffer.from(value).toString('hex')}'`;
  if (name === 'instant' && driver === 'mariadb') return "'2026-10-25 00:30:00.123456'";
  return `'${String(value).replaceAll("'", "''")}'`;
}

/** As the payload of a delivery lies in a channel. */
const overTheBus = (value: Value): ValueRecord => decodePayload(new TextEncoder().encode(writeJson(value)));

describe('D13 every type', () => {
  const fixtures = new Map<Driver, Fixture>();
  const of = (driver: Driver): Fixture => {
    const found = fixtures.get(driver);
    if (!found) throw new Error(`no ${driver}`);
    return found;
  };
  beforeAll(async () => {
    for (const driver of DRIVERS) {
      const each = await fixture(driver);
      fixtures.set(driver, each);
      // What the server or the other application thinks about zones has no part in it.
      if (driver === 'postgres') await each.sql(`ALTER DATABASE ${String(each.connect['database'])} SET timezone = 'Pacific/Chatham'`);
      await each.sql(
        create(driver, 'src'),
        `INSERT INTO src VALUES (${Object.entries(TYPES)
          .map(([name, type]) => literal(driver, name, type))
          .join(', ')})`,
      );
      if (driver === 'mariadb') await each.sql("SET time_zone = '-05:00'");
    }
  });
  afterAll(async () => {
    for (const each of fixtures.values()) await each.close();
  });

  test.each(DRIVERS.flatMap((from) => DRIVERS.map((to) => [from, to] as const)))(
    'D10, D11, D13, D14, D16 from %s over the bus to %s and back: the same values',
    async (from, to) => {
      const read = { key: 'id', cursor: { column: 'id' }, columns };
      const { records } = await poll(await of(from).inbound({ ...read, table: 'src' }));
      expect(records.map((record) => [record.failure, record.value])).toEqual([[undefined, all]]);
      const sink = `sink_${from}`;
      await of(to).sql(create(to, sink));
      const target = await of(to).outbound({ table: sink, key: 'id', mode: from === to ? 'insert' : 'upsert' });
      await target.send(delivery(`${from}-${to}`, overTheBus(records[0]?.value ?? null)), never);
      // Waits until no older transaction of the other tests is open: until then PostgreSQL keeps the row back.
      await of(to).sql('SELECT 1');
      const back = await poll(await of(to).inbound({ ...read, table: sink }));
      expect(back.records.map((record) => [record.failure, record.value])).toEqual([[undefined, all]]);
    },
  );
});

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (...options: Parameters<typeof fixture>): Promise<Fixture> => {
  open = await fixture(...options);
  return open;
};
const cells = (records: readonly { readonly value: Value; readonly failure?: unknown }[], name: string) =>
  records.map(({ value, failure }) => (isRecord(value) && failure === undefined ? value[name] : 'set aside'));

describe.each(['postgres', 'mariadb'] as const)('times of %s', (driver) => {
  const zoneless = driver === 'postgres' ? 'timestamp' : 'datetime(6)';
  const zoned = driver === 'postgres' ? 'timestamptz' : 'timestamp(6) NULL';
  const read = { table: 't', key: 'id', cursor: { column: 'id' } };

  test('D8, D9 with a zone local times are instants both ways; a time that does not exist sets only its row aside', async () => {
    const { sql, rows, inbound, outbound } = await start(driver, { zone: 'Europe/Berlin' });
    await sql(driver === 'postgres' ? "SET timezone = 'Pacific/Chatham'" : "SET time_zone = '+12:45'");
    await sql(`CREATE TABLE t (id int PRIMARY KEY, ts ${zoneless}, d date)`);
    const times = ['2026-03-01 08:00:00.123456', '2026-03-29 02:30:00', '2026-10-25 02:30:00', '2026-07-01 00:30:00'];
    await sql(`INSERT INTO t VALUES ${times.map((time, id) => `(${id}, '${time}', '2026-03-29')`).join(', ')}`);
    const { records } = await poll(await inbound(read));
    const expected = ['2026-03-01T07:00:00.123456Z', 'set aside', '2026-10-25T00:30:00Z', '2026-06-30T22:30:00Z'];
    expect(cells(records, 'ts').map((value) => String(value).replace('.000000Z', 'Z'))).toEqual(expected);
    expect(cells(records, 'd')).toEqual(['2026-03-29', 'set aside', '2026-03-29', '2026-03-29']);
    expect(records[1]?.failure).toMatchObject({
      code: 'E330',
      message: expect.stringMatching(/t\.ts: 2026-03-29T02:30:00\S* is a time that clocks in Europe\/Berlin jump over/),
      place: 'id=1',
    });
    const target = await outbound({ table: 't', key: 'id', mode: 'update' });
    await target.send(delivery('a', { id: 0n, ts: '2026-12-24T17:00:00.5Z' }), never);
    await target.send(delivery('b', { id: 3n, ts: '2026-07-01T08:00:00+02:00' }), never);
    expect((await rows(`SELECT CAST(ts AS CHAR(19)) FROM t WHERE id IN (0, 3) ORDER BY id`)).flat()).toEqual(['2026-12-24 18:00:00', '2026-07-01 08:00:00']);
    await sql('SELECT 1');
    const asText = await poll(await inbound({ ...read, columns: { ts: 'text' } }));
    expect(String(cells(asText.records, 'ts')[1])).toContain('2026-03-29T02:30:00');
  });

  test('D8, D9 the cursor is the local time of the database, whatever the zones: nothing is read twice or missed when the clock goes back', async () => {
    const { sql, inbound } = await start(driver, { zone: 'America/St_Johns', repeated_hour: 'later' });
    await sql(`CREATE TABLE t (id int PRIMARY KEY, ts ${zoneless} NOT NULL)`, "INSERT INTO t VALUES (1, '2026-11-01 01:10:00.000001'), (2, '2026-11-01 01:50:00.000002')");
    const endpoint = await inbound({ ...read, cursor: { column: 'ts', overlap: '90m' } });
    const first = await poll(endpoint);
    expect(first.records.map(({ key }) => key)).toEqual(['1', '2']);
    expect(cells(first.records, 'ts')).toEqual(['2026-11-01T04:40:00.000001Z', '2026-11-01T05:20:00.000002Z']);
    if (driver === 'mariadb') expect(first.checkpoint).toContain('2026-11-01T01:50:00.000002');
    // The same clock time again, an hour later.
    await sql("INSERT INTO t VALUES (3, '2026-11-01 01:05:00.000001')");
    const second = await poll(endpoint, first.checkpoint);
    expect(second.records.filter(({ id }) => !first.records.some((before) => before.id === id)).map(({ key }) => key)).toEqual(['3']);
  });

  test('D8 without a zone an instant is not written to a column without one, nor a local time to one with; a date never gets a time', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(`CREATE TABLE t (id int PRIMARY KEY, ts ${zoneless}, tz ${zoned}, d date)`);
    const target = await outbound({ table: 't', key: 'id', mode: 'insert' });
    const failing = (id: string, fields: ValueRecord) => target.send(delivery(id, { id: 1n, ...fields }), never).catch((error: unknown) => error);
    expect(await failing('a', { ts: '2026-03-01T08:00:00Z' })).toMatchObject({ name: 'InvalidMessage', code: 'E326', message: expect.stringMatching(/^ts: a time with a zone/) });
    expect(await failing('b', { tz: '2026-03-01T08:00:00' })).toMatchObject({ name: 'InvalidMessage', code: 'E326', message: expect.stringMatching(/^tz: a time without a zone/) });
    expect(await failing('c', { d: '2026-03-01T08:00:00' })).toMatchObject({ name: 'InvalidMessage', code: 'E327', message: expect.stringMatching(/^d: /) });
    expect(await failing('d', { ts: '2026-03-01T08:00:00.123456789' })).toMatchObject({ code: 'E333', message: 'ts: 9 digits of a second, the column keeps 6' });
    await target.send(delivery('e', { id: 1n, ts: '2026-03-01T08:00:00.123456000', tz: '2026-03-01T00:30:00+02:00', d: '2026-03-29' }), never);
    expect((await rows('SELECT CAST(d AS CHAR(10)) FROM t')).flat()).toEqual(['2026-03-29']);
  });
});

describe('times of SQLite', () => {
  test('D8, D10, D15 text is a time only where it is declared; with a zone it is an instant, with all digits; what is none sets its row aside', async () => {
    const { sql, inbound } = await start('sqlite', { zone: 'Europe/Berlin' });
    const times = ['2026-03-01 08:00:00.123456789', '2026-03-01T08:00:00Z', '2026-03-29T02:30:00', '0000-00-00', '2026-02-30 10:00:00', 'infinity'];
    await sql('CREATE TABLE t (id INTEGER PRIMARY KEY, ts TEXT)', `INSERT INTO t VALUES ${times.map((time, id) => `(${id}, '${time}')`).join(', ')}`);
    const { records } = await poll(await inbound({ table: 't', key: 'id', columns: { ts: 'timestamp' } }));
    expect(cells(records, 'ts')).toEqual(['2026-03-01T07:00:00.123456789Z', '2026-03-01T08:00:00Z', 'set aside', 'set aside', 'set aside', 'set aside']);
    const undeclared = await poll(await inbound({ table: 't', key: 'id' }));
    expect(cells(undeclared.records, 'ts')).toEqual(times);
  });
});

test('D13 MariaDB: BIT, unsigned, YEAR, ENUM and doubles come back as they were written', async () => {
  const { sql, inbound, outbound } = await start('mariadb');
  await sql("CREATE TABLE t (id int PRIMARY KEY, a bit(1), b bit(9), c bit(64), u int unsigned, y year, e enum('x', 'ä'), g double, s set('p', 'q'))");
  const target = await outbound({ table: 't', key: 'id', mode: 'upsert' });
  const number = (text: string) => Decimal.parse(text) ?? null;
  const rows: ValueRecord[] = [
    { id: 1n, a: 1n, b: 257n, c: 2n ** 64n - 1n, u: 4294967295n, y: 2026n, e: 'ä', g: number('0.30000000000000004'), s: 'p,q' },
    { id: 2n, a: 0n, b: 5n, c: 53n, u: 0n, y: 1901n, e: 'x', g: number('-1.5'), s: '' },
  ];
  for (const [at, row] of rows.entries()) await target.send(delivery(`w${at}`, row), never);
  await target.send(delivery('again', { id: 2n, a: true, b: 6n }), never);
  const { records } = await poll(await inbound({ table: 't', key: 'id', cursor: { column: 'id' } }));
  expect(records.map(({ value }) => value)).toEqual([rows[0], { ...rows[1], a: 1n, b: 6n }]);
  await expect(target.send(delivery('wide', { id: 3n, b: 512n }), never)).rejects.toMatchObject({ name: 'InvalidMessage', code: 'E332', message: expect.stringContaining("'b'") });
});

describe('what a column would lose', () => {
  test.each(['postgres', 'mariadb'] as const)('D11, D13 %s: the column and what it keeps are named before anything is rounded or cut', async (driver) => {
    const { sql, rows, outbound } = await start(driver);
    const float = driver === 'postgres' ? 'real' : 'float';
    const double = driver === 'postgres' ? 'double precision' : 'double';
    const bytes = driver === 'postgres' ? 'bytea' : 'varbinary(3)';
    await sql(`CREATE TABLE t (id int PRIMARY KEY, n numeric(6,2), s smallint, f ${float}, g ${double}, v varchar(3), b ${bytes}, ts timestamp(3) NULL)`);
    const target = await outbound({ table: 't', key: 'id', mode: 'insert' });
    const failing = async (fields: ValueRecord) => {
      const error: unknown = await target.send(delivery('x', { id: 1n, ...fields }), never).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'InvalidMessage' });
      return `${(error as { code: string }).code} ${(error as Error).message}`;
    };
    const number = (text: string) => Decimal.parse(text) ?? null;
    expect(await failing({ n: number('1.005') })).toBe('E333 n: 3 digits after the point, the column keeps 2');
    expect(await failing({ n: 12345n })).toContain('E332 n: the number has 5 digits before the point');
    expect(await failing({ s: 32768n })).toMatch(/^E332 .*s\b/);
    expect(await failing({ f: number('1.2345678') })).toBe('E333 f: 1.2345678 has more digits than a float of 32 bits keeps');
    expect(await failing({ g: number('0.12345678901234567890') })).toContain('E333 g: ');
    expect(await failing({ v: '😀😀äx' })).toBe('E332 v: 4 characters, the column keeps 3');
    expect(await failing({ v: new Uint8Array([65]) })).toContain('E332 v: bytes for a column');
    expect(await failing({ b: 'not base64' })).toBe('E332 b: the text is no base64, and the column keeps bytes');
    if (driver === 'mariadb') expect(await failing({ b: new Uint8Array(4) })).toBe('E332 b: 4 bytes, the column keeps 3');
    if (driver === 'postgres') expect(await failing({ ts: '2026-03-01T08:00:00.1234' })).toBe('E333 ts: 4 digits of a second, the column keeps 3');
    expect(await rows('SELECT * FROM t')).toEqual([]);
    await target.send(delivery('y', { id: 1n, n: number('9999.99'), s: -32768n, f: number('0.1'), g: number('0.1'), v: '😀ä€', b: new Uint8Array(3) }), never);
  });
});
