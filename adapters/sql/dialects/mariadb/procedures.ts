import { Misconfigured } from '../../../contract/index.js';
import type { Dialect, Missing, Parameter, Procedure, Session } from '../dialect.js';
import { columnOf, DESCRIPTION } from './column.js';
import { quoted } from './quoted.js';

/** CALL knows no names of parameters: every one has its place, and what comes out goes to a variable of the session. */
export const procedures: NonNullable<Dialect['procedures']> = {
  find,
  call: ({ sql, parameters }) => `CALL ${sql}(${parameters.map(({ direction }) => (direction === 'in' ? '?' : '@signalbox_out')).join(', ')})`,
};

async function find(session: Session, name: string): Promise<Procedure | Missing> {
  const [plain = name, schema] = name.split('.').reverse();
  const { rows } = await session.query(
    `SELECT routine_schema, routine_name FROM information_schema.routines WHERE routine_type = 'PROCEDURE' AND routine_schema = ${schema === undefined ? 'database()' : '?'}`,
    schema === undefined ? [] : [schema],
  );
  const found = rows.find((row) => String(row[1]).toLowerCase() === plain.toLowerCase());
  if (!found) return { candidates: rows.map((row) => (schema === undefined ? String(row[1]) : `${String(row[0])}.${String(row[1])}`)) };
  const parameters = await session.query(
    `SELECT parameter_name, parameter_mode, ${DESCRIPTION}, dtd_identifier FROM information_schema.parameters WHERE specific_schema = ? AND specific_name = ? ORDER BY ordinal_position`,
    [String(found[0]), String(found[1])],
  );
  return {
    sql: `${quoted(String(found[0]))}.${quoted(String(found[1]))}`,
    name: String(found[1]),
    isFunction: false,
    parameters: parameters.rows.map(([parameter, mode, ...description]): Parameter => {
      if (mode === 'INOUT') throw new Misconfigured('E426', `${name}: an INOUT parameter cannot be given a value; call it through a procedure with an IN parameter`);
      return { name: String(parameter), nullable: true, ...columnOf(description), direction: mode === 'OUT' ? 'out' : 'in', optional: false };
    }),
  };
}
