import { type Delivery, InvalidMessage, Misconfigured, type Value } from '../../contract/index.js';
import { findParameter, findProcedure } from '../catalogue.js';
import type { Dialect, Parameter, Session } from '../dialects/dialect.js';
import { type Effect, sizeOf, type Target } from './effect.js';
import type { Write } from './options.js';

/** A stored procedure whose parameters are the fields of the payload, by name. */
export async function planProcedure(dialect: Dialect, session: Session, { procedure: name = '' }: Write): Promise<Target> {
  const { procedures } = dialect;
  if (!procedures) throw new Misconfigured('E426', `${name}: stored procedures of ${dialect.capabilities.title} cannot be called`);
  const procedure = await findProcedure(procedures, session, name);
  const effect = ({ payload }: Delivery): Effect => {
    const given = new Map<Parameter, Value>();
    for (const [field, value] of Object.entries(payload)) {
      const parameter = findParameter(procedure, field);
      if (given.has(parameter)) throw new InvalidMessage('E332', `two fields are for the parameter ${parameter.name}`);
      given.set(parameter, value);
    }
    const missing = procedure.parameters.find((parameter) => parameter.direction !== 'out' && !parameter.optional && !given.has(parameter));
    if (missing) throw new InvalidMessage('E332', `${missing.name}: the payload has no value for this parameter of ${procedure.name}`);
    const used = procedure.parameters.filter((parameter) => given.has(parameter));
    const binds = used.map((parameter) => dialect.bind(given.get(parameter) ?? null, parameter));
    const sql = procedures.call(procedure, used);
    return {
      row: used
        .slice(0, 1)
        .map((parameter) => `${parameter.name}=${String(given.get(parameter)).slice(0, 60)}`)
        .join(''),
      bytes: sizeOf(binds),
      run: async (session) => {
        await session.query(sql, binds);
        return '';
      },
    };
  };
  return { name: `call ${name}`, effect };
}
