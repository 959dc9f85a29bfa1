import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Decimal, Secret } from '../../../adapters/contract/index.js';
import type { OracleConnect } from '../../../adapters/sql/config.js';
import type { Column, Table } from '../../../adapters/sql/dialects/dialect.js';
import { columnOf } from '../../../adapters/sql/dialects/oracle/catalogue.js';
import { attributesOf, exact, kindOf, SESSION } from '../../../adapters/sql/dialects/oracle/client.js';
import { dialect } from '../../../adapters/sql/dialects/oracle/dialect.js';
import spec from '../../../adapters/sql/index.js';
import { readCell } from '../../../adapters/sql/values.js';
import { Scripted } from './scripted.js';

// No server of this kind can run here: what is sent and what is made of answers is compared with what Oracle documents.

const column = (name: string, type: string, precision: string | null = null, scale: string | null = null, characters = '0', used: string | null = null, bytes = '22'): Column =>
  columnOf([name, type, 'Y', precision, scale, characters, used, bytes]);
const id = column('ID', 'NUMBER', '19', '0');
const amount = column('AMT', 'NUMBER', '12', '2');
const anyNumber = column('N', 'NUMBER', null, '-127');
const day = column('D', 'DATE');
const changed = column('CHG', 'TIMESTAMP(6)', null, '6');
const table: Table = { sql: '"ERP"."ORD"', name: 'ORD', schema: 'ERP', view: false, columns: [id, amount, changed] };
const parsed = (change: object = {}) =>
  spec.connect.parse({ driver: 'oracle', host: 'db.corp.local', service: 'ERPPDB', user: 'me', password: new Secret('p', 'secret'), ...change }) as OracleConnect;

