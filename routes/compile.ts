import { InvalidMessage } from '../bus/errors.js';
import type { Finding } from '../bus/finding.js';
import type { Handler, Outcome, RetryPolicy, RouteOrder } from '../bus/handler.js';
import { deliveryId, type Message, messageId } from '../bus/message.js';
import type { Draft } from '../bus/value.js';
import { type RouteContext, variablesOf } from './context.js';
import { Bindings } from './expression/runtime.js';
import { compileInbound, type InboundRoute, ruleFailure } from './inbound-route.js';
import type { RoutesInput } from './input.js';
import { lintRoutes } from './lint.js';
import { convertRecord } from './mapping/shape.js';
import { defaultRetry, orderOf, type RetryConfig } from './model.js';
import { compileOutbound, type OutboundRoute } from './outbound-route.js';
import type { RuleOutcome } from './outbound-rule.js';
import { readTypes } from './types.js';

export interface CompiledRoutes {
  /** Every problem of types, tables, routes, expressions and mappings, errors and warnings. */
  readonly findings: readonly Finding[];
  /** The routing function for one revision; undefined when a finding is an error. */
  build(revision: number): Handler | undefined;
}

/** Checks and compiles all routes of a configuration. Pure; called by the loader once per configuration. Never throws for what the configuration says. */
export function compileRoutes(input: RoutesInput): CompiledRoutes {
  const findings: Finding[] = [];
  const report = (finding: Finding) => void findings.push(finding);
  const types = readTypes(input.types, report);
  const context: RouteContext = { input, types, usedTables: new Set(), report };
  const inbound: InboundRoute[] = [];
  const outbound: OutboundRoute[] = [];
  for (const [name, config] of Object.entries(input.routes)) {
    if ('from' in config) {
      const route = compileInbound(name, config, context);
      if (route) inbound.push(route);
    } else {
      const route = compileOutbound(name, config, context);
      if (route) outbound.push(route);
    }
  }
  lintRoutes(context);
  const sound = !findings.some((finding) => finding.severity === 'error');
  return { findings, build: (revision) => (sound ? buildHandler(revision, context, inbound, outbound) : undefined) };
}

function buildHandler(revision: number, context: RouteContext, inbound: readonly InboundRoute[], outbound: readonly OutboundRoute[]): Handler {
  const { input, types } = context;
  const bySource = Map.groupBy(inbound, (route) => route.endpoint);
  const byType = Map.groupBy(outbound, (route) => route.type);
  const retries = retryPolicies(input);

  const deliverMessage = (message: Message, route: string, variable: string, now: Date, before: Outcome['notes']): Outcome => {
    const outcome: RuleOutcome & Draft<Outcome> = { messageId: message.id, route, message, deliveries: [], failures: [], notes: [...before] };
    const bindings = new Bindings(now, variablesOf(variable, message.data, message));
    const routes = byType.get(message.type) ?? [];
    const dropped: string[] = [];
    for (const to of routes) {
      const reason = to.deliver(message, bindings, outcome);
      if (reason !== undefined) dropped.push(reason);
    }
    if (routes.length === 0) {
      outcome.failures.push(
        ruleFailure(
          new InvalidMessage('E317', `no route subscribes to ${message.type}`),
          { route, id: deliveryId(message.id, route, 'otherwise', 'dead_letter', '') },
          input.placeOf(['types', message.type]),
        ),
      );
    }
    const filtered = outcome.deliveries.length + outcome.failures.length === 0 ? dropped[0] : undefined;
    if (filtered !== undefined) outcome.filtered = filtered;
    return outcome;
  };

  return {
    revision,
    sources: [...bySource.keys()],
    targets: [...new Set(outbound.flatMap((route) => route.rules.map((rule) => rule.endpoint)))],
    messageIds: (endpoint, recordId) => (bySource.get(endpoint) ?? []).map((route) => messageId(endpoint, recordId, route.name, input.installation)),
    ordered: routeOrders(input),
    retry: (route, rule) => retries.byRule.get(`${route}/${rule}`) ?? retries.standard,
    receive: (endpoint, record, now) =>
      (bySource.get(endpoint) ?? []).map((route) => {
        const made = route.translate(record, now);
        if ('message' in made) return deliverMessage(made.message, route.name, types.get(route.type)?.variable ?? '', now, made.notes);
        const { id, notes, ...rest } = made;
        return { messageId: id, route: route.name, deliveries: [], failures: [], notes, ...rest };
      }),
    route: (message, now) => {
      try {
        const type = types.get(message.type);
        if (!type) throw new InvalidMessage('E316', `the type ${message.type.slice(0, 80)} is not declared`);
        const data = convertRecord(message.data, type.shape, type.variable);
        return deliverMessage({ ...message, data }, type.name, type.variable, now, []);
      } catch (error) {
        return {
          messageId: message.id,
          route: message.type,
          message,
          failure: ruleFailure(error, { route: message.type, id: message.id }, undefined),
          deliveries: [],
          failures: [],
          notes: [],
        };
      }
    },
  };
}

function routeOrders(input: RoutesInput): ReadonlyMap<string, RouteOrder> {
  const orders = new Map<string, RouteOrder>();
  for (const [route, config] of Object.entries(input.routes)) {
    const order = 'from' in config ? undefined : orderOf(config);
    if ('from' in config || !order) continue;
    const targets = [...new Set(config.deliver.map(({ to }) => to))];
    orders.set(route, { by: order.key, targets, onFailure: order.on_failure, holdMs: order.hold });
  }
  return orders;
}

function retryPolicies(input: RoutesInput): { readonly standard: RetryPolicy; readonly byRule: ReadonlyMap<string, RetryPolicy> } {
  const standard = withRetry(defaultRetry, input.defaults.retry);
  const byRule = new Map<string, RetryPolicy>();
  for (const [route, config] of Object.entries(input.routes)) {
    if ('from' in config) continue;
    for (const rule of config.deliver) byRule.set(`${route}/${rule.name}`, withRetry(standard, rule.retry));
  }
  return { standard, byRule };
}

function withRetry(policy: RetryPolicy, config: RetryConfig | undefined): RetryPolicy {
  if (!config) return policy;
  return {
    attempts: config.attempts ?? policy.attempts,
    firstMs: config.wait?.firstMs ?? policy.firstMs,
    longestMs: config.wait?.longestMs ?? policy.longestMs,
    factor: config.factor ?? policy.factor,
    jitter: config.jitter ?? policy.jitter,
  };
}
