import type { Session, Table } from '../dialect.js';
import { type Catalogue, countOrNone, type Facts, indexesOf, referencesOf, textOrNone } from '../facts.js';
import { rightsOn } from './rights.js';

export const catalogue: Catalogue = {
  async list(session) {
    const { rows } = await session.query(LIST);
    return rows.map(([name, type]) => ({ name: String(name), kind: String(type).endsWith('VIEW') ? 'view' : 'table' }));
  },
  facts,
};

const named = (schema: string, table: string) => `IF(${schema} = database(), ${table}, CONCAT(${schema}, '.', ${table}))`;

const LIST = `SELECT ${named('table_schema', 'table_name')}, table_type FROM information_schema.tables
  WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') ORDER BY 1 LIMIT 10000`;

const TABLE = 'SELECT table_comment, CAST(table_rows AS CHAR) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?';

const COLUMNS = 'SELECT column_name, column_type, column_default, column_comment, extra FROM information_schema.columns WHERE table_schema = ? AND table_name = ?';

const INDEXES = `SELECT index_name, column_name, CAST(non_unique AS CHAR) FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? AND index_name NOT IN (
    SELECT index_name FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? AND (column_name IS NULL OR sub_part IS NOT NULL OR index_type NOT IN ('BTREE', 'HASH')))
  ORDER BY index_name, seq_in_index`;

const PARENTS = `SELECT constraint_name, ${named('referenced_table_schema', 'referenced_table_name')}, column_name, referenced_column_name FROM information_schema.key_column_usage
  WHERE table_schema = ? AND table_name = ? AND referenced_table_name IS NOT NULL ORDER BY constraint_name, ordinal_position`;

const CHILDREN = `SELECT constraint_name, ${named('table_schema', 'table_name')}, referenced_column_name, column_name FROM information_schema.key_column_usage
  WHERE referenced_table_schema = ? AND referenced_table_name = ? ORDER BY 2, constraint_name, ordinal_position`;

async function facts(session: Session, table: Table): Promise<Facts> {
  const place = [table.schema ?? '', table.name];
  const [[comment, rows] = []] = (await session.query(TABLE, place)).rows;
  const columns = await session.query(COLUMNS, place);
  const indexes = await session.query(INDEXES, [...place, ...place]);
  const refer = async (sql: string) =>
    referencesOf(
      (await session.query(sql, place)).rows.map(([constraint, other, own, their]) => ({
        constraint: String(constraint),
        table: String(other),
        own: String(own),
        other: String(their),
      })),
    );
  return {
    comment: table.view ? undefined : textOrNone(comment),
    rows: table.view ? undefined : countOrNone(rows),
    triggers: !table.view && (await rightsOn(session, table, ['TRIGGER'])).length > 0,
    ...indexesOf(indexes.rows.map(([index, column, repeated]) => ({ index: String(index), column: String(column), unique: repeated === '0', primary: index === 'PRIMARY' }))),
    parents: await refer(PARENTS),
    children: await refer(CHILDREN),
    columns: new Map(
      columns.rows.map(([name, type, value, remark, extra]) => [
        String(name),
        {
          nativeType: String(type),
          // MariaDB writes the word, MySQL nothing.
          default: value === 'NULL' ? undefined : textOrNone(value),
          comment: textOrNone(remark),
          generated: /auto_increment|generated/i.test(String(extra)),
          renewed: /on update current_timestamp/i.test(String(extra)),
        },
      ]),
    ),
  };
}
