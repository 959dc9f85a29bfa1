import type { Outcome } from '../handler.js';

export interface RouteTraffic {
  received: number;
  filtered: number;
  failed: number;
}

export interface RuleTraffic {
  matched: number;
  lastAt: number | undefined;
}

/** Counts per route and rule since the start, for `routes list` and `routes show`. */
export class Traffic {
  private readonly routes = new Map<string, RouteTraffic>();
  /** By route, then rule. */
  private readonly rules = new Map<string, Map<string, RuleTraffic>>();

  count(outcome: Outcome, at: number): void {
    const inbound = this.route(outcome.route);
    inbound.received++;
    if (outcome.filtered !== undefined) inbound.filtered++;
    if (outcome.failure) this.route(outcome.failure.route).failed++;
    for (const failed of outcome.failures) this.route(failed.route).failed++;
    for (const route of routesOf(outcome)) if (route !== outcome.route) this.route(route).received++;
    for (const { route, rule } of outcome.deliveries) {
      const traffic = this.rule(route, rule);
      traffic.matched++;
      traffic.lastAt = at;
    }
  }

  route(name: string): RouteTraffic {
    let traffic = this.routes.get(name);
    if (!traffic) {
      traffic = { received: 0, filtered: 0, failed: 0 };
      this.routes.set(name, traffic);
    }
    return traffic;
  }

  rule(route: string, rule: string): RuleTraffic {
    let rules = this.rules.get(route);
    if (!rules) {
      rules = new Map();
      this.rules.set(route, rules);
    }
    let traffic = rules.get(rule);
    if (!traffic) {
      traffic = { matched: 0, lastAt: undefined };
      rules.set(rule, traffic);
    }
    return traffic;
  }
}

/** Each route that wanted the message, once. */
function routesOf({ deliveries, failures }: Outcome): Iterable<string> {
  const [only] = deliveries;
  // Nearly always: the set costs more than all the counting.
  if (only && deliveries.length === 1 && failures.length === 0) return [only.route];
  return new Set([...deliveries, ...failures].map(({ route }) => route));
}
