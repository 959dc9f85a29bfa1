import type { DescribedField } from '../../../contract/index.js';
import type { Session, Table } from '../dialect.js';
import { type Catalogue, countOrNone, type Facts, type IndexPart, indexesOf, type ReferencePart, referencesOf, textOrNone } from '../facts.js';
import { mayWrite } from './rights.js';

const MOST = 100_000;

export const catalogue: Catalogue = {
  async list(session) {
    const { rows } = await session.query("SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' ORDER BY name");
    return rows.map(([name, type]) => ({ name: String(name), kind: type === 'view' ? 'view' : 'table' }));
  },
  facts,
};

async function facts(session: Session, table: Table): Promise<Facts> {
  const place = [table.name, table.schema ?? 'main'];
  const columns = (await session.query('SELECT name, type, dflt_value, pk, hidden FROM pragma_table_xinfo(?1, ?2) ORDER BY pk, cid', place)).rows;
  const key = columns.filter((row) => row[3] !== 0n).map((row) => String(row[0]));
  return {
    key,
    indexes: indexesOf(await indexParts(session, place)).indexes,
    rows: table.view ? undefined : await counted(session, table),
    triggers: !table.view && (await mayWrite(session)),
    parents: await parents(session, place),
    children: await children(session, table, place, key),
    columns: new Map(
      columns.map(([name, type, value, pk, hidden]) => {
        const rowid = pk === 1n && key.length === 1 && /^integer$/i.test(String(type));
        return [String(name), { nativeType: String(type), type: typeOf(String(type)), default: textOrNone(value), generated: rowid || (hidden !== 0n && hidden !== undefined) }];
      }),
    ),
  };
}

async function indexParts(session: Session, place: readonly string[]): Promise<readonly IndexPart[]> {
  const lists = await session.query('SELECT name, "unique", origin, partial FROM pragma_index_list(?1, ?2) ORDER BY name', place);
  const parts: IndexPart[] = [];
  for (const [index, unique, origin, partial] of lists.rows) {
    const { rows } = await session.query('SELECT name FROM pragma_index_info(?1, ?2) ORDER BY seqno', [String(index), place[1] ?? 'main']);
    // An expression has no name.
    if (partial !== 0n || origin === 'pk' || rows.some(([name]) => name === null)) continue;
    for (const [column] of rows) parts.push({ index: String(index), column: String(column), unique: unique === 1n, primary: false });
  }
  return parts;
}

async function parents(session: Session, place: readonly string[]) {
  const { rows } = await session.query('SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?1, ?2) ORDER BY id, seq', place);
  const parts: ReferencePart[] = [];
  for (const [id, other, own, theirs] of rows) {
    // Without a name it is the key of the other table.
    const target = theirs === null ? (await keyOf(session, String(other), place[1] ?? 'main')).at(parts.filter((part) => part.constraint === String(id)).length) : String(theirs);
    parts.push({ constraint: String(id), table: String(other), own: String(own), other: target ?? '' });
  }
  return referencesOf(parts);
}

async function children(session: Session, table: Table, place: readonly string[], key: readonly string[]) {
  const { rows } = await session.query(
    'SELECT f.id, l.name, f."to", f."from", f.seq FROM pragma_table_list AS l JOIN pragma_foreign_key_list(l.name, l.schema) AS f WHERE l.schema = ?2 AND lower(f."table") = lower(?1) ORDER BY l.name, f.id, f.seq',
    place,
  );
  return table.view
    ? []
    : referencesOf(
        rows.map(([id, other, own, theirs, place_]) => ({
          constraint: String(id),
          table: String(other),
          own: own === null ? (key[Number(place_)] ?? '') : String(own),
          other: String(theirs),
        })),
      );
}

async function keyOf(session: Session, name: string, schema: string): Promise<readonly string[]> {
  return (await session.query('SELECT name FROM pragma_table_info(?1, ?2) WHERE pk > 0 ORDER BY pk', [name, schema])).rows.map((row) => String(row[0]));
}

/** By the statistics; a small table without them is counted. */
async function counted(session: Session, table: Table): Promise<number | undefined> {
  const there = await session.query("SELECT 1 FROM pragma_table_list WHERE name = 'sqlite_stat1'");
  if (there.rows.length > 0) {
    const { rows } = await session.query('SELECT stat FROM sqlite_stat1 WHERE tbl = ?1 AND stat IS NOT NULL', [table.name]);
    const count = countOrNone(String(rows[0]?.[0] ?? '').split(' ')[0] || undefined);
    if (count !== undefined) return count;
  }
  const { rows } = await session.query(`SELECT count(*) FROM (SELECT 1 FROM ${table.sql} LIMIT ${MOST + 1})`);
  const count = Number(rows[0]?.[0]);
  return count > MOST ? undefined : count;
}

/** By the declared word: SQLite itself keeps any value in any column. */
function typeOf(declared: string): DescribedField['type'] {
  if (/INT/i.test(declared)) return 'integer';
  if (/DATETIME|TIMESTAMP/i.test(declared)) return 'timestamp';
  if (/^DATE$/i.test(declared)) return 'date';
  if (/CHAR|CLOB|TEXT/i.test(declared)) return 'text';
  if (/BLOB/i.test(declared)) return 'bytes';
  return /NUM|DEC|REAL|FLOA|DOUB/i.test(declared) ? 'decimal' : 'any';
}
