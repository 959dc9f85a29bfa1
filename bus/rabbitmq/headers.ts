import type { MessageHeaders } from '../broker.js';

/** What the broker adds to a message that was returned or came from the ladder; never part of the message. */
const BROKER_HEADER = /^x-(?:death|delivery-count|acquired-count|(?:first|last)-death-.*)$/;

/** The client library reads a 64-bit integer as a double, so a bigint travels as text in a table of one field. */
const INT64 = 'int64';

/** By the only name in it. */
const used = new Map<string, Record<string, unknown>>();
const MOST_NAMES = 100;

/**
 * The headers as the library takes them; good for one publish, which encodes them before it returns. It makes the table the prototype of another object and
 * walks both: with a new table that costs as much as all the rest of the encoding, so one text alone, the usual case, goes in a table that is used again.
 */
export function toAmqp(headers: MessageHeaders): Record<string, unknown> {
  const [name = '', more] = Object.keys(headers);
  const only = more === undefined ? headers[name] : undefined;
  if (typeof only !== 'string') return newTable(headers);
  let table = used.get(name);
  if (!table) {
    table = {};
    if (used.size < MOST_NAMES) used.set(name, table);
  }
  table[name] = only;
  return table;
}

function newTable(headers: MessageHeaders): Record<string, unknown> {
  const table: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'bigint') table[name] = { [INT64]: value.toString() };
    else if (typeof value === 'number' && !(Number.isSafeInteger(value) && !Object.is(value, -0))) table[name] = { '!': 'double', value };
    else table[name] = value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
  }
  return table;
}

export function fromAmqp(table: Readonly<Record<string, unknown>>): MessageHeaders {
  const headers: Record<string, string | number | bigint | boolean | Uint8Array> = {};
  for (const [name, value] of Object.entries(table)) {
    if (BROKER_HEADER.test(name)) continue;
    // A binary value is a slice of the socket's buffer.
    if (value instanceof Uint8Array) headers[name] = new Uint8Array(value);
    else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') headers[name] = value;
    else if (typeof value === 'object' && value !== null && INT64 in value) headers[name] = BigInt(String(value[INT64]));
  }
  return headers;
}
