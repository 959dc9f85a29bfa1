import { Misconfigured } from '../../../contract/index.js';
import type { Dialect, Missing, Parameter, Procedure, Session } from '../dialect.js';
import { quoted } from '../shared.js';
import { columnOf } from './catalogue.js';

const OWN = "SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')";

const CANDIDATES = `SELECT DISTINCT owner, object_name, procedure_name, CASE WHEN owner = ${OWN} THEN '1' ELSE '0' END FROM all_procedures
  WHERE (object_type = 'PROCEDURE' OR (object_type = 'PACKAGE' AND procedure_name IS NOT NULL)) AND UPPER(COALESCE(procedure_name, object_name)) = UPPER(:p1)`;

const PARAMETERS = `SELECT argument_name, data_type, 'Y', TO_CHAR(data_precision), TO_CHAR(data_scale), char_length, char_used, data_length, in_out, defaulted FROM all_arguments
  WHERE owner = :p1 AND object_name = :p2 AND NVL(package_name, '-') = NVL(:p3, '-') AND data_level = 0 AND argument_name IS NOT NULL AND NVL(overload, '1') = '1' ORDER BY position`;

/** By name. `schema.procedure`, or `package.procedure` of the own schema. */
export const procedures: NonNullable<Dialect['procedures']> = {
  find,
  call: ({ sql }, given) => `CALL ${sql}(${given.map((parameter, at) => `${quoted(parameter.name)} => :p${at + 1}`).join(', ')})`,
};

async function find(session: Session, name: string): Promise<Procedure | Missing> {
  const [plain = name, outer] = name.toUpperCase().split('.').reverse();
  const { rows } = await session.query(CANDIDATES, [plain]);
  const fitting = rows.filter((row) => (outer === undefined ? row[3] === '1' && row[2] === null : row[2] === null ? row[0] === outer : row[1] === outer && row[3] === '1'));
  if (fitting.length > 1) throw new Misconfigured('E422', `${name}: there are several procedures of this name; name the package or the schema`);
  const [found] = fitting;
  if (!found) return { candidates: rows.map((row) => [row[2] === null ? row[0] : row[1], row[2] ?? row[1]].join('.')) };
  const [owner, object, procedure] = found;
  const within = procedure === null ? null : String(object);
  const parameters = await session.query(PARAMETERS, [String(owner), String(procedure ?? object), within]);
  return {
    sql: [String(owner), String(object), ...(procedure === null ? [] : [String(procedure)])].map(quoted).join('.'),
    name: String(procedure ?? object),
    isFunction: false,
    parameters: parameters.rows.map((row): Parameter => {
      if (row[8] !== 'IN') throw new Misconfigured('E426', `${name}: a parameter that is not IN has no place to go to; call it through a procedure without one`);
      return { ...columnOf(row), direction: 'in', optional: row[9] === 'Y' };
    }),
  };
}
