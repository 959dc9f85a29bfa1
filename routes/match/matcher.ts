import { isRecord } from '../../bus/value.js';
import type { Expression } from '../expression/expression.js';
import type { Bindings } from '../expression/runtime.js';
import type { Scope } from '../expression/scope.js';
import { type Access, accessesOf, keyOf } from './access.js';

/** Which rules of a route want a message, by their position. */
export interface Matches {
  readonly matched: readonly number[];
  /** Rules whose condition could not be decided: an error is a failure, never false. */
  readonly failed: readonly { readonly rule: number; readonly error: unknown }[];
}

export type Matcher = (bindings: Bindings) => Matches;

/** Below this many rules, evaluating all is faster than looking up. */
const INDEX_FROM = 50;

/**
 * Rules in order; undefined is a rule without condition. With `first`, the first rule that matches ends the search, and so does one that
 * fails: it might have been the one, and firing a later rule could deliver twice after the repair.
 */
export function compileMatcher(rules: readonly (Expression | undefined)[], mode: 'all' | 'first', scope: Scope, indexFrom: number = INDEX_FROM): Matcher {
  if (rules.length >= indexFrom) return indexed(rules, mode, scope);
  const every = rules.map((_, rule) => rule);
  return (bindings) => evaluateRules(every, rules, mode, bindings);
}

function evaluateRules(candidates: readonly number[], rules: readonly (Expression | undefined)[], mode: 'all' | 'first', bindings: Bindings): Matches {
  const matched: number[] = [];
  const failed: { rule: number; error: unknown }[] = [];
  for (const rule of candidates) {
    try {
      const condition = rules[rule];
      if (condition && condition.evaluate(bindings) !== true) continue;
      matched.push(rule);
    } catch (error) {
      failed.push({ rule, error });
    }
    if (mode === 'first') break;
  }
  return { matched, failed };
}

interface Lookup {
  readonly variable: string;
  readonly field: string;
  readonly rules: Map<string, number[]>;
}

/** One access per rule, the one on the field with the most different values; rules without one are always evaluated. Built once per revision. */
function indexed(rules: readonly (Expression | undefined)[], mode: 'all' | 'first', scope: Scope): Matcher {
  const accesses = rules.map((rule) => (rule ? accessesOf(rule, scope) : []));
  const values = new Map<string, Set<string>>();
  for (const access of accesses.flat()) {
    const seen = values.get(nameOf(access)) ?? new Set();
    for (const key of access.keys) seen.add(key);
    values.set(nameOf(access), seen);
  }
  const lookups = new Map<string, Lookup>();
  const always: number[] = [];
  for (const [rule, options] of accesses.entries()) {
    const [best] = [...options].sort((a, b) => (values.get(nameOf(b))?.size ?? 0) - (values.get(nameOf(a))?.size ?? 0));
    if (!best) {
      always.push(rule);
      continue;
    }
    const lookup = lookups.get(nameOf(best)) ?? { variable: best.variable, field: best.field, rules: new Map<string, number[]>() };
    for (const key of best.keys) {
      const bucket = lookup.rules.get(key);
      if (bucket) bucket.push(rule);
      else lookup.rules.set(key, [rule]);
    }
    lookups.set(nameOf(best), lookup);
  }
  const all = [...lookups.values()];
  return (bindings) => evaluateRules(candidatesOf(all, always, bindings), rules, mode, bindings);
}

function candidatesOf(lookups: readonly Lookup[], always: readonly number[], bindings: Bindings): readonly number[] {
  const found: number[] = [];
  for (const { variable, field, rules } of lookups) {
    const record = bindings.variables[variable];
    const key = record !== undefined && isRecord(record) && Object.hasOwn(record, field) ? keyOf(record[field] ?? null) : undefined;
    if (key === undefined) continue;
    for (const rule of rules.get(key) ?? []) found.push(rule);
  }
  if (found.length === 0) return always;
  return [...found, ...always].sort((a, b) => a - b);
}

function nameOf(access: Access): string {
  return `${access.variable}.${access.field}`;
}
