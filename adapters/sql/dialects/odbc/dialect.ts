import { InvalidMessage, Misconfigured, type Value } from '../../../contract/index.js';
import type { OdbcConnect, Overlap } from '../../config.js';
import { encode, free } from '../../values.js';
import { CAPABILITIES } from '../capabilities.js';
import type { Bind, Column, Dialect, Select } from '../dialect.js';
import { limited, unlimited } from '../shared.js';
import { catalogue, findTable } from './catalogue.js';
import { connectOdbc, marked } from './database.js';
import { classifyOdbc } from './failures.js';
import { type Profile, profileOf } from './profiles.js';
import type { Facts } from './protocol.js';
import { Upserts } from './upsert.js';

/** One per system: what the driver tells about its database decides how names are quoted and pages are asked for. */
export function odbcDialect(connect: OdbcConnect): Dialect {
  let profile: Profile = profileOf('');
  let quoteMark = '"';
  const learned = (facts: Facts) => {
    profile = profileOf(facts.dbms);
    quoteMark = facts.quote.trim();
  };
  const quote = (name: string) => quotedWith(quoteMark, name);
  const upserts = new Upserts(quote);
  return {
    name: 'odbc',
    capabilities: CAPABILITIES.odbc,
    quote,
    place: () => '?',
    select: (column) => quote(column.name),
    bind: bindOdbc,
    bindFree: (value) => free(value, (flag) => (flag ? '1' : '0')),
    // No statement is known to every database: the session asks the driver.
    ping: '',
    page: (select) => pageOf(connect.paging ?? profile.paging, select),
    earlier,
    back: (place) => place,
    upsert: (statement) => upserts.text(statement),
    get createInbox() {
      return `CREATE TABLE signalbox_inbox (delivery_id VARCHAR(64) NOT NULL PRIMARY KEY, endpoint VARCHAR(200) NOT NULL, applied_at ${profile.clock})`;
    },
    table: (session, name) => findTable(session, name, { quote, sizes: profile.sizes }),
    catalogue,
    writeRights: async () => undefined,
    classify: classifyOdbc,
    connect(_, system) {
      return connectOdbc(connect, system, { learned, steps: (sql) => upserts.steps(sql) });
    },
  };
}

function quotedWith(mark: string, name: string): string {
  if (mark !== '') return `${mark}${name.replaceAll(mark, mark + mark)}${mark}`;
  if (/^[A-Za-z_][A-Za-z0-9_$#@]*$/.test(name)) return name;
  throw new Misconfigured('E422', `${name}: the driver cannot quote names, so only plain ones can be used`);
}

function pageOf(paging: OdbcConnect['paging'] & string, select: Select): string {
  switch (paging) {
    case 'limit':
      return limited(select);
    case 'fetch_first':
      return `${unlimited(select)} FETCH FIRST ${select.limit} ROWS ONLY`;
    case 'top':
      return unlimited(select, `TOP ${select.limit} `);
    case 'skip_first':
      return unlimited(select, `FIRST ${select.limit} `);
    case 'none':
      return marked(unlimited(select), select.limit);
  }
}

function bindOdbc(value: Value, column: Column): Bind {
  const text = encode(value, column);
  if (typeof text === 'boolean') return text ? '1' : '0';
  // ODBC's own form of a time; the driver hands it on as it is when the database did not tell the parameter's type.
  return typeof text === 'string' && column.kind === 'timestamp' ? text.replace(/^(\d{4}-\d\d-\d\d)T/, '$1 ') : text;
}

/** Calendar arithmetic on the database's own value: neither its clock nor ours has a part in it. */
function earlier(value: Value, overlap: Overlap): Value {
  if ('distance' in overlap) {
    if (typeof value === 'bigint') return value - BigInt(overlap.distance);
    throw new InvalidMessage('E332', 'an overlap by distance needs a cursor of whole numbers');
  }
  const [, seconds, fraction = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?$/.exec(String(value).replace(' ', 'T')) ?? [];
  if (seconds === undefined) throw new Misconfigured('E426', `an overlap by time needs a cursor of date and time, and ${String(value).slice(0, 40)} is none`);
  const before = new Date(Date.parse(`${seconds}Z`) - Math.ceil(overlap.ms / 1000) * 1000);
  return `${before.toISOString().slice(0, 19)}${fraction}`;
}
