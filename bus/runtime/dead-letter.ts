import type { OutgoingMessage } from '../broker.js';
import { describe, failureOf } from '../errors.js';
import type { RuleFailure } from '../handler.js';
import { writeJson } from '../json.js';
import { deriveId } from '../message.js';
import type { SourceRecord } from '../record.js';
import type { DeadLetter } from '../store/contract.js';
import type { QueuedDelivery } from './envelope.js';

interface Cause {
  readonly code: string;
  readonly reason: string;
  readonly stack?: string;
}

/** Code and one line for people; anything that is none of the four failures is a bug and keeps its stack. */
export function causeOf(error: unknown): Cause {
  const failure = failureOf(error);
  if (failure) return { code: failure.code, reason: describe(failure) };
  const stack = Error.isError(error) ? (error as Error).stack : undefined;
  return { code: 'E500', reason: describe(error), ...(stack === undefined ? {} : { stack }) };
}

/**
 * Letters with one cause share a group: where it failed, the code, and the text without its numbers, quoted values and ids.
 * `Period 2026-02 is closed` and `Period 2026-03 is closed` are one cause.
 */
export function groupOf(where: string, code: string, reason: string): string {
  const text = reason
    .toLowerCase()
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '<text>')
    .replace(/\b[0-9a-z]{26}\b/g, '<id>')
    .replace(/[0-9][0-9.,:t/-]*/g, '<n>')
    .slice(0, 300);
  return `G${deriveId('group', where, code, text).slice(0, 5)}`;
}

/** The letter of a delivery that cannot be made; its content goes back into the channel when it is redelivered. */
export function deliveryLetter(message: OutgoingMessage, queued: QueuedDelivery, error: unknown, at: number): DeadLetter {
  const { code, reason, stack } = causeOf(error);
  return {
    id: message.id,
    messageId: queued.delivery.messageId,
    stage: 'delivery',
    group: groupOf(queued.endpoint, code, reason),
    code,
    reason,
    endpoint: queued.endpoint,
    route: queued.route,
    rule: queued.rule,
    ...(queued.delivery.key === undefined ? {} : { key: queued.delivery.key }),
    attempts: queued.delivery.attempt,
    at,
    ...(stack === undefined ? {} : { stack }),
    headers: headersText(message.headers),
    content: message.body,
  };
}

/** The letter of a message in a channel that is none of ours: nothing in it can be trusted but its bytes. */
export function foreignLetter(message: OutgoingMessage, endpoint: string, error: unknown, at: number): DeadLetter {
  const { code, reason } = causeOf(error);
  const id = message.id || deriveId('foreign', endpoint, Buffer.from(message.body).toString('base64'));
  return {
    id,
    messageId: id,
    stage: 'delivery',
    group: groupOf(endpoint, code, reason),
    code,
    reason,
    endpoint,
    route: '',
    attempts: 0,
    at,
    headers: headersText(message.headers),
    content: message.body,
  };
}

/** The letter of a record that could not become a message, or of a rule that failed on it; redelivering sends the record through its routes again. */
export function recordLetter(endpoint: string, record: SourceRecord, messageId: string, failed: RuleFailure, at: number): DeadLetter {
  // What was decoded is kept decoded, so that it can go through its routes again; what was not is kept as it came.
  const original = record.failure ? record.raw : undefined;
  const { code, reason, stack } = causeOf(failed.failure);
  return {
    id: failed.id,
    messageId,
    stage: 'inbound',
    group: groupOf(failed.rule === undefined ? failed.route : `${failed.route}/${failed.rule}`, code, reason),
    code,
    reason: failed.orderKey === undefined ? reason : `${reason} (a gap in the order of "${failed.orderKey}")`,
    endpoint,
    route: failed.route,
    ...(failed.rule === undefined ? {} : { rule: failed.rule }),
    ...(failed.place === undefined ? {} : { place: failed.place }),
    ...(record.key === undefined ? {} : { key: record.key }),
    attempts: 1,
    at,
    ...(stack === undefined ? {} : { stack }),
    headers: {
      id: record.id,
      form: original ? 'raw' : 'json',
      ...(record.key === undefined ? {} : { key: record.key }),
      ...(record.time === undefined ? {} : { time: record.time }),
      ...(record.position === undefined ? {} : { position: record.position }),
      ...(record.traceparent === undefined ? {} : { traceparent: record.traceparent }),
      ...(record.wire === undefined ? {} : { wire: JSON.stringify(record.wire) }),
    },
    content: original ?? Buffer.from(writeJson(record.value)),
  };
}

/** Headers as the store keeps them. */
export function headersText(headers: OutgoingMessage['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value).toString('base64') : String(value)]));
}
