import type { Kind } from '../../values.js';
import type { Column, Missing, Session, Table } from '../dialect.js';
import { type Catalogue, countOrNone, type Facts, indexesOf, referencesOf, textOrNone } from '../facts.js';

/** `rowversion` by the name that the catalogue gives it would be `timestamp`, which is no time. */
export const ROWVERSION = 'binary(8)';

export function quoted(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

const CANDIDATES = `SELECT s.name, o.name, o.type, CASE WHEN s.name = SCHEMA_NAME() THEN 2 WHEN s.name = N'dbo' THEN 1 ELSE 0 END FROM sys.objects o
  JOIN sys.schemas s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0`;

export const COLUMNS = `SELECT c.name, COALESCE(TYPE_NAME(c.system_type_id), TYPE_NAME(c.user_type_id)), c.is_nullable, c.max_length, c.precision, c.scale
  FROM sys.columns c WHERE c.object_id = OBJECT_ID(@p1) ORDER BY c.column_id`;

export async function findTable(session: Session, name: string): Promise<Table | Missing> {
  const [relation = name, schema] = name.split('.').reverse();
  const { rows } = await session.query(`${CANDIDATES} AND LOWER(o.name) = LOWER(@p1)`, [relation]);
  const fitting = rows.filter((row) => (schema === undefined ? Number(row[3]) > 0 : String(row[0]).toLowerCase() === schema.toLowerCase()));
  // The account's own schema comes before dbo, as the server resolves names.
  const best = fitting.filter((row) => Number(row[3]) === Math.max(...fitting.map((each) => Number(each[3]))));
  const exact = best.filter((row) => row[1] === relation);
  const found = exact.length === 1 ? exact[0] : best.length === 1 ? best[0] : undefined;
  if (!found) {
    const all = await session.query(`${CANDIDATES} ORDER BY 1, 2`);
    return { candidates: all.rows.map((row) => (Number(row[3]) > 0 ? String(row[1]) : `${String(row[0])}.${String(row[1])}`)) };
  }
  const sql = `${quoted(String(found[0]))}.${quoted(String(found[1]))}`;
  const columns = await session.query(COLUMNS, [sql]);
  return { sql, name: String(found[1]), schema: String(found[0]), view: String(found[2]).trim() === 'V', columns: columns.rows.map(columnOf) };
}

/** From name, type, nullable, bytes, precision and scale. */
export function columnOf([name, type, nullable, bytes, precision, scale]: readonly unknown[]): Column {
  const data = String(type);
  const size = Number(bytes);
  const kind = KINDS[data] ?? 'text';
  const unicode = data.startsWith('n');
  const length = /char/.test(data) && size > 0 ? (unicode ? size / 2 : size) : undefined;
  const fraction = data === 'datetime' ? 3 : data === 'smalldatetime' ? 0 : /^(datetime2|datetimeoffset|time)$/.test(data) ? Number(scale) : undefined;
  const large = size === -1 || /^(text|ntext|image|xml)$/.test(data);
  return {
    name: String(name),
    type: castType(data, size, Number(precision), Number(scale)),
    kind,
    nullable: nullable === true || nullable === 1,
    ...(/^(decimal|numeric)$/.test(data) ? { precision: Number(precision), scale: Number(scale) } : /money/.test(data) ? { scale: 4 } : {}),
    ...(length === undefined ? {} : unicode || data === 'nchar' ? { length } : { bytes: length }),
    ...(kind === 'bytes' && size > 0 ? { bytes: size } : {}),
    ...(fraction === undefined ? {} : { fraction }),
    ...(data === 'float' ? { float: 64 } : data === 'real' ? { float: 32 } : {}),
    ...(large ? { large: true } : {}),
  };
}

function castType(data: string, size: number, precision: number, scale: number): string {
  if (data === 'timestamp') return ROWVERSION;
  if (/^(decimal|numeric)$/.test(data)) return `${data}(${precision},${scale})`;
  if (/^(datetime2|datetimeoffset|time)$/.test(data)) return `${data}(${scale})`;
  if (data === 'text') return 'varchar(max)';
  if (data === 'ntext' || data === 'xml') return 'nvarchar(max)';
  if (data === 'image') return 'varbinary(max)';
  if (/char|binary/.test(data)) return `${data}(${size === -1 ? 'max' : data.startsWith('n') ? size / 2 : size})`;
  return data;
}

const KINDS: Readonly<Record<string, Kind>> = {
  tinyint: 'integer',
  smallint: 'integer',
  int: 'integer',
  bigint: 'integer',
  bit: 'boolean',
  decimal: 'decimal',
  numeric: 'decimal',
  money: 'decimal',
  smallmoney: 'decimal',
  float: 'decimal',
  real: 'decimal',
  date: 'date',
  datetime: 'timestamp',
  datetime2: 'timestamp',
  smalldatetime: 'timestamp',
  datetimeoffset: 'instant',
  binary: 'bytes',
  varbinary: 'bytes',
  image: 'bytes',
  timestamp: 'bytes',
};

export const catalogue: Catalogue = {
  async list(session) {
    const { rows } = await session.query(`${CANDIDATES} AND HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(o.name), N'OBJECT', N'SELECT') = 1 ORDER BY 1, 2`);
    return rows.map(([schema, name, type, own]) => ({
      name: Number(own) > 0 ? String(name) : `${String(schema)}.${String(name)}`,
      kind: String(type).trim() === 'V' ? 'view' : 'table',
    }));
  },
  facts,
};

const TABLE = `SELECT CAST(p.value AS nvarchar(4000)), (SELECT CAST(SUM(r.rows) AS varchar(20)) FROM sys.partitions r WHERE r.object_id = OBJECT_ID(@p1) AND r.index_id < 2), HAS_PERMS_BY_NAME(@p1, N'OBJECT', N'ALTER')
  FROM (SELECT 1 AS one) x LEFT JOIN sys.extended_properties p ON p.class = 1 AND p.major_id = OBJECT_ID(@p1) AND p.minor_id = 0 AND p.name = N'MS_Description'`;

const FIELDS = `SELECT c.name, TYPE_NAME(c.user_type_id), d.definition, CAST(p.value AS nvarchar(4000)), CASE WHEN c.is_identity = 1 OR c.is_computed = 1 OR TYPE_NAME(c.system_type_id) = N'timestamp' THEN 1 ELSE 0 END
  FROM sys.columns c LEFT JOIN sys.default_constraints d ON d.object_id = c.default_object_id
  LEFT JOIN sys.extended_properties p ON p.class = 1 AND p.major_id = c.object_id AND p.minor_id = c.column_id AND p.name = N'MS_Description' WHERE c.object_id = OBJECT_ID(@p1)`;

const INDEXES = `SELECT i.name, c.name, i.is_unique, i.is_primary_key FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0
  JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id
  WHERE i.object_id = OBJECT_ID(@p1) AND i.has_filter = 0 AND i.is_disabled = 0 AND i.type IN (1, 2) ORDER BY i.index_id, k.key_ordinal`;

const references = (
  own: 'parent' | 'referenced',
  other: 'parent' | 'referenced',
) => `SELECT f.name, CASE WHEN s.name IN (SCHEMA_NAME(), N'dbo') THEN o.name ELSE s.name + N'.' + o.name END, mine.name, theirs.name
  FROM sys.foreign_keys f JOIN sys.foreign_key_columns k ON k.constraint_object_id = f.object_id
  JOIN sys.objects o ON o.object_id = f.${other}_object_id JOIN sys.schemas s ON s.schema_id = o.schema_id
  JOIN sys.columns mine ON mine.object_id = k.${own}_object_id AND mine.column_id = k.${own}_column_id
  JOIN sys.columns theirs ON theirs.object_id = k.${other}_object_id AND theirs.column_id = k.${other}_column_id
  WHERE f.${own}_object_id = OBJECT_ID(@p1) ORDER BY f.name, k.constraint_column_id`;

async function facts(session: Session, table: Table): Promise<Facts> {
  const about = async (sql: string) => (await session.query(sql, [table.sql])).rows;
  const [[comment, rows, alter] = []] = await about(TABLE);
  const fields = await about(FIELDS);
  const indexes = await about(INDEXES);
  const refer = async (sql: string) =>
    referencesOf((await about(sql)).map(([constraint, other, own, their]) => ({ constraint: String(constraint), table: String(other), own: String(own), other: String(their) })));
  return {
    comment: textOrNone(comment),
    rows: table.view ? undefined : countOrNone(rows ?? undefined),
    triggers: !table.view && Number(alter) === 1,
    ...indexesOf(indexes.map(([index, column, unique, primary]) => ({ index: String(index), column: String(column), unique: unique === true, primary: primary === true }))),
    parents: await refer(references('parent', 'referenced')),
    children: await refer(references('referenced', 'parent')),
    columns: new Map(
      fields.map(([name, type, value, remark, generated]) => [
        String(name),
        { nativeType: type === 'timestamp' ? 'rowversion' : String(type), default: textOrNone(value), comment: textOrNone(remark), generated: Number(generated) === 1 },
      ]),
    ),
  };
}
