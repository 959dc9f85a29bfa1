import { Misconfigured } from '../../../contract/index.js';
import type { Dialect, Missing, Parameter, Procedure, Session } from '../dialect.js';
import { quoted } from '../shared.js';
import { kindOf } from './kinds.js';

/** Procedures and functions, called with named parameters. */
export const procedures: NonNullable<Dialect['procedures']> = {
  find,
  call({ sql, isFunction, parameters }, given) {
    const list = parameters.flatMap((parameter) => {
      const at = given.indexOf(parameter);
      if (at >= 0) return [`${quoted(parameter.name)} => CAST($${at + 1} AS ${parameter.type})`];
      // CALL wants a place for what comes out.
      return parameter.direction === 'in' || isFunction ? [] : [`${quoted(parameter.name)} => NULL`];
    });
    return `${isFunction ? 'SELECT' : 'CALL'} ${sql}(${list.join(', ')})`;
  },
};

const CANDIDATES = `SELECT p.oid::text, n.nspname, p.proname, p.prokind::text, pg_function_is_visible(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prokind IN ('p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`;

const PARAMETERS = `SELECT coalesce(a.name, ''), format_type(a.type, NULL), coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text, coalesce(a.mode::text, 'i'),
    (count(*) FILTER (WHERE coalesce(a.mode, 'i') IN ('i', 'b', 'v')) OVER (ORDER BY a.at) > p.pronargs - p.pronargdefaults)
  FROM pg_proc p, LATERAL unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargnames, p.proargmodes) WITH ORDINALITY AS a(type, name, mode, at), pg_type t
  WHERE p.oid = CAST($1 AS oid) AND t.oid = a.type ORDER BY a.at`;

async function find(session: Session, name: string): Promise<Procedure | Missing> {
  const [plain = name, schema] = name.split('.').reverse();
  const { rows } = await session.query(`${CANDIDATES} AND lower(p.proname) = lower($1)`, [plain]);
  const fitting = rows.filter((row) => (schema === undefined ? row[4] === true : String(row[1]).toLowerCase() === schema.toLowerCase()));
  const exact = fitting.filter((row) => row[2] === plain);
  const [found, second] = exact.length > 0 ? exact : fitting;
  if (!found) {
    const all = await session.query(`${CANDIDATES} ORDER BY 2, 3 LIMIT 2000`);
    return { candidates: all.rows.map((row) => (row[4] === true ? String(row[2]) : `${String(row[1])}.${String(row[2])}`)) };
  }
  if (second) throw new Misconfigured('E426', `there are several procedures ${name}: call one through a procedure with a name of its own`);
  const isFunction = found[3] === 'f';
  const parameters = await session.query(PARAMETERS, [String(found[0])]);
  return {
    sql: `${quoted(String(found[1]))}.${quoted(String(found[2]))}`,
    name: String(found[2]),
    isFunction,
    parameters: parameters.rows
      .filter(([, , , mode]) => mode !== 't')
      .map(([parameter, type, base, mode, optional]): Parameter => {
        if (parameter === '' || mode === 'v') throw new Misconfigured('E426', `${name}: parameters without a name, or as many as one likes, cannot be called by name`);
        return {
          name: String(parameter),
          type: String(type),
          kind: kindOf(String(base)),
          nullable: true,
          direction: mode === 'o' ? 'out' : mode === 'b' ? 'inout' : 'in',
          optional: optional === true,
        };
      }),
  };
}
