// What a catalogue knows of a table beyond its columns, and what the dialects share in collecting it.
import type { DescribedField, DescribedIndex, Listed, Reference } from '../../contract/index.js';
import type { Session, Table } from './dialect.js';

/** How a database lists its tables and what it tells of one. Only for people who start a configuration: never on the way of a message. */
export interface Catalogue {
  list(session: Session): Promise<readonly Listed[]>;
  facts(session: Session, table: Table): Promise<Facts>;
}

export interface Facts {
  readonly comment?: string | undefined;
  readonly key: readonly string[];
  /** Without the key's own. */
  readonly indexes: readonly DescribedIndex[];
  readonly rows?: number | undefined;
  readonly parents: readonly Reference[];
  readonly children: readonly Reference[];
  readonly triggers?: boolean | undefined;
  /** By column name. */
  readonly columns: ReadonlyMap<string, ColumnFacts>;
}

export interface ColumnFacts {
  readonly nativeType?: string | undefined;
  /** Where the column's kind says less. */
  readonly type?: DescribedField['type'] | undefined;
  readonly default?: string | undefined;
  readonly comment?: string | undefined;
  readonly generated?: boolean | undefined;
  /** The database itself sets it anew with every change of the row. */
  readonly renewed?: boolean | undefined;
}

export interface IndexPart {
  readonly index: string;
  readonly column: string;
  readonly unique: boolean;
  readonly primary: boolean;
}

/** From one row per column, in the order of index and place. */
export function indexesOf(parts: readonly IndexPart[]): Pick<Facts, 'key' | 'indexes'> {
  const primary = parts.filter((part) => part.primary).map((part) => part.column);
  const others = Map.groupBy(
    parts.filter((part) => !part.primary),
    (part) => part.index,
  );
  const indexes = [...others].map(([name, list]) => ({ name, fields: list.map((part) => part.column), unique: list[0]?.unique === true }));
  return { key: primary, indexes };
}

export interface ReferencePart {
  readonly constraint: string;
  /** The other table. */
  readonly table: string;
  readonly own: string;
  readonly other: string;
}

/** From one row per pair of columns, in the order of constraint and place. */
export function referencesOf(parts: readonly ReferencePart[]): readonly Reference[] {
  return [...Map.groupBy(parts, (part) => `${part.table} ${part.constraint}`).values()].map((list) => ({
    table: list[0]?.table ?? '',
    fields: list.map((part) => part.own),
    theirs: list.map((part) => part.other),
  }));
}

export function textOrNone(cell: unknown): string | undefined {
  return typeof cell === 'string' && cell !== '' ? cell : undefined;
}

/** A number of the statistics; less than nothing means never counted. */
export function countOrNone(cell: unknown): number | undefined {
  const count = Number(cell ?? -1);
  return Number.isFinite(count) && count >= 0 ? Math.round(count) : undefined;
}
