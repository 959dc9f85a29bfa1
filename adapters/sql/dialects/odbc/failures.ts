import { type AnyFailure, failureOf } from '../../../../bus/errors.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { withoutValues } from '../errors.js';
import { OdbcError } from './protocol.js';

/** By SQLSTATE (ODBC, appendix A); where a driver has only HY000, by what it says. */
export function classifyOdbc(error: unknown): AnyFailure | undefined {
  const known = failureOf(error);
  if (known) return known;
  if (!(error instanceof OdbcError)) return undefined;
  const { state, message } = error;
  const options = { cause: error };
  const text = `${message} (${state})`;
  if (/^(IM00[23456]|28)/.test(state) || state === '01000' || LOGIN.test(message)) return new Misconfigured('E421', text, options);
  if (state.startsWith('08')) return new NotConnected('E420', text, options);
  if (/^(42S0[1-3]|42S1|42S2|42P01|42703|3F000|S000[1-9])/.test(state) || NAME.test(message)) return new Misconfigured('E422', text, options);
  if (/^(42501|25006)/.test(state) || RIGHT.test(message)) return new Misconfigured('E423', text, options);
  if (/^(40|HYT0|HY008|57014|57033|55P03|S1T00)/.test(state) || BUSY.test(message)) return new TryAgain('E424', text, options);
  if (/^(23|44)/.test(state) || CONSTRAINT.test(message)) return new InvalidMessage(NOT_NULL.test(message) ? 'E332' : 'E331', withoutValues(text), options);
  if (/^(22|07006|HY10[45])/.test(state)) return new InvalidMessage('E332', withoutValues(text), options);
  if (/^(42|37|HYC00|IM001|07|21)/.test(state) || /syntax error/i.test(message)) return new Misconfigured('E427', text, options);
  return undefined;
}

const LOGIN =
  /authentication failed|login failed|not authorized to connect|password.*(incorrect|invalid|missing)|role ".*" does not exist|database ".*" does not exist|\bconnect failed/i;
const NAME = /no such (table|column)|has no column|does not exist|not found in this statement|is an undefined name/i;
const RIGHT = /permission denied|not authorized|readonly database|read-only/i;
const BUSY = /database is locked|deadlock|lock (request )?time ?out|interrupted|canceling statement|could not serialize/i;
const CONSTRAINT = /constraint failed|duplicate key|unique (constraint|index)|foreign key/i;
const NOT_NULL = /not null|null value/i;
