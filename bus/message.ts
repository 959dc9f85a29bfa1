import { hash } from 'node:crypto';
import type { ValueRecord } from './value.js';

/**
 * Headers as they stood on the wire of the outside world (HTTP headers, file name, AMQP headers of a foreign
 * publisher): lower-cased names, read-only. They never steer anything unless a route maps them explicitly.
 */
export type WireHeaders = Readonly<Record<string, string>>;

/**
 * One canonical message. Attributes are those of CloudEvents 1.0 and its documented extensions
 * (partitioning, sequence, dataref, distributed tracing); data is typed by the canonical type. Immutable.
 */
export interface Message {
  readonly specversion: '1.0';
  /** Deterministic: the same input gives the same id however often it is read (`messageId`). */
  readonly id: string;
  /** URI reference of the endpoint it came from: `/legacy/orders`. */
  readonly source: string;
  /** Name of the canonical type: `Order`. */
  readonly type: string;
  /** The business key people search by: an order number. */
  readonly subject?: string;
  /** RFC 3339, when the input was read (or the time the source gave for it). */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly dataschema?: string;
  readonly partitionkey?: string;
  readonly sequence?: string;
  readonly dataref?: string;
  readonly correlationid?: string;
  readonly causationid?: string;
  readonly traceparent?: string;
  readonly data: ValueRecord;
  readonly wire: WireHeaders;
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'; // Crockford's base 32: no I, L, O, U

/** Two letters for every ten bits: half the steps, and half the texts that are made on the way. */
const PAIRS = Array.from({ length: 1_024 }, (_, bits) => `${ALPHABET[bits >> 5]}${ALPHABET[bits & 31]}`);

/**
 * A name derived from its parts and nothing else: SHA-256 over the length-prefixed parts, cut to 130 bits,
 * in Crockford's base 32 (26 characters). Equal parts give equal ids on any node, at any time; different lists of parts
 * never share a preimage.
 */
export function deriveId(...parts: readonly string[]): string {
  let text = '';
  for (const part of parts) text += `${Buffer.byteLength(part)}:${part}`;
  // As a text of bytes: making a Buffer costs more than the hash.
  const digest = hash('sha256', text, 'binary');
  let id = '';
  let bits = 0;
  let held = 0;
  for (let i = 0; id.length < 26; i++) {
    held = (held << 8) | digest.charCodeAt(i);
    bits += 8;
    if (bits < 10) continue;
    bits -= 10;
    id += PAIRS[held >>> bits];
    held &= (1 << bits) - 1;
  }
  return id;
}

/**
 * Id of the canonical message that `route` makes of one record of `endpoint`. Two installations that read equal records under equal names and write
 * into one system are told apart by the name of the installation; ids of deliveries are made from this one.
 */
export function messageId(endpoint: string, recordId: string, route: string, installation?: string): string {
  return installation === undefined ? deriveId('message', endpoint, recordId, route) : deriveId('message', endpoint, recordId, route, installation);
}

/** Id of one delivery: the effect of `messageId` at `endpoint`, by one rule, for one element of a split. */
export function deliveryId(message: string, route: string, rule: string, endpoint: string, element: string): string {
  return deriveId('delivery', message, route, rule, endpoint, element);
}
