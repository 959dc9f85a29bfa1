import type { Session, Table } from '../dialect.js';
import { type Catalogue, countOrNone, type Facts, indexesOf, referencesOf, textOrNone } from '../facts.js';

export const catalogue: Catalogue = {
  async list(session) {
    const { rows } = await session.query(LIST);
    return rows.map(([name, view]) => ({ name: String(name), kind: view === true ? 'view' : 'table' }));
  },
  facts,
};

const named = (relation: string) =>
  `CASE WHEN pg_table_is_visible(${relation}.oid) THEN ${relation}.relname::text ELSE ${relation}.relnamespace::regnamespace::text || '.' || ${relation}.relname END`;

const LIST = `SELECT ${named('c')}, c.relkind IN ('v', 'm', 'f') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_t'
    AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1 LIMIT 10000`;

const TABLE = `SELECT obj_description(c.oid, 'pg_class'), c.reltuples::bigint::text, has_table_privilege(c.oid, 'TRIGGER') FROM pg_class c WHERE c.oid = CAST($1 AS regclass)`;

const COLUMNS = `SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum), a.attidentity <> '' OR a.attgenerated <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = CAST($1 AS regclass) AND a.attnum > 0 AND NOT a.attisdropped`;

const INDEXES = `SELECT i.indexrelid::regclass::text, a.attname, i.indisunique, i.indisprimary FROM pg_index i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
  WHERE i.indrelid = CAST($1 AS regclass) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts ORDER BY i.indexrelid, k.place`;

const references = (own: 'con' | 'conf', other: 'con' | 'conf') => `SELECT f.conname, ${named('c')}, mine.attname, theirs.attname FROM pg_constraint f
  JOIN pg_class c ON c.oid = f.${other}relid CROSS JOIN LATERAL unnest(f.${own}key, f.${other}key) WITH ORDINALITY AS k (own, other, place)
  JOIN pg_attribute mine ON mine.attrelid = f.${own}relid AND mine.attnum = k.own JOIN pg_attribute theirs ON theirs.attrelid = f.${other}relid AND theirs.attnum = k.other
  WHERE f.contype = 'f' AND f.conparentid = 0 AND f.${own}relid = CAST($1 AS regclass) ORDER BY f.conname, k.place`;

async function facts(session: Session, table: Table): Promise<Facts> {
  const about = async (sql: string) => (await session.query(sql, [table.sql])).rows;
  const [[comment, rows, triggers] = []] = await about(TABLE);
  const columns = await about(COLUMNS);
  const indexes = await about(INDEXES);
  const refer = async (sql: string) =>
    referencesOf((await about(sql)).map(([constraint, other, own, their]) => ({ constraint: String(constraint), table: String(other), own: String(own), other: String(their) })));
  return {
    comment: textOrNone(comment),
    rows: table.view ? undefined : countOrNone(rows),
    triggers: triggers === true && !table.view,
    ...indexesOf(indexes.map(([index, column, unique, primary]) => ({ index: String(index), column: String(column), unique: unique === true, primary: primary === true }))),
    parents: await refer(references('con', 'conf')),
    children: await refer(references('conf', 'con')),
    columns: new Map(
      columns.map(([name, type, value, remark, generated]) => [
        String(name),
        { nativeType: String(type), default: textOrNone(value), comment: textOrNone(remark), generated: generated === true },
      ]),
    ),
  };
}
