import { hash } from 'node:crypto';
import { InvalidMessage, Misconfigured, newRecord, type SourceRecord, type Value, writeJson } from '../contract/index.js';
import { findColumn, findTable } from './catalogue.js';
import type { ColumnType, Read } from './config.js';
import type { Column, Dialect, Session, Table } from './dialects/dialect.js';
import { Binds } from './statement.js';
import { fitCell, type Raw, readCell, textOf, Unreadable } from './values.js';

/** A column of the result: where it is, what the record calls it, what the configuration says it is. */
export interface Selected {
  readonly column: Column;
  readonly field: string;
  readonly declared: ColumnType | undefined;
}

/** A row as read: what could be read of it, and why some of it could not. */
export interface Row {
  readonly value: Record<string, Value>;
  /** By the database's column name, before `columns` changed its type: for order and keys. */
  readonly native: Cells;
  readonly problem: string | undefined;
}

export interface Cells {
  get(column: string): Value | undefined;
}

export interface Shape {
  readonly table: Table;
  readonly selected: readonly Selected[];
}

/** Which columns to read: the declared ones and the needed ones, or all; fields are called as the configuration writes them. */
export function shapeOf(table: Table, columns: Read['columns'], needed: readonly string[]): Shape {
  const named = new Map<string, Selected>();
  for (const field of [...Object.keys(columns ?? {}), ...needed]) {
    const column = findColumn(table, field);
    if (!named.has(column.name)) named.set(column.name, { column, field, declared: columns?.[field] });
  }
  const all = columns ? [...named.values()] : table.columns.map((column) => named.get(column.name) ?? { column, field: column.name, declared: undefined });
  return { table, selected: all };
}

export function selectList(dialect: Dialect, shape: Shape): string {
  return shape.selected.map(({ column }) => dialect.select(column)).join(', ');
}

export function readRow(shape: Shape, cells: readonly Raw[]): Row {
  const value = newRecord();
  const natives: Value[] = [];
  let problem: string | undefined;
  for (const [at, { column, field, declared }] of shape.selected.entries()) {
    const cell = readCell(cells[at] ?? null, column.kind);
    const fitted = fitCell(cell, column, declared);
    natives.push(cell instanceof Unreadable ? cell.text : cell);
    if (fitted instanceof Unreadable) {
      const one = `${shape.table.name}.${field}: ${fitted.text === '' ? '' : `${fitted.text.slice(0, 60)} `}${fitted.reason}`;
      problem = problem === undefined ? one : `${problem}; ${one}`;
    }
    value[field] = fitted instanceof Unreadable ? fitted.text : fitted;
  }
  return { value, native: new RowCells(placesOf(shape), natives), problem };
}

/** The cells of one row: the names stand once for all of them. */
class RowCells implements Cells {
  constructor(
    private readonly places: ReadonlyMap<string, number>,
    private readonly cells: readonly Value[],
  ) {}

  get(column: string): Value | undefined {
    const at = this.places.get(column);
    return at === undefined ? undefined : this.cells[at];
  }
}

const places = new WeakMap<readonly Selected[], ReadonlyMap<string, number>>();

function placesOf({ selected }: Shape): ReadonlyMap<string, number> {
  let known = places.get(selected);
  if (!known) {
    known = new Map(selected.map(({ column }, at) => [column.name, at]));
    places.set(selected, known);
  }
  return known;
}

export interface Included {
  readonly field: string;
  readonly shape: Shape;
  readonly by: readonly Column[];
  readonly parent: readonly Column[];
  readonly order: readonly Column[];
}

export async function planIncludes(dialect: Dialect, session: Session, read: Pick<Read, 'include'>, parent: Table): Promise<readonly Included[]> {
  const plans: Included[] = [];
  for (const [field, child] of Object.entries(read.include)) {
    const table = await findTable(dialect, session, child.table);
    const parents = child.parent ?? child.by;
    if (parents.length !== child.by.length) throw new Misconfigured('E426', `include ${field}: by and parent need the same number of columns`);
    const named = (of: Table, columns: readonly string[]) => columns.map((name) => findColumn(of, name));
    plans.push({
      field,
      shape: shapeOf(table, child.columns, [...child.by, ...(child.order ?? [])]),
      by: named(table, child.by),
      parent: named(parent, parents),
      order: named(table, child.order ?? []),
    });
  }
  return plans;
}

