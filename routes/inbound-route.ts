import { InvalidMessage } from '../bus/errors.js';
import type { Note, RuleFailure } from '../bus/handler.js';
import { type Message, messageId } from '../bus/message.js';
import type { SourceRecord } from '../bus/record.js';
import { type Draft, newRecord, type Value } from '../bus/value.js';
import { canonicalScope, findEndpoint, findType, mappingContext, msgType, type RouteContext, variablesOf } from './context.js';
import type { Expression } from './expression/expression.js';
import { Bindings } from './expression/runtime.js';
import type { Scope } from './expression/scope.js';
import { recordType, type Type } from './expression/type.js';
import type { EndpointFields } from './input.js';
import { textOf } from './mapping/conversions.js';
import { compileAt } from './mapping/field.js';
import { compileMapping, located } from './mapping/mapping.js';
import type { InboundRouteConfig } from './model.js';

export interface InboundRoute {
  readonly name: string;
  readonly endpoint: string;
  readonly type: string;
  /** Never throws for what the record contains. */
  readonly translate: (record: SourceRecord, now: Date) => Translated;
}

/** What one record became in one route: a message, or nothing for a reason. */
type Translated =
  | { readonly id: string; readonly message: Message; readonly notes: readonly Note[] }
  | { readonly id: string; readonly filtered: string; readonly notes: readonly Note[] }
  | { readonly id: string; readonly failure: RuleFailure; readonly notes: readonly Note[] };

const nothing = newRecord();

/** Filter and Message Translator from one endpoint to one canonical type. */
export function compileInbound(name: string, config: InboundRouteConfig, context: RouteContext): InboundRoute | undefined {
  const path = ['routes', name];
  const source = findEndpoint(config.from, context.input.sources, [...path, 'from'], context);
  const type = findType(config.publish, [...path, 'publish'], context);
  const scope: Scope = new Map<string, Type>([
    ['record', typeOfRecord(config.from, source)],
    ['msg', msgType],
  ]);
  const filter = config.filter === undefined ? undefined : compileAt(config.filter, scope, 'boolean', [...path, 'filter'], context);
  const mapping = compileMapping(config.map, type?.shape, scope, [...path, 'map'], mappingContext(context, 'inbound'));
  if (!type) return undefined;
  const key = config.key === undefined ? undefined : compileAt(config.key, new Map([...scope, ...canonicalScope(type)]), 'key', [...path, 'key'], context);

  const places = { route: context.input.placeOf(path), filter: context.input.placeOf([...path, 'filter']), key: context.input.placeOf([...path, 'key']) };
  const sourceUri = `/${config.from.replace('.', '/')}`;

  const translate = (record: SourceRecord, now: Date): Translated => {
    const id = messageId(config.from, record.id, name, context.input.installation);
    const notes: Note[] = [];
    let place = places.route;
    try {
      if (record.failure) throw record.failure;
      const message: Draft<Message> = {
        specversion: '1.0',
        id,
        source: sourceUri,
        type: type.name,
        time: record.time ?? now.toISOString(),
        datacontenttype: 'application/json',
        wire: record.wire ?? {},
        data: nothing,
      };
      if (record.traceparent !== undefined) message.traceparent = record.traceparent;
      const bindings = new Bindings(now, variablesOf('record', record.value, message));
      place = places.filter;
      if (filter && filter.evaluate(bindings) !== true) return { id, filtered: `${filter.source} is false`, notes };
      place = places.route;
      message.data = mapping(bindings, (text) => notes.push({ kind: 'mapped', route: name, text }));
      place = places.key;
      const subject = key ? keyText(key, bindings.with(type.variable, message.data)) : record.key;
      if (subject !== undefined) message.subject = subject;
      return { id, message, notes };
    } catch (error) {
      return { id, failure: ruleFailure(error, { route: name, id }, place), notes };
    }
  };
  return { name, endpoint: config.from, type: type.name, translate };
}

function typeOfRecord(endpoint: string, source: EndpointFields | undefined): Type {
  return source?.fields ? recordType(endpoint, source.fields, source.origin) : 'any';
}

/** The text of a key expression. @throws InvalidMessage when there is none */
export function keyText(key: Expression, bindings: Bindings): string {
  const value: Value = key.evaluate(bindings);
  const text = textOf(value);
  if (text === undefined || text === '') throw new InvalidMessage('E301', `the key \`${key.source}\` has no value`);
  return text;
}

/** What went wrong as an outcome, with the best place known. */
export function ruleFailure(thrown: unknown, at: Omit<RuleFailure, 'failure' | 'place'>, place: string | undefined): RuleFailure {
  const error = located(thrown, place);
  const failure = Error.isError(error) ? (error as Error) : new Error(String(error));
  const where = failure instanceof InvalidMessage ? (failure.place ?? place) : place;
  return { ...at, failure, ...(where === undefined ? {} : { place: where }) };
}
