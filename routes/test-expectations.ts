import { describe, failureOf } from '../bus/errors.js';
import { nearest } from '../bus/finding.js';
import type { Dispatch, Outcome, RuleFailure } from '../bus/handler.js';
import type { Value, ValueRecord } from '../bus/value.js';
import type { RoutesInput } from './input.js';
import type { TestConfig } from './model.js';
import { type Difference, differences, shownValue } from './test-compare.js';
import type { Preview, TestProblem } from './test-result.js';

export interface Check {
  readonly input: RoutesInput;
  readonly outcomes: readonly Outcome[];
  readonly preview: Preview;
}

/** Everything a test expects, compared with what happened. A dead letter nobody expects is a problem too. */
export function checkExpectations(expect: TestConfig['expect'], check: Check): readonly TestProblem[] {
  const { dead_letter, filtered, ...others } = expect;
  const problems = [...checkDead(dead_letter, check)];
  if (filtered !== undefined) problems.push(...checkFiltered(filtered, check));
  for (const [name, expected] of Object.entries(others)) {
    if (Object.hasOwn(check.input.types, name)) problems.push(...checkType(name, expected, check));
    else problems.push(...checkTarget(name, expected, check));
  }
  return problems;
}

function deadOf(check: Check): readonly RuleFailure[] {
  return check.outcomes.flatMap((outcome) => [...(outcome.failure ? [outcome.failure] : []), ...outcome.failures]);
}

function checkDead(expected: TestConfig['expect']['dead_letter'], check: Check): readonly TestProblem[] {
  const dead = deadOf(check);
  if (!expected) return dead.map((failure) => ({ what: 'dead_letter', expected: 'none', got: told(failure), ...placed(failure.place) }));
  const counted = expected.code === undefined ? dead : dead.filter((failure) => codeOf(failure) === expected.code);
  const unexpected = dead.filter((failure) => !counted.includes(failure));
  const what = expected.code === undefined ? 'dead_letter.count' : 'dead_letter.code';
  if (expected.code !== undefined && counted.length === 0 && expected.count !== 0) {
    const [other] = unexpected;
    if (other) return [{ what, expected: expected.code, got: told(other), ...placed(other.place) }];
    return [{ what, expected: expected.code, got: `nothing: ${fate(check)}`, ...whyNotDead(expected.code, check) }];
  }
  const wrong = expected.count === undefined ? counted.length === 0 : counted.length !== expected.count;
  const problems: TestProblem[] = unexpected.map((failure) => ({ what: 'dead_letter', expected: `only ${expected.code ?? ''}`, got: told(failure), ...placed(failure.place) }));
  if (wrong) problems.push({ what: 'dead_letter.count', expected: String(expected.count ?? 'at least 1'), got: String(counted.length) });
  return problems;
}

function whyNotDead(code: string, { input }: Check): Partial<TestProblem> {
  if (code !== 'E311') return {};
  const lenient = Object.entries(input.tables).find(([, table]) => table.config.missing !== 'fail');
  return lenient ? { because: `table ${lenient[0]} has missing: ${lenient[1].config.missing}`, ...placed(input.placeOf(['tables', lenient[0]])) } : {};
}

function checkFiltered(expected: boolean | number | string, check: Check): readonly TestProblem[] {
  const reasons = check.outcomes.flatMap((outcome) => (outcome.filtered === undefined ? [] : [outcome.filtered]));
  const ok =
    typeof expected === 'boolean'
      ? reasons.length > 0 === expected
      : typeof expected === 'number'
        ? reasons.length === expected
        : reasons.some((reason) => reason.includes(expected));
  return ok ? [] : [{ what: 'filtered', expected: String(expected), got: reasons.length > 0 ? `${reasons.length}: ${reasons.join('; ')}` : `none: ${fate(check)}` }];
}

function checkType(name: string, expected: unknown, check: Check): readonly TestProblem[] {
  const made = check.outcomes.flatMap(({ message }) => (message?.type === name ? [message.data] : []));
  return checkRecords(name, expected, made, check, () => undefined);
}

function checkTarget(name: string, expected: unknown, check: Check): readonly TestProblem[] {
  const targets = [...check.input.targets.keys()];
  if (!targets.some((target) => isFor(target, name))) {
    const known = [...Object.keys(check.input.types), ...new Set(targets.map((target) => target.split('.')[0] ?? target)), 'dead_letter', 'filtered'];
    const near = nearest(name, known);
    return [{ what: name, expected: 'a type, a system, an endpoint, dead_letter or filtered', got: `unknown${near ? `; did you mean ${near}?` : ''}` }];
  }
  const deliveries = check.outcomes.flatMap((outcome) => outcome.deliveries.filter((delivery) => isFor(delivery.endpoint, name)));
  const problems = checkDeliveries(name, expected, deliveries, check);
  return problems.map((problem) => (problem.because === undefined ? { ...problem, ...whyNotDelivered(name, check) } : problem));
}

