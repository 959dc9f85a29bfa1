import { type AnyFailure, failureOf } from '../../../../bus/errors.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { isLink, isTls, read, withoutValues } from '../errors.js';

const LINK = new Set([1040, 1053, 1152, 1153, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 2002, 2003, 2006, 2013, 4031]);
const LOGIN = new Set([1044, 1045, 1049, 1129, 1130, 1251, 1524, 1698]);
const NAME = new Set([1054, 1109, 1146, 1051, 1305]);
const RIGHT = new Set([1142, 1143, 1227, 1290, 1370, 1792]);
const BUSY = new Set([1020, 1021, 1030, 1114, 1205, 1213, 1317, 1614, 1969, 3024, 3572]);
const CONSTRAINT = new Set([1062, 1169, 1216, 1217, 1451, 1452, 1557, 1586, 1761, 1762, 3819, 4025]);
const DATA = new Set([1048, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1525, 1690, 3140, 4038]);

/** By error number (mariadb.com/kb/en/mariadb-error-codes). */
export function classifyMariadb(error: unknown): AnyFailure | undefined {
  const known = failureOf(error);
  if (known) return known;
  const { code, errno, message } = read(error);
  const options = { cause: error };
  if (LOGIN.has(errno) || isTls(code, message)) return new Misconfigured('E421', message, options);
  if (LINK.has(errno) || isLink(code) || code === 'PROTOCOL_SEQUENCE_TIMEOUT' || /closed state|Pool is closed|Connection lost/i.test(message))
    return new NotConnected('E420', message, options);
  if (NAME.has(errno)) return new Misconfigured('E422', message, options);
  if (RIGHT.has(errno)) return new Misconfigured('E423', message, options);
  if (BUSY.has(errno)) return new TryAgain('E424', message, options);
  // SIGNAL SQLSTATE '45000'
  if (errno === 1644) return new InvalidMessage('E337', message, options);
  if (CONSTRAINT.has(errno)) return new InvalidMessage('E331', withoutValues(message), options);
  if (DATA.has(errno)) return new InvalidMessage('E332', withoutValues(message), options);
  return errno === 1064 || errno === 1210 ? new Misconfigured('E427', message, options) : undefined;
}
