// What a database knows of its tables, for somebody who starts a configuration: never on the way of a message.
import type { CursorCandidate, Described, DescribedField, Listed, ValueRecord } from '../contract/index.js';
import { findTable } from './catalogue.js';
import type { Column, Dialect, Table } from './dialects/dialect.js';
import type { Facts } from './dialects/facts.js';
import type { Link } from './reading/source.js';
import { readRow, selectList, shapeOf } from './rows.js';
import type { Kind } from './values.js';

export async function listTables({ dialect, database }: Link, signal: AbortSignal): Promise<readonly Listed[]> {
  return database.read((session) => dialect.catalogue.list(session), signal);
}

/** @throws Misconfigured with the names that are there */
export async function describeTable({ dialect, database }: Link, name: string, signal: AbortSignal): Promise<Described> {
  return database.read(async (session) => {
    const table = await findTable(dialect, session, name);
    return described(dialect, name, table, await dialect.catalogue.facts(session, table));
  }, signal);
}

/** What cannot be read of a row is text here: a sample is for looking at. */
export async function sampleTable({ dialect, database }: Link, name: string, count: number, signal: AbortSignal): Promise<readonly ValueRecord[]> {
  return database.read(async (session) => {
    const table = await findTable(dialect, session, name);
    const shape = shapeOf(table, undefined, []);
    const { rows } = await session.query(dialect.page({ columns: selectList(dialect, shape), from: table.sql, limit: count }));
    return rows.map((cells) => readRow(shape, cells).value);
  }, signal);
}

function described(dialect: Dialect, asked: string, table: Table, facts: Facts): Described {
  const fields = table.columns.map((column) => field(column, facts));
  const { watermark } = dialect.capabilities;
  const safe = dialect.watermark && !table.view && (dialect.watermark.everyTable || table.columns.some((column) => dialect.watermark?.fits(column)));
  return {
    name: asked.includes('.') && table.schema !== undefined ? `${table.schema}.${table.name}` : table.name,
    kind: table.view ? 'view' : 'table',
    ...(facts.comment === undefined ? {} : { comment: facts.comment }),
    fields,
    key: facts.key,
    indexes: facts.indexes,
    ...(facts.rows === undefined ? {} : { rows: facts.rows }),
    parents: facts.parents,
    children: facts.children,
    ...(facts.triggers === undefined ? {} : { triggers: facts.triggers }),
    cursors: cursors(dialect, table, facts, fields),
    ...(watermark && safe ? { watermark } : {}),
  };
}

function field(column: Column, facts: Facts): DescribedField {
  const { nativeType, type, default: value, comment, generated } = facts.columns.get(column.name) ?? {};
  return {
    name: column.name,
    nativeType: nativeType ?? column.type,
    type: type ?? TYPES[column.kind],
    nullable: column.nullable,
    ...(column.length === undefined ? {} : { length: column.length }),
    ...(column.precision === undefined ? {} : { precision: column.precision }),
    ...(column.scale === undefined ? {} : { scale: column.scale }),
    ...(value === undefined ? {} : { default: value }),
    ...(comment === undefined ? {} : { comment }),
    ...(generated ? { generated } : {}),
  };
}

function cursors(dialect: Dialect, table: Table, facts: Facts, fields: readonly DescribedField[]): readonly CursorCandidate[] {
  const [first, ...more] = facts.key;
  const indexed = (name: string) => first === name || facts.indexes.some((index) => index.fields[0] === name);
  const found: (CursorCandidate & { readonly rank: number })[] = [];
  table.columns.forEach((column, at) => {
    const { name } = column;
    const own = fields[at];
    const facts_ = facts.columns.get(name);
    const add = (by: CursorCandidate['by'], rank: number) => found.push({ field: name, by, indexed: indexed(name), rank: indexed(name) ? rank : rank + 1 });
    if (dialect.watermark?.fits(column)) add('version', 0);
    else if (own?.type === 'timestamp') add('time', facts_?.renewed ? 2 : 4);
    else if ((own?.type === 'integer' || own?.type === 'decimal') && (facts_?.generated || (first === name && more.length === 0))) add('number', 6);
  });
  return found.toSorted((a, b) => a.rank - b.rank).map(({ rank: _, ...candidate }) => candidate);
}

const TYPES: Readonly<Record<Kind, DescribedField['type']>> = {
  text: 'text',
  integer: 'integer',
  decimal: 'decimal',
  boolean: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  instant: 'timestamp',
  bytes: 'bytes',
  json: 'any',
  any: 'any',
};
