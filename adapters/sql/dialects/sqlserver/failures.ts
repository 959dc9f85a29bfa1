import { type AnyFailure, failureOf } from '../../../../bus/errors.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { isLink, isTls, read, withoutValues } from '../errors.js';

const LOGIN = new Set([4060, 4064, 18401, 18452, 18456, 18470, 18486, 18487, 18488]);
const LINK = new Set([53, 64, 121, 233, 596, 6005, 10053, 10054, 10060, 40197, 40501, 40613, 49918, 49919, 49920]);
const NAME = new Set([207, 208, 2812, 4902, 4924]);
const RIGHT = new Set([229, 230, 262, 297, 300, 371, 916, 3906, 4616, 15247]);
const BUSY = new Set([701, 802, 845, 1101, 1105, 1204, 1205, 1222, 3935, 3960, 3961, 5030, 8645, 8651, 8902, 9002, 10928, 10929]);
const CONSTRAINT = new Set([547, 2601, 2627]);
const DATA = new Set([220, 232, 235, 236, 241, 242, 244, 245, 248, 295, 296, 515, 517, 2628, 8114, 8115, 8152, 8169, 9819]);

/** By error number (Microsoft: Database engine events and errors). */
export function classifySqlServer(error: unknown): AnyFailure | undefined {
  const known = failureOf(error);
  if (known) return known;
  const { code, message } = read(error);
  const { number, severity, isLogin } = details(error);
  const options = { cause: error };
  if (LOGIN.has(number) || isLogin || isTls(code, message) || /self.signed|unable to (verify|get)|altnames/i.test(message)) return new Misconfigured('E421', message, options);
  if (code === 'ETIMEOUT' && number === 0 && /^Timeout: Request failed/.test(message)) return new TryAgain('E424', message, options);
  if (LINK.has(number) || /^(ESOCKET|ETIMEOUT|ECONNCLOSED|ENOTOPEN|EINSTLOOKUP|EINVALIDSTATE)$/.test(code) || isLink(code)) return new NotConnected('E420', message, options);
  if (code === 'ECANCEL') return new TryAgain('E424', message, options);
  if (NAME.has(number)) return new Misconfigured('E422', message, options);
  if (RIGHT.has(number)) return new Misconfigured('E423', message, options);
  if (BUSY.has(number)) return new TryAgain('E424', message, options);
  if (CONSTRAINT.has(number)) return new InvalidMessage('E331', withoutValues(message).replace(/ The duplicate key value is \(.*\)\.?$/s, ''), options);
  if (DATA.has(number)) return new InvalidMessage('E332', withoutValues(message).replace(/ Truncated value: '.*'\.?$/s, ''), options);
  return severity === 15 || severity === 16 ? new Misconfigured('E427', message, options) : undefined;
}

function details(error: unknown): { readonly number: number; readonly severity: number; readonly isLogin: boolean } {
  const fields: Record<string, unknown> = typeof error === 'object' && error !== null ? { ...error } : {};
  const count = (name: string) => (typeof fields[name] === 'number' ? fields[name] : 0);
  return { number: count('number'), severity: count('class'), isLogin: fields['code'] === 'ELOGIN' };
}
