import type { Delivery } from '../../adapters/contract/endpoint.js';
import type { MessageHeaders, OutgoingMessage } from '../broker.js';
import { InvalidMessage } from '../errors.js';
import type { Dispatch } from '../handler.js';
import { JsonError, parseJson, writeJson } from '../json.js';
import type { Message } from '../message.js';
import { isRecord } from '../value.js';

/**
 * A delivery as it lies in its target's channel: attributes of the message as headers (CloudEvents AMQP binding 1.0,
 * `cloudEvents:` prefix), ours with `sb-`, the mapped payload as exact JSON in the body.
 */
export interface QueuedDelivery {
  readonly delivery: Delivery;
  readonly route: string;
  readonly rule: string;
  readonly endpoint: string;
  readonly revision: number;
}

/** Name of the channel that holds the deliveries of one outbound endpoint. */
export function channelOf(endpoint: string): string {
  return `target.${endpoint}`;
}

export function encodeDispatch(dispatch: Dispatch, message: Message, revision: number): OutgoingMessage {
  return {
    id: dispatch.id,
    headers: {
      'cloudEvents:specversion': message.specversion,
      'cloudEvents:id': message.id,
      'cloudEvents:source': message.source,
      'cloudEvents:type': message.type,
      'cloudEvents:time': message.time,
      ...(message.traceparent === undefined ? {} : { 'cloudEvents:traceparent': message.traceparent }),
      'sb-route': dispatch.route,
      'sb-rule': dispatch.rule,
      'sb-endpoint': dispatch.endpoint,
      'sb-idempotency-key': dispatch.idempotencyKey,
      'sb-attempt': 1,
      'sb-revision': revision,
      ...(dispatch.key === undefined ? {} : { 'sb-key': dispatch.key }),
    },
    body: Buffer.from(writeJson(dispatch.payload)),
  };
}

/** The same delivery for a later attempt. */
export function withAttempt(message: OutgoingMessage, attempt: number): OutgoingMessage {
  return { id: message.id, headers: { ...message.headers, 'sb-attempt': attempt }, body: message.body };
}

/** @throws InvalidMessage when the message in the channel is none of ours */
export function decodeDelivery(message: OutgoingMessage): QueuedDelivery {
  const { headers } = message;
  const text = (name: string): string => {
    const value = headers[name];
    if (typeof value !== 'string') throw new InvalidMessage('E501', `header ${name} is missing`);
    return value;
  };
  const number = (name: string, fallback: number): number => {
    const value = headers[name];
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : fallback;
  };
  const payload = parsePayload(message.body);
  return {
    delivery: {
      id: message.id,
      messageId: text('cloudEvents:id'),
      type: text('cloudEvents:type'),
      time: text('cloudEvents:time'),
      key: optionalText(headers, 'sb-key'),
      idempotencyKey: text('sb-idempotency-key'),
      payload,
      attempt: number('sb-attempt', 1),
      traceparent: optionalText(headers, 'cloudEvents:traceparent'),
    },
    route: text('sb-route'),
    rule: text('sb-rule'),
    endpoint: text('sb-endpoint'),
    revision: number('sb-revision', 0),
  };
}

function parsePayload(body: Uint8Array): Delivery['payload'] {
  try {
    const value = parseJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'), { values: 5_000_000, depth: 256 });
    if (isRecord(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new InvalidMessage('E501', error.message, { cause: error });
  }
  throw new InvalidMessage('E501', 'the payload is no JSON object');
}

function optionalText(headers: MessageHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
