// Lists of a payload as rows of child tables: the twin of `include` on the reading side.
import { Decimal, InvalidMessage, isRecord, Misconfigured, type Value, type ValueRecord } from '../../contract/index.js';
import { findColumn, findTable } from '../catalogue.js';
import type { Column, Dialect, Session, Table } from '../dialects/dialect.js';
import { textOf } from '../values.js';
import type { TableWrite } from './options.js';
import { deleteRow, insertRow, needValues, type RowValues, rowValues, type Statement, upsertRow } from './row.js';

export interface ChildTable {
  readonly field: string;
  readonly table: Table;
  readonly by: readonly Column[];
  /** Columns of the parent, in the order of `by`. */
  readonly parent: readonly Column[];
  readonly mode: 'replace' | 'upsert';
  readonly key: readonly Column[];
}

export async function planChildren(dialect: Dialect, session: Session, config: TableWrite, parent: Table): Promise<readonly ChildTable[]> {
  const plans: ChildTable[] = [];
  for (const [field, child] of Object.entries(config.include)) {
    const table = await findTable(dialect, session, child.table);
    const parents = child.parent ?? child.by;
    if (parents.length !== child.by.length) throw new Misconfigured('E426', `include ${field}: by and parent need the same number of columns`);
    if (child.mode === 'upsert' && child.key === undefined) throw new Misconfigured('E426', `include ${field}: upsert needs the key of a child`);
    for (const name of Object.keys(child.columns ?? {})) findColumn(table, name);
    const named = (of: Table, columns: readonly string[]) => columns.map((name) => findColumn(of, name));
    plans.push({ field, table, mode: child.mode, by: named(table, child.by), parent: named(parent, parents), key: named(table, child.key ?? []) });
  }
  return plans;
}

/** What the list of a payload does to its table; nothing when the payload has no such field. @throws InvalidMessage naming the child */
export function childStatements(dialect: Dialect, plan: ChildTable, payload: ValueRecord, row: RowValues, isNew: boolean): readonly Statement[] {
  const list = payload[plan.field];
  if (list === undefined) return [];
  if (!Array.isArray(list)) throw new InvalidMessage('E334', `${plan.field}: expected a list of records, the rows of ${plan.table.name}`);
  const statements: Statement[] = plan.mode === 'replace' && !isNew ? [removeChildren(dialect, plan, row)] : [];
  list.forEach((child: Value, at) => {
    try {
      statements.push(childStatement(dialect, plan, child, row));
    } catch (error) {
      if (error instanceof InvalidMessage) throw new InvalidMessage(error.code, `${plan.field}[${at}]: ${error.message}`, { cause: error });
      throw error;
    }
  });
  return statements;
}

export function removeChildren(dialect: Dialect, plan: ChildTable, row: RowValues): Statement {
  return deleteRow(dialect, plan.table, parentValues(plan, row), plan.by);
}

function childStatement(dialect: Dialect, plan: ChildTable, child: Value, row: RowValues): Statement {
  if (!isRecord(child)) throw new InvalidMessage('E334', 'expected a record');
  const values = rowValues(plan.table, child, () => false);
  for (const [column, value] of parentValues(plan, row)) {
    const own = values.get(column) ?? null;
    if (own !== null && !isSame(own, value)) throw new InvalidMessage('E332', `${column.name}: ${textOf(own)} is another row's child`);
    values.set(column, value);
  }
  if (plan.mode === 'replace') return insertRow(dialect, plan.table, values);
  needValues(values, plan.key);
  return upsertRow(dialect, plan.table, values, plan.key);
}

function parentValues(plan: ChildTable, row: RowValues): Map<Column, Value> {
  needValues(row, plan.parent);
  return new Map(plan.by.map((column, at) => [column, row.get(plan.parent[at] ?? column) ?? null]));
}

function isSame(a: Value, b: Value): boolean {
  const number = (value: Value) => (typeof value === 'bigint' || value instanceof Decimal ? Decimal.of(value) : undefined);
  const [left, right] = [number(a), number(b)];
  return left && right ? left.equals(right) : textOf(a) === textOf(b);
}
