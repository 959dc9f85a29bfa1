import type { Value } from '../../../contract/index.js';
import { encode, free, MOST_BYTES, MOST_TEXT, TOO_LARGE } from '../../values.js';
import { CAPABILITIES } from '../capabilities.js';
import type { Bind, Column, Dialect, Upsert } from '../dialect.js';
import { unlimited } from '../shared.js';
import { catalogue, findTable, quoted, ROWVERSION } from './catalogue.js';
import { NULL_BYTES } from './client.js';
import { connectSqlServer } from './database.js';
import { classifySqlServer } from './failures.js';
import { procedures } from './procedures.js';
import { triggers } from './triggers.js';

// Text goes to the server as nvarchar and is converted by the column it meets; times in the form that no language setting reads otherwise.
export const dialect: Dialect = {
  name: 'sqlserver',
  capabilities: CAPABILITIES.sqlserver,
  quote: quoted,
  place: (index, column) => (column ? `CAST(@p${index} AS ${column.type})` : `@p${index}`),
  select,
  bind,
  bindFree: (value) => free(value, (flag) => (flag ? '1' : '0')),
  ping: 'SELECT 1',
  page: (select_) => unlimited(select_, `TOP (${select_.limit}) `, select_.lock ? ' WITH (UPDLOCK, READPAST, ROWLOCK)' : ''),
  now: 'SYSUTCDATETIME()',
  back: (place, overlap) => ('ms' in overlap ? `DATEADD(second, -${Math.ceil(overlap.ms / 1000)}, ${place})` : `${place} - ${overlap.distance}`),
  upsert,
  procedures,
  createInbox:
    "IF OBJECT_ID(N'signalbox_inbox', N'U') IS NULL CREATE TABLE signalbox_inbox (delivery_id nvarchar(64) COLLATE Latin1_General_BIN2 NOT NULL PRIMARY KEY, endpoint nvarchar(200) NOT NULL, applied_at datetime2(3) NOT NULL DEFAULT sysutcdatetime())",
  table: findTable,
  catalogue,
  watermark: {
    everyTable: false,
    fits: (column) => column.type === ROWVERSION,
    needs: 'a rowversion column',
    look: 'look at sys.dm_tran_active_transactions',
    // Read outside of the transaction, so that the snapshot that follows has everything below it (Microsoft: MIN_ACTIVE_ROWVERSION).
    async current(session) {
      const { rows } = await session.query('IF @@TRANCOUNT > 0 COMMIT TRANSACTION; SELECT CAST(MIN_ACTIVE_ROWVERSION() AS bigint), CAST(@@DBTS AS bigint) + 1; BEGIN TRANSACTION');
      return { below: BigInt(String(rows[0]?.[0])), next: BigInt(String(rows[0]?.[1])) };
    },
    // The column as it is, so that its index is used; without one there is no number at all.
    written: (_, column) => (column ? quoted(column.name) : '0x'),
    version: (column) => (column ? `CONVERT(varchar(18), ${quoted(column.name)}, 1)` : "''"),
    number: (value) => `CAST(CAST(${value} AS bigint) AS binary(8))`,
  },
  triggers,
  async writeRights(session, table) {
    const { rows } = await session.query("SELECT r FROM (VALUES (N'INSERT'), (N'UPDATE'), (N'DELETE')) AS rights (r) WHERE HAS_PERMS_BY_NAME(@p1, N'OBJECT', r) = 1 ORDER BY r", [
      table.sql,
    ]);
    return rows.map((row) => String(row[0]));
  },
  classify: classifySqlServer,
  connect(connect, system) {
    if (connect.driver !== 'sqlserver') throw new TypeError('not a SQL Server connection');
    return connectSqlServer(connect, system);
  },
};

/** What the client would make a JavaScript number or Date of comes as text with all its digits. */
function select(column: Column): string {
  const name = quoted(column.name);
  const text = textOf(name, column);
  if (!column.large) return text;
  const most = column.kind === 'bytes' ? MOST_BYTES : MOST_TEXT;
  const notice = `CAST('${TOO_LARGE}' + CAST(DATALENGTH(${name}) AS varchar(20)) AS ${column.kind === 'bytes' ? 'varbinary(max)' : 'nvarchar(max)'})`;
  return `CASE WHEN DATALENGTH(${name}) > ${most} THEN ${notice} ELSE CAST(${text} AS ${column.type}) END`;
}

function textOf(name: string, { type, kind }: Column): string {
  if (/^(decimal|numeric|bigint)/.test(type)) return `CONVERT(varchar(45), ${name})`;
  if (/money/.test(type)) return `CONVERT(varchar(30), ${name}, 2)`;
  if (kind === 'date') return `CONVERT(char(10), ${name}, 23)`;
  if (kind === 'instant') return `REPLACE(REPLACE(CONVERT(varchar(34), ${name}, 121), ' +', '+'), ' -', '-')`;
  if (kind === 'timestamp') return `CONVERT(varchar(27), ${name}, 121)`;
  if (/^time/.test(type)) return `CONVERT(varchar(16), ${name}, 121)`;
  if (type === 'sql_variant') return `CONVERT(nvarchar(4000), ${name})`;
  return /^(geography|geometry|hierarchyid)$/.test(type) ? `${name}.ToString()` : name;
}

function bind(value: Value, column: Column): Bind {
  const encoded = encode(value, column);
  if (encoded === null) return column.kind === 'bytes' ? NULL_BYTES : null;
  return typeof encoded === 'boolean' ? (encoded ? '1' : '0') : encoded;
}

/** HOLDLOCK: without it two sessions may both find no row. Only what is compared is cast: a cast would cut what does not fit, the column refuses it. */
function upsert({ table, columns, key, version }: Upsert): string {
  const place = (column: Column) => columns.findIndex(({ name }) => name === column.name) + 1;
  const compared = (column: Column) => `CAST(@p${place(column)} AS ${column.type})`;
  const keys = new Set(key.map(({ name }) => name));
  const changed = columns.filter(({ name }) => !keys.has(name));
  const on = key.map((column) => `t.${quoted(column.name)} = ${compared(column)}`).join(' AND ');
  const guard = version ? ` AND (t.${quoted(version.name)} IS NULL OR ${compared(version)} > t.${quoted(version.name)})` : '';
  const update = changed.length === 0 ? '' : ` WHEN MATCHED${guard} THEN UPDATE SET ${changed.map((column) => `${quoted(column.name)} = @p${place(column)}`).join(', ')}`;
  const insert = ` WHEN NOT MATCHED THEN INSERT (${columns.map(({ name }) => quoted(name)).join(', ')}) VALUES (${columns.map((_, at) => `@p${at + 1}`).join(', ')})`;
  return `MERGE INTO ${table.sql} WITH (HOLDLOCK) AS t USING (SELECT 1 AS one) AS s ON ${on}${update}${insert};`;
}
