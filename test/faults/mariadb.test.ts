import { setTimeout as sleep } from 'node:timers/promises';
import { test } from '@jest/globals';
import { type Fault, round } from './faults.js';
import { faultsAt } from './network.js';

const commitUnknown: Fault = async (world) => {
  for (let time = 0; time < 6; time++) {
    world.proxy('reports').cutAt(/COMMIT(?!TED)/, time % 2 === 0 ? 'answered' : 'before');
    await sleep(700);
  }
};

faultsAt('reports', ['black hole', 'connections cut (FIN), 5 times', 'SIGKILL and restart'], (world) => {
  test(
    'connection lost at COMMIT, before and after it, 6 times',
    () => round(world(), 'reports', 'connection lost at COMMIT, before and after it, 6 times', commitUnknown),
    180_000,
  );
});
