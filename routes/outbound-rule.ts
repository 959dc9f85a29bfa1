import { InvalidMessage } from '../bus/errors.js';
import type { Dispatch, Note, RuleFailure } from '../bus/handler.js';
import { deliveryId, type Message } from '../bus/message.js';
import { findEndpoint, mappingContext, type RouteContext } from './context.js';
import type { Expression } from './expression/expression.js';
import type { Bindings } from './expression/runtime.js';
import type { Scope } from './expression/scope.js';
import { keyText, ruleFailure } from './inbound-route.js';
import { compileAt } from './mapping/field.js';
import { compileMapping } from './mapping/mapping.js';
import { shapeOfFields } from './mapping/shape.js';
import type { RuleConfig } from './model.js';
import { compileSplit } from './steps/split.js';

/** What a rule adds to the outcome of a message. */
export interface RuleOutcome {
  readonly deliveries: Dispatch[];
  readonly failures: RuleFailure[];
  readonly notes: Note[];
}

type Order = Pick<Dispatch, 'orderKey'>;

export interface Rule {
  readonly name: string;
  readonly when: Expression | undefined;
  readonly endpoint: string;
  /** Where the rule, and its condition, stand: `orders.yaml:72`. */
  readonly place: string | undefined;
  readonly conditionPlace: string | undefined;
  /** Maps and addresses a message the rule wants. A failure becomes part of the outcome. */
  readonly fire: (message: Message, bindings: Bindings, outcome: RuleOutcome, orderKey?: string) => void;
}

export function compileRule(route: string, config: RuleConfig, scope: Scope, path: readonly (string | number)[], context: RouteContext): Rule {
  const { name, to } = config;
  const target = findEndpoint(to, context.input.targets, [...path, 'to'], context);
  const when = config.when === undefined ? undefined : compileAt(config.when, scope, 'boolean', [...path, 'when'], context);
  const split = config.split && compileSplit(config.split, scope, [...path, 'split'], context);
  const inner = split?.scope ?? scope;
  const shape = target?.fields && shapeOfFields(to, target.fields, target.origin);
  const mapping = compileMapping(config.map, shape, inner, [...path, 'map'], mappingContext(context, 'outbound'));
  const key = config.idempotency_key === undefined ? undefined : compileAt(config.idempotency_key, inner, 'key', [...path, 'idempotency_key'], context);
  const place = context.input.placeOf(path);

  const dispatch = (message: Message, bindings: Bindings, position: number | undefined, taken: Set<string> | undefined, outcome: RuleOutcome, order: Order): void => {
    const element = position === undefined ? '' : String(position);
    try {
      const given = key && keyText(key, bindings);
      if (given !== undefined && taken?.has(given)) throw new InvalidMessage('E319', `element ${element}: another element has the idempotency key "${given.slice(0, 80)}" too`);
      if (given !== undefined) taken?.add(given);
      const id = deliveryId(message.id, route, name, to, position === undefined ? '' : (given ?? element));
      const payload = mapping(bindings, position === undefined ? (text) => outcome.notes.push({ kind: 'mapped', route, rule: name, text }) : undefined);
      outcome.deliveries.push({ id, route, rule: name, endpoint: to, key: message.subject, idempotencyKey: given ?? id, ...order, payload });
    } catch (error) {
      outcome.failures.push(failed(message, element, error, order));
    }
  };
  const failed = (message: Message, element: string, error: unknown, order: Order) =>
    ruleFailure(error, { route, rule: name, endpoint: to, id: deliveryId(message.id, route, name, to, element), ...order }, place);

  const fire = (message: Message, bindings: Bindings, outcome: RuleOutcome, orderKey?: string): void => {
    const order: Order = orderKey === undefined ? {} : { orderKey };
    if (!split) {
      dispatch(message, bindings, undefined, undefined, outcome, order);
      return;
    }
    const taken = new Set<string>();
    try {
      for (const element of split.elements(bindings)) {
        if (element.error === undefined) dispatch(message, element.bindings, element.position, taken, outcome, order);
        else outcome.failures.push(failed(message, String(element.position), element.error, order));
      }
    } catch (error) {
      outcome.failures.push(failed(message, '', error, order));
    }
  };
  return { name, when, endpoint: to, place, conditionPlace: context.input.placeOf([...path, 'when']), fire };
}
