import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Batch, Decimal, isRecord, type PollingInbound, type SourceRecord, type Value, writeJson } from '../../../adapters/contract/index.js';
import { CAPABILITIES } from '../../../adapters/sql/dialects/capabilities.js';
import type { Column } from '../../../adapters/sql/dialects/dialect.js';
import { triggers as oracle } from '../../../adapters/sql/dialects/oracle/triggers.js';
import { triggers as sqlserver } from '../../../adapters/sql/dialects/sqlserver/triggers.js';
import spec from '../../../adapters/sql/index.js';
import { DRIVERS, type Driver, type Fixture, fixture, never } from './fixture.js';

const SETTLEMENT = { accepted: 1, filtered: 0, dead: 0, reason: undefined };

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

const config = { table: 'ORD_HEAD', key: ['SITE', 'ORD_NO'], triggers: {} };

async function start(driver: Driver, install = true): Promise<Fixture & { readonly provision: (action: 'install' | 'remove', apply: boolean) => Promise<readonly string[]> }> {
  open = await fixture(driver);
  const { bytes, decimal } = {
    sqlite: { bytes: 'BLOB', decimal: 'TEXT' },
    postgres: { bytes: 'bytea', decimal: 'numeric(12,4)' },
    mariadb: { bytes: 'varbinary(8)', decimal: 'decimal(12,4)' },
  }[driver];
  await open.sql(
    `CREATE TABLE ORD_HEAD (SITE VARCHAR(10) NOT NULL, ORD_NO BIGINT NOT NULL, CUST VARCHAR(20), AMT ${decimal}, B ${bytes}, PRIMARY KEY (SITE, ORD_NO))`,
    "INSERT INTO ORD_HEAD VALUES ('before', 1, 'x', '1.0000', NULL)",
  );
  const { system } = open;
  // The system knows its endpoints before any of them is opened.
  system.inbound?.({
    name: 'legacy.orders',
    config: spec.read.config.parse(config),
    state: { get: async () => undefined, put: async () => undefined, list: async () => new Map() },
  });
  const provision = async (action: 'install' | 'remove', apply: boolean) => (await system.provision?.('legacy.orders', { action, apply }, never))?.statements ?? [];
  if (install) await provision('install', true);
  return { ...open, provision };
}

async function take(inbound: PollingInbound, maxRecords = 100, settle: (batch: Batch) => Promise<void> = async (batch) => batch.settle?.(SETTLEMENT)): Promise<SourceRecord[]> {
  const records: SourceRecord[] = [];
  for await (const batch of inbound.poll({ checkpoint: undefined, maxRecords, signal: never })) {
    records.push(...batch.records);
    await settle(batch);
  }
  return records;
}

const field = (record: SourceRecord | undefined, name: string): Value => {
  const value = record?.value ?? null;
  if (!isRecord(value)) return null;
  const found = Object.entries(value).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1] ?? null;
};
const said = (records: readonly SourceRecord[]) => records.map((record) => `${String(field(record, 'operation'))} ${record.key}`);

