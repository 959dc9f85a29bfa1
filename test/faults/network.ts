import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { FAULTS, type FaultName, isFull, round, TO_THE_SERVER } from './faults.js';
import { FaultWorld, type Place, type WorldOptions } from './world.js';

/** The faults of the network and of the server at one system, with what is special to it. In the selection a world without a server of its own starts sooner. */
export function faultsAt(place: Place, selection: readonly FaultName[], more?: (world: () => FaultWorld) => void, options: WorldOptions = {}): void {
  const bus = options.bus ?? 'rabbitmq';
  inWorld(`faults at ${place} on ${bus}: every row has one effect at every target`, place, options, (current) => {
    const names = isFull ? (Object.keys(FAULTS) as FaultName[]) : selection;
    test.each(names.filter((name) => place !== 'partner' || !TO_THE_SERVER.includes(name)))('%s', (name) => round(current(), place, name, FAULTS[name]), 180_000);
    more?.(current);
  });
}

/** Tests that share one running world. */
export function inWorld(title: string, victim: Place | undefined, options: WorldOptions, tests: (world: () => FaultWorld) => void): void {
  describe(title, () => {
    let world: FaultWorld | undefined;
    beforeAll(async () => {
      world = await FaultWorld.start(victim, options);
    }, 120_000);
    afterAll(() => world?.close(), 60_000);
    tests(() => {
      if (!world) throw new Error('it did not start');
      return world;
    });
  });
}
