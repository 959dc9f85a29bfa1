import { Misconfigured, newRecord, type Value } from '../../contract/index.js';
import type { Column, Dialect, Session, Table } from '../dialects/dialect.js';
import type { Row } from '../rows.js';
import { Binds } from '../statement.js';

/** Exactly these rows, never a range: what came in between was not read. */
export function keysIn(dialect: Dialect, columns: readonly Column[], keys: readonly (readonly Value[])[], binds: Binds): string {
  const [first] = columns;
  if (first && columns.length === 1) return `${dialect.quote(first.name)} IN (${keys.map(([value]) => binds.compared(value ?? null, first)).join(', ')})`;
  const each = (values: readonly Value[]) => columns.map((column, at) => `${dialect.quote(column.name)} = ${binds.compared(values[at] ?? null, column)}`).join(' AND ');
  return `(${keys.map((values) => `(${each(values)})`).join(' OR ')})`;
}

/**
 * Changes exactly these rows, in portions the database takes. `statement` writes its binds in the order they stand in the text; `where` is the
 * condition of the keys, to be asked for when it stands there.
 * @returns how many rows changed
 */
export async function changeKeys(
  dialect: Dialect,
  session: Session,
  columns: readonly Column[],
  keys: readonly (readonly Value[])[],
  statement: (binds: Binds, where: () => string) => string,
): Promise<number> {
  // 8 are left for what else the statement binds.
  const most = Math.max(1, Math.min(500, Math.floor((dialect.capabilities.binds - 8) / columns.length)));
  let changed = 0;
  for (let from = 0; from < keys.length; from += most) {
    const portion = keys.slice(from, from + most);
    const binds = new Binds(dialect);
    const sql = statement(binds, () => keysIn(dialect, columns, portion, binds));
    changed += (await session.query(sql, binds.values)).changed;
  }
  return changed;
}

/** @throws Misconfigured when a row has no key: it could not be found again */
export function keysOf(table: Table, columns: readonly Column[], rows: readonly Row[]): readonly (readonly Value[])[] {
  return rows.map((row) =>
    columns.map((column) => {
      const value = row.native.get(column.name) ?? null;
      if (value === null) throw new Misconfigured('E426', `${table.name}: a row has NULL in its key (${columns.map(({ name }) => name).join(', ')})`);
      return value;
    }),
  );
}

/** The row without fields that only the way of reading uses. */
export function without(row: Row, fields: ReadonlySet<string>): Row {
  return { ...row, value: Object.assign(newRecord(), Object.fromEntries(Object.entries(row.value).filter(([name]) => !fields.has(name)))) };
}
