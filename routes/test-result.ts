import type { ValueRecord } from '../bus/value.js';
import type { Coverage } from './test-coverage.js';

/** What a target would get, as text; undefined when its adapter cannot say (`OutboundSpec.preview` with the endpoint's configuration). */
export type Preview = (endpoint: string, payload: ValueRecord) => string | undefined;

export interface TestProblem {
  /** `dead_letter.code`, `Order.total`, `erp[0]`. */
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  readonly because?: string;
  /** Of what `because` names. */
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
  readonly coverage: Coverage;
}
