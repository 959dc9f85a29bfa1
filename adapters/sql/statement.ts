import { InvalidMessage, type Value, type ValueRecord } from '../contract/index.js';
import type { Bind, Column, Dialect } from './dialects/dialect.js';

/** Collects binds in the order of their places, so that every dialect can number them its way. */
export class Binds {
  readonly values: Bind[] = [];

  constructor(private readonly dialect: Dialect) {}

  /** Adds a value to compare `column` with; gives its place. */
  compared(value: Value, column: Column): string {
    this.values.push(this.dialect.bind(value, column));
    return this.dialect.place(this.values.length, column);
  }

  /** Adds a value that is written to `column`; gives its place. */
  written(value: Value, column: Column): string {
    this.values.push(this.dialect.bind(value, column));
    return this.dialect.place(this.values.length);
  }

  /** Adds a parameter nobody told the type of. */
  free(value: Value): string {
    this.values.push(this.dialect.bindFree(value));
    return this.dialect.place(this.values.length);
  }
}

/** Rows after `values` in the total order of `columns`. */
export function after(dialect: Dialect, columns: readonly Column[], values: readonly Value[], binds: Binds): string {
  const names = columns.map((column) => dialect.quote(column.name));
  const place = (at: number) => {
    const column = columns[at];
    if (!column) throw new RangeError('a position has as many values as the order has columns');
    return binds.compared(values[at] ?? null, column);
  };
  if (columns.length === 1) return `${names[0]} > ${place(0)}`;
  if (dialect.capabilities.rowValues) return `(${names.join(', ')}) > (${columns.map((_, at) => place(at)).join(', ')})`;
  // The first comparison alone lets the database use an index.
  const cases = columns.map((_, at) => [...columns.slice(0, at).map((__, before) => `${names[before]} = ${place(before)}`), `${names[at]} > ${place(at)}`].join(' AND '));
  return `(${cases.map((each) => `(${each})`).join(' OR ')}) AND ${names[0]} >= ${place(0)}`;
}

/** Rows up to and with `values` in the total order of `columns`. */
export function upTo(dialect: Dialect, columns: readonly Column[], values: readonly Value[], binds: Binds): string {
  const names = columns.map((column) => dialect.quote(column.name));
  const place = (column: Column, at: number) => binds.compared(values[at] ?? null, column);
  if (columns.length > 1 && dialect.capabilities.rowValues) return `(${names.join(', ')}) <= (${columns.map(place).join(', ')})`;
  const cases = columns.map((column, at) => {
    const equal = columns.slice(0, at).map((before, index) => `${names[index]} = ${place(before, index)}`);
    return [...equal, `${names[at]} ${at === columns.length - 1 ? '<=' : '<'} ${place(column, at)}`].join(' AND ');
  });
  const [first] = columns;
  if (cases.length === 1 || !first) return cases.join('');
  return `(${cases.map((each) => `(${each})`).join(' OR ')}) AND ${names[0]} <= ${place(first, 0)}`;
}

export interface NamedStatement {
  readonly parameters: ReadonlySet<string>;
  /** Text pieces around the parameters. */
  readonly parts: readonly (string | { readonly name: string })[];
}

// Quoted text and names, comments and casts are passed over; what is left of `:name` is a parameter.
const TOKEN = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|--[^\n]*|\/\*[\s\S]*?\*\/|::|:([A-Za-z_][A-Za-z0-9_]*)|;/g;

/** @returns the problem as text when the statement is not one SELECT */
export function parseStatement(sql: string): NamedStatement | string {
  const text = sql.trim().replace(/;\s*$/, '');
  if (!/^(select|with|values|table)\b/i.test(text)) return 'expected a SELECT: a call changes nothing';
  if (/\$\{|\{\{/.test(text)) return 'values are given as parameters such as :sku, never put into the text';
  const parts: (string | { readonly name: string })[] = [];
  const parameters = new Set<string>();
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match[0] === ';') return 'expected one statement';
    const name = match[1];
    if (name === undefined) continue;
    parts.push(text.slice(from, match.index), { name });
    parameters.add(name);
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return { parameters, parts };
}

/** @throws InvalidMessage when a parameter is missing or too many */
export function bindNamed(statement: NamedStatement, given: ValueRecord, dialect: Dialect): { readonly sql: string; readonly binds: readonly Bind[] } {
  const unknown = Object.keys(given).filter((name) => !statement.parameters.has(name));
  const known = [...statement.parameters].map((name) => `:${name}`).join(' ') || 'none';
  if (unknown.length > 0) throw new InvalidMessage('E335', `the statement has no parameter :${unknown.join(' :')} (it has: ${known})`);
  const binds = new Binds(dialect);
  const sql = statement.parts.map((part) => {
    if (typeof part === 'string') return part;
    const value = given[part.name];
    if (value === undefined) throw new InvalidMessage('E335', `no value for the parameter :${part.name}`);
    return binds.free(value);
  });
  return { sql: sql.join(''), binds: binds.values };
}
