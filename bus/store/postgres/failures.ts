import { type AnyFailure, describe, failureOf, Misconfigured, NotConnected, TryAgain } from '../../errors.js';

/** By SQLSTATE (PostgreSQL documentation, appendix A); undefined for what is wrong with the values, or with us. */
export function postgresFailure(error: unknown, place: string): AnyFailure | undefined {
  const known = failureOf(error);
  if (known !== undefined) return known;
  const code = sqlState(error);
  const text = describe(error);
  const detail = `${place}: ${text}`;
  const options = { cause: error };
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code) || /does not support SSL|certificate/i.test(text)) return new Misconfigured('E541', detail, options);
  if (code.startsWith('28') || code === '3D000') return new Misconfigured('E541', detail, options);
  if (code === '25006' || isLost(error)) return new NotConnected('E540', detail, options);
  if (/^(42501|42P01|42703|3F000|0A000)$/.test(code)) return new Misconfigured('E542', detail, options);
  if (/^(40|53|55P03|57014|58)/.test(code) || isTimeout(error)) return new TryAgain('E543', detail, options);
  return undefined;
}

/** The connection is gone, and with it the transaction, if it was not committed. */
export function isLost(error: unknown): boolean {
  const code = sqlState(error);
  if (/^(08|57P0|53300|25P0[34])/.test(code) || /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI_|ENOTFOUND|EADDR)/.test(code)) return true;
  if (Error.isError(error) && 'errors' in error) return (error as AggregateError).errors.some(isLost);
  return LOST.test(describe(error));
}

/** Two transactions waited for each other, or another was quicker: rolled back, and the same may succeed at once. */
export function isCollision(error: unknown): boolean {
  return /^40(001|P01)$/.test(sqlState(error));
}

/** Ours: the server did not answer at all. */
export function isTimeout(error: unknown): boolean {
  return Error.isError(error) && (error as Error).message === 'Query read timeout';
}

export function sqlState(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

const LOST = /Connection terminated|connection timeout|timeout exceeded when trying to connect|Client has encountered a connection error|not queryable|Client was closed/i;
