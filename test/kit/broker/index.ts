import { describe } from '@jest/globals';
import { consuming } from './consuming.js';
import { crashing } from './crashing.js';
import type { BrokerHarness } from './harness.js';
import { publishing } from './publishing.js';

export type { BrokerHarness, BrokerPlace, Load } from './harness.js';

/** What every broker must do, whatever it is made of (bus/broker.ts). Call it at the top level of a test file. */
export function brokerConformance(name: string, harness: BrokerHarness): void {
  describe(`the ${name} broker`, () => {
    describe('publishing', () => publishing(harness));
    describe('consuming', () => consuming(harness));
    describe('crashing', () => crashing(harness));
  });
}