describe('the client of Oracle', () => {
  test('is encrypted and verified, and its sessions read text one way whatever the server is set to', () => {
    expect(attributesOf(parsed({ connections: 3, connect_timeout: '4s' }), 'erp')).toMatchObject({
      connectString: 'tcps://db.corp.local:1521/ERPPDB',
      sslServerDNMatch: true,
      user: 'me',
      password: 'secret',
      poolMax: 3,
      queueTimeout: 4000,
      connectTimeout: 4,
    });
    expect(attributesOf(parsed({ tls: 'off' }), 'erp')).toMatchObject({ connectString: 'tcp://db.corp.local:1521/ERPPDB' });
    expect(SESSION).toContain("NLS_NUMERIC_CHARACTERS = '.,'");
    expect(SESSION).toContain("TIME_ZONE = '+00:00'");
  });

  test('an authority alone is refused with what to do: the client takes a wallet', () => {
    const directory = mkdtempSync(join(tmpdir(), 'signalbox-oracle-'));
    try {
      const ca = join(directory, 'ca.pem');
      writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n');
      expect(() => attributesOf(parsed({ tls: { ca } }), 'erp')).toThrow('NODE_EXTRA_CA_CERTS');
      writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n');
      expect(attributesOf(parsed({ tls: { ca } }), 'erp')).toMatchObject({ walletContent: expect.stringContaining('PRIVATE KEY') });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('nobody there: NotConnected', async () => {
    const database = dialect.connect(parsed({ host: '127.0.0.1', port: 1, tls: 'off', connect_timeout: '2s' }), 'erp');
    await expect(database.read((session) => session.query('SELECT 1 FROM dual'), new AbortController().signal)).rejects.toMatchObject({ name: 'NotConnected', code: 'E420' });
    await database.close();
  });
});

describe('statements', () => {
  test('pages; rows to lock are chosen first, since FOR UPDATE and FETCH FIRST do not go together', () => {
    const select = { columns: '"ID"', from: '"ERP"."ORD"', where: ['"ST" = :p1'], order: '"ID"', limit: 101 };
    expect(dialect.page(select)).toBe('SELECT "ID" FROM "ERP"."ORD" WHERE "ST" = :p1 ORDER BY "ID" FETCH FIRST 101 ROWS ONLY');
    expect(dialect.page({ ...select, lock: [id] })).toBe(
      'SELECT "ID" FROM "ERP"."ORD" WHERE ROWID IN (SELECT ROWID FROM "ERP"."ORD" WHERE "ST" = :p1 ORDER BY "ID" FETCH FIRST 101 ROWS ONLY) ORDER BY "ID" FOR UPDATE SKIP LOCKED',
    );
  });

  test('D8, D10 what is compared is the type of its column, a CHAR with its blanks; an overlap is computed by the server', () => {
    expect(dialect.place(1, changed)).toBe("TO_TIMESTAMP(:p1, 'YYYY-MM-DD HH24:MI:SS.FF9')");
    expect(dialect.place(1, day)).toBe("TO_DATE(:p1, 'YYYY-MM-DD HH24:MI:SS')");
    expect(dialect.place(2, id)).toBe('TO_NUMBER(:p2)');
    expect(dialect.place(3, column('C', 'CHAR', null, null, '10', 'C', '40'))).toBe('CAST(:p3 AS CHAR(10 CHAR))');
    expect(dialect.back('x', { ms: 300_000 })).toBe("x - NUMTODSINTERVAL(300, 'SECOND')");
  });

  test('D10, D15, D16 times come as text, with all digits and the sign of the year; a DATE of Oracle has a time of day', () => {
    expect(day).toMatchObject({ kind: 'timestamp', fraction: 0 });
    expect(dialect.select(day)).toBe(`LTRIM(TO_CHAR("D", 'SYYYY-MM-DD"T"HH24:MI:SS'))`);
    expect(dialect.select(changed)).toBe(`LTRIM(TO_CHAR("CHG", 'SYYYY-MM-DD"T"HH24:MI:SS.FF6'))`);
    expect(dialect.select(column('Z', 'TIMESTAMP(9) WITH TIME ZONE'))).toBe(`LTRIM(TO_CHAR("Z", 'SYYYY-MM-DD"T"HH24:MI:SS.FF9TZH:TZM'))`);
    expect(readCell('2026-03-29T02:30:00.123456789+02:00', 'instant')).toBe('2026-03-29T02:30:00.123456789+02:00');
    expect(dialect.select(column('L', 'CLOB'))).toMatch(/^CASE WHEN DBMS_LOB\.GETLENGTH\("L"\) > \d+ THEN TO_CLOB\('signalbox:.*' \|\| DBMS_LOB\.GETLENGTH\("L"\)\) ELSE "L" END$/);
  });

  test('D22 an upsert is one MERGE that keeps the newer version', () => {
    expect(dialect.upsert({ table, columns: [id, amount, changed], key: [id], version: changed })).toBe(
      `MERGE INTO "ERP"."ORD" t USING dual ON (t."ID" = TO_NUMBER(:p1)) WHEN MATCHED THEN UPDATE SET t."AMT" = :p2, t."CHG" = :p3 WHERE t."CHG" IS NULL OR TO_TIMESTAMP(:p3, 'YYYY-MM-DD HH24:MI:SS.FF9') > t."CHG" WHEN NOT MATCHED THEN INSERT (t."ID", t."AMT", t."CHG") VALUES (:p1, :p2, :p3)`,
    );
  });

  test('D1 the change number is read before the snapshot of the rows, and no row is left out for being too new', async () => {
    const session = new Scripted([[/DBMS_FLASHBACK/, [['8123456789012']]]]);
    expect(await dialect.watermark?.current(session)).toEqual({ below: 8123456789013n, next: 8123456789013n });
    expect(session.asked.map(({ sql }) => sql)).toEqual(['COMMIT', 'SELECT TO_CHAR(DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER) FROM dual', 'COMMIT', 'SET TRANSACTION READ ONLY']);
    expect(dialect.watermark).toMatchObject({ everyTable: true, openEnded: true });
    expect(dialect.watermark?.written(0n, undefined)).toBe('ORA_ROWSCN');
  });

  test('without the right to ask for the change number the grant is in the message', async () => {
    const session = {
      query: async (sql: string) => {
        if (/FLASHBACK/.test(sql)) throw Object.assign(new Error('ORA-00904: "DBMS_FLASHBACK": invalid identifier'), { code: 'ORA-00904' });
        return { fields: [], rows: [], changed: 0 };
      },
    };
    await expect(dialect.watermark?.current(session)).rejects.toMatchObject({ code: 'E423', message: expect.stringContaining('GRANT EXECUTE') });
  });

  test('a procedure of a package is called by the names of its parameters', async () => {
    const session = new Scripted([
      [/all_procedures/, [['ERP', 'BOOKING', 'BOOK_ORDER', '1']]],
      [
        /all_arguments/,
        [
          ['P_ORD', 'VARCHAR2', 'Y', null, null, '0', null, null, 'IN', 'N'],
          ['P_AMT', 'NUMBER', 'Y', null, null, '0', null, null, 'IN', 'Y'],
        ],
      ],
    ]);
    const procedure = await dialect.procedures?.find(session, 'booking.book_order');
    if (!procedure || 'candidates' in procedure) throw new Error('expected the procedure');
    expect(dialect.procedures?.call(procedure, procedure.parameters)).toBe('CALL "ERP"."BOOKING"."BOOK_ORDER"("P_ORD" => :p1, "P_AMT" => :p2)');
    expect(procedure.parameters.map(({ optional }) => optional)).toEqual([false, true]);
  });
});

describe('values', () => {
  test('D12 NUMBER is mapped by value: no precision, scale -127, NUMBER(19), never bytes, never a float', () => {
    expect(anyNumber).toMatchObject({ kind: 'decimal' });
    expect(anyNumber).not.toHaveProperty('scale');
    expect(id).toMatchObject({ kind: 'integer', precision: 19, scale: 0 });
    expect(column('R', 'NUMBER', '5', '-2')).toMatchObject({ kind: 'integer' });
    expect(amount).toMatchObject({ kind: 'decimal', precision: 12, scale: 2 });
    const read = (text: string, kind = anyNumber.kind) => readCell(exact(text, 'N', kind), kind);
    expect(read('.5')).toEqual(Decimal.parse('0.5'));
    expect(read('-.0001')).toEqual(Decimal.parse('-0.0001'));
    expect(read('12345678901234567890123456789012345678.9')).toEqual(Decimal.parse('12345678901234567890123456789012345678.9'));
    expect(read('9007199254740993', 'integer')).toBe(9007199254740993n);
    expect(kindOf('NUMBER')).toBe('decimal');
    expect(dialect.bind(Decimal.parse('0.123456789012345678901234567890') ?? null, anyNumber)).toBe('0.123456789012345678901234567890');
  });

  test('D13 what the column would round or cut is refused; a time goes in the form of the session', () => {
    expect(() => dialect.bind(Decimal.parse('1.005') ?? null, amount)).toThrow('AMT');
    expect(() => dialect.bind('Grüße', column('C', 'VARCHAR2', null, null, '5', 'B', '5'))).toThrow('the column keeps 5');
    expect(() => dialect.bind('2026-03-29T02:30:00.5', day)).toThrow('the column keeps 0');
    expect(dialect.bind('2026-03-29T02:30:00', day)).toBe('2026-03-29 02:30:00');
    expect(dialect.bind('2026-03-29T02:30:00.5+02:00', column('Z', 'TIMESTAMP(6) WITH TIME ZONE'))).toBe('2026-03-29 02:30:00.5 +02:00');
    expect(dialect.bind('2026-03-29T00:30:00Z', column('Z', 'TIMESTAMP(6) WITH TIME ZONE'))).toBe('2026-03-29 00:30:00 +00:00');
  });

  test('D8 a time in the answer of a call is refused: the client has put it into the zone of this process', () => {
    expect(() => exact(new Date(), 'CHG', 'text')).toThrow('TO_CHAR(CHG');
  });

  test.each([
    ['ORA-12541: no listener', 'E420'],
    ['NJS-503: connection to host x could not be established', 'E420'],
    ['NJS-040: connection request timeout', 'E420'],
    ['ORA-03113: end-of-file on communication channel', 'E420'],
    ['ORA-01017: invalid username/password', 'E421'],
    ['ORA-12514: service unknown', 'E421'],
    ['NJS-518: Service "x" is not registered with the listener', 'E421'],
    ['ORA-00942: table or view does not exist', 'E422'],
    ['ORA-01031: insufficient privileges', 'E423'],
    ['ORA-00060: deadlock', 'E424'],
    ['ORA-01555: snapshot too old', 'E424'],
    ['NJS-123: call timeout of 60000 ms exceeded', 'E424'],
    ['ORA-00001: unique constraint (ERP.PK) violated', 'E331'],
    ['ORA-12899: value too large for column', 'E332'],
    ['ORA-00933: SQL command not properly ended', 'E427'],
  ])('%s is %s', (message, code) => {
    expect(dialect.classify(Object.assign(new Error(message), { code: message.slice(0, message.indexOf(':')) }))?.code).toBe(code);
  });
});

describe('the catalogue', () => {
  test('D25 names are kept in capitals and found in any case; a synonym leads to its table', async () => {
    const columns = [['ORD_NO', 'VARCHAR2', 'N', null, null, '10', 'C', '40']] as const;
    const own = new Scripted([
      [
        /UPPER\(object_name\)/,
        [
          ['ERP', 'ORD_HEAD', 'TABLE', '1'],
          ['OLD', 'ORD_HEAD', 'TABLE', '0'],
        ],
      ],
      [/all_tab_columns/, columns],
    ]);
    expect(await dialect.table(own, 'ord_head')).toEqual({
      sql: '"ERP"."ORD_HEAD"',
      name: 'ORD_HEAD',
      schema: 'ERP',
      view: false,
      columns: [{ name: 'ORD_NO', type: 'VARCHAR2(10 CHAR)', kind: 'text', nullable: false, length: 10 }],
    });
    const synonym = new Scripted([
      [/all_synonyms/, [['OLD', 'ORD_HEAD', 'TABLE']]],
      [/all_tab_columns/, columns],
    ]);
    expect(await dialect.table(synonym, 'orders')).toMatchObject({ sql: '"OLD"."ORD_HEAD"' });
    expect(
      await dialect.table(
        new Scripted([
          [
            /oracle_maintained/,
            [
              ['ERP', 'ORD_HEAD', 'TABLE', '1'],
              ['OLD', 'X', 'VIEW', '0'],
            ],
          ],
        ]),
        'nope',
      ),
    ).toEqual({
      candidates: ['ORD_HEAD', 'OLD.X'],
    });
  });

  test('keys, indexes, references, rows, comments, triggers', async () => {
    const session = new Scripted([
      [/num_rows/, [['order heads', '214', '1']]],
      [/all_col_comments/, [['ORD_NO', 'VARCHAR2', "'x' ", 'number', '0']]],
      [
        /all_ind_columns/,
        [
          ['PK', 'ORD_NO', 'UNIQUE', '1'],
          ['BY_CHG', 'CHG', 'NONUNIQUE', '0'],
          ['BY_CHG', 'ORD_NO', 'NONUNIQUE', '0'],
        ],
      ],
      [/AND f\.owner = :p1/, [['FK', 'CUSTOMER', 'CUST', 'ID']]],
      [/AND k\.owner = :p1/, [['FK2', 'ORD_LINE', 'ORD_NO', 'ORD_NO']]],
    ]);
    expect(await dialect.catalogue.facts(session, table)).toMatchObject({
      comment: 'order heads',
      rows: 214,
      triggers: true,
      key: ['ORD_NO'],
      indexes: [{ name: 'BY_CHG', fields: ['CHG', 'ORD_NO'], unique: false }],
      parents: [{ table: 'CUSTOMER', fields: ['CUST'], theirs: ['ID'] }],
      children: [{ table: 'ORD_LINE', fields: ['ORD_NO'], theirs: ['ORD_NO'] }],
      columns: new Map([['ORD_NO', expect.objectContaining({ default: "'x'", comment: 'number' })]]),
    });
    expect(session.asked.every(({ binds }) => binds.join() === 'ERP,ORD')).toBe(true);
  });
});
