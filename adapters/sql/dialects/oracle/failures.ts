import { type AnyFailure, failureOf } from '../../../../bus/errors.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { isLink, isTls, read, withoutValues } from '../errors.js';

const LOGIN = new Set([1005, 1017, 1045, 12505, 12514, 28000, 28001, 28009, 28759]);
const LINK = new Set([
  28, 1012, 1033, 1034, 1089, 1090, 1092, 2396, 3113, 3114, 3135, 3136, 12170, 12516, 12518, 12520, 12521, 12528, 12537, 12541, 12543, 12545, 12547, 12571, 25408,
]);
const NAME = new Set([904, 942, 4043, 6550, 6576]);
const RIGHT = new Set([1031, 1456, 1749, 1950, 16000]);
const BUSY = new Set([20, 54, 60, 257, 1013, 1536, 1555, 1628, 1631, 1653, 1654, 2049, 4020, 4021, 4031, 4068, 8176, 8177, 8180, 12012, 30006, 30036]);
const CONSTRAINT = new Set([1, 2290, 2291, 2292]);
const DATA = new Set([932, 1400, 1401, 1407, 1426, 1438, 1461, 1465, 1722, 1830, 1839, 1840, 1841, 1843, 1847, 1849, 1850, 1858, 1861, 12899, 22835]);

/** By the number behind ORA- (Oracle Database Error Messages), or of the client behind NJS- (node-oracledb). */
export function classifyOracle(error: unknown): AnyFailure | undefined {
  const known = failureOf(error);
  if (known) return known;
  const { code, message } = read(error);
  const options = { cause: error };
  const client = Number(/NJS-(\d+)/.exec(`${code} ${message}`)?.[1] ?? 0);
  const number = client > 0 ? 0 : Number(/ORA-(\d+)/.exec(`${code} ${message}`)?.[1] ?? 0);
  if (LOGIN.has(number) || [116, 505, 515, 517, 518].includes(client) || isTls(code, message)) return new Misconfigured('E421', message, options);
  if (client === 123) return new TryAgain('E424', message, options);
  if (LINK.has(number) || [3, 40, 65, 76, 500, 501, 503, 506, 510, 511, 521, 530].includes(client) || isLink(code)) return new NotConnected('E420', message, options);
  if (NAME.has(number)) return new Misconfigured('E422', message, options);
  if (RIGHT.has(number)) return new Misconfigured('E423', message, options);
  if (BUSY.has(number)) return new TryAgain('E424', message, options);
  if (CONSTRAINT.has(number)) return new InvalidMessage('E331', withoutValues(message), options);
  if (DATA.has(number)) return new InvalidMessage('E332', withoutValues(message), options);
  return number >= 900 && number < 1000 ? new Misconfigured('E427', message, options) : number === 1747 ? new Misconfigured('E427', message, options) : undefined;
}
