import { test } from '@jest/globals';
import { round } from './faults.js';
import { faultsAt } from './network.js';
import { closedByDatabase } from './postgres.js';

faultsAt(
  'store',
  ['answers swallowed', 'half-open, 3 times', 'SIGKILL and restart'],
  (world) => {
    test('connections closed by the administrator, 3 times', () => round(world(), 'store', 'connections closed by the administrator, 3 times', closedByDatabase), 180_000);
  },
  { store: 'postgres' },
);
