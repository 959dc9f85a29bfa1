import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Described } from '../../../adapters/contract/index.js';
import { Decimal, Misconfigured } from '../../../adapters/contract/index.js';
import { DRIVERS, type Driver, type Fixture, fixture, never } from './fixture.js';

// What `signalbox import table` starts from: the catalogue of the database as plain data.

const SCHEMA: Readonly<Record<Driver, readonly string[]>> = {
  sqlite: [
    'CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT)',
    'CREATE TABLE ord_head (ord_no VARCHAR(10) NOT NULL PRIMARY KEY, amt DECIMAL(12,2), chg_ts DATETIME DEFAULT current_timestamp, due DATE, cust INTEGER REFERENCES customer(id))',
    'CREATE INDEX ord_chg ON ord_head (chg_ts, ord_no)',
    'CREATE UNIQUE INDEX ord_amt ON ord_head (amt)',
    'CREATE INDEX ord_open ON ord_head (amt) WHERE due IS NULL',
  ],
  postgres: [
    'CREATE TABLE customer (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)',
    'CREATE TABLE ord_head (ord_no varchar(10) PRIMARY KEY, amt numeric(12,2), chg_ts timestamp DEFAULT current_timestamp, due date, cust integer REFERENCES customer)',
    'CREATE INDEX ord_chg ON ord_head (chg_ts, ord_no)',
    'CREATE UNIQUE INDEX ord_amt ON ord_head (amt)',
    'CREATE INDEX ord_open ON ord_head (amt) WHERE due IS NULL',
    "COMMENT ON TABLE ord_head IS 'order heads'",
    "COMMENT ON COLUMN ord_head.amt IS 'net amount'",
  ],
  mariadb: [
    'CREATE TABLE customer (id integer AUTO_INCREMENT PRIMARY KEY, name text)',
    "CREATE TABLE ord_head (ord_no varchar(10) PRIMARY KEY, amt decimal(12,2) COMMENT 'net amount', chg_ts datetime DEFAULT current_timestamp ON UPDATE current_timestamp, due date, cust integer, KEY ord_chg (chg_ts, ord_no), UNIQUE KEY ord_amt (amt), KEY ord_part (ord_no(3)), FOREIGN KEY fk_cust (cust) REFERENCES customer (id)) COMMENT 'order heads'",
  ],
};

const COMMON = [
  'CREATE TABLE ord_line (ord_no VARCHAR(10) NOT NULL, pos INTEGER NOT NULL, art VARCHAR(20), PRIMARY KEY (ord_no, pos), FOREIGN KEY (ord_no) REFERENCES ord_head (ord_no))',
  'CREATE VIEW ord_view AS SELECT ord_no, amt FROM ord_head',
  "INSERT INTO customer (name) VALUES ('ACME')",
  "INSERT INTO ord_head (ord_no, amt, due, cust) VALUES ('00123', 12.50, '2026-03-29', 1)",
];

