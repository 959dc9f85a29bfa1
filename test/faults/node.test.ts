import { test } from '@jest/globals';
import { isFull, killNode, round, standStill } from './faults.js';
import { inWorld } from './network.js';
import type { WorldOptions } from './world.js';

const ALL: readonly WorldOptions[] = [
  { bus: 'rabbitmq', store: 'postgres', isOrdered: true },
  { bus: 'rabbitmq', isOrdered: true },
  { bus: 'embedded', isOrdered: true },
];
const WORLDS = isFull ? ALL : ALL.slice(0, 1);

for (const options of WORLDS) {
  inWorld(`faults of Signalbox itself with ${options.bus} and ${options.store ?? 'sqlite'}: every row has one effect at every target`, undefined, options, (world) => {
    const where = options.store === 'postgres' ? ' (store in PostgreSQL)' : '';
    test('stopped (SIGSTOP) and continued', () => round(world(), 'node', `stopped (SIGSTOP) and continued${where}`, standStill), 240_000);
    test('killed (SIGKILL) and started again', () => round(world(), 'node', `killed (SIGKILL) and started again${where}`, killNode), 240_000);
  });
}
