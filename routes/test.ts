import type { Handler, Outcome } from '../bus/handler.js';
import { deriveId } from '../bus/message.js';
import type { ValueRecord } from '../bus/value.js';
import { compileRoutes } from './compile.js';
import type { LoadedTest, RoutesInput } from './input.js';
import { coverage } from './test-coverage.js';
import { type Check, checkExpectations } from './test-expectations.js';
import type { Preview, TestProblem, TestRun } from './test-result.js';

export type { Preview, TestResult, TestRun } from './test-result.js';

/** Runs the tests of a configuration offline: the clock stands at each test's `now`, nothing is sent. Never throws for what a test says. */
export function runTests(tests: readonly LoadedTest[], input: RoutesInput, preview: Preview): TestRun {
  const compiled = compileRoutes(input);
  const handler = compiled.build(input.revision);
  const outcomes: Outcome[] = [];
  const results = tests.map((test, i) => {
    const place = input.placeOf(['tests', i]);
    const problems = handler ? runTest(test, handler, input, preview, outcomes) : [brokenConfiguration(compiled.findings.find((finding) => finding.severity === 'error')?.message)];
    return { name: test.config.name, passed: problems.length === 0, ...(place === undefined ? {} : { place }), problems };
  });
  return { results, coverage: coverage(input, outcomes) };
}

function runTest(test: LoadedTest, handler: Handler, input: RoutesInput, preview: Preview, all: Outcome[]): readonly TestProblem[] {
  const now = timeOf(test.config.now);
  const outcomes: Outcome[] = [];
  for (const [name, records] of test.given) {
    if (!Object.hasOwn(input.types, name) && !handler.sources.includes(name)) {
      return [{ what: `given.${name}`, expected: 'an endpoint some route reads, or a type', got: `known: ${[...handler.sources, ...Object.keys(input.types)].join(' ')}` }];
    }
    for (const [i, record] of records.entries()) outcomes.push(...enter(name, record, i, handler, input, now));
  }
  all.push(...outcomes);
  const check: Check = { input, outcomes, preview };
  return checkExpectations(test.config.expect, check);
}

/** Given records are input of an endpoint, or canonical messages when the name is that of a type. */
function enter(name: string, record: ValueRecord, position: number, handler: Handler, input: RoutesInput, now: Date): readonly Outcome[] {
  const id = `test-${position}`;
  if (!Object.hasOwn(input.types, name)) return handler.receive(name, { id, value: record }, now);
  return [
    handler.route(
      { specversion: '1.0', id: deriveId('test', name, id), source: '/test', type: name, time: now.toISOString(), datacontenttype: 'application/json', data: record, wire: {} },
      now,
    ),
  ];
}

/** UTC, whatever the machine's zone is. */
function timeOf(now = '2026-01-01'): Date {
  const [day = '', time = '00:00'] = now.replace(/Z$/, '').split(/[ T]/);
  const moment = new Date(`${day}T${time}Z`);
  return Number.isNaN(moment.getTime()) ? new Date('2026-01-01T00:00Z') : moment;
}

function brokenConfiguration(message: string | undefined): TestProblem {
  return { what: 'configuration', expected: 'a configuration without errors', got: message ?? 'errors' };
}
