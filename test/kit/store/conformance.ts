import { afterEach, beforeEach, describe } from '@jest/globals';
import type { Store } from '../../../bus/store/contract.js';
import { deadLetterScenarios } from './dead-letters.js';
import { durabilityScenarios } from './durability.js';
import { historyScenarios } from './history.js';
import { loadScenarios } from './load.js';
import { parkedScenarios } from './parked.js';
import { payloadScenarios } from './payloads.js';
import { positionScenarios } from './positions.js';
import { pruneScenarios } from './prune.js';
import { recordScenarios } from './records.js';
import type { StoreHarness } from './samples.js';
import { searchScenarios } from './search.js';

/** The store as a scenario sees it: new and empty at its start. */
export interface Subject {
  readonly harness: StoreHarness;
  readonly place: string;
  readonly store: Store;
  /** Closes the store and opens it at the same place. */
  reopen(): Promise<Store>;
}

/** Everything the contract of Store promises, for one implementation. */
export function storeConformance(name: string, harness: StoreHarness): void {
  describe(`${name} as a store`, () => {
    let place = '';
    let store: Store | undefined;

    const opened = (): Store => {
      if (store === undefined) throw new Error('no store is open');
      return store;
    };
    const subject: Subject = {
      harness,
      get place() {
        return place;
      },
      get store() {
        return opened();
      },
      async reopen() {
        await store?.close();
        store = await harness.open(place);
        return store;
      },
    };

    beforeEach(async () => {
      place = await harness.create();
      store = await harness.open(place);
    });
    afterEach(async () => {
      await store?.close();
      store = undefined;
      await harness.remove(place);
    });

    positionScenarios(subject);
    recordScenarios(subject);
    historyScenarios(subject);
    searchScenarios(subject);
    deadLetterScenarios(subject);
    payloadScenarios(subject);
    parkedScenarios(subject);
    pruneScenarios(subject);
    durabilityScenarios(subject);
    loadScenarios(subject);
  });
}
