// `npm run test:races -- --rows 100000`: every way of reading that claims it under twelve writers, with a number for each.

import { parseArgs } from 'node:util';
import { record } from '../../faults/results.js';
import { startMariadb, startPostgres } from '../../services/servers.js';
import { type Database, race, WAYS } from './races.js';

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '100000' }, only: { type: 'string' }, 'crash-every': { type: 'string', default: '25' } },
});
const [rows, crashEvery] = [Number(values.rows), Number(values['crash-every'])];
if (!(rows > 0) || !(crashEvery >= 0)) {
  console.error('usage: npm run test:races -- [--rows 100000] [--only postgres|mariadb|<strategy>] [--crash-every 25 (batches; 0: never)]');
  process.exit(2);
}

const LABELS = {
  naive: 'id > last (control)',
  window: 'cursor (xmin)',
  xid8: 'cursor (xid8 column)',
  gaps: 'cursor (gap memory)',
  overlap: 'cursor (overlap)',
  claim: 'claim',
  outbox: 'outbox',
  triggers: 'triggers',
} as const;

const columns = (cells: readonly (string | number)[]): string =>
  cells.map((cell, at) => (at < 2 ? String(cell).padEnd(at === 0 ? 12 : 22) : cell.toLocaleString('en').padStart(12))).join('');

console.log(columns(['database', 'strategy', 'rows', 'missed', 'duplicated', 'repeats', 'crashes', 'seconds']));
for (const [database, start] of [['postgres', startPostgres] as const, ['mariadb', startMariadb] as const] satisfies (readonly [Database, unknown])[]) {
  const ways = WAYS[database].filter((way) => values.only === undefined || values.only === database || values.only === way);
  if (ways.length === 0) continue;
  const server = await start();
  try {
    for (const way of ways) {
      const found = await race({ database, access: server.access, way, rows, crashEvery: way === 'naive' ? 0 : crashEvery });
      console.log(columns([database, LABELS[way], found.rows, found.missed, found.duplicated, found.repeats, found.crashes, Number(found.seconds.toFixed(1))]));
      if (way === 'naive') {
        if (found.missed === 0) console.log('  the control missed nothing: the writers did not race');
        continue;
      }
      record({
        kind: 'run',
        section: 'database races',
        name: `${database}, ${LABELS[way]}, 12 writers`,
        command: `npm run test:races -- --rows ${rows}`,
        times: found.crashes,
        messages: found.rows,
        deliveries: found.rows,
        lost: found.missed,
        duplicated: found.duplicated,
        unknown: 0,
        seconds: found.seconds,
        detail: `${found.repeats} rows read again and known by their id`,
      });
      if (found.missed + found.duplicated > 0) process.exitCode = 1;
    }
  } finally {
    await server.stop();
  }
}
