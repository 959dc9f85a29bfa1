import { Misconfigured, type Value } from '../../../contract/index.js';
import { encode, free, MOST_BYTES, MOST_TEXT, TOO_LARGE } from '../../values.js';
import { CAPABILITIES } from '../capabilities.js';
import type { Bind, Column, Dialect, Select, Session, Upsert } from '../dialect.js';
import { quoted, unlimited } from '../shared.js';
import { catalogue, findTable } from './catalogue.js';
import { connectOracle, READ_ONLY } from './database.js';
import { classifyOracle } from './failures.js';
import { procedures } from './procedures.js';
import { triggers } from './triggers.js';

const DATE = 'YYYY-MM-DD HH24:MI:SS';

export const dialect: Dialect = {
  name: 'oracle',
  capabilities: CAPABILITIES.oracle,
  quote: quoted,
  place,
  select,
  bind,
  bindFree: (value) => free(value, (flag) => (flag ? '1' : '0')),
  ping: 'SELECT 1 FROM dual',
  page,
  now: 'SYS_EXTRACT_UTC(SYSTIMESTAMP)',
  back: (at, overlap) => ('ms' in overlap ? `${at} - NUMTODSINTERVAL(${overlap.ms / 1000}, 'SECOND')` : `${at} - ${overlap.distance}`),
  upsert,
  procedures,
  createInbox: 'CREATE TABLE signalbox_inbox (delivery_id VARCHAR2(64 CHAR) PRIMARY KEY, endpoint VARCHAR2(200 CHAR) NOT NULL, applied_at TIMESTAMP DEFAULT SYSTIMESTAMP NOT NULL)',
  table: findTable,
  catalogue,
  watermark: {
    everyTable: true,
    openEnded: true,
    fits: () => false,
    needs: 'no column: it is in every row',
    look: 'look at v$transaction',
    current,
    written: () => 'ORA_ROWSCN',
    version: () => 'TO_CHAR(ORA_ROWSCN)',
    number: (value) => String(value),
  },
  triggers,
  async writeRights(session, table) {
    const { rows } = await session.query(RIGHTS, [table.schema ?? '', table.name]);
    return rows.map((row) => String(row[0]));
  },
  classify: classifyOracle,
  connect(connect, system) {
    if (connect.driver !== 'oracle') throw new TypeError('not an Oracle connection');
    return connectOracle(connect, system);
  },
};

/** The number of the last commit, and after it a snapshot: whatever was committed up to that number is in it (Oracle: ORA_ROWSCN is never less than the commit's). */
async function current(session: Session): Promise<{ readonly below: bigint; readonly next: bigint }> {
  await session.query('COMMIT');
  try {
    const { rows } = await session.query('SELECT TO_CHAR(DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER) FROM dual');
    const below = BigInt(String(rows[0]?.[0])) + 1n;
    await session.query('COMMIT');
    await session.query(READ_ONLY);
    return { below, next: below };
  } catch (cause) {
    if (classifyOracle(cause)?.code !== 'E422') throw cause;
    throw new Misconfigured('E423', 'the account may not ask for the change number: GRANT EXECUTE ON SYS.DBMS_FLASHBACK to it, or name a cursor column', { cause });
  }
}

/** Text is compared as text of the column's own kind: a CHAR is filled with blanks, and a VARCHAR2 beside it would not be equal. */
function place(index: number, column?: Column): string {
  const bound = `:p${index}`;
  if (!column) return bound;
  if (column.type === 'DATE') return `TO_DATE(${bound}, '${DATE}')`;
  if (column.kind === 'timestamp') return `TO_TIMESTAMP(${bound}, '${DATE}.FF9')`;
  if (column.kind === 'instant') return `TO_TIMESTAMP_TZ(${bound}, '${DATE}.FF9 TZH:TZM')`;
  if (column.kind === 'integer' || column.kind === 'decimal') return `TO_NUMBER(${bound})`;
  return /^N?CHAR/.test(column.type) ? `CAST(${bound} AS ${column.type})` : bound;
}

