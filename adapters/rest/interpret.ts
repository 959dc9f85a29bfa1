// Turns an authentic request into a record, or into the answer that refuses it.
import { createHash } from 'node:crypto';
import { type HttpReply, type HttpRequest, InvalidMessage, isRecord, JsonError, parseJson, type SourceRecord, type Value, type WireHeaders } from '../contract/index.js';
import type { Read } from './config.js';

export type Interpretation =
  | { readonly reply: HttpReply }
  | {
      readonly record: SourceRecord;
      readonly digest: string;
      /** The id is an `Idempotency-Key`. */
      readonly keyed: boolean;
    };

const JSON_TYPE = /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
const EVENT_TYPE = /^application\/cloudevents\+json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?$/i;
const BATCH_TYPE = /^application\/cloudevents-batch\+json\b/i;
const ID = /^[\x21-\x7e]{1,200}$/;
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function interpret(request: HttpRequest, config: Read, hidden: ReadonlySet<string>): Interpretation {
  const { headers, body } = request;
  const type = headers['content-type'] ?? '';
  const foreign = config.format === 'json' ? EVENT_TYPE : BATCH_TYPE;
  if (!JSON_TYPE.test(type) || foreign.test(type)) return refusal(415, 'expected JSON');
  const digest = createHash('sha256').update(body).digest('hex');
  const wire = wireOf(headers, hidden);
  const traceparent = headers['traceparent'] ?? '';
  const common = { size: body.byteLength, ...(TRACEPARENT.test(traceparent) ? { traceparent } : {}) };

  const text = textOf(body);
  if (text === undefined) {
    // Authentic, so it is kept: answering 400 would let the sender throw it away.
    const id = `sha256:${digest}`;
    const failure = new InvalidMessage('E360', 'the body is not UTF-8');
    return { record: { ...common, id, value: null, wire, raw: body, failure, position: `${config.path} ${id}` }, digest, keyed: false };
  }
  let value: Value;
  try {
    value = parseJson(text, { depth: 64 });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { reply: { status: 400, body: JSON.stringify({ error: 'the body is no JSON', offset: error.offset }) } };
  }
  const event = config.format === 'cloudevents' ? eventOf(value, headers, type) : undefined;
  if (config.format === 'cloudevents' && !event) return refusal(400, 'the request is no CloudEvent 1.0');
  const id = idOf(config, value, headers, event?.attributes) ?? (config.id === undefined ? { text: `sha256:${digest}`, keyed: false } : undefined);
  if (!id) return refusal(400, 'the delivery id is missing or not usable');
  return {
    record: { ...common, ...event?.record, id: id.text, value: event ? event.data : value, wire: { ...wire, ...event?.wire }, raw: body, position: `${config.path} ${id.text}` },
    digest,
    keyed: id.keyed,
  };
}

/** An id that the authentication covers, or that the operator named; undefined otherwise. */
function idOf(config: Read, value: Value, headers: Readonly<Record<string, string>>, attributes: Readonly<Record<string, string>> | undefined) {
  const usable = (text: string | undefined, keyed = false) => (text !== undefined && ID.test(text) ? { text, keyed } : undefined);
  if (config.id?.startsWith('/')) {
    const found = pointed(value, config.id);
    return typeof found === 'string' || typeof found === 'bigint' ? usable(String(found)) : undefined;
  }
  if (config.id !== undefined) return usable(headers[config.id.toLowerCase()], config.id.toLowerCase() === 'idempotency-key');
  if (attributes) return usable(deriveEventId(attributes));
  if ('standard_webhooks' in config.auth) return usable(headers['webhook-id']);
  // A signature over the body alone says nothing about headers: there the body itself is the identity.
  if ('hmac' in config.auth || 'stripe' in config.auth) return undefined;
  return usable(headers['idempotency-key'], true) ?? usable(headers['webhook-id']) ?? usable(headers['ce-id']);
}

/** CloudEvents 1.0: source and id together are unique. */
function deriveEventId({ source = '', id = '' }: Readonly<Record<string, string>>): string {
  return createHash('sha256')
    .update(`${Buffer.byteLength(source)}:${source}${id}`)
    .digest('hex');
}

interface Event {
  readonly data: Value;
  readonly attributes: Readonly<Record<string, string>>;
  readonly wire: WireHeaders;
  readonly record: Pick<SourceRecord, 'key' | 'time' | 'traceparent'>;
}

function eventOf(value: Value, headers: Readonly<Record<string, string>>, type: string): Event | undefined {
  const attributes: Record<string, string> = {};
  let data: Value = value;
  if (EVENT_TYPE.test(type)) {
    if (!isRecord(value) || value['data_base64'] !== undefined) return undefined;
    data = value['data'] ?? null;
    for (const [name, each] of Object.entries(value)) {
      if (/^[a-z0-9]{1,40}$/.test(name) && name !== 'data' && (typeof each === 'string' || typeof each === 'bigint' || typeof each === 'boolean')) attributes[name] = String(each);
    }
  } else {
    for (const [name, text] of Object.entries(headers)) {
      if (/^ce-[a-z0-9]{1,40}$/.test(name)) attributes[name.slice('ce-'.length)] = text.replace(/%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*/g, unescaped);
    }
  }
  const { specversion, id, source, type: kind, subject, time, traceparent } = attributes;
  if (specversion !== '1.0' || !id || !source || !kind) return undefined;
  return {
    data,
    attributes,
    wire: Object.fromEntries(Object.entries(attributes).map(([name, text]) => [`ce-${name}`, text])),
    record: {
      ...(subject ? { key: subject } : {}),
      ...(time && /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/.test(time) ? { time } : {}),
      ...(traceparent && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
    },
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // not ours to repair
  }
}

/** RFC 6901. */
function pointed(value: Value, pointer: string): Value | undefined {
  let at: Value | undefined = value;
  for (const part of pointer.slice(1).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(at)) at = /^(0|[1-9]\d{0,8})$/.test(name) ? (at[Number(name)] as Value | undefined) : undefined;
    else at = isRecord(at) ? at[name] : undefined;
  }
  return at;
}

function wireOf(headers: Readonly<Record<string, string>>, hidden: ReadonlySet<string>): WireHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hidden.has(name)));
}

function textOf(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return undefined; // the only thing `decode` throws for is bytes that are no UTF-8
  }
}

function refusal(status: number, error: string): { readonly reply: HttpReply } {
  return { reply: { status, body: JSON.stringify({ error }) } };
}
