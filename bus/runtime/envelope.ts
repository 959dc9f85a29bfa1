import type { Delivery } from '../../adapters/contract/endpoint.js';
import type { MessageHeaders, OutgoingMessage } from '../broker.js';
import { InvalidMessage } from '../errors.js';
import type { Dispatch } from '../handler.js';
import { JsonError, OWN_JSON, parseJson, writeJson } from '../json.js';
import type { Message } from '../message.js';
import { isRecord } from '../value.js';

/**
 * A delivery as it lies in its target's channel: attributes of the message (CloudEvents 1.0) and what routing said of the delivery in one header, because
 * each costs (docs/decisions/0018), the mapped payload as exact JSON in the body, or at the claim check.
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

/** Attempt number, the only header that changes from one hand-out to the next; absent at the first. */
export const ATTEMPT = 'sb-attempt';
const PLAN = 'sb-delivery';
/** Marks the end of what was published before a change of the layout. */
const FENCE = 'sb-fence';
/** Asks whoever serves this key to look whether it was released. */
const NUDGE = 'sb-lane';

interface Plan {
  readonly id: string;
  readonly type: string;
  readonly time: string;
  readonly traceparent?: string | undefined;
  readonly route: string;
  readonly rule: string;
  readonly endpoint: string;
  readonly revision: number;
  readonly key?: string | undefined;
  /** Absent when it is the delivery's id. */
  readonly idempotencyKey?: string | undefined;
  readonly orderKey?: string | undefined;
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
  const plan: Plan = {
    id: message.id,
    type: message.type,
    time: message.time,
    traceparent: message.traceparent,
    route,
    rule,
    endpoint,
    revision,
    key,
    idempotencyKey: idempotencyKey === id ? undefined : idempotencyKey,
    orderKey,
  };
  return { id, headers: { [PLAN]: JSON.stringify(plan) }, body: Buffer.from(writeJson(dispatch.payload)) };
}

/** The same delivery for a later attempt. */
export function withAttempt(message: OutgoingMessage, attempt: number): OutgoingMessage {
  return { id: message.id, headers: { ...message.headers, [ATTEMPT]: attempt }, body: message.body };
}

/** @throws InvalidMessage when the message in the channel is none of ours */
export function decodeDelivery(message: OutgoingMessage): QueuedDelivery {
  const { headers } = message;
  const text = headers[PLAN];
  if (typeof text !== 'string') throw new InvalidMessage('E501', `header ${PLAN} is missing`);
  const plan = parsePlan(text);
  const attempt = headers[ATTEMPT];
  return {
    delivery: {
      id: message.id,
      messageId: plan.id,
      type: plan.type,
      time: plan.time,
      key: plan.key,
      idempotencyKey: plan.idempotencyKey ?? message.id,
      attempt: typeof attempt === 'number' || typeof attempt === 'bigint' ? Number(attempt) : 1,
      traceparent: plan.traceparent,
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

/** Texts that must be there. */
const NEEDED = ['id', 'type', 'time', 'route', 'rule', 'endpoint'] as const satisfies readonly (keyof Plan)[];

function parsePlan(text: string): Plan {
  try {
    const plan = JSON.parse(text) as Partial<Plan> | null;
    if (plan && NEEDED.every((name) => typeof plan[name] === 'string')) return { ...plan, revision: Number(plan.revision) } as Plan;
  } catch (cause) {
    throw new InvalidMessage('E501', `header ${PLAN} is no JSON`, { cause });
  }
  throw new InvalidMessage('E501', `header ${PLAN} does not say where the message belongs`);
}
