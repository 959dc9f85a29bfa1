// Conformance suite for adapters: `adapterConformance('sftp', harness)` in a test file is all an adapter needs.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bench } from './bench.js';
import type { AdapterHarness } from './harness.js';
import type { Scenario } from './scenario.js';
import { callScenarios } from './scenarios/call.js';
import { failureScenarios } from './scenarios/failures.js';
import { lifecycleScenarios } from './scenarios/lifecycle.js';
import { listeningScenarios } from './scenarios/listening.js';
import { optionScenarios } from './scenarios/options.js';
import { outboundScenarios } from './scenarios/outbound.js';
import { pollingScenarios } from './scenarios/polling.js';

export type { AdapterHarness, CallableHarness, InboundHarness, OutboundHarness, Sample } from './harness.js';
export { deliveryOf, payloadOf, sample, samples } from './samples.js';

const SCENARIOS: readonly Scenario[] = [
  ...optionScenarios,
  ...lifecycleScenarios,
  ...pollingScenarios,
  ...listeningScenarios,
  ...outboundScenarios,
  ...callScenarios,
  ...failureScenarios,
];

export function adapterConformance(name: string, harness: AdapterHarness): void {
  const waivers = harness.waivers ?? {};
  const mine = SCENARIOS.filter((scenario) => scenario.applies(harness));

  describe(`${name} keeps the adapter contract`, () => {
    beforeAll(async () => {
      await harness.start?.();
    }, 60_000);
    afterAll(async () => {
      await harness.stop?.();
    }, 30_000);

    for (const scenario of mine) {
      const reason = waivers[scenario.name];
      if (reason === undefined) test(scenario.name, () => run(scenario, harness));
      else test(`waived (${reason}): ${scenario.name}`, () => expect(run(scenario, harness)).rejects.toBeDefined());
    }

    test('every waiver names a scenario of this adapter and a reason', () => {
      const names = new Set(mine.map((scenario) => scenario.name));
      expect(Object.entries(waivers).filter(([scenario, reason]) => !names.has(scenario) || reason.trim().length < 10)).toEqual([]);
    });
  });
}

async function run(scenario: Scenario, harness: AdapterHarness): Promise<void> {
  await harness.clean();
  const bench = new Bench(harness);
  try {
    await scenario.run(bench);
  } finally {
    await bench.end();
  }
}
