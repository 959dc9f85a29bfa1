import type { Value } from '../../../contract/index.js';
import { encode, free, MOST_BYTES, MOST_TEXT, TOO_LARGE, utc } from '../../values.js';
import { CAPABILITIES } from '../capabilities.js';
import type { Bind, Column, Dialect, Missing, Session, Table, Upsert } from '../dialect.js';
import { limited } from '../shared.js';
import { catalogue } from './catalogue.js';
import { BIT, columnOf, DESCRIPTION } from './column.js';
import { connectMariadb } from './database.js';
import { classifyMariadb } from './failures.js';
import { procedures } from './procedures.js';
import { quoted } from './quoted.js';
import { rightsOn } from './rights.js';
import { triggers } from './triggers.js';

export const dialect: Dialect = {
  name: 'mariadb',
  capabilities: CAPABILITIES.mariadb,
  quote: quoted,
  place: (_, column) => (column && column.type !== '' ? `CAST(? AS ${column.type === BIT ? 'UNSIGNED' : column.type})` : '?'),
  // As text, so that the driver has no part in it. BIT would come as bytes.
  select(column) {
    const name = quoted(column.name);
    const text = column.kind === 'bytes' || column.kind === 'text' ? name : `CAST(${name}${column.kind === 'integer' ? ' + 0' : ''} AS CHAR)`;
    if (!column.large) return text;
    // The server cannot send more than a packet.
    const most = `LEAST(${column.kind === 'bytes' ? MOST_BYTES : MOST_TEXT}, @@max_allowed_packet - 65536)`;
    return `CASE WHEN OCTET_LENGTH(${name}) > ${most} THEN CONCAT('${TOO_LARGE}', OCTET_LENGTH(${name})) ELSE ${text} END`;
  },
  bind(value: Value, column: Column): Bind {
    const text = encode(value, column);
    if (column.type === BIT) return text === null ? null : bits(BigInt(typeof text === 'boolean' ? Number(text) : String(text)));
    if (typeof text === 'boolean') return text ? '1' : '0';
    return typeof text === 'string' && column.kind === 'instant' ? utc(text) : text;
  },
  bindFree: (value) => free(value, (flag) => (flag ? '1' : '0')),
  known: {
    bind: (value, kind) => (typeof value === 'string' && kind === 'instant' ? utc(value) : free(value, (flag) => (flag ? '1' : '0'))),
    place: (place, kind) => (kind === 'integer' ? `CAST(${place} AS DECIMAL(65,0))` : kind === 'decimal' ? `CAST(${place} AS DECIMAL(65,30))` : place),
  },
  ping: 'SELECT 1',
  page: (select) => limited(select, ' FOR UPDATE SKIP LOCKED'),
  now: 'utc_timestamp(6)',
  back: (place, overlap) => ('ms' in overlap ? `${place} - INTERVAL ${overlap.ms * 1000} MICROSECOND` : `CAST(${place} AS SIGNED) - ${overlap.distance}`),
  upsert,
  skipDuplicates: (insert) => insert.replace('INSERT', 'INSERT IGNORE'),
  procedures,
  createInbox:
    'CREATE TABLE IF NOT EXISTS signalbox_inbox (delivery_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, endpoint varchar(200) NOT NULL, applied_at timestamp NOT NULL DEFAULT current_timestamp) ENGINE=InnoDB',
  table: findTable,
  triggers,
  catalogue,
  writeRights: (session, table) => rightsOn(session, table, ['INSERT', 'UPDATE', 'DELETE']),
  classify: classifyMariadb,
  connect(connect, system) {
    if (connect.driver !== 'mariadb') throw new TypeError('not a MariaDB connection');
    return connectMariadb(connect, system);
  },
};

/** A text would be stored as the bits of its letters. */
function bits(value: bigint): Bind {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  const hex = value.toString(16);
  return new Uint8Array(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'));
}

/** Assignments run left to right, so the version, which the guard reads, comes last. Fires on any unique index, not only on the key. */
function upsert({ table, columns, key, version }: Upsert): string {
  const keys = new Set(key.map((column) => column.name));
  const changed = columns.filter((column) => !keys.has(column.name) && column.name !== version?.name).map((column) => quoted(column.name));
  if (version && !keys.has(version.name)) changed.push(quoted(version.name));
  const guard = version && `${quoted(version.name)} IS NULL OR VALUES(${quoted(version.name)}) > ${quoted(version.name)}`;
  const assignments = changed.map((name) => `${name} = ${guard ? `IF(${guard}, VALUES(${name}), ${name})` : `VALUES(${name})`}`);
  const first = quoted(key[0]?.name ?? '');
  return `INSERT INTO ${table.sql} (${columns.map((column) => quoted(column.name)).join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) ON DUPLICATE KEY UPDATE ${
    assignments.length === 0 ? `${first} = ${first}` : assignments.join(', ')
  }`;
}

async function findTable(session: Session, name: string): Promise<Table | Missing> {
  const [relation = name, schema] = name.split('.').reverse();
  const of = schema === undefined ? 'database()' : '?';
  const { rows } = await session.query(
    `SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = ${of} ORDER BY table_name`,
    schema === undefined ? [] : [schema],
  );
  const fitting = rows.filter((row) => String(row[1]).toLowerCase() === relation.toLowerCase());
  const found = fitting.find((row) => row[1] === relation) ?? (fitting.length === 1 ? fitting[0] : undefined);
  if (!found) return { candidates: rows.map((row) => (schema === undefined ? String(row[1]) : `${String(row[0])}.${String(row[1])}`)) };
  const columns = await session.query(
    `SELECT column_name, is_nullable, ${DESCRIPTION}, column_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`,
    [String(found[0]), String(found[1])],
  );
  return {
    sql: `${quoted(String(found[0]))}.${quoted(String(found[1]))}`,
    name: String(found[1]),
    schema: String(found[0]),
    view: found[2] === 'VIEW',
    columns: columns.rows.map(([column, nullable, ...description]) => ({ name: String(column), nullable: nullable === 'YES', ...columnOf(description) })),
  };
}
