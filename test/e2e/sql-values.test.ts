import { hash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { remoteService } from '../../cli/client.js';
import { type Fixture, fixture } from '../adapters/sql/fixture.js';
import { services } from '../services/services.js';
import { run, stop, until } from './run.js';

const LINES = 'lines: {each: RECORD.lines, map: {pos: it.pos, qty: it.qty}}';
const FIELDS = 'id: RECORD.id, code: RECORD.code, amount: RECORD.amount, day: RECORD.day, changed: RECORD.changed, doc: RECORD.doc';
const map = (record: string) => `{${FIELDS}, ${LINES}}`.replaceAll('RECORD', record);

const server = ({ driver, connect: { host, port, database, user } }: Fixture, zone: string) =>
  `{driver: ${driver}, host: ${String(host)}, port: ${String(port)}, database: ${String(database)}, user: ${String(user)}, password: "\${secret:${driver}}", tls: "off", zone: ${zone}}`;

const configuration = (legacy: Fixture, maria: Fixture, lite: Fixture) => `version: 1
bus: embedded
systems:
  legacy:
    adapter: sql
    connect: ${server(legacy, 'Europe/Berlin')}
    read:
      docs:
        table: docs
        key: id
        columns: {id: integer, code: text, amount: decimal, day: date, changed: timestamp, doc: bytes}
        include: {lines: {table: doc_lines, by: id, order: pos, columns: {pos: integer, qty: decimal}}}
        schedule: {every: 300ms}
  maria:
    adapter: sql
    connect: ${server(maria, 'Asia/Tokyo')}
    write: {docs: {table: docs, key: id, mode: upsert, include: {lines: {table: doc_lines, by: id}}}}
  lite:
    adapter: sql
    connect: {driver: sqlite, file: "${String(lite.connect['file'])}"}
    write: {docs: {table: docs, key: id, mode: upsert, include: {lines: {table: doc_lines, by: id}}}}
types:
  Line: {pos: required integer, qty: decimal 10.3}
  Document: {id: required integer, code: text, amount: decimal 12.4, day: date, changed: timestamp, doc: any, lines: list of Line}
routes:
  docs-in: {from: legacy.docs, publish: Document, map: ${map('record')}}
  docs-out:
    subscribe: Document
    deliver:
      - {name: maria, to: maria.docs, map: ${map('document')}}
      - {name: lite, to: lite.docs, map: ${map('document')}}
`;

test('D8, D10, D13, D16 a legacy row with a document of 5 MiB, its lines and its local times reaches MariaDB and SQLite unchanged, with the host in an odd zone', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-values-'));
  const [legacy, maria, lite, postgres, mariadb] = await Promise.all([fixture('postgres'), fixture('mariadb'), fixture('sqlite'), services.postgres(), services.mariadb()]);
  const document = randomBytes(5 * 1024 * 1024);
  await legacy.sql(
    'CREATE TABLE docs (id bigint PRIMARY KEY, code varchar(8), amount numeric(12,4), day date, changed timestamp, doc bytea)',
    'CREATE TABLE doc_lines (id bigint, pos int, qty numeric(10,3), PRIMARY KEY (id, pos))',
    'INSERT INTO doc_lines VALUES (9007199254740993, 1, 0.100), (9007199254740993, 2, 2)',
    // Larger than a message: set aside, and the row behind it goes on.
    "INSERT INTO docs VALUES (1, 'large', 0, '2026-03-29', '2026-03-01', decode(repeat('00', 60000000), 'hex'))",
    `INSERT INTO docs VALUES (9007199254740993, '00123', 0.1000, '2026-03-29', '2026-10-25 02:30:00.123456', '\\x${document.toString('hex')}')`,
  );
  await maria.sql(
    'CREATE TABLE docs (id bigint PRIMARY KEY, code varchar(8), amount decimal(12,4), day date, changed datetime(6), doc longblob)',
    'CREATE TABLE doc_lines (id bigint, pos int, qty decimal(12,4))',
  );
  await lite.sql(
    'CREATE TABLE docs (id INTEGER PRIMARY KEY, code TEXT, amount TEXT, day TEXT, changed TEXT, doc BLOB)',
    'CREATE TABLE doc_lines (id INTEGER, pos INTEGER, qty TEXT)',
  );
  writeFileSync(join(directory, 'signalbox.yaml'), configuration(legacy, maria, lite));
  const environment = { ...process.env, TZ: 'Pacific/Chatham', SIGNALBOX_SECRET_POSTGRES: postgres.password, SIGNALBOX_SECRET_MARIADB: mariadb.password };
  const child = run({ directory, environment });
  try {
    const service = remoteService(join(directory, '.signalbox/signalbox.sock'));
    const isThere = async () => {
      const [inMaria, inLite] = await Promise.all([maria, lite].map(({ rows }) => rows('SELECT count(*) FROM docs')));
      return Number(inMaria?.[0]?.[0]) === 1 && Number(inLite?.[0]?.[0]) === 1 && (await service.status()).deadLetters === 1;
    };
    await until(
      () => isThere().catch(() => false),
      'both targets have the document, and the one too large is a dead letter',
      30_000,
      () => service.deadLetterGroups(),
    );
    for (const { driver, rows } of [maria, lite]) {
      const isLite = driver === 'sqlite';
      const [found = []] = await rows(`SELECT CAST(id AS ${isLite ? 'TEXT' : 'CHAR'}), code, amount, day, changed, doc FROM docs`);
      // The first 02:30 of that night in Berlin; the column of MariaDB is local time in Tokyo.
      const changed = isLite ? '2026-10-25T00:30:00.123456Z' : '2026-10-25 09:30:00.123456';
      expect(found.slice(0, 5)).toEqual(['9007199254740993', '00123', '0.1000', '2026-03-29', changed]);
      expect(hash('sha256', found[5] as Buffer, 'hex')).toBe(hash('sha256', document, 'hex'));
      const quantities = (await rows('SELECT pos, qty FROM doc_lines ORDER BY pos')).map((row) => row.map(String));
      expect(quantities).toEqual(
        isLite
          ? [
              ['1', '0.100'],
              ['2', '2.000'],
            ]
          : [
              ['1', '0.1000'],
              ['2', '2.0000'],
            ],
      );
    }
    const [letter] = await service.deadLetterGroups();
    expect(JSON.stringify(letter)).toContain('docs.doc: has 60000000 bytes and was not loaded');
  } finally {
    await stop(child, 'SIGTERM');
    await Promise.all([legacy.close(), maria.close(), lite.close()]);
    rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
