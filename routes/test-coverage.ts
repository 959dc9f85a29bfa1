import type { Outcome } from '../bus/handler.js';
import type { RoutesInput } from './input.js';

/** Rules that fired in at least one test; a declared `otherwise` counts as a rule. */
export interface Coverage {
  readonly fired: number;
  readonly rules: number;
  /** `orders-out/otherwise`. */
  readonly never: readonly string[];
}

export function coverage(input: RoutesInput, outcomes: readonly Outcome[]): Coverage {
  const fired = new Set<string>();
  for (const outcome of outcomes) {
    for (const { route, rule } of outcome.deliveries) fired.add(`${route}/${rule}`);
    for (const { route, rule } of outcome.failures) if (rule !== undefined) fired.add(`${route}/${rule}`);
    for (const name of droppingRoutes(input, outcome)) fired.add(`${name}/otherwise`);
  }
  const rules = Object.entries(input.routes).flatMap(([name, config]) =>
    'from' in config ? [] : [...config.deliver.map((rule) => `${name}/${rule.name}`), ...(config.otherwise ? [`${name}/otherwise`] : [])],
  );
  const never = rules.filter((rule) => !fired.has(rule));
  return { fired: rules.length - never.length, rules: rules.length, never };
}

/** Routes whose `otherwise: {to: drop}` took the message. */
function droppingRoutes(input: RoutesInput, { message, deliveries, failures }: Outcome): readonly string[] {
  if (!message) return [];
  return Object.entries(input.routes).flatMap(([name, config]) => {
    const drops = !('from' in config) && config.subscribe === message.type && config.otherwise?.to === 'drop';
    return drops && ![...deliveries, ...failures].some(({ route }) => route === name) ? [name] : [];
  });
}
