import type { Kind } from '../../values.js';

/** `base`: the type's own name, behind a domain. */
export function kindOf(base: string): Kind {
  return KINDS[base] ?? 'text';
}

const KINDS: Readonly<Record<string, Kind>> = {
  boolean: 'boolean',
  smallint: 'integer',
  integer: 'integer',
  bigint: 'integer',
  oid: 'integer',
  numeric: 'decimal',
  real: 'decimal',
  'double precision': 'decimal',
  date: 'date',
  'timestamp without time zone': 'timestamp',
  'timestamp with time zone': 'instant',
  bytea: 'bytes',
  json: 'json',
  jsonb: 'json',
};
