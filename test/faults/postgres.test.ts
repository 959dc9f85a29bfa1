import { test } from '@jest/globals';
import { isFull, round } from './faults.js';
import { faultsAt } from './network.js';
import { closedByDatabase } from './postgres.js';

faultsAt('source', ['connections cut (FIN), 5 times', 'restarted in order'], (world) => {
  if (isFull)
    test('connections closed by the administrator, 3 times', () => round(world(), 'source', 'connections closed by the administrator, 3 times', closedByDatabase), 180_000);
});
