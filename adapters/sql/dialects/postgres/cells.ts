// What the server's text means, by the number of its type.
import type { Kind, Raw } from '../../values.js';

export function convert(cell: Raw | undefined, kind: Kind): Raw {
  if (typeof cell !== 'string') return cell ?? null;
  if (kind === 'boolean') return cell === 't';
  if (kind === 'bytes') return new Uint8Array(Buffer.from(cell.slice(2), 'hex'));
  return cell;
}

/** Whether `convert` makes something else of the text of such a cell. */
export function isConverted(kind: Kind): boolean {
  return kind === 'boolean' || kind === 'bytes';
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