/** Adds the child rows of a whole page with one query per child table, in the session of the page. */
export async function includeRows(dialect: Dialect, session: Session, plan: Included, rows: readonly Row[]): Promise<readonly Row[]> {
  if (rows.length === 0) return rows;
  const parents = rows.map((row) => plan.parent.map((column) => row.native.get(column.name) ?? null));
  const children = new Map<string, Row[]>();
  const most = Math.max(1, Math.floor(dialect.capabilities.binds / plan.by.length));
  const asked = [...new Map(parents.map((values) => [keyText(values), values])).values()];
  for (let from = 0; from < asked.length; from += most) {
    const { rows: found } = await session.query(...childQuery(dialect, plan, asked.slice(from, from + most)));
    for (const cells of found) {
      const child = readRow(plan.shape, cells);
      const key = keyText(plan.by.map((column) => child.native.get(column.name) ?? null));
      const list = children.get(key);
      if (list) list.push(child);
      else children.set(key, [child]);
    }
  }
  const left = new Set(children.keys());
  const lists = parents.map((values) => {
    // The database may compare without case or trailing blanks; a list must not get lost over that.
    const exact = keyText(values);
    const same = children.has(exact) ? exact : [...children.keys()].find((key) => loose(key) === loose(exact));
    if (same === undefined) return [];
    left.delete(same);
    return children.get(same) ?? [];
  });
  if (left.size > 0) throw new Misconfigured('E426', `include ${plan.field}: rows of ${plan.shape.table.name} match no row by text; compare the types of the columns`);
  return rows.map((row, at) => {
    const list = lists[at] ?? [];
    if (plan.order.length === 0) list.sort((a, b) => (writeJson(a.value) < writeJson(b.value) ? -1 : 1));
    const problem = row.problem ?? list.find((child) => child.problem !== undefined)?.problem;
    return { ...row, value: Object.assign(newRecord(), row.value, { [plan.field]: list.map((child) => child.value) }), problem };
  });
}

function childQuery(dialect: Dialect, plan: Included, parents: readonly (readonly Value[])[]): [string, Binds['values']] {
  const binds = new Binds(dialect);
  const [first] = plan.by;
  const present = parents.filter((values) => values.every((value) => value !== null));
  let where = '1 = 0';
  if (present.length > 0 && first && plan.by.length === 1) {
    where = `${dialect.quote(first.name)} IN (${present.map(([value]) => binds.compared(value ?? null, first)).join(', ')})`;
  } else if (present.length > 0) {
    const each = (values: readonly Value[]) => plan.by.map((column, at) => `${dialect.quote(column.name)} = ${binds.compared(values[at] ?? null, column)}`).join(' AND ');
    where = present.map((values) => `(${each(values)})`).join(' OR ');
  }
  const order = [...plan.by, ...plan.order].map((column) => dialect.quote(column.name)).join(', ');
  return [`SELECT ${selectList(dialect, plan.shape)} FROM ${plan.shape.table.sql} WHERE ${where} ORDER BY ${order}`, binds.values];
}

/** The record of a row. `version` names its version; without one the content does. */
export function toRecord(row: Row, key: readonly Selected[], version: string, hashed: boolean): SourceRecord {
  const values = key.map(({ column }) => row.native.get(column.name) ?? null);
  const content = hashed ? `~${hash('sha256', writeJson(row.value)).slice(0, 20)}` : '';
  const position = key.map(({ field }, at) => `${field}=${textOf(values[at] ?? null)}`).join(' ');
  return {
    id: `key=${keyText(values)};v=${version}${content}`,
    value: row.value,
    key: values.map(textOf).join('/'),
    position,
    ...(row.problem === undefined ? {} : { failure: new InvalidMessage('E330', row.problem, { place: position }), raw: new TextEncoder().encode(writeJson(row.value)) }),
  };
}

/** One text for a list of values, different for different lists. */
export function keyText(values: readonly Value[]): string {
  return values.map((value) => textOf(value).replace(/[%;,]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)).join(',');
}

function loose(key: string): string {
  return key
    .split(',')
    .map((part) => part.trimEnd().toLowerCase())
    .join(',');
}
