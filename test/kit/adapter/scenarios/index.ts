import { Bench } from '../bench.js';
import type { AdapterHarness } from '../harness.js';
import type { Scenario } from '../scenario.js';
import { callScenarios } from './call.js';
import { failureScenarios } from './failures.js';
import { lifecycleScenarios } from './lifecycle.js';
import { listeningScenarios } from './listening.js';
import { optionScenarios } from './options.js';
import { outboundScenarios } from './outbound.js';
import { pollingScenarios } from './polling.js';

export const scenarios: readonly Scenario[] = [
  ...optionScenarios,
  ...lifecycleScenarios,
  ...pollingScenarios,
  ...listeningScenarios,
  ...outboundScenarios,
  ...callScenarios,
  ...failureScenarios,
];

/** Cleans the outside system, runs, and closes what was opened. */
export async function runScenario(scenario: Scenario, harness: AdapterHarness): Promise<void> {
  await harness.clean();
  const bench = new Bench(harness);
  try {
    await scenario.run(bench);
  } finally {
    await bench.end();
  }
}
