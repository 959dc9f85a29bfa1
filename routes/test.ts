import type { ValueRecord } from '../bus/value.js';
import type { LoadedTest, RoutesInput } from './input.js';

/** What a target would get, as text; undefined when its adapter cannot say (`OutboundSpec.preview` with the endpoint's configuration). */
export type Preview = (endpoint: string, payload: ValueRecord) => string | undefined;

export interface TestProblem {
  /** `dead_letter.code`, `Order.total`, `erp[0]`. */
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  readonly because?: string;
  readonly place?: string;
}

export interface TestResult {
  readonly name: string;
  readonly passed: boolean;
  /** `orders.yaml:93`. */
  readonly place?: string;
  readonly problems: readonly TestProblem[];
}

export interface TestRun {
  readonly results: readonly TestResult[];
  /** Rules that fired in at least one test; `otherwise` of a route counts as a rule. */
  readonly coverage: { readonly fired: number; readonly rules: number; readonly never: readonly string[] };
}

/** Runs the tests of a configuration offline: the clock stands at each test's `now`, nothing is sent. */
export function runTests(_tests: readonly LoadedTest[], _input: RoutesInput, _preview: Preview): TestRun {
  return { results: [], coverage: { fired: 0, rules: 0, never: [] } };
}
