// What the server's text means, by the number of its type.
import type { Kind, Raw } from '../../values.js';

/** Kinds whose text is made into something else. */
export const CONVERTED: Readonly<Partial<Record<Kind, (text: string) => Raw>>> = {
  boolean: (text) => text === 't',
  bytes: (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex')),
};

export function convert(cell: string | null, kind: Kind): Raw {
  return cell === null ? null : (CONVERTED[kind]?.(cell) ?? cell);
}

export const KINDS: Readonly<Record<number, Kind>> = {
  16: 'boolean',
  17: 'bytes',
  20: 'integer',
  21: 'integer',
  23: 'integer',
  26: 'integer',
  114: 'json',
  700: 'decimal',
  701: 'decimal',
  1082: 'date',
  1114: 'timestamp',
  1184: 'instant',
  1700: 'decimal',
  3802: 'json',
};
