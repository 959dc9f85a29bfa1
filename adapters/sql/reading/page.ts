// What every strategy that reads rows of a table shares: what the catalogue says about it, and one page of rows with their children.
import { Misconfigured, type Value } from '../../contract/index.js';
import { findColumn, findTable } from '../catalogue.js';
import type { Column, Dialect, Session, Table } from '../dialects/dialect.js';
import { type Included, includeRows, keyText, planIncludes, type Row, readRow, type Selected, type Shape, selectList, shapeOf } from '../rows.js';
import { Binds } from '../statement.js';
import { textOf } from '../values.js';
import type { TableRead } from './strategy.js';

/** Wide rows make smaller pages. */
export const PAGE_BYTES = 32 * 1024 ** 2;

export interface TablePlan {
  readonly table: Table;
  readonly shape: Shape;
  readonly key: readonly Selected[];
  readonly keyColumns: readonly Column[];
  readonly includes: readonly Included[];
}

export interface Page {
  readonly rows: readonly Row[];
  readonly versions: readonly string[];
  /** Where the next page starts; undefined after the last. */
  readonly next: readonly Value[] | undefined;
  readonly last: readonly Value[] | undefined;
}

export interface PageQuery {
  readonly where: readonly string[];
  readonly binds: Binds;
  /** Total order of the pages. */
  readonly order: readonly Column[];
  readonly limit: number;
  /** Expression that names the version of a row; without one it is the value of the first column of the order. */
  readonly version?: string;
}

/** `needed`: columns the strategy reads besides those of the configuration. @throws Misconfigured with the names that are there */
export async function planTable(dialect: Dialect, session: Session, read: TableRead, needed: readonly string[] = []): Promise<TablePlan> {
  const table = await findTable(dialect, session, read.table);
  const parents = Object.values(read.include).flatMap((child) => child.parent ?? child.by);
  const shape = shapeOf(table, read.columns, [...read.key, ...parents, ...needed]);
  const keyColumns = read.key.map((name) => findColumn(table, name));
  const key = keyColumns.map((each) => shape.selected.find(({ column: { name } }) => name === each.name) ?? { column: each, field: each.name, declared: undefined });
  const includes = await planIncludes(dialect, session, read, table);
  return { table, shape, key, keyColumns, includes };
}

export async function readPage(dialect: Dialect, session: Session, plan: TablePlan, { where, binds, order, limit, version }: PageQuery): Promise<Page> {
  const by = order.map((column) => dialect.quote(column.name)).join(', ');
  const list = version === undefined ? selectList(dialect, plan.shape) : `${selectList(dialect, plan.shape)}, ${version}`;
  // One row more tells whether there is another page.
  const sql = dialect.page({ columns: list, from: plan.table.sql, where, order: by, limit: limit + 1 });
  const { rows: cells, cut = false } = await session.query(sql, binds.values, { bytes: PAGE_BYTES });
  const taken = cells.slice(0, limit);
  let rows: readonly Row[] = taken.map((row) => readRow(plan.shape, row));
  const places = rows.map((row) => order.map((column) => row.native.get(column.name) ?? null));
  checkKeys(plan.table, order, places);
  for (const include of plan.includes) rows = await includeRows(dialect, session, include, rows);
  const lead = order[0]?.name ?? '';
  const versions = rows.map((row, at) => (version === undefined ? textOf(row.native.get(lead) ?? null) : `x${String(taken[at]?.at(-1))}`));
  const last = places.at(-1);
  return { rows, versions, last, next: cut || cells.length > limit ? last : undefined };
}

/** Where rows stand: the values of these columns, of rows whose first is not NULL. */
export async function readPlaces(
  dialect: Dialect,
  session: Session,
  table: Table,
  columns: readonly Column[],
  { where, binds, order, limit }: Pick<PageQuery, 'where' | 'binds' | 'limit'> & { readonly order: string },
): Promise<readonly (readonly Value[])[]> {
  const [lead] = columns;
  const selected = columns.map((column) => ({ column, field: column.name, declared: undefined }));
  const known = lead ? [`${dialect.quote(lead.name)} IS NOT NULL`] : [];
  const list = columns.map((column) => dialect.select(column)).join(', ');
  const { rows } = await session.query(dialect.page({ columns: list, from: table.sql, where: [...known, ...where], order, limit }), binds.values);
  return rows.map((cells) => {
    const { native } = readRow({ table, selected }, cells);
    return columns.map(({ name }) => native.get(name) ?? null);
  });
}

/** Of the row that is the last in the order of these columns. */
export async function lastPlace(dialect: Dialect, session: Session, table: Table, columns: readonly Column[]): Promise<readonly Value[] | undefined> {
  const order = columns.map(({ name }) => `${dialect.quote(name)} DESC`).join(', ');
  const [last] = await readPlaces(dialect, session, table, columns, { where: [], binds: new Binds(dialect), order, limit: 1 });
  return last;
}

/** Pages need a total order: two rows with one key could be torn apart at a border and one be lost. */
export function checkKeys(table: Table, order: readonly Column[], places: readonly (readonly Value[])[]): void {
  const seen = new Set<string>();
  const names = order.map((column) => column.name).join(', ');
  for (const place of places) {
    const text = keyText(place);
    if (place.includes(null)) throw new Misconfigured('E426', `${table.name}: a row has NULL in its key (${names})`);
    if (seen.has(text)) throw new Misconfigured('E426', `${table.name}: several rows have the same ${names} (${text.slice(0, 80)}): the key is not unique`);
    seen.add(text);
  }
}