function checkDeliveries(name: string, expected: unknown, deliveries: readonly Dispatch[], check: Check): readonly TestProblem[] {
  if (typeof expected === 'number' || typeof expected === 'bigint') return checkCount(name, Number(expected), deliveries.length);
  if (isPlain(expected) && Object.keys(expected).every((key) => key === 'count' || key === 'body')) {
    const count = expected['count'];
    const problems = typeof count === 'number' || typeof count === 'bigint' ? checkCount(name, Number(count), deliveries.length) : [];
    if (problems.length > 0 || expected['body'] === undefined) return problems;
    return checkRecords(
      `${name}.body`,
      expected['body'],
      deliveries.map(({ payload }) => payload),
      check,
      (i) => textOf(deliveries[i], check),
    );
  }
  return checkRecords(
    name,
    expected,
    deliveries.map(({ payload }) => payload),
    check,
    (i) => textOf(deliveries[i], check),
  );
}

function textOf(delivery: Dispatch | undefined, check: Check): string | undefined {
  return delivery && check.preview(delivery.endpoint, delivery.payload);
}

function checkCount(name: string, expected: number, got: number): readonly TestProblem[] {
  return expected === got ? [] : [{ what: `${name}.count`, expected: String(expected), got: String(got) }];
}

/** A list means all of them in this order; one record or text means that one of them is like it. */
function checkRecords(name: string, expected: unknown, got: readonly ValueRecord[], check: Check, text: (i: number) => string | undefined): readonly TestProblem[] {
  if (Array.isArray(expected)) {
    if (expected.length !== got.length) return [{ what: name, expected: `${expected.length}`, got: `${got.length}${got.length === 0 ? `: ${fate(check)}` : ''}` }];
    return expected.flatMap((one: unknown, i) => problemsOf(`${name}[${i}]`, compareOne(one, got[i], text(i))));
  }
  if (got.length === 0) return [{ what: name, expected: shownValue(expected), got: `nothing: ${fate(check)}` }];
  const all = got.map((record, i) => compareOne(expected, record, text(i)));
  if (all.some((one) => one.length === 0)) return [];
  const [closest = []] = [...all].sort((a, b) => a.length - b.length);
  return problemsOf(name, closest);
}

function compareOne(expected: unknown, got: ValueRecord | undefined, text: string | undefined): readonly Difference[] {
  if (typeof expected !== 'string') return differences(expected, got as Value | undefined);
  // A line end belongs to the file, not to the line.
  const line = text?.replace(/\r?\n$/, '');
  return line === expected.replace(/\r?\n$/, '')
    ? []
    : [{ at: '', expected: JSON.stringify(expected), got: line === undefined ? 'no text: this adapter has no preview' : JSON.stringify(line) }];
}

function problemsOf(name: string, found: readonly Difference[]): readonly TestProblem[] {
  return found.map(({ at, expected, got }) => ({ what: `${name}${at}`, expected, got }));
}

/** The rules for this target that did not match, with their conditions. */
function whyNotDelivered(name: string, check: Check): Partial<TestProblem> {
  for (const [route, config] of Object.entries(check.input.routes)) {
    if ('from' in config) continue;
    for (const [i, rule] of config.deliver.entries()) {
      if (!isFor(rule.to, name)) continue;
      const note = check.outcomes.flatMap(({ notes }) => notes).find((one) => one.kind === 'not-matched' && one.route === route && one.rule === rule.name);
      if (note) return { because: `rule ${rule.name}: ${note.text}`, ...placed(check.input.placeOf(['routes', route, 'deliver', i, 'when'])) };
    }
  }
  return {};
}

/** What happened instead, in a few words. */
function fate({ outcomes }: Check): string {
  const targets = new Set(outcomes.flatMap(({ deliveries }) => deliveries.map(({ endpoint }) => endpoint)));
  const [dead] = outcomes.flatMap((outcome) => (outcome.failure ? [outcome.failure] : [...outcome.failures]));
  const [filtered] = outcomes.flatMap((outcome) => (outcome.filtered === undefined ? [] : [outcome.filtered]));
  if (dead) return `dead letter ${told(dead)}`;
  if (targets.size > 0) return `delivered to ${[...targets].join(', ')}`;
  return filtered === undefined ? 'nothing was given' : `filtered: ${filtered}`;
}

function told(failure: RuleFailure): string {
  return `${codeOf(failure)} ${describe(failure.failure)}`;
}

function codeOf(failure: RuleFailure): string {
  return failureOf(failure.failure)?.code ?? 'E500';
}

function placed(place: string | undefined): Partial<TestProblem> {
  return place === undefined ? {} : { place };
}

function isFor(endpoint: string, name: string): boolean {
  return endpoint === name || endpoint.startsWith(`${name}.`);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
