// Many rows in one statement: each column is an array.
import type { Value } from './server.js';

export interface Rows<Column extends string> {
  /** The columns' names, for an INSERT. */
  readonly names: string;
  /** `unnest($1::text[], $2::bigint[]) AS v (id, at)`: in the order of the rows. */
  readonly source: string;
  values(rows: readonly Readonly<Record<Column, Value>>[]): readonly Value[];
}

/** @param columns SQL type by name */
export function rows<Column extends string>(columns: Readonly<Record<Column, string>>): Rows<Column> {
  const names = Object.keys(columns) as Column[];
  const arrays = names.map((name, index) => `$${index + 1}::${columns[name]}[]`);
  return {
    names: names.join(', '),
    source: `unnest(${arrays.join(', ')}) AS v (${names.join(', ')})`,
    values: (all) => names.map((name) => all.map((row) => row[name])),
  };
}

/** PostgreSQL's text cannot hold U+0000: its picture stands for it. Halves of a character become U+FFFD on the way, as everywhere in UTF-8. */
export function storable(text: string): string {
  return text.includes('\0') || !text.isWellFormed() ? text.replaceAll('\0', '␀').toWellFormed() : text;
}

/** The last one of each key, sorted by key: a statement may change a row once, and all nodes take their locks in one order. */
export function lastOfEach<T>(all: readonly T[], key: (one: T) => string): readonly T[] {
  const last = new Map(all.map((one) => [key(one), one]));
  return [...last].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

/** Parts of `all` of at most `most` in sum, in order. One that weighs more is a part of its own. */
export function portions<T>(all: readonly T[], most: number, weight: (one: T) => number): readonly (readonly T[])[] {
  const parts: T[][] = [];
  let part: T[] | undefined;
  let sum = 0;
  for (const one of all) {
    const own = weight(one);
    if (part === undefined || sum + own > most) {
      part = [];
      parts.push(part);
      sum = 0;
    }
    part.push(one);
    sum += own;
  }
  return parts;
}

/** Without the properties that have no value. */
export function given<T extends object>(properties: T): { readonly [K in keyof T]?: Exclude<T[K], null | undefined> } {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== null && value !== undefined)) as {
    readonly [K in keyof T]?: Exclude<T[K], null | undefined>;
  };
}
