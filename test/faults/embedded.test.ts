// The faults of the systems, with the bus in the process: the adapters must stand them whatever carries the messages.
import { test } from '@jest/globals';
import { FAULTS, type FaultName, isFull, killNode, round, standStill } from './faults.js';
import { faultsAt, inWorld } from './network.js';
import type { Place } from './world.js';

const SELECTION: readonly (readonly [Place, FaultName])[] = [
  ['source', 'connections reset (RST), 5 times'],
  ['files', 'half-open, 3 times'],
  ['partner', 'connections cut (FIN), 5 times'],
  ['reports', 'answers swallowed'],
];

if (isFull) for (const [place] of SELECTION) faultsAt(place, [], undefined, { bus: 'embedded', isOrdered: place === 'partner' || place === 'source' });
else {
  inWorld('faults on the embedded bus: every row has one effect at every target', undefined, { bus: 'embedded', isOrdered: true }, (world) => {
    test.each(SELECTION)('at %s: %s', (place, name) => round(world(), place, name, FAULTS[name]), 180_000);
    test('stopped (SIGSTOP) and continued', () => round(world(), 'node', 'stopped (SIGSTOP) and continued', standStill), 180_000);
    test('killed (SIGKILL) and started again', () => round(world(), 'node', 'killed (SIGKILL) and started again', killNode), 180_000);
  });
}
