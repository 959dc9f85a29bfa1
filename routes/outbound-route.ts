import { InvalidMessage } from '../bus/errors.js';
import type { Note } from '../bus/handler.js';
import { deliveryId, type Message } from '../bus/message.js';
import { canonicalScope, findType, type RouteContext } from './context.js';
import type { Bindings } from './expression/runtime.js';
import type { Scope } from './expression/scope.js';
import { ruleFailure } from './inbound-route.js';
import { compileMatcher } from './match/matcher.js';
import { type OutboundRouteConfig, orderOf } from './model.js';
import { compileOrderKey } from './order-key.js';
import { compileRule, type Rule, type RuleOutcome } from './outbound-rule.js';

export interface OutboundRoute {
  readonly name: string;
  readonly type: string;
  readonly rules: readonly Rule[];
  /** Adds what the route makes of the message. @returns the reason when no rule wanted it and `otherwise` drops it */
  readonly deliver: (message: Message, bindings: Bindings, outcome: RuleOutcome) => string | undefined;
}

/** With more rules than this, what did not match is summed up. */
const NOTED = 20;
const NO_RULE = 'no rule matched';

/** Content-based router: from one canonical type by rules to endpoints. */
export function compileOutbound(name: string, config: OutboundRouteConfig, context: RouteContext): OutboundRoute | undefined {
  const path = ['routes', name];
  const type = findType(config.subscribe, [...path, 'subscribe'], context);
  const scope: Scope = type ? canonicalScope(type) : new Map();
  checkNames(config, path, context);
  // Without the type every expression would be a second problem of the same cause.
  const rules = config.deliver.map((rule, i) => compileRule(name, rule, scope, [...path, 'deliver', i], type ? context : { ...context, report: () => undefined }));
  const order = orderOf(config);
  const orderPath = [...path, 'order_by', ...(typeof config.order_by === 'object' ? ['key'] : [])];
  const keyOf = order && compileOrderKey(order.key, scope, orderPath, type ? context : { report: () => undefined });
  if (!type) return undefined;
  const match = compileMatcher(
    rules.map((rule) => rule.when),
    config.match,
    scope,
  );
  const notes = rules.map((rule) => notesOf(name, rule));
  const otherwise = config.otherwise ?? { to: 'dead_letter' as const };
  const reason = otherwise.reason ?? NO_RULE;
  const place = context.input.placeOf(config.otherwise ? [...path, 'otherwise'] : path);

  const fire = (matched: readonly number[], message: Message, bindings: Bindings, outcome: RuleOutcome): void => {
    const wanted = matched.flatMap((rule) => rules[rule] ?? []);
    try {
      const orderKey = keyOf?.(bindings);
      for (const rule of wanted) rule.fire(message, bindings, outcome, orderKey);
    } catch (error) {
      // Without its key a message would lose its order, so it goes nowhere.
      for (const { name: rule, endpoint } of wanted) {
        outcome.failures.push(ruleFailure(error, { route: name, rule, endpoint, id: deliveryId(message.id, name, rule, endpoint, '') }, context.input.placeOf(orderPath)));
      }
    }
  };
  const deliver = (message: Message, bindings: Bindings, outcome: RuleOutcome): string | undefined => {
    const before = outcome.deliveries.length + outcome.failures.length;
    const { matched, failed } = match(bindings);
    noteMatches(
      name,
      notes,
      matched,
      failed.map(({ rule }) => rule),
      config.match,
      outcome.notes,
    );
    for (const { rule, error } of failed) {
      const at = rules[rule];
      if (at)
        outcome.failures.push(
          ruleFailure(error, { route: name, rule: at.name, endpoint: at.endpoint, id: deliveryId(message.id, name, at.name, at.endpoint, '') }, at.conditionPlace ?? at.place),
        );
    }
    if (matched.length > 0) fire(matched, message, bindings, outcome);
    if (outcome.deliveries.length + outcome.failures.length > before) return undefined;
    // A rule whose split had no element delivered nothing: the message must not vanish.
    if (otherwise.to === 'drop') return reason;
    outcome.failures.push(
      ruleFailure(new InvalidMessage('E318', reason), { route: name, rule: 'otherwise', id: deliveryId(message.id, name, 'otherwise', 'dead_letter', '') }, place),
    );
    return undefined;
  };
  return { name, type: type.name, rules, deliver };
}

function checkNames(config: OutboundRouteConfig, path: readonly string[], context: RouteContext): void {
  const names = new Set<string>(['otherwise']);
  for (const [i, { name }] of config.deliver.entries()) {
    if (names.has(name)) {
      context.report({
        severity: 'error',
        code: 'E241',
        path: [...path, 'deliver', i, 'name'],
        message: name === 'otherwise' ? 'a rule cannot be named `otherwise`' : `another rule of this route is named \`${name}\` too`,
      });
    }
    names.add(name);
  }
}

/** Built once: a message only refers to them. */
function notesOf(route: string, rule: Rule): { readonly matched: Note; readonly missed: Note } {
  const source = rule.when?.source ?? 'always';
  const shown = source.length > 160 ? `${source.slice(0, 159)}…` : source;
  return { matched: { kind: 'matched', route, rule: rule.name, text: shown }, missed: { kind: 'not-matched', route, rule: rule.name, text: `${shown} is false` } };
}

function noteMatches(
  route: string,
  notes: readonly { readonly matched: Note; readonly missed: Note }[],
  matched: readonly number[],
  failed: readonly number[],
  mode: 'all' | 'first',
  to: Note[],
): void {
  const decided = mode === 'first' ? ([...matched, ...failed][0] ?? notes.length - 1) + 1 : notes.length;
  if (decided > NOTED) {
    for (const rule of matched) to.push(...(notes[rule] ? [notes[rule].matched] : []));
    const others = decided - matched.length - failed.length;
    if (others > 0) to.push({ kind: 'not-matched', route, text: `${others} ${matched.length > 0 ? 'other ' : ''}rules: their conditions are false` });
    return;
  }
  for (let rule = 0; rule < decided; rule++) {
    const texts = notes[rule];
    if (texts && !failed.includes(rule)) to.push(matched.includes(rule) ? texts.matched : texts.missed);
  }
}