describe.each(DRIVERS)('the catalogue of %s', (driver) => {
  let place: Fixture;
  let heads: Described | undefined;

  beforeAll(async () => {
    place = await fixture(driver);
    await place.sql(...SCHEMA[driver], ...COMMON);
    heads = await place.system.describe?.('ORD_HEAD', never);
  }, 60_000);
  afterAll(() => place.close());

  test('lists tables and views', async () => {
    // Other tests have databases on the same server.
    const own = (await place.system.list?.(never))?.filter(({ name }) => !name.includes('.'));
    expect(own).toEqual([
      { name: 'customer', kind: 'table' },
      { name: 'ord_head', kind: 'table' },
      { name: 'ord_line', kind: 'table' },
      { name: 'ord_view', kind: 'view' },
    ]);
  });

  test('D25 a table is found in any case, with its key, types, lengths and defaults; a wrong name lists what is there', async () => {
    expect(heads).toMatchObject({ name: 'ord_head', kind: 'table', key: ['ord_no'], triggers: true });
    expect(heads?.fields).toMatchObject([
      { name: 'ord_no', nativeType: expect.stringMatching(/char/i), type: 'text', nullable: false, ...(driver === 'sqlite' ? {} : { length: 10 }) },
      { name: 'amt', type: 'decimal', nullable: true, ...(driver === 'sqlite' ? {} : { precision: 12, scale: 2 }) },
      { name: 'chg_ts', type: 'timestamp', default: expect.stringMatching(/current_timestamp/i) },
      { name: 'due', type: 'date' },
      { name: 'cust', type: 'integer' },
    ]);
    await expect(place.system.describe?.('ord_haed', never)).rejects.toThrow(/did you mean ord_head\?/);
    await expect(place.system.describe?.('ord_haed', never)).rejects.toBeInstanceOf(Misconfigured);
  });

  test('indexes without partial ones, unique or not', () => {
    expect(heads?.indexes).toEqual(expect.arrayContaining([{ name: expect.stringContaining('ord_chg'), fields: ['chg_ts', 'ord_no'], unique: false }]));
    expect(heads?.indexes).toEqual(expect.arrayContaining([{ name: expect.stringContaining('ord_amt'), fields: ['amt'], unique: true }]));
    expect(heads?.indexes.map((index) => index.name).join()).not.toMatch(/ord_open|ord_part/);
  });

  test('foreign keys in both directions', () => {
    expect(heads?.parents).toEqual([{ table: 'customer', fields: ['cust'], theirs: ['id'] }]);
    expect(heads?.children).toEqual([{ table: 'ord_line', fields: ['ord_no'], theirs: ['ord_no'] }]);
  });

  test('comments, and the count of rows', async () => {
    if (driver !== 'sqlite') {
      expect(heads?.comment).toBe('order heads');
      expect(heads?.fields.find((field) => field.name === 'amt')?.comment).toBe('net amount');
    }
    if (driver === 'postgres') await place.sql('ANALYZE ord_head');
    if (driver === 'mariadb') await place.sql('ANALYZE TABLE ord_head');
    expect((await place.system.describe?.('ord_head', never))?.rows).toBe(1);
  });

  test('candidates for a cursor by type: a time, a generated number', async () => {
    expect(heads?.cursors).toEqual([{ field: 'chg_ts', by: 'time', indexed: true }]);
    expect((await place.system.describe?.('customer', never))?.cursors).toEqual([{ field: 'id', by: 'number', indexed: true }]);
    expect(heads?.watermark).toBe(driver === 'postgres' ? 'transaction' : undefined);
  });

  test('a view has neither key nor triggers nor a watermark', async () => {
    const view = await place.system.describe?.('ord_view', never);
    expect(view).toMatchObject({ kind: 'view', key: [], indexes: [], triggers: false });
    expect(view).not.toHaveProperty('watermark');
  });

  test('D14 a sample has rows as an endpoint reads them: 00123 stays', async () => {
    const [row] = (await place.system.sample?.('ord_head', 5, never)) ?? [];
    expect(row).toMatchObject({ ord_no: '00123', due: '2026-03-29', cust: 1n });
    if (driver !== 'sqlite') expect(row?.['amt']).toEqual(new Decimal(1250n, 2));
  });
});

test('an xid8 column is the best cursor, and a table of another schema is named with it', async () => {
  const place = await fixture('postgres');
  try {
    await place.sql(
      'CREATE SCHEMA legacy',
      'CREATE TABLE legacy.stock (id integer PRIMARY KEY, ts timestamptz, tx xid8 DEFAULT pg_current_xact_id())',
      'CREATE INDEX ON legacy.stock (tx)',
    );
    expect(await place.system.list?.(never)).toEqual([{ name: 'legacy.stock', kind: 'table' }]);
    const stock = await place.system.describe?.('LEGACY.stock', never);
    expect(stock).toMatchObject({
      name: 'legacy.stock',
      cursors: [
        { field: 'tx', by: 'version', indexed: true },
        { field: 'ts', by: 'time', indexed: false },
        { field: 'id', by: 'number' },
      ],
    });
  } finally {
    await place.close();
  }
});
