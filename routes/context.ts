import type { Finding } from '../bus/finding.js';
import { nearest } from '../bus/finding.js';
import type { Message } from '../bus/message.js';
import { newRecord, type Value, type ValueRecord } from '../bus/value.js';
import type { Scope } from './expression/scope.js';
import type { RecordType, Type } from './expression/type.js';
import type { EndpointFields, RoutesInput } from './input.js';
import type { MappingContext } from './mapping/context.js';
import { compileMapping } from './mapping/mapping.js';
import type { CanonicalType } from './types.js';

/** What all routes of a configuration share while they are compiled. */
export interface RouteContext {
  readonly input: RoutesInput;
  readonly types: ReadonlyMap<string, CanonicalType>;
  readonly usedTables: Set<string>;
  readonly report: (finding: Finding) => void;
}

export function mappingContext(context: RouteContext, direction: 'inbound' | 'outbound'): MappingContext {
  const { input, usedTables, report } = context;
  return { tables: input.tables, usedTables, direction, report, placeOf: input.placeOf, compileNested: compileMapping };
}

const text = { type: 'text', optional: true } as const;
const wire: RecordType = { name: 'wire headers', fields: () => new Map(), others: 'text' };
const envelope = new Map<string, { readonly type: Type; readonly optional: boolean }>([
  ['id', text],
  ['source', text],
  ['type', text],
  ['subject', text],
  ['time', { type: 'timestamp', optional: true }],
  ['correlationid', text],
  ['causationid', text],
  ['wire', { type: wire, optional: false }],
]);

/** `msg` in expressions: the attributes of the message. */
export const msgType: RecordType = { name: 'msg', fields: () => envelope };

export function canonicalScope(type: CanonicalType): Scope {
  return new Map<string, Type>([
    [type.variable, type.type],
    ['msg', msgType],
  ]);
}

const MESSAGE = Symbol('message');
const MSG = Symbol('msg');

/** `msg` is made when it is asked for first: few ask. */
class MessageVariables {
  private readonly [MESSAGE]: Omit<Message, 'data'>;
  private [MSG]: ValueRecord | undefined = undefined;

  constructor(message: Omit<Message, 'data'>) {
    this[MESSAGE] = message;
  }

  get msg(): ValueRecord {
    this[MSG] ??= msgOf(this[MESSAGE]);
    return this[MSG];
  }
}

/** The variables of a message's expressions: `name`, and `msg`. */
export function variablesOf(name: string, value: Value, message: Omit<Message, 'data'>): Readonly<Record<string, Value>> {
  const variables = new MessageVariables(message) as unknown as Record<string, Value>;
  variables[name] = value;
  return variables;
}

function msgOf(message: Omit<Message, 'data'>): ValueRecord {
  const { id, source, type, subject, time, correlationid, causationid } = message;
  const attributes: Record<string, Value> = newRecord();
  attributes['id'] = id;
  attributes['source'] = source;
  attributes['type'] = type;
  attributes['subject'] = subject ?? null;
  attributes['time'] = time;
  attributes['correlationid'] = correlationid ?? null;
  attributes['causationid'] = causationid ?? null;
  attributes['wire'] = message.wire;
  return attributes;
}

export function findType(name: string, path: readonly (string | number)[], context: RouteContext): CanonicalType | undefined {
  const found = context.types.get(name);
  if (!found) report('E221', 'type', name, context.types.keys(), path, context);
  return found;
}

export function findEndpoint(name: string, endpoints: ReadonlyMap<string, EndpointFields>, path: readonly (string | number)[], context: RouteContext): EndpointFields | undefined {
  const found = endpoints.get(name);
  if (!found) report('E240', 'endpoint', name, endpoints.keys(), path, context);
  return found;
}

function report(code: 'E221' | 'E240', what: string, name: string, names: Iterable<string>, path: readonly (string | number)[], context: RouteContext): void {
  const known = [...names];
  const near = nearest(name, known);
  context.report({
    severity: 'error',
    code,
    path,
    message: `unknown ${what} \`${name}\``,
    ...(near ? { help: `did you mean \`${near}\`?` } : {}),
    note: known.length > 0 ? `known: ${known.join(' ')}` : `there is no ${what} yet`,
  });
}