/** Years before Christ keep their sign; the client would make a Date of a time. */
function select(column: Column): string {
  const name = quoted(column.name);
  const { type, kind, fraction = 0 } = column;
  const clock = `SYYYY-MM-DD"T"HH24:MI:SS${fraction > 0 ? `.FF${fraction}` : ''}`;
  if (kind === 'timestamp') return `LTRIM(TO_CHAR(${name}, '${clock}'))`;
  if (kind === 'instant') return `LTRIM(TO_CHAR(${name}, '${clock}TZH:TZM'))`;
  if (type.startsWith('INTERVAL')) return `TO_CHAR(${name})`;
  if (type === 'XMLTYPE') return `XMLSERIALIZE(CONTENT ${name} AS CLOB)`;
  if (type === 'JSON') return `JSON_SERIALIZE(${name} RETURNING CLOB)`;
  if (!column.large || type.startsWith('LONG')) return name;
  const size = `DBMS_LOB.GETLENGTH(${name})`;
  const notice = type === 'BLOB' ? `TO_BLOB(UTL_RAW.CAST_TO_RAW('${TOO_LARGE}' || ${size}))` : `TO_${type === 'NCLOB' ? 'N' : ''}CLOB('${TOO_LARGE}' || ${size})`;
  return `CASE WHEN ${size} > ${type === 'BLOB' ? MOST_BYTES : MOST_TEXT} THEN ${notice} ELSE ${name} END`;
}

function bind(value: Value, column: Column): Bind {
  const text = encode(value, column);
  if (typeof text === 'boolean') return text ? '1' : '0';
  if (typeof text !== 'string') return text;
  if (column.kind === 'timestamp') return text.replace(/^(\S{10})T/, '$1 ');
  return column.kind === 'instant'
    ? text
        .replace(/^(\S{10})T/, '$1 ')
        .replace(/Z$/, ' +00:00')
        .replace(/(\d)([+-]\d\d:\d\d)$/, '$1 $2')
    : text;
}

/** FOR UPDATE and FETCH FIRST do not go together (ORA-02014): the rows are chosen first and locked by their address. */
function page(select_: Select): string {
  const first = `FETCH FIRST ${select_.limit} ROWS ONLY`;
  if (!select_.lock) return `${unlimited(select_)} ${first}`;
  const chosen = `${unlimited({ ...select_, columns: 'ROWID' })} ${first}`;
  const { order } = select_;
  return `${unlimited({ columns: select_.columns, from: select_.from, where: [`ROWID IN (${chosen})`], ...(order === undefined ? {} : { order }) })} FOR UPDATE SKIP LOCKED`;
}

function upsert({ table, columns, key, version }: Upsert): string {
  const at = (column: Column) => columns.findIndex(({ name }) => name === column.name) + 1;
  const keys = new Set(key.map(({ name }) => name));
  const changed = columns.filter(({ name }) => !keys.has(name));
  const on = key.map((column) => `t.${quoted(column.name)} = ${place(at(column), column)}`).join(' AND ');
  const guard = version ? ` WHERE t.${quoted(version.name)} IS NULL OR ${place(at(version), version)} > t.${quoted(version.name)}` : '';
  const update = changed.length === 0 ? '' : ` WHEN MATCHED THEN UPDATE SET ${changed.map((column) => `t.${quoted(column.name)} = :p${at(column)}`).join(', ')}${guard}`;
  const names = columns.map(({ name }) => `t.${quoted(name)}`).join(', ');
  return `MERGE INTO ${table.sql} t USING dual ON (${on})${update} WHEN NOT MATCHED THEN INSERT (${names}) VALUES (${columns.map((_, index) => `:p${index + 1}`).join(', ')})`;
}

const RIGHTS = `SELECT privilege FROM user_tab_privs_recd WHERE owner = :p1 AND table_name = :p2 AND privilege IN ('INSERT', 'UPDATE', 'DELETE')
  UNION SELECT privilege FROM role_tab_privs WHERE owner = :p1 AND table_name = :p2 AND privilege IN ('INSERT', 'UPDATE', 'DELETE')
  UNION SELECT 'all, it is the owner' FROM dual WHERE SYS_CONTEXT('USERENV', 'SESSION_USER') = :p1`;
