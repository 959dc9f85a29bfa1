import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { renderDiagnostics } from '../../config/diagnostics.js';
import { loadConfiguration } from '../../config/load.js';
import { fakes } from './support/fake-adapters.js';

// dist/test/config/ -> test/config/
const directory = join(import.meta.dirname, '../../../test/config/fixtures/ten-mistakes');

test('ten mistakes in three files and a table are all reported in one run, each with place and fix', async () => {
  const { configuration, diagnostics, sources } = await loadConfiguration(directory, { specs: fakes, env: {} });
  expect(configuration).toBeUndefined();
  expect(renderDiagnostics(diagnostics, sources, { colour: false, applied: { revision: 41 } })).toBe(EXPECTED);
});

const EXPECTED = `error[E120] tables/country.csv has no column \`iso\`
 --> routes.yaml:2:56
2 |   country: {csv: tables/country.csv, key: code, value: iso}
  |                                                        ^^^ not in the header line
  = help: did you mean \`iso2\`?      known: code iso2
error[E111] the environment variable \`SHOP_DB\` is not set
 --> routes.yaml:4:62
4 |   shop: {adapter: fake-sql, connect: {driver: sqlite, file: "\${SHOP_DB}"}}
  |                                                              ^^^^^^^^^^
  = help: set it for the service
error[E107] \`publish\` is missing
 --> routes.yaml:6:3
6 |   orders-in:
  |   ^^^^^^^^^
  = help: add \`publish:\` with text such as Order
error[E121] cannot read \`samples/order.json\`: there is no such file
  --> routes.yaml:11:26
11 |     given: {shop.orders: samples/order.json}
   |                          ^^^^^^^^^^^^^^^^^^
   = help: the path is relative to the configuration directory
error[E100] an expression with \`? :\` needs quotes
 --> rules.yaml:6:15
6 |         when: order.qty > 0 ? order.kind == "A" : false
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ YAML reads \`:\` as a key
  = help: quote the whole expression: 'order.qty > 0 ? order.kind == "A" : false'
error[E109] unknown adapter \`fake-sq\`
 --> systems.yaml:4:14
4 |     adapter: fake-sq
  |              ^^^^^^^ no such adapter
  = help: did you mean \`fake-sql\`?      known: fake-hook fake-sql
error[E108] \`shop\` of \`systems\` is given twice
 --> systems.yaml:8:3
8 |   shop:
  |   ^^^^ again here
 ::: routes.yaml:4:3
4 |   shop: {adapter: fake-sql, connect: {driver: sqlite, file: "\${SHOP_DB}"}}
  |   ^^^^ first here
  = help: all files of the directory are one configuration; rename or remove one
error[E113] \`password\` holds a secret in plain text
  --> systems.yaml:14:17
14 |       password: ************
   |                 ^^^^^^^^^^^^ never the value itself
   = help: store it as a secret and write "\${secret:name}"
error[E106] \`timeout\`: expected a duration such as 30s, got the number 30
  --> systems.yaml:15:16
15 |       timeout: 30
   |                ^^
error[E104] unknown key \`curser\`
  --> systems.yaml:20:9
20 |         curser: CHG_TS
   |         ^^^^^^ not known here
   = help: did you mean \`cursor\`?      known: cursor expect fields key max_records poll_timeout schedule table
10 errors in 4 files. Nothing was applied; the running config is still revision 41.
`;
