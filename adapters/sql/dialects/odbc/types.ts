// SQL types of ODBC (sql.h, sqlext.h), and how each is read without losing a digit.
import type { Kind } from '../../values.js';
import { C_TYPE } from './library.js';
import type { TextForm } from './protocol.js';

export const SQL_TYPE = {
  bit: -7,
  bigint: -5,
  varbinary: -3,
  longVarbinary: -4,
  varchar: 12,
  longVarchar: -1,
  wideVarchar: -9,
  wideLongVarchar: -10,
} as const;

const KINDS: Readonly<Record<number, Kind>> = {
  [-7]: 'boolean',
  [-6]: 'integer',
  [-5]: 'integer',
  4: 'integer',
  5: 'integer',
  2: 'decimal',
  3: 'decimal',
  6: 'decimal',
  7: 'decimal',
  8: 'decimal',
  // DECFLOAT of DB2.
  [-360]: 'decimal',
  9: 'date',
  91: 'date',
  11: 'timestamp',
  93: 'timestamp',
  [-2]: 'bytes',
  [-3]: 'bytes',
  [-4]: 'bytes',
  // BLOB of DB2.
  [-98]: 'bytes',
};

const DOUBLE = new Set([6, 8]);

export function kindOf(type: number): Kind {
  return KINDS[type] ?? 'text';
}

/** Numbers and times as text in ASCII: every digit the driver has. A double as its eight bytes: drivers print fewer digits. */
export function cTypeOf(type: number, text: TextForm): number {
  const kind = kindOf(type);
  if (kind === 'bytes') return C_TYPE.binary;
  if (DOUBLE.has(type)) return C_TYPE.double;
  return kind === 'text' && text === 'unicode' ? C_TYPE.wide : C_TYPE.char;
}
