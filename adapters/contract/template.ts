import { Decimal } from '../../bus/decimal.js';
import { InvalidMessage } from '../../bus/errors.js';
import type { Value } from '../../bus/value.js';
import type { Delivery } from './endpoint.js';

/**
 * Text with `{...}` places for a file name or a URL path, checked when the configuration is loaded:
 * `{id}` (delivery id), `{message.id}`, `{message.type}`, `{message.time}`, `{key}`, `{attempt}` and `{payload.FIELD}`.
 */
export interface Template {
  readonly source: string;
  /**
   * Every place is filled by `encode(text)`, so that a value never changes the structure around it.
   * @throws InvalidMessage when a place has no value
   */
  render(delivery: Delivery, encode: (text: string) => string): string;
}

const PLACE = /\{([^{}]*)\}/g;
const FIXED = new Set(['id', 'message.id', 'message.type', 'message.time', 'key']);

/** @returns the problem as text when the template is wrong */
export function parseTemplate(source: string): Template | string {
  for (const [, place = ''] of source.matchAll(PLACE)) {
    if (!FIXED.has(place) && !/^payload\.[A-Za-z_][A-Za-z0-9_]*$/.test(place)) {
      return `unknown place {${place}}; known: ${[...FIXED].map((name) => `{${name}}`).join(' ')} {payload.FIELD}`;
    }
  }
  if (/[{}]/.test(source.replace(PLACE, ''))) return 'a { without its }';
  return { source, render: (delivery, encode) => source.replace(PLACE, (_, place: string) => encode(text(delivery, place, source))) };
}

function text(delivery: Delivery, place: string, source: string): string {
  const value = lookup(delivery, place);
  if (value === undefined || value === null || value === '') throw new InvalidMessage('E320', `{${place}} in ${source} has no value`);
  if (typeof value === 'string' || typeof value === 'bigint' || value instanceof Decimal) return value.toString();
  throw new InvalidMessage('E320', `{${place}} in ${source} is no text and no number`);
}

function lookup(delivery: Delivery, place: string): Value | undefined {
  if (place === 'id') return delivery.id;
  if (place === 'message.id') return delivery.messageId;
  if (place === 'message.type') return delivery.type;
  if (place === 'message.time') return delivery.time;
  if (place === 'key') return delivery.key;
  return delivery.payload[place.slice('payload.'.length)];
}
