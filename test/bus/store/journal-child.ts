// A process of its own, which appends to a store's file in its first thread and kills itself at the moment it was told.
import { openDatabase } from '../../../bus/sqlite/database.js';
import { toColumns } from '../../../bus/store/sqlite/event-text.js';
import { storeOperations } from '../../../bus/store/sqlite/operations.js';
import { MIGRATIONS } from '../../../bus/store/sqlite/schema.js';
import { NOON, way } from '../../kit/store/samples.js';

const [, , path = '', moment] = process.argv;
const kill = (): void => void process.kill(process.pid, 'SIGKILL');
const database = openDatabase(path, { exclusive: true, migrations: MIGRATIONS });
const { writes, committed, deferred } = storeOperations(database);
for (let n = 0; n < 20; n += 1) {
  database.exec('BEGIN IMMEDIATE');
  const [received, ...rest] = way(`m${n}`, NOON);
  writes['history.append'](toColumns(received === undefined ? [] : [received]));
  writes['history.append'](toColumns(rest));
  database.exec('COMMIT');
  committed();
  // So there is something folded before, too.
  if (n === 9) deferred.step();
}
if (moment === 'before the fold') kill();
if (moment === 'in the fold') {
  database.function('die', kill);
  database.exec('CREATE TEMP TRIGGER dying AFTER UPDATE ON folded BEGIN SELECT die(); END');
}
deferred.step();
kill();
