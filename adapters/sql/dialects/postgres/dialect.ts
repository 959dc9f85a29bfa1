import type { Value } from '../../../contract/index.js';
import { encode, free, MOST_BYTES, MOST_TEXT, TOO_LARGE } from '../../values.js';
import { CAPABILITIES } from '../capabilities.js';
import type { Bind, Column, Dialect, Missing, Session, Table } from '../dialect.js';
import { limited, quoted, upsertOnConflict } from '../shared.js';
import { catalogue } from './catalogue.js';
import { connectPostgres } from './database.js';
import { classifyPostgres } from './failures.js';
import { kindOf } from './kinds.js';
import { procedures } from './procedures.js';
import { triggers } from './triggers.js';

export const dialect: Dialect = {
  name: 'postgres',
  capabilities: CAPABILITIES.postgres,
  quote: quoted,
  place: (index, column) => (column ? `CAST($${index} AS ${column.type})` : `$${index}`),
  select,
  bind(value: Value, column: Column): Bind {
    const text = encode(value, column);
    return typeof text === 'boolean' ? String(text) : text;
  },
  bindFree: (value) => free(value, String),
  ping: 'SELECT 1',
  page: (select) => limited(select, ' FOR UPDATE SKIP LOCKED'),
  now: 'clock_timestamp()',
  back: (place, overlap) => ('ms' in overlap ? `${place} - interval '${overlap.ms} milliseconds'` : `${place} - ${overlap.distance}`),
  upsert: (statement) => upsertOnConflict(statement, (index) => `$${index}`),
  skipDuplicates: (insert) => `${insert} ON CONFLICT DO NOTHING`,
  procedures,
  createInbox:
    'CREATE TABLE IF NOT EXISTS signalbox_inbox (delivery_id varchar(64) PRIMARY KEY, endpoint varchar(200) NOT NULL, applied_at timestamptz NOT NULL DEFAULT current_timestamp)',
  table: findTable,
  catalogue,
  watermark: {
    everyTable: true,
    fits: (column) => column.type === 'xid8',
    needs: 'a column of type xid8',
    look: 'look at pg_stat_activity',
    async current(session) {
      const { rows } = await session.query('SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text FROM pg_current_snapshot() AS s');
      return { below: BigInt(String(rows[0]?.[0])), next: BigInt(String(rows[0]?.[1])) };
    },
    // xmin keeps 32 bits: it is the greatest number below `next` with these bits. 1 and 2 are rows frozen by very old servers.
    written: (next, column) => (column ? quoted(column.name) : `CASE WHEN xmin::text::bigint < 3 THEN 0 ELSE ${next} - ((${next} - xmin::text::bigint) & 4294967295) END`),
    version: (column) => (column ? `${quoted(column.name)}::text` : 'xmin::text'),
    number: (value, column) => (column ? `'${value}'::xid8` : `${value}::bigint`),
    // Two bounds of one expression are a range to the planner, of which it expects one row in 200.
    mostSince: (written, number) => `${written} - ${number} >= 0`,
  },
  triggers,
  async writeRights(session, table) {
    const { rows } = await session.query("SELECT r FROM unnest(array['INSERT','UPDATE','DELETE']) AS r WHERE has_table_privilege(CAST($1 AS text)::regclass, r) ORDER BY r", [
      table.sql,
    ]);
    return rows.map((row) => String(row[0]));
  },
  classify: classifyPostgres,
  connect(connect, system) {
    if (connect.driver !== 'postgres') throw new TypeError('not a PostgreSQL connection');
    return connectPostgres(connect, system);
  },
};

/** Not named like the column, so that ORDER BY means the column and finds its index. Text in a database of unknown encoding comes as its bytes. */
function select(column: Column): string {
  const name = quoted(column.name);
  if (column.kind === 'bytes')
    return column.large ? `coalesce(CASE WHEN octet_length(${name}) > ${MOST_BYTES} THEN convert_to('${TOO_LARGE}' || octet_length(${name}), 'UTF8') END, ${name})` : name;
  const bytes = (text: string) => (column.raw ? `convert_to(${text}, 'SQL_ASCII')` : text);
  const text = column.raw ? `CASE WHEN ${name} IS NOT NULL THEN ${bytes(`format('%s', ${name})`)} END` : `${name}::text`;
  if (!column.large) return column.raw ? text : name;
  return `coalesce(CASE WHEN octet_length(${name}::text) > ${MOST_TEXT} THEN ${bytes(`'${TOO_LARGE}' || octet_length(${name}::text)`)} END, ${text})`;
}

const CANDIDATES = `SELECT c.oid::text, n.nspname, c.relname, c.relkind::text, pg_table_is_visible(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`;

async function findTable(session: Session, name: string): Promise<Table | Missing> {
  const [relation = name, schema] = name.split('.').reverse();
  const { rows } = await session.query(`${CANDIDATES} AND lower(c.relname) = lower($1)`, [relation]);
  const fitting = rows.filter((row) => (schema === undefined ? row[4] === true : String(row[1]).toLowerCase() === schema.toLowerCase()));
  const exact = fitting.filter((row) => row[2] === relation);
  const found = exact.length === 1 ? exact[0] : fitting.length === 1 ? fitting[0] : undefined;
  if (!found) {
    const all = await session.query(`${CANDIDATES} AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%' ORDER BY 2, 3 LIMIT 2000`);
    return { candidates: all.rows.map((row) => (row[4] === true ? String(row[2]) : `${String(row[1])}.${String(row[2])}`)) };
  }
  const columns = await session.query(
    `SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text,
       CASE WHEN a.atttypid = 1700 AND a.atttypmod > 4 THEN ((a.atttypmod - 4) & 2047)::text END,
       CASE WHEN a.atttypid = 1700 AND a.atttypmod > 4 THEN (((a.atttypmod - 4) >> 16) & 65535)::text END,
       CASE WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN (a.atttypmod - 4)::text END,
       CASE WHEN a.atttypid IN (1083, 1114, 1184, 1266) THEN (CASE WHEN a.atttypmod < 0 THEN 6 ELSE a.atttypmod END)::text END, getdatabaseencoding()
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = CAST($1 AS oid) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [String(found[0])],
  );
  return {
    sql: `${quoted(String(found[1]))}.${quoted(String(found[2]))}`,
    name: String(found[2]),
    schema: String(found[1]),
    view: found[3] === 'v' || found[3] === 'f',
    columns: columns.rows.map(([column, type, required, base, scale, precision, length, fraction, encoding]) => {
      const kind = kindOf(String(base));
      return {
        name: String(column),
        type: String(type),
        kind,
        nullable: required !== true,
        ...(typeof scale === 'string' ? { scale: Number(scale), precision: Number(precision) } : {}),
        ...(typeof length === 'string' ? { length: Number(length) } : {}),
        ...(typeof fraction === 'string' ? { fraction: Number(fraction) } : {}),
        // An identifier: longer ones are cut.
        ...(base === 'name' ? { bytes: 63 } : {}),
        ...(base === 'real' ? { float: 32 } : base === 'double precision' ? { float: 64 } : {}),
        ...(typeof length !== 'string' && LARGE.test(String(base)) ? { large: true } : {}),
        ...(encoding === 'SQL_ASCII' && kind === 'text' ? { raw: true } : {}),
      };
    }),
  };
}

const LARGE = /^(text|character varying|bytea|jsonb?|xml|citext)$|\[\]$/;
