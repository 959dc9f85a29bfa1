import type { Kind } from '../../values.js';
import type { Column, Missing, Session, Table } from '../dialect.js';
import { type Catalogue, countOrNone, type Facts, indexesOf, referencesOf, textOrNone } from '../facts.js';
import { quoted } from '../shared.js';

const OWN = "SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')";

export const CANDIDATES = `SELECT owner, object_name, object_type, CASE WHEN owner = ${OWN} THEN '1' ELSE '0' END FROM all_objects WHERE object_type IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW')`;

/** Old applications are reached through synonyms more often than by the owner. */
const SYNONYMS = `SELECT s.table_owner, s.table_name, o.object_type FROM all_synonyms s JOIN all_objects o ON o.owner = s.table_owner AND o.object_name = s.table_name
  WHERE s.owner IN (${OWN}, 'PUBLIC') AND UPPER(s.synonym_name) = UPPER(:p1) AND o.object_type IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW') ORDER BY CASE s.owner WHEN 'PUBLIC' THEN 1 ELSE 0 END`;

export const COLUMNS = `SELECT column_name, data_type, nullable, data_precision, data_scale, char_length, char_used, data_length FROM all_tab_columns WHERE owner = :p1 AND table_name = :p2 ORDER BY column_id`;

/** Names without quotes are kept in capitals: any case finds them. */
export async function findTable(session: Session, name: string): Promise<Table | Missing> {
  const [relation = name, schema] = name.split('.').reverse();
  const { rows } = await session.query(`${CANDIDATES} AND UPPER(object_name) = UPPER(:p1)`, [relation]);
  const fitting = rows.filter((row) => (schema === undefined ? row[3] === '1' : String(row[0]).toUpperCase() === schema.toUpperCase()));
  // A materialized view is there twice, as a table too.
  const distinct = [...new Map(fitting.map((row) => [`${String(row[0])}.${String(row[1])}`, row])).values()];
  const exact = distinct.filter((row) => row[1] === relation);
  const direct = exact.length === 1 ? exact[0] : distinct.length === 1 ? distinct[0] : undefined;
  const found = direct ?? (schema === undefined ? (await session.query(SYNONYMS, [relation])).rows[0] : undefined);
  if (!found) {
    const all = await session.query(`${CANDIDATES} AND oracle_maintained = 'N' ORDER BY 1, 2 FETCH FIRST 2000 ROWS ONLY`);
    return { candidates: all.rows.map((row) => (row[3] === '1' ? String(row[1]) : `${String(row[0])}.${String(row[1])}`)) };
  }
  const [owner, table, type] = found;
  const columns = await session.query(COLUMNS, [String(owner), String(table)]);
  return {
    sql: `${quoted(String(owner))}.${quoted(String(table))}`,
    name: String(table),
    schema: String(owner),
    view: type !== 'TABLE',
    columns: columns.rows.map(columnOf),
  };
}

/** From name, type, nullable, precision, scale, characters, whether they are counted in characters, bytes. */
export function columnOf([name, declared, nullable, precision, scale, characters, used, bytes]: readonly unknown[]): Column {
  const data = String(declared);
  const [base = data, fraction] = /^(TIMESTAMP)\((\d)\)/.exec(data)?.slice(1) ?? [data];
  const kind = kindOf(data, precision, scale);
  // NUMBER without precision keeps any number of digits after the point, whatever scale the catalogue tells (-127).
  const sized = data === 'NUMBER' && typeof precision === 'string' && Number(scale) >= 0 ? { precision: Number(precision), scale: Number(scale) } : {};
  const text = /^N?(VAR)?CHAR2?$/.test(data);
  return {
    name: String(name),
    type: text
      ? `${data}(${data.startsWith('N') ? characters : `${used === 'C' ? characters : bytes} ${used === 'C' ? 'CHAR' : 'BYTE'}`})`
      : data.startsWith('TIMESTAMP')
        ? base
        : data,
    kind,
    nullable: nullable !== 'N',
    ...sized,
    ...(text ? (used === 'C' || data.startsWith('N') ? { length: Number(characters) } : { bytes: Number(bytes) }) : {}),
    ...(data === 'RAW' ? { bytes: Number(bytes) } : {}),
    ...(kind === 'timestamp' || kind === 'instant' ? { fraction: data === 'DATE' ? 0 : Number(fraction ?? 6) } : {}),
    ...(data === 'BINARY_FLOAT' ? { float: 32 } : data === 'BINARY_DOUBLE' ? { float: 64 } : {}),
    ...(/^(N?CLOB|BLOB|LONG|LONG RAW)$/.test(data) ? { large: true } : {}),
  };
}

