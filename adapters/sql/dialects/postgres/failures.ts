import { type AnyFailure, failureOf } from '../../../../bus/errors.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { isLink, isTls, read, withoutValues } from '../errors.js';

/** By SQLSTATE (PostgreSQL documentation, appendix A). */
export function classifyPostgres(error: unknown): AnyFailure | undefined {
  const known = failureOf(error);
  if (known) return known;
  const { code, message, column, constraint } = read(error);
  const options = { cause: error };
  if (isTls(code, message)) return new Misconfigured('E421', message, options);
  if (/^(08|57P0|25P03)/.test(code) || code === '53300' || isLink(code) || LOST.test(message)) return new NotConnected('E420', message, options);
  if (code.startsWith('28') || code === '3D000') return new Misconfigured('E421', message, options);
  if (/^(42P01|42703|3F000|42704|42P10|42883)$/.test(code)) return new Misconfigured('E422', message, options);
  if (code === '42501' || code === '25006') return new Misconfigured('E423', message, options);
  if (/^(40|53|55P03|55006|57014|58)/.test(code) || message === 'Query read timeout') return new TryAgain('E424', message, options);
  if (/^23(505|503|514|P01|000)$/.test(code))
    return new InvalidMessage('E331', constraint && !message.includes(constraint) ? `${message} (${constraint})` : withoutValues(message), options);
  if (code === 'P0001') return new InvalidMessage('E337', message, options);
  if (code === '2D000') return new Misconfigured('E426', 'the procedure ends its transaction itself; it has to leave that to its caller', options);
  if (/^2[23]/.test(code)) return new InvalidMessage('E332', column ? `${column}: ${withoutValues(message)}` : withoutValues(message), options);
  if (code.startsWith('42')) return new Misconfigured('E427', message, options);
  return undefined;
}

const LOST = /Connection terminated|connection timeout|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|Client was closed/i;
