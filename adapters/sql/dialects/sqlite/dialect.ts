import { Decimal, InvalidMessage, type Value } from '../../../contract/index.js';
import { encode, MOST_BYTES, MOST_TEXT, TOO_LARGE } from '../../values.js';
import { CAPABILITIES } from '../capabilities.js';
import type { Bind, Column, Dialect, Missing, Session, Table } from '../dialect.js';
import { limited, quoted, upsertOnConflict } from '../shared.js';
import { catalogue } from './catalogue.js';
import { connectSqlite } from './database.js';
import { classifySqlite } from './failures.js';
import { mayWrite } from './rights.js';
import { triggers } from './triggers.js';

export const dialect: Dialect = {
  name: 'sqlite',
  capabilities: CAPABILITIES.sqlite,
  quote: quoted,
  place: (index) => `?${index}`,
  // A column of any type may hold anything.
  select({ name, large }) {
    const column = quoted(name);
    if (!large) return column;
    return `CASE WHEN octet_length(${column}) > CASE typeof(${column}) WHEN 'blob' THEN ${MOST_BYTES} ELSE ${MOST_TEXT} END THEN '${TOO_LARGE}' || octet_length(${column}) ELSE ${column} END`;
  },
  bind: bindSqlite,
  bindFree: (value) => bindSqlite(value, { name: 'parameter', type: 'NONE', kind: 'any', nullable: true }),
  ping: 'SELECT 1',
  page: (select) => limited(select),
  now: "strftime('%Y-%m-%d %H:%M:%f', 'now')",
  // Text times compare as text, so the bound has the shape of the value and its zone is left alone. What is no time gives '': everything is read, nothing lost.
  back: (place, overlap) =>
    'distance' in overlap
      ? `${place} - ${overlap.distance}`
      : `coalesce(strftime(CASE WHEN instr(${place}, 'T') THEN '%Y-%m-%dT%H:%M:%f' ELSE '%Y-%m-%d %H:%M:%f' END, substr(${place}, 1, 19), '-${overlap.ms / 1000} seconds'), '')`,
  upsert: (statement) => upsertOnConflict(statement, (index) => `?${index}`),
  skipDuplicates: (insert) => `${insert} ON CONFLICT DO NOTHING`,
  createInbox:
    "CREATE TABLE IF NOT EXISTS signalbox_inbox (delivery_id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ'))) WITHOUT ROWID, STRICT",
  table: findTable,
  triggers,
  catalogue,
  writeRights: async (session) => ((await mayWrite(session)) ? ['the file may be written'] : []),
  classify: classifySqlite,
  connect(connect, system) {
    if (connect.driver !== 'sqlite') throw new TypeError('not a SQLite connection');
    return connectSqlite(connect, system);
  },
};

/**
 * SQLite keeps decimals as 64-bit floats unless the column is TEXT, and turns text that looks like a number into one in a numeric column
 * (sqlite.org/datatype3.html section 3): what would change is refused.
 */
function bindSqlite(value: Value, column: Column): Bind {
  const affinity = column.type;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (affinity === 'TEXT') return encode(value, column) as Bind;
  if (typeof value === 'bigint') return whole(value, column);
  if (value instanceof Decimal) return decimal(value, column);
  if (typeof value === 'string' && affinity !== 'NONE') {
    const kept = Decimal.parse(value) ? String(Number(value)) : value;
    if (kept !== value) throw new InvalidMessage('E333', `${column.name}: the column would change the text ${value}`);
  }
  return encode(value, column) as Bind;
}

function whole(value: bigint, column: Column): Bind {
  if (BigInt.asIntN(64, value) === value) return value;
  throw new InvalidMessage('E332', `${column.name}: ${value} is out of range`);
}

function decimal(value: Decimal, column: Column): Bind {
  if (column.type === 'NONE') return value.toString();
  const integer = value.withScale(0);
  if (integer && column.type !== 'REAL') return whole(integer.unscaled, column);
  const near = Number(value.toString());
  if (Number.isFinite(near) && Decimal.of(near).equals(value)) return near;
  throw new InvalidMessage('E333', `${column.name}: ${value} has more digits than a number of SQLite keeps; make the column TEXT`);
}

async function findTable(session: Session, name: string): Promise<Table | Missing> {
  const [relation = name, schema = 'main'] = name.split('.').reverse();
  const { rows } = await session.query("SELECT name, type, schema FROM pragma_table_list WHERE name NOT LIKE 'sqlite_%' ORDER BY name");
  const here = rows.filter((row) => String(row[2]).toLowerCase() === schema.toLowerCase());
  const found = here.find((row) => String(row[0]).toLowerCase() === relation.toLowerCase());
  if (!found) return { candidates: here.map((row) => String(row[0])) };
  const columns = await session.query('SELECT name, type, "notnull", pk FROM pragma_table_info(?1, ?2)', [String(found[0]), String(found[2])]);
  return {
    sql: `${quoted(String(found[2]))}.${quoted(String(found[0]))}`,
    name: String(found[0]),
    schema: String(found[2]),
    view: found[1] === 'view',
    columns: columns.rows.map(([column, type, required, key]) => {
      const declared = affinity(String(type));
      const isRowid = key === 1n && declared === 'INTEGER';
      const kind = /BLOB/i.test(String(type)) ? 'bytes' : 'any';
      return { name: String(column), type: declared, kind, nullable: required !== 1n && !isRowid, ...(isRowid ? {} : { large: true }) };
    }),
  };
}

/** Section 3.1 of the same page, in its order. */
function affinity(type: string): string {
  if (/INT/i.test(type)) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/i.test(type)) return 'TEXT';
  if (type === '' || /BLOB|^ANY$/i.test(type)) return 'NONE';
  return /REAL|FLOA|DOUB/i.test(type) ? 'REAL' : 'NUMERIC';
}
