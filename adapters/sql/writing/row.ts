// One row of a table: its columns from the fields of a payload, and the statements that write it.
import { InvalidMessage, Misconfigured, type Value, type ValueRecord } from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Bind, Column, Dialect, Session, Table } from '../dialects/dialect.js';
import { Binds } from '../statement.js';
import { textOf } from '../values.js';

export interface Statement {
  readonly sql: string;
  readonly binds: readonly Bind[];
}

export type RowValues = ReadonlyMap<Column, Value>;

/** @throws Misconfigured for a field that is no column, InvalidMessage for two that are one */
export function rowValues(table: Table, fields: ValueRecord, isList: (field: string) => boolean): Map<Column, Value> {
  const values = new Map<Column, Value>();
  for (const [field, value] of Object.entries(fields)) {
    if (isList(field)) continue;
    const column = findColumn(table, field);
    if (values.has(column)) throw new InvalidMessage('E332', `two fields are for the column ${column.name}`);
    values.set(column, value);
  }
  return values;
}

/** @throws InvalidMessage when one of them has no value */
export function needValues(values: RowValues, columns: readonly Column[]): void {
  for (const column of columns) if ((values.get(column) ?? null) === null) throw new InvalidMessage('E332', `${column.name}: no value, and it is the key or version of the row`);
}

/** For people: `ORD_NO=4711`. */
export function rowName(values: RowValues, key: readonly Column[], names: readonly string[]): string {
  return key.map((column, at) => `${names[at] ?? column.name}=${textOf(values.get(column) ?? null)}`).join(' ');
}

export function insertRow(dialect: Dialect, table: Table, values: RowValues): Statement {
  const columns = [...values.keys()];
  if (columns.length === 0) throw new InvalidMessage('E332', 'the payload has no field');
  const names = columns.map((column) => dialect.quote(column.name)).join(', ');
  return { sql: `INSERT INTO ${table.sql} (${names}) VALUES (${columns.map((_, at) => dialect.place(at + 1)).join(', ')})`, binds: binds(dialect, values) };
}

export function upsertRow(dialect: Dialect, table: Table, values: RowValues, key: readonly Column[], version?: Column): Statement {
  return { sql: dialect.upsert({ table, columns: [...values.keys()], key, version }), binds: binds(dialect, values) };
}

/** A row without a version is older than any. */
export function updateRow(dialect: Dialect, table: Table, values: RowValues, key: readonly Column[], version: Column | undefined): Statement {
  const places = new Binds(dialect);
  const changed = [...values].filter(([column]) => !key.includes(column));
  if (changed.length === 0) throw new InvalidMessage('E332', 'the payload has no field besides the key: nothing to change');
  const assignments = changed.map(([column, value]) => `${dialect.quote(column.name)} = ${places.written(value, column)}`);
  const where = sameRow(dialect, values, key, places);
  if (version) where.push(guard(dialect, version, '<', values.get(version) ?? null, places));
  return { sql: `UPDATE ${table.sql} SET ${assignments.join(', ')} WHERE ${where.join(' AND ')}`, binds: places.values };
}

/** A row is deleted by its own version too: that is the one which was deleted at the source. */
export function deleteRow(dialect: Dialect, table: Table, values: RowValues, key: readonly Column[], version?: Column): Statement {
  const places = new Binds(dialect);
  const where = sameRow(dialect, values, key, places);
  if (version) where.push(guard(dialect, version, '<=', values.get(version) ?? null, places));
  return { sql: `DELETE FROM ${table.sql} WHERE ${where.join(' AND ')}`, binds: places.values };
}

/** Whether the row is there, with a version that `compared` to the one of the message. */
export async function isThere(
  { dialect, session }: { readonly dialect: Dialect; readonly session: Session },
  table: Table,
  values: RowValues,
  key: readonly Column[],
  compared?: { readonly version: Column; readonly by: '=' | '>' | '>=' },
): Promise<boolean> {
  const places = new Binds(dialect);
  const where = sameRow(dialect, values, key, places);
  if (compared) where.push(`${dialect.quote(compared.version.name)} ${compared.by} ${places.compared(values.get(compared.version) ?? null, compared.version)}`);
  const { rows } = await session.query(dialect.page({ columns: '1 AS one', from: table.sql, where, limit: 1 }), places.values);
  return rows.length > 0;
}

/** A key that names several rows would change them all. @throws Misconfigured */
export function oneRow(table: Table, changed: number, row: string): void {
  if (changed > 1) throw new Misconfigured('E426', `${table.name}: ${row} names ${changed} rows; nothing was changed: the key is not unique`);
}

function sameRow(dialect: Dialect, values: RowValues, key: readonly Column[], places: Binds): string[] {
  return key.map((column) => `${dialect.quote(column.name)} = ${places.compared(values.get(column) ?? null, column)}`);
}

function guard(dialect: Dialect, version: Column, by: '<' | '<=', value: Value, places: Binds): string {
  const name = dialect.quote(version.name);
  return `(${name} IS NULL OR ${name} ${by} ${places.compared(value, version)})`;
}

function binds(dialect: Dialect, values: RowValues): readonly Bind[] {
  return [...values].map(([column, value]) => dialect.bind(value, column));
}
