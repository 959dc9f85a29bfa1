import type { Delivery } from '../../adapters/contract/endpoint.js';
import type { MessageHeaders, OutgoingMessage } from '../broker.js';
import { InvalidMessage } from '../errors.js';
import type { Dispatch } from '../handler.js';
import { JsonError, OWN_JSON, parseJson, writeJson } from '../json.js';
import type { Message } from '../message.js';
import { isRecord } from '../value.js';

/**
 * A delivery as it lies in its target's channel: attributes of the message as headers (CloudEvents AMQP binding 1.0,
 * `cloudEvents:` prefix), what routing said of the delivery in one of ours (each AMQP header costs), the mapped payload as exact JSON in the body, or at
 * the claim check.
 */
export interface QueuedDelivery {
  /** All but the content, which may be large and far: it is fetched when it is sent. */
  readonly delivery: Omit<Delivery, 'payload'>;
  readonly route: string;
  readonly rule: string;
  readonly endpoint: string;
  readonly revision: number;
  readonly orderKey?: string;
}

/** Attempt number; the only header that changes from one hand-out to the next. */
export const ATTEMPT = 'sb-attempt';
const PLAN = 'sb-delivery';
/** Marks the end of what was published before a change of the layout. */
const FENCE = 'sb-fence';
/** Asks whoever serves this key to look whether it was released. */
const NUDGE = 'sb-lane';

interface Plan {
  readonly route: string;
  readonly rule: string;
  readonly endpoint: string;
  readonly revision: number;
  readonly key?: string | undefined;
  /** Absent when it is the delivery's id. */
  readonly idempotencyKey?: string;
  readonly orderKey?: string;
}

/** Name of the channel that holds the deliveries of one outbound endpoint. */
export function channelOf(endpoint: string): string {
  return `target.${endpoint}`;
}

/** The endpoint whose deliveries a channel holds. */
export function endpointOf(channel: string): string {
  return channel.split('.').slice(1, 3).join('.');
}

export function encodeDispatch(dispatch: Dispatch, message: Message, revision: number): OutgoingMessage {
  const { id, route, rule, endpoint, key, idempotencyKey, orderKey } = dispatch;
  const plan: Plan = { route, rule, endpoint, revision, key, ...(idempotencyKey === id ? {} : { idempotencyKey }), ...(orderKey === undefined ? {} : { orderKey }) };
  return {
    id,
    headers: {
      'cloudEvents:specversion': message.specversion,
      'cloudEvents:id': message.id,
      'cloudEvents:source': message.source,
      'cloudEvents:type': message.type,
      'cloudEvents:time': message.time,
      ...(message.traceparent === undefined ? {} : { 'cloudEvents:traceparent': message.traceparent }),
      [PLAN]: JSON.stringify(plan),
      [ATTEMPT]: 1,
    },
    body: Buffer.from(writeJson(dispatch.payload)),
  };
}

/** The same delivery for a later attempt. */
export function withAttempt(message: OutgoingMessage, attempt: number): OutgoingMessage {
  return { id: message.id, headers: { ...message.headers, [ATTEMPT]: attempt }, body: message.body };
}

/** @throws InvalidMessage when the message in the channel is none of ours */
export function decodeDelivery(message: OutgoingMessage): QueuedDelivery {
  const { headers } = message;
  const text = (name: string): string => {
    const value = headers[name];
    if (typeof value !== 'string') throw new InvalidMessage('E501', `header ${name} is missing`);
    return value;
  };
  const plan = parsePlan(text(PLAN));
  const attempt = headers[ATTEMPT];
  return {
    delivery: {
      id: message.id,
      messageId: text('cloudEvents:id'),
      type: text('cloudEvents:type'),
      time: text('cloudEvents:time'),
      key: plan.key,
      idempotencyKey: plan.idempotencyKey ?? message.id,
      attempt: typeof attempt === 'number' || typeof attempt === 'bigint' ? Number(attempt) : 1,
      traceparent: optionalText(headers, 'cloudEvents:traceparent'),
    },
    route: plan.route,
    rule: plan.rule,
    endpoint: plan.endpoint,
    revision: plan.revision,
    ...(typeof plan.orderKey === 'string' ? { orderKey: plan.orderKey } : {}),
  };
}

/** The key of a delivery's order, without reading the rest; undefined when there is none. */
export function orderKeyOf(headers: MessageHeaders): string | undefined {
  const nudged = headers[NUDGE];
  if (typeof nudged === 'string') return nudged;
  const plan = headers[PLAN];
  if (typeof plan !== 'string' || !plan.includes('"orderKey"')) return undefined;
  try {
    return parsePlan(plan).orderKey;
  } catch {
    return undefined; // whoever decodes it as a whole says what is wrong
  }
}

export function fence(generation: number): OutgoingMessage {
  return { id: `fence ${generation}`, headers: { [FENCE]: generation }, body: new Uint8Array() };
}

/** The layout that ends here; undefined for any other message. */
export function fenceOf(headers: MessageHeaders): number | undefined {
  return FENCE in headers ? Number(headers[FENCE]) : undefined;
}

export function nudge(orderKey: string): OutgoingMessage {
  return { id: `lane ${orderKey}`, headers: { [NUDGE]: orderKey }, body: new Uint8Array() };
}

export function isNudge(headers: MessageHeaders): boolean {
  return NUDGE in headers;
}

/** @throws InvalidMessage */
export function decodePayload(body: Uint8Array): Delivery['payload'] {
  try {
    const value = parseJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'), OWN_JSON);
    if (isRecord(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new InvalidMessage('E501', error.message, { cause: error });
  }
  throw new InvalidMessage('E501', 'the payload is no JSON object');
}

function parsePlan(text: string): Plan {
  try {
    const plan = JSON.parse(text) as Partial<Plan> | null;
    if (plan && typeof plan.route === 'string' && typeof plan.rule === 'string' && typeof plan.endpoint === 'string') return { ...plan, revision: Number(plan.revision) } as Plan;
  } catch (cause) {
    throw new InvalidMessage('E501', `header ${PLAN} is no JSON`, { cause });
  }
  throw new InvalidMessage('E501', `header ${PLAN} does not say where the message belongs`);
}

function optionalText(headers: MessageHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