function kindOf(type: string, precision: unknown, scale: unknown): Kind {
  // Only a precision says that there is nothing behind the point.
  if (type === 'NUMBER') return typeof precision === 'string' && Number(scale) <= 0 ? 'integer' : 'decimal';
  if (/^(FLOAT|BINARY_FLOAT|BINARY_DOUBLE)/.test(type)) return 'decimal';
  // A DATE of Oracle has a time of day.
  if (type === 'DATE') return 'timestamp';
  if (type.startsWith('TIMESTAMP')) return type.includes('TIME ZONE') ? 'instant' : 'timestamp';
  if (/^(RAW|LONG RAW|BLOB)$/.test(type)) return 'bytes';
  return type === 'BOOLEAN' ? 'boolean' : type === 'JSON' ? 'json' : 'text';
}

export const catalogue: Catalogue = {
  async list(session) {
    const { rows } = await session.query(`${CANDIDATES} AND oracle_maintained = 'N' ORDER BY 1, 2 FETCH FIRST 10000 ROWS ONLY`);
    return rows.map(([owner, name, type, own]) => ({ name: own === '1' ? String(name) : `${String(owner)}.${String(name)}`, kind: type === 'TABLE' ? 'table' : 'view' }));
  },
  facts,
};

const TABLE = `SELECT (SELECT comments FROM all_tab_comments WHERE owner = :p1 AND table_name = :p2 AND ROWNUM = 1), (SELECT TO_CHAR(num_rows) FROM all_tables WHERE owner = :p1 AND table_name = :p2),
  (SELECT COUNT(*) FROM session_privs WHERE privilege = 'CREATE ANY TRIGGER' OR (privilege = 'CREATE TRIGGER' AND :p1 = SYS_CONTEXT('USERENV', 'SESSION_USER'))) FROM dual`;

const FIELDS = `SELECT c.column_name, c.data_type, c.data_default, m.comments, CASE WHEN c.virtual_column = 'YES' OR c.identity_column = 'YES' THEN '1' ELSE '0' END
  FROM all_tab_cols c LEFT JOIN all_col_comments m ON m.owner = c.owner AND m.table_name = c.table_name AND m.column_name = c.column_name
  WHERE c.owner = :p1 AND c.table_name = :p2 AND c.hidden_column = 'NO'`;

const INDEXES = `SELECT i.index_name, c.column_name, i.uniqueness, CASE WHEN k.constraint_type = 'P' THEN '1' ELSE '0' END FROM all_indexes i
  JOIN all_ind_columns c ON c.index_owner = i.owner AND c.index_name = i.index_name
  LEFT JOIN all_constraints k ON k.owner = i.table_owner AND k.table_name = i.table_name AND k.index_name = i.index_name AND k.constraint_type = 'P'
  WHERE i.table_owner = :p1 AND i.table_name = :p2 AND i.index_type = 'NORMAL' AND i.status <> 'UNUSABLE' ORDER BY i.index_name, c.column_position`;

const references = (
  own: 'f' | 'k',
  other: 'f' | 'k',
) => `SELECT f.constraint_name, CASE WHEN ${other}.owner = ${OWN} THEN ${other}.table_name ELSE ${other}.owner || '.' || ${other}.table_name END, mine.column_name, theirs.column_name
  FROM all_constraints f JOIN all_constraints k ON k.owner = f.r_owner AND k.constraint_name = f.r_constraint_name
  JOIN all_cons_columns mine ON mine.owner = ${own}.owner AND mine.constraint_name = ${own}.constraint_name
  JOIN all_cons_columns theirs ON theirs.owner = ${other}.owner AND theirs.constraint_name = ${other}.constraint_name AND theirs.position = mine.position
  WHERE f.constraint_type = 'R' AND ${own}.owner = :p1 AND ${own}.table_name = :p2 ORDER BY f.constraint_name, mine.position`;

async function facts(session: Session, table: Table): Promise<Facts> {
  const about = async (sql: string) => (await session.query(sql, [table.schema ?? '', table.name])).rows;
  const [[comment, rows, triggers] = []] = await about(TABLE);
  const fields = await about(FIELDS);
  const indexes = await about(INDEXES);
  const refer = async (sql: string) =>
    referencesOf((await about(sql)).map(([constraint, other, own, their]) => ({ constraint: String(constraint), table: String(other), own: String(own), other: String(their) })));
  return {
    comment: textOrNone(comment),
    rows: table.view ? undefined : countOrNone(rows ?? undefined),
    triggers: !table.view && Number(triggers) > 0,
    ...indexesOf(
      indexes.map(([index, column, uniqueness, primary]) => ({ index: String(index), column: String(column), unique: uniqueness === 'UNIQUE', primary: primary === '1' })),
    ),
    parents: await refer(references('f', 'k')),
    children: await refer(references('k', 'f')),
    columns: new Map(
      fields.map(([name, type, value, remark, generated]) => [
        String(name),
        { nativeType: String(type), default: textOrNone(typeof value === 'string' ? value.trim() : undefined), comment: textOrNone(remark), generated: generated === '1' },
      ]),
    ),
  };
}
