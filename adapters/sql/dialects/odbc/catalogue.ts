import type { Missing, Result, Session, Table } from '../dialect.js';
import { type Catalogue, countOrNone, type Facts, indexesOf, referencesOf, textOrNone } from '../facts.js';
import { OdbcSession } from './database.js';
import { type CatalogueCall, OdbcError } from './protocol.js';
import { kindOf } from './types.js';

const MOST = 10_000;

export const catalogue: Catalogue = {
  async list(session) {
    const { rows } = await driver(session).catalogue({ of: 'tables', schema: undefined, table: undefined, most: MOST });
    return rows
      .filter((row) => !/SYSTEM|INDEX|SEQUENCE|TEMPORARY/i.test(String(row[3])))
      .map((row) => ({ name: named(row[1], row[2]), kind: /VIEW/i.test(String(row[3])) ? 'view' : 'table' }));
  },
  facts,
};

export async function findTable(session: Session, name: string, words: { readonly quote: (name: string) => string; readonly sizes: boolean }): Promise<Table | Missing> {
  const [relation = name, schema] = name.split('.').reverse();
  const found = await candidate(session, relation, schema);
  if ('candidates' in found) return found;
  const { rows } = await driver(session).catalogue({ of: 'columns', catalogue: undefined, schema: found.schema, table: found.table });
  const columns = rows.filter((row) => row[2] === found.table && sameSchema(row[1], found.schema));
  return {
    sql: found.schema === undefined ? words.quote(found.table) : `${words.quote(found.schema)}.${words.quote(found.table)}`,
    name: found.table,
    ...(found.schema === undefined ? {} : { schema: found.schema }),
    view: found.view,
    columns: columns.map((row) => {
      const type = Number(row[4]);
      const kind = kindOf(type);
      const size = countOrNone(row[6]);
      return {
        name: String(row[3]),
        type: String(row[5]),
        kind,
        nullable: row[10] !== '0',
        ...(words.sizes && kind === 'decimal' && (type === 2 || type === 3) && size ? { precision: size, scale: Number(row[8] ?? 0) } : {}),
        ...(words.sizes && SIZED_TEXT.has(type) && size ? { length: size } : {}),
      };
    }),
  };
}

/** CHAR, VARCHAR, and their wide kinds. */
const SIZED_TEXT = new Set([1, 12, -8, -9]);

/** As written, in capitals, in small letters: databases keep names in one of these. Then among all that there are. */
async function candidate(
  session: Session,
  relation: string,
  schema: string | undefined,
): Promise<{ readonly schema: string | undefined; readonly table: string; readonly view: boolean } | Missing> {
  const ask = async (table: string | undefined) => {
    const { rows } = await driver(session).catalogue({ of: 'tables', schema: undefined, table, most: MOST });
    return rows.map((row) => ({ schema: textOrNone(row[1]), table: String(row[2]), view: /VIEW/i.test(String(row[3])), system: /SYSTEM/i.test(String(row[3])) }));
  };
  let all: Awaited<ReturnType<typeof ask>> = [];
  for (const spelling of new Set([relation, relation.toUpperCase(), relation.toLowerCase(), undefined])) {
    all = await ask(spelling);
    const fitting = all.filter((each) => each.table.toLowerCase() === relation.toLowerCase() && (schema === undefined || each.schema?.toLowerCase() === schema.toLowerCase()));
    const exact = fitting.filter((each) => each.table === relation);
    const found = exact.length === 1 ? exact[0] : fitting.length === 1 ? fitting[0] : undefined;
    if (found) return found;
  }
  return { candidates: all.filter((each) => !each.system).map((each) => named(each.schema, each.table)) };
}

async function facts(session: Session, table: Table): Promise<Facts> {
  const place = { catalogue: undefined, schema: table.schema, table: table.name };
  const here = (row: Result['rows'][number], at: number) => row[at] === table.name && sameSchema(row[at - 1] ?? null, table.schema);
  const keys = (await told(session, { of: 'primaryKeys', ...place })).filter((row) => here(row, 2)).toSorted((a, b) => Number(a[4]) - Number(b[4]));
  const key = keys.map((row) => String(row[3]));
  const statistics = (await told(session, { of: 'statistics', ...place })).filter((row) => here(row, 2));
  const { indexes } = indexesOf(
    statistics
      .filter((row) => row[6] !== '0' && row[5] !== null && row[8] !== null && (row[12] ?? null) === null)
      .map((row) => ({ index: String(row[5]), column: String(row[8]), unique: row[3] === '0', primary: false })),
  );
  const columns = (await told(session, { of: 'columns', ...place })).filter((row) => here(row, 2));
  const counted = statistics.find((row) => row[6] === '0');
  const refer = async (of: 'parents' | 'children', own: number, other: number) =>
    referencesOf(
      (await told(session, { of, ...place }))
        .filter((row) => here(row, own - 1))
        .map((row) => ({ constraint: String(row[11] ?? row[other - 1]), table: named(row[other - 2], row[other - 1]), own: String(row[own]), other: String(row[other]) })),
    );
  return {
    key,
    indexes: indexes.filter((index) => !(index.unique && index.fields.join() === key.join())),
    rows: table.view || counted === undefined ? undefined : countOrNone(counted[10] ?? undefined),
    parents: await refer('parents', 7, 3),
    children: await refer('children', 3, 7),
    columns: new Map(
      columns.map((row) => [
        String(row[3]),
        {
          nativeType: String(row[5]),
          comment: textOrNone(row[11]),
          default: row[12] === 'NULL' ? undefined : textOrNone(row[12]),
          generated: /serial|identity|counter|autoincrement/i.test(String(row[5])),
        },
      ]),
    ),
  };
}

/** Not every driver has every catalogue function: what it does not tell is left out. */
async function told(session: Session, call: CatalogueCall): Promise<Result['rows']> {
  try {
    return (await driver(session).catalogue(call)).rows;
  } catch (error) {
    if (error instanceof OdbcError && /^(IM001|HYC00|HY000|HY0|S1)/.test(error.state)) return [];
    throw error;
  }
}

function driver(session: Session): OdbcSession {
  if (session instanceof OdbcSession) return session;
  throw new TypeError('not a session of ODBC');
}

function named(schema: unknown, table: unknown): string {
  const owner = textOrNone(schema);
  return owner === undefined ? String(table) : `${owner}.${String(table)}`;
}

function sameSchema(cell: unknown, schema: string | undefined): boolean {
  return schema === undefined || cell === null || cell === '' || cell === schema;
}
