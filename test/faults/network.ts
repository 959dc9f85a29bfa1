import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { FAULTS, type FaultName, isFull, round } from './faults.js';
import { FaultWorld, type Place } from './world.js';

/** The faults of the network and of the server at one system, with what is special to it. */
export function faultsAt(place: Place, selection: readonly FaultName[], more?: (world: () => FaultWorld) => void): void {
  describe(`faults at ${place}: every row has one effect at every target`, () => {
    let world: FaultWorld | undefined;
    const current = (): FaultWorld => {
      if (!world) throw new Error('it did not start');
      return world;
    };
    beforeAll(async () => {
      world = await FaultWorld.start(place);
    }, 120_000);
    afterAll(() => world?.close(), 60_000);

    const names = isFull ? (Object.keys(FAULTS) as FaultName[]) : selection;
    test.each(names.filter((name) => place !== 'partner' || name !== 'SIGKILL and restart'))('%s', (name) => round(current(), place, name, FAULTS[name]), 180_000);
    more?.(current);
  });
}