describe.each(DRIVERS)('triggers on %s', (driver) => {
  test('D17, D18: inserts, updates, deletes and changed keys, in order, with the row as it is and as it was', async () => {
    const { inbound, sql, rows } = await start(driver);
    const endpoint = await inbound(config);
    const bytes = driver === 'postgres' ? "'\\x00ff'" : "x'00ff'";
    await sql(
      `INSERT INTO ORD_HEAD VALUES ('a', 9007199254740993, '007', '0.1000', ${bytes})`,
      "INSERT INTO ORD_HEAD VALUES ('a', 2, NULL, NULL, NULL)",
      "UPDATE ORD_HEAD SET CUST = 'müller \"x\"' WHERE SITE = 'a' AND ORD_NO = 2",
      "UPDATE ORD_HEAD SET ORD_NO = 3 WHERE SITE = 'a' AND ORD_NO = 2",
      "DELETE FROM ORD_HEAD WHERE SITE = 'a' AND ORD_NO = 9007199254740993",
    );
    const records = await take(endpoint);
    // The rows of the first notes are gone: what came and went between two polls shows as what is left of it.
    expect(said(records)).toEqual(['delete a/2', 'insert a/3', 'delete a/9007199254740993']);
    expect(field(records[1], 'CUST')).toBe('müller "x"');
    const gone = records.at(-1);
    expect([field(gone, 'CUST'), field(gone, 'ORD_NO'), field(gone, 'B')]).toEqual(['007', 9007199254740993n, new Uint8Array([0, 255])]);
    expect(field(gone, 'AMT')).toEqual(driver === 'sqlite' ? '0.1000' : Decimal.parse('0.1000'));
    expect([field(records[0], 'CUST'), field(records[0], 'AMT')]).toEqual(['müller "x"', null]);
    expect(new Set(records.map(({ id }) => id)).size).toBe(3);
    expect(records[0]?.time).toMatch(/^\d{4}-.*Z$/);
    expect(await rows('SELECT * FROM signalbox_outbox_ORD_HEAD'.replace('ORD_HEAD', driver === 'postgres' ? 'ord_head' : 'ORD_HEAD'))).toEqual([]);
    expect(await take(endpoint)).toEqual([]);
  });

  test('D19, D20: each change comes, page by page; after a crash the same ids; a change meanwhile is kept', async () => {
    const { inbound, sql } = await start(driver);
    const endpoint = await inbound(config);
    await sql("INSERT INTO ORD_HEAD (SITE, ORD_NO, CUST) VALUES ('a', 1, 'x'), ('a', 2, 'x'), ('a', 3, 'x')", "UPDATE ORD_HEAD SET CUST = 'y' WHERE ORD_NO = 2");
    const lost = await take(endpoint, 2, async () => undefined);
    expect(said(lost)).toEqual(['insert a/1', 'insert a/2', 'insert a/3', 'update a/2']);
    const again = await take(await inbound(config), 2, async (batch) => {
      if (said(batch.records)[0] === 'insert a/1') await sql("UPDATE ORD_HEAD SET CUST = 'z' WHERE ORD_NO = 1 AND SITE = 'a'");
      await batch.settle?.(SETTLEMENT);
    });
    expect(again.slice(0, 4).map(({ id }) => id)).toEqual(lost.map(({ id }) => id));
    expect(said(again).slice(4)).toEqual(['update a/1']);
    expect(field(again[4], 'CUST')).toBe('z');
    expect(await take(endpoint)).toEqual([]);
  });

  test('install and remove: text to review, run twice without harm, gone afterwards; open, poll and probe say what is missing', async () => {
    const { inbound, provision, sql, system, rows } = await start(driver, false);
    await expect(inbound(config)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E432', message: expect.stringContaining('install-triggers legacy.orders') });
    expect((await system.probe(never)).find(({ name }) => name === 'triggers legacy.orders')).toMatchObject({ ok: false });
    const statements = await provision('install', false);
    expect(statements.join('\n')).toContain('CREATE TABLE IF NOT EXISTS');
    await expect(inbound(config)).rejects.toMatchObject({ code: 'E432' });
    // What was printed is what an administrator runs.
    await sql(...statements);
    await provision('install', true);
    await inbound(config);
    expect((await system.probe(never)).find(({ name }) => name === 'triggers legacy.orders')).toMatchObject({ ok: true, detail: 'installed' });
    await sql("INSERT INTO ORD_HEAD (SITE, ORD_NO) VALUES ('a', 1)");
    expect((await system.provision?.('legacy.orders', { action: 'remove', apply: false }, never))?.notes).toEqual([
      '1 noted changes were not read yet and go with the outbox table',
    ]);
    // Without its triggers the table of notes is silent for ever: that is said.
    await sql(...(await provision('remove', false)).slice(0, driver === 'postgres' ? 2 : 3));
    await expect(inbound(config)).rejects.toMatchObject({ code: 'E432', message: expect.stringMatching(/trigger.*missing/) });
    await provision('remove', true);
    await provision('remove', true);
    await sql("INSERT INTO ORD_HEAD (SITE, ORD_NO) VALUES ('a', 2)");
    expect((await rows('SELECT count(*) FROM ORD_HEAD')).map(([count]) => Number(count))).toEqual([3]);
    await expect(system.provision?.('legacy.other', { action: 'install', apply: false }, never)).rejects.toMatchObject({ name: 'Misconfigured' });
  });

  test('D17: a value too large for a note is left out, and the delete of the application goes through', async () => {
    const { inbound, sql, provision } = await start(driver, false);
    await sql(`ALTER TABLE ORD_HEAD ADD DOC ${driver === 'mariadb' ? 'longtext' : 'text'}`);
    await provision('install', true);
    const endpoint = await inbound(config);
    await sql(
      `INSERT INTO ORD_HEAD (SITE, ORD_NO, CUST, DOC) VALUES ('a', 1, 'x', '${randomBytes(750_000).toString('hex')}'), ('a', 2, 'y', 'short')`,
      "DELETE FROM ORD_HEAD WHERE SITE = 'a'",
    );
    const records = await take(endpoint);
    expect(records.map((record) => [field(record, 'operation'), field(record, 'CUST'), field(record, 'DOC')])).toEqual([
      ['delete', 'x', null],
      ['delete', 'y', 'short'],
    ]);
  });

  test('an outbox of an older shape or another key is refused', async () => {
    const { inbound, sql } = await start(driver);
    const own = driver === 'postgres' ? 'signalbox_outbox_ord_head' : 'signalbox_outbox_ORD_HEAD';
    await expect(inbound({ ...config, key: ['ORD_NO'] })).rejects.toMatchObject({ code: 'E433' });
    await sql(`ALTER TABLE ${own} DROP COLUMN signalbox_at`);
    await expect(inbound(config)).rejects.toMatchObject({ code: 'E433', message: expect.stringContaining('signalbox_at') });
    await expect(inbound({ ...config, triggers: { operation: driver === 'postgres' ? 'cust' : 'CUST' } })).rejects.toMatchObject({ code: 'E426' });
  });

  test('declared columns, child rows, another name for the operation; a note that cannot be read sets only itself aside', async () => {
    const { inbound, sql } = await start(driver);
    await sql('CREATE TABLE ORD_LINES (SITE VARCHAR(10), NR BIGINT, POS INTEGER)', "INSERT INTO ORD_LINES VALUES ('a', 1, 7)");
    const endpoint = await inbound({
      ...config,
      columns: { CUST: 'text' },
      triggers: { operation: 'OP' },
      include: { lines: { table: 'ORD_LINES', by: ['SITE', 'NR'], parent: ['SITE', 'ORD_NO'], columns: { POS: 'integer' } } },
    });
    await sql("INSERT INTO ORD_HEAD (SITE, ORD_NO, CUST) VALUES ('a', 1, 'x'), ('a', 2, 'y'), ('a', 3, 'z')", "DELETE FROM ORD_HEAD WHERE SITE = 'a' AND ORD_NO > 1");
    const own = driver === 'postgres' ? 'signalbox_outbox_ord_head' : 'signalbox_outbox_ORD_HEAD';
    await sql(`UPDATE ${own} SET signalbox_old = 'broken' WHERE signalbox_op = 'D' AND signalbox_k2 = 2`);
    const [first, bad, last] = await take(endpoint);
    expect(first?.value).toEqual({ CUST: 'x', SITE: 'a', ORD_NO: 1n, OP: 'insert', lines: [{ SITE: 'a', NR: 1n, POS: 7n }] });
    expect(bad).toMatchObject({ key: 'a/2', failure: { code: 'E330' } });
    expect(last?.value).toEqual({ CUST: 'z', SITE: 'a', ORD_NO: 3n, OP: 'delete', lines: [] });
    expect(writeJson(bad?.value ?? null)).toContain('"OP":"delete"');
  });
});

describe('text for databases that are not here', () => {
  const column = (name: string, type: string, kind: Column['kind']): Column => ({ name, type, kind, nullable: true });
  const plan = (sql: string, schema: string, columns: readonly Column[]) => ({
    table: { sql, name: 'ORD_HEAD', view: false, columns },
    key: columns.slice(0, 1),
    schema,
    outbox: 'signalbox_outbox_ORD_HEAD',
  });

  test('SQL Server', () => {
    const at = plan('[dbo].[ORD_HEAD]', '[dbo].', [column('ORD_NO', 'int', 'integer'), column('TS', 'datetime2(7)', 'timestamp'), column('B', 'varbinary(8)', 'bytes')]);
    expect(sqlserver.install(at)).toEqual([
      `IF OBJECT_ID('[dbo].[signalbox_outbox_ORD_HEAD]', 'U') IS NULL CREATE TABLE [dbo].[signalbox_outbox_ORD_HEAD] (
  signalbox_seq bigint IDENTITY(1, 1) NOT NULL PRIMARY KEY,
  signalbox_op char(1) NOT NULL,
  signalbox_at datetime2(7) NOT NULL DEFAULT SYSUTCDATETIME(),
  signalbox_k1 int NOT NULL,
  signalbox_old nvarchar(max) NULL
)`,
      `CREATE OR ALTER TRIGGER [dbo].[signalbox_v1_chg_ORD_HEAD] ON [dbo].[ORD_HEAD] AFTER INSERT, UPDATE, DELETE AS
BEGIN
  SET NOCOUNT ON;
  INSERT INTO [dbo].[signalbox_outbox_ORD_HEAD] (signalbox_op, signalbox_k1, signalbox_old)
    SELECT 'D', d.[ORD_NO], (SELECT CONVERT(nvarchar(max), d.[ORD_NO]) AS [ORD_NO], CONVERT(nvarchar(max), d.[TS], 121) AS [TS], CONVERT(varchar(max), CONVERT(varbinary(max), d.[B]), 2) AS [B] FOR JSON PATH, INCLUDE_NULL_VALUES, WITHOUT_ARRAY_WRAPPER) FROM deleted d WHERE NOT EXISTS (SELECT 1 FROM inserted i WHERE d.[ORD_NO] = i.[ORD_NO]);
  INSERT INTO [dbo].[signalbox_outbox_ORD_HEAD] (signalbox_op, signalbox_k1, signalbox_old)
    SELECT CASE WHEN EXISTS (SELECT 1 FROM deleted d WHERE d.[ORD_NO] = i.[ORD_NO]) THEN 'U' ELSE 'I' END, i.[ORD_NO], NULL FROM inserted i;
END`,
    ]);
    expect(sqlserver.remove(at)).toEqual(['DROP TRIGGER IF EXISTS [dbo].[signalbox_v1_chg_ORD_HEAD]', 'DROP TABLE IF EXISTS [dbo].[signalbox_outbox_ORD_HEAD]']);
  });

  test('Oracle', () => {
    const at = plan('"ERP"."ORD_HEAD"', '"ERP".', [column('ORD_NO', 'NUMBER(10,0)', 'decimal'), column('TS', 'TIMESTAMP(6)', 'timestamp')]);
    expect(oracle.install(at)).toEqual([
      `CREATE TABLE "ERP"."signalbox_outbox_ORD_HEAD" (
  "signalbox_seq" NUMBER(19) GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  "signalbox_op" CHAR(1) NOT NULL,
  "signalbox_at" TIMESTAMP(6) WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
  "signalbox_k1" NUMBER(10,0) NOT NULL,
  "signalbox_old" CLOB
)`,
      `CREATE OR REPLACE TRIGGER "ERP"."signalbox_v1_chg_ORD_HEAD" AFTER INSERT OR UPDATE OR DELETE ON "ERP"."ORD_HEAD" FOR EACH ROW
BEGIN
  IF INSERTING THEN
    INSERT INTO "ERP"."signalbox_outbox_ORD_HEAD" ("signalbox_op", "signalbox_k1", "signalbox_old") VALUES ('I', :NEW."ORD_NO", NULL);
  ELSIF UPDATING AND :OLD."ORD_NO" = :NEW."ORD_NO" THEN
    INSERT INTO "ERP"."signalbox_outbox_ORD_HEAD" ("signalbox_op", "signalbox_k1", "signalbox_old") VALUES ('U', :NEW."ORD_NO", NULL);
  ELSE
    INSERT INTO "ERP"."signalbox_outbox_ORD_HEAD" ("signalbox_op", "signalbox_k1", "signalbox_old") VALUES ('D', :OLD."ORD_NO", JSON_OBJECT(KEY 'ORD_NO' VALUE TO_CHAR(:OLD."ORD_NO", 'TM9'), KEY 'TS' VALUE TO_CHAR(:OLD."TS", 'YYYY-MM-DD HH24:MI:SS.FF') NULL ON NULL RETURNING CLOB));
    IF UPDATING THEN
      INSERT INTO "ERP"."signalbox_outbox_ORD_HEAD" ("signalbox_op", "signalbox_k1", "signalbox_old") VALUES ('I', :NEW."ORD_NO", NULL);
    END IF;
  END IF;
END;`,
    ]);
    expect(oracle.remove(at)).toEqual(['DROP TRIGGER "ERP"."signalbox_v1_chg_ORD_HEAD"', 'DROP TABLE "ERP"."signalbox_outbox_ORD_HEAD" PURGE']);
  });
});

test('D17: what triggers cannot see, and a name that is taken', () => {
  expect(CAPABILITIES.sqlite.triggers).toBeUndefined();
  const lint = (read: object) => spec.read.lint(spec.read.config.parse(read), { driver: 'sqlite', file: 'x', lock_timeout: 1 });
  expect(
    lint(config)
      .map(({ message }) => message)
      .join(),
  ).toMatch(/from the moment.*TRUNCATE.*DELETE from signalbox_outbox_ORD_HEAD/);
  expect(lint({ ...config, columns: { operation: 'text' } }).filter(({ severity }) => severity === 'error')).toHaveLength(1);
  expect(spec.read.fields(spec.read.config.parse({ ...config, columns: { CUST: 'text' } }))).toEqual({ SITE: 'any', ORD_NO: 'any', operation: 'text', CUST: 'text' });
});
