import { InvalidMessage } from '../../bus/errors.js';
import type { Dispatch, Handler, Outcome, RetryPolicy, RouteOrder, RuleFailure } from '../../bus/handler.js';
import { deliveryId, type Message, messageId } from '../../bus/message.js';
import type { SourceRecord } from '../../bus/record.js';
import { isRecord, type Value } from '../../bus/value.js';

/** What a partner makes of a delivery, decided when the input is made. */
export type Fate = 'ok' | 'invalid' | 'never' | 'twice-busy';

/** One thing that is said to Signalbox. */
export interface Input {
  readonly source: string;
  readonly id: string;
  readonly n: number;
  readonly key: string;
  /** `broken`: the rule of its last target fails. */
  readonly kind: 'plain' | 'skip' | 'bad' | 'broken';
  readonly to: readonly string[];
  readonly fate: Fate;
}

/** What must become of an input, whatever happens. */
export interface Expected {
  readonly input: Input;
  readonly messageId: string;
  readonly deliveries: readonly { readonly id: string; readonly endpoint: string }[];
  /** Ids of dead letters that must be there. */
  readonly dead: readonly string[];
}

const [IN, OUT] = ['in', 'out'];
/** Endpoints of this name get the deliveries of a key in order; by a route of their own. */
const KEYED = '.keyed';

function routeTo(endpoint: string): string {
  return endpoint.endsWith(KEYED) ? endpoint : OUT;
}

export function recordOf(input: Input): SourceRecord {
  const { id, key, kind, to, fate, n } = input;
  return { id, key, value: { n: BigInt(n), kind, fate, to: [...to] } };
}

export function expected(input: Input): Expected {
  const id = messageId(input.source, input.id, IN);
  if (input.kind === 'skip') return { input, messageId: id, deliveries: [], dead: [] };
  if (input.kind === 'bad') return { input, messageId: id, deliveries: [], dead: [id] };
  const wanted = input.to.map((endpoint) => ({ id: deliveryId(id, routeTo(endpoint), endpoint, endpoint, ''), endpoint }));
  const deliveries = input.kind === 'broken' ? wanted.slice(0, -1) : wanted;
  return { input, messageId: id, deliveries, dead: wanted.slice(deliveries.length).map(({ id: letter }) => letter) };
}

/** One inbound route per source, one rule per target; the record says which rules match. */
export function routing(revision: number, sources: readonly string[], targets: readonly string[], retry: RetryPolicy, ordered: ReadonlyMap<string, RouteOrder>): Handler {
  const route = (message: Message, kind: Value | undefined, to: readonly string[]): Outcome => {
    const dispatches = to.map((endpoint): Dispatch => {
      const route = routeTo(endpoint);
      const id = deliveryId(message.id, route, endpoint, endpoint, '');
      const orderKey = route !== OUT && message.subject !== undefined ? { orderKey: message.subject } : {};
      return { id, route, rule: endpoint, endpoint, key: message.subject, idempotencyKey: id, payload: message.data, ...orderKey };
    });
    const failing = kind === 'broken' ? dispatches.slice(-1) : [];
    const failures = failing.map(
      ({ id, rule, endpoint }): RuleFailure => ({ failure: new InvalidMessage('E300', 'the rule cannot map it'), route: routeTo(endpoint), rule, endpoint, id }),
    );
    return { messageId: message.id, route: IN, message, deliveries: dispatches.filter((one) => !failing.includes(one)), failures, notes: [] };
  };
  const receive = (endpoint: string, record: SourceRecord, now: Date): Outcome => {
    const id = messageId(endpoint, record.id, IN);
    const data = isRecord(record.value) ? record.value : {};
    const base = { messageId: id, route: IN, deliveries: [], failures: [], notes: [] };
    if (data['kind'] === 'skip') return { ...base, filtered: 'not wanted' };
    if (data['kind'] === 'bad') return { ...base, failure: { failure: new InvalidMessage('E300', 'it is bad'), route: IN, id } };
    const message: Message = {
      specversion: '1.0',
      id,
      source: endpoint,
      type: 'Thing',
      time: now.toISOString(),
      datacontenttype: 'application/json',
      data,
      wire: {},
      ...(record.key === undefined ? {} : { subject: record.key }),
    };
    return route(message, data['kind'], Array.isArray(data['to']) ? data['to'].map(String) : []);
  };
  return {
    revision,
    sources,
    targets,
    receive: (endpoint, record, now) => [receive(endpoint, record, now)],
    route: (message) => route(message, message.data['kind'], []),
    messageIds: (endpoint, recordId) => [messageId(endpoint, recordId, IN)],
    retry: () => retry,
    ordered,
  };
}
