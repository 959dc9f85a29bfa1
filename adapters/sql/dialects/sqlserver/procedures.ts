import type { Dialect, Missing, Parameter, Procedure, Session } from '../dialect.js';
import { columnOf, quoted } from './catalogue.js';

const CANDIDATES = `SELECT s.name, o.name, CASE WHEN s.name = SCHEMA_NAME() THEN 2 WHEN s.name = N'dbo' THEN 1 ELSE 0 END FROM sys.procedures o JOIN sys.schemas s ON s.schema_id = o.schema_id`;

const PARAMETERS = `SELECT p.name, COALESCE(TYPE_NAME(p.system_type_id), TYPE_NAME(p.user_type_id)), CAST(1 AS bit), p.max_length, p.precision, p.scale, p.is_output
  FROM sys.parameters p WHERE p.object_id = OBJECT_ID(@p1) AND p.parameter_id > 0 ORDER BY p.parameter_id`;

/** By name: what is not given takes its default, and the server says so when it has none. */
export const procedures: NonNullable<Dialect['procedures']> = {
  find,
  call: ({ sql }, given) => `EXEC ${sql} ${given.map((parameter, at) => `@${parameter.name} = @p${at + 1}`).join(', ')}`.trimEnd(),
};

async function find(session: Session, name: string): Promise<Procedure | Missing> {
  const [plain = name, schema] = name.split('.').reverse();
  const { rows } = await session.query(CANDIDATES);
  const fitting = rows.filter(
    (row) => String(row[1]).toLowerCase() === plain.toLowerCase() && (schema === undefined ? Number(row[2]) > 0 : String(row[0]).toLowerCase() === schema.toLowerCase()),
  );
  const found = fitting.toSorted((a, b) => Number(b[2]) - Number(a[2]))[0];
  if (!found) return { candidates: rows.map((row) => (Number(row[2]) > 0 ? String(row[1]) : `${String(row[0])}.${String(row[1])}`)) };
  const sql = `${quoted(String(found[0]))}.${quoted(String(found[1]))}`;
  const parameters = await session.query(PARAMETERS, [sql]);
  return {
    sql,
    name: String(found[1]),
    isFunction: false,
    parameters: parameters.rows.map((row): Parameter => {
      const column = columnOf(row);
      // The catalogue does not tell which ones have a default.
      return { ...column, name: column.name.replace(/^@/, ''), direction: row[6] === true ? 'out' : 'in', optional: true };
    }),
  };
}
