import { InvalidMessage, Misconfigured, newRecord, type SourceRecord, type Value, writeJson } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import type { Column, Table } from '../dialects/dialect.js';
import { convert, KINDS } from '../dialects/postgres/cells.js';
import { zonedColumn } from '../dialects/zoned.js';
import { readRow, type Shape, shapeOf } from '../rows.js';
import { textOf } from '../values.js';
import type { CdcOptions } from './cdc-options.js';
import type { Relation } from './replication.js';

export interface RowChange {
  readonly operation: 'insert' | 'update' | 'delete' | 'truncate';
  readonly relation: Relation;
  /** The server's text by column; undefined is a value that did not change and that the server did not send. */
  readonly row: Tuple;
  readonly before?: Tuple | undefined;
}

type Tuple = Readonly<Record<string, string | null | undefined>>;

/** The record of one change: the row's fields beside those that say what happened. What the server does not tell is absent, never null. */
export function changeRecord(
  connect: Connect,

  read: Read,
  options: CdcOptions,
  { operation, relation, row, before }: RowChange,
  at: { readonly commit: string; readonly time: string; readonly count: number },
): SourceRecord {
  const name = `${relation.schema}.${relation.name}`;
  const added: Record<string, Value> = { [options.operation]: operation, ...(read.table === undefined ? { [options.table_field]: name } : {}) };
  const shape = shapeOf(tableOf(relation, connect), read.columns, read.key ?? []);
  const after = readTuple(shape, row);
  if (before) added[options.before] = readTuple(shape, before).value;
  const taken = shape.selected.find(({ field }) => field in added);
  if (taken) throw new Misconfigured('E426', `${name} has a column ${taken.field} itself: give the field of the record another name`);
  // With REPLICA IDENTITY FULL every column counts as key.
  const keys = read.key ?? (relation.replicaIdentity === 'full' ? [] : relation.keyColumns);
  const values = keys.flatMap((key) => {
    const value = after.native.get(shape.selected.find(({ column, field }) => column.name === key || field === key)?.column.name ?? key);
    return value === undefined || value === null ? [] : [value];
  });
  const value = Object.assign(newRecord(), after.value, added);
  const size = Object.values(row).reduce<number>((sum, cell) => sum + (cell?.length ?? 0), 64);
  const place = `${relation.name} ${at.commit}`;
  return {
    id: `lsn=${at.commit};n=${at.count}`,
    value,
    time: at.time,
    position: place,
    size,
    ...(values.length === keys.length && keys.length > 0 ? { key: values.map(textOf).join('/') } : {}),
    ...(after.problem === undefined ? {} : { failure: new InvalidMessage('E330', after.problem, { place }), raw: new TextEncoder().encode(writeJson(value)) }),
  };
}

function readTuple(shape: Shape, tuple: Tuple) {
  const selected = shape.selected.filter(({ column }) => tuple[column.name] !== undefined);
  return readRow(
    { ...shape, selected },
    selected.map(({ column }) => convert(tuple[column.name] ?? null, column.kind)),
  );
}

function tableOf({ name, columns }: Relation, connect: Connect): Table {
  const known = columns.map((column): Column => zonedColumn({ name: column.name, type: '', kind: KINDS[column.typeOid] ?? 'text', nullable: true }, connect));
  return { sql: '', name, view: false, columns: known };
}
