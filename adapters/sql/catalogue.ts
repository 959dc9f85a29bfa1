import { nearest } from '../../bus/finding.js';
import { Misconfigured } from '../contract/index.js';
import type { Column, Dialect, Parameter, Procedure, Session, Table } from './dialects/dialect.js';

/** @throws Misconfigured with the names that are there */
export async function findTable(dialect: Dialect, session: Session, name: string): Promise<Table> {
  const found = await dialect.table(session, name);
  if (!('candidates' in found)) return found;
  throw new Misconfigured('E422', `there is no table ${name}${suggestion(name, found.candidates)}`);
}

/** The column in the database's own spelling. @throws Misconfigured with the names that are there */
export function findColumn(table: Table, name: string): Column {
  const exact = table.columns.find((column) => column.name === name);
  if (exact) return exact;
  const alike = table.columns.filter((column) => column.name.toLowerCase() === name.toLowerCase());
  if (alike.length === 1 && alike[0]) return alike[0];
  const names = table.columns.map((column) => column.name);
  throw new Misconfigured('E422', `${table.name} has no column ${name}${suggestion(name, names)}`);
}

/** @throws Misconfigured with the names that are there */
export async function findProcedure(procedures: NonNullable<Dialect['procedures']>, session: Session, name: string): Promise<Procedure> {
  const found = await procedures.find(session, name);
  if (!('candidates' in found)) return found;
  throw new Misconfigured('E422', `there is no procedure ${name}${suggestion(name, found.candidates)}`);
}

/** A parameter that takes a value, in any case if that is unambiguous; a leading @ is left out. @throws Misconfigured with the names that are there */
export function findParameter({ name: procedure, parameters }: Procedure, name: string): Parameter {
  const given = parameters.filter(({ direction }) => direction !== 'out');
  const plain = (text: string) => text.replace(/^@/, '');
  const exact = given.find((parameter) => plain(parameter.name) === name);
  if (exact) return exact;
  const alike = given.filter((parameter) => plain(parameter.name).toLowerCase() === name.toLowerCase());
  if (alike.length === 1 && alike[0]) return alike[0];
  const names = given.map((parameter) => plain(parameter.name));
  throw new Misconfigured('E422', `${procedure} has no parameter ${name}${suggestion(name, names)}`);
}

function suggestion(name: string, known: readonly string[]): string {
  // The database may fold names to lower case; that is not a misspelling.
  const folded = new Map(known.map((each) => [each.toLowerCase(), each]));
  const near = folded.get(nearest(name.toLowerCase(), folded.keys()) ?? '');
  const list = known.length === 0 ? 'none this account may see' : `${known.slice(0, 12).join(' ')}${known.length > 12 ? ` and ${known.length - 12} more` : ''}`;
  return `${near === undefined ? '' : `; did you mean ${near}?`} (there: ${list})`;
}
