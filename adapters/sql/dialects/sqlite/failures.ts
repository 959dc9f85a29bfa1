import { type AnyFailure, failureOf } from '../../../../bus/errors.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { read } from '../errors.js';

/** By extended result code (sqlite.org/rescode.html). */
export function classifySqlite(error: unknown): AnyFailure | undefined {
  const known = failureOf(error);
  if (known) return known;
  const { code, message } = read(error);
  const options = { cause: error };
  if (/^SQLITE_(CANTOPEN|IOERR|PROTOCOL)/.test(code) || /directory does not exist/.test(message)) return new NotConnected('E420', message, options);
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) return new Misconfigured('E421', message, options);
  // A process was killed while it wrote: the next one to open the file for writing repairs it.
  if (/^SQLITE_READONLY_(RECOVERY|ROLLBACK|CANTLOCK|CANTINIT)/.test(code)) return new NotConnected('E420', message, options);
  if (/^SQLITE_(READONLY|PERM|AUTH)/.test(code)) return new Misconfigured('E423', message, options);
  if (/^SQLITE_(BUSY|LOCKED|FULL|NOMEM|INTERRUPT)/.test(code)) return new TryAgain('E424', message, options);
  if (/^SQLITE_CONSTRAINT_(NOTNULL|DATATYPE)/.test(code)) return new InvalidMessage('E332', message, options);
  if (code.startsWith('SQLITE_CONSTRAINT')) return new InvalidMessage('E331', message, options);
  if (/^SQLITE_(TOOBIG|MISMATCH|RANGE)/.test(code)) return new InvalidMessage('E332', message, options);
  if (/no such (table|column)|has no column|does not match any/.test(message)) return new Misconfigured('E422', message, options);
  return code === 'SQLITE_ERROR' ? new Misconfigured('E427', message, options) : undefined;
}
