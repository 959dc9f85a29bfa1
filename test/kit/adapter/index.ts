// Conformance suite for adapters: `adapterConformance('sftp', harness)` in a test file is all an adapter needs.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { AdapterHarness } from './harness.js';
import { runScenario, scenarios } from './scenarios/index.js';

export type { AdapterHarness, CallableHarness, InboundHarness, OutboundHarness, Sample } from './harness.js';
export { deliveryOf, payloadOf, sample, sampleOf, samples } from './samples.js';

export function adapterConformance(name: string, harness: AdapterHarness): void {
  const waivers = harness.waivers ?? {};
  const mine = scenarios.filter((scenario) => scenario.applies(harness));

  describe(`${name} keeps the adapter contract`, () => {
    beforeAll(async () => {
      await harness.start?.();
    }, 60_000);
    afterAll(async () => {
      await harness.stop?.();
    }, 30_000);

    for (const scenario of mine) {
      const reason = waivers[scenario.name];
      if (reason === undefined) test(scenario.name, () => runScenario(scenario, harness));
      else test(`waived (${reason}): ${scenario.name}`, () => expect(runScenario(scenario, harness)).rejects.toBeDefined());
    }

    test('every waiver names a scenario of this adapter and a reason', () => {
      const names = new Set(mine.map((scenario) => scenario.name));
      expect(Object.entries(waivers).filter(([scenario, reason]) => !names.has(scenario) || reason.trim().length < 10)).toEqual([]);
    });
  });
}
