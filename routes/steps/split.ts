import type { Value } from '../../bus/value.js';
import type { RouteContext } from '../context.js';
import { type Bindings, fail, limits } from '../expression/runtime.js';
import type { Scope } from '../expression/scope.js';
import { isListType } from '../expression/type.js';
import { compileAt } from '../mapping/field.js';
import type { RuleConfig } from '../model.js';

/** One element of the list with the variables its mapping sees, or why it could not be decided whether it is wanted. */
export interface Element {
  /** Position in the list before `only`, so that the identity of an element does not depend on the others. */
  readonly position: number;
  readonly bindings: Bindings;
  readonly error?: unknown;
}

export interface Split {
  readonly scope: Scope;
  /** @throws InvalidMessage when there is no list */
  readonly elements: (bindings: Bindings) => readonly Element[];
}

/** Splitter: one delivery for each element of a list. */
export function compileSplit(config: NonNullable<RuleConfig['split']>, scope: Scope, path: readonly (string | number)[], context: RouteContext): Split {
  const variable = config.as ?? 'it';
  const list = compileAt(config.each, scope, 'list', [...path, 'each'], context);
  if (scope.has(variable)) context.report({ severity: 'error', code: 'E242', path: [...path, 'as'], message: `\`${variable}\` is a variable already` });
  const inner: Scope = new Map([...scope, [variable, list && isListType(list.type) ? list.type.list : 'any']]);
  const only = config.only === undefined ? undefined : compileAt(config.only, inner, 'boolean', [...path, 'only'], context);

  const elements = (bindings: Bindings): readonly Element[] => {
    const values: Value = list?.evaluate(bindings) ?? [];
    if (!Array.isArray(values)) return [];
    if (values.length > limits.list) return fail('E315', `${config.each}: a list of ${values.length} elements`);
    const wanted: Element[] = [];
    for (const [position, value] of (values as readonly Value[]).entries()) {
      const own = bindings.with(variable, value);
      try {
        if (!only || only.evaluate(own) === true) wanted.push({ position, bindings: own });
      } catch (error) {
        wanted.push({ position, bindings: own, error });
      }
    }
    return wanted;
  };
  return { scope: inner, elements };
}
