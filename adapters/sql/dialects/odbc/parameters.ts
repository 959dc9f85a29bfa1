// A bound value as the driver takes it: its bytes, and the type the database told for its place.
import type { Bind } from '../dialect.js';
import { C_TYPE } from './library.js';
import { OdbcError, type TextForm } from './protocol.js';
import { kindOf, SQL_TYPE } from './types.js';

export interface Parameter {
  readonly bytes: Buffer;
  readonly isNull: boolean;
  readonly cType: number;
  readonly type: number;
  readonly size: bigint;
  readonly digits: number;
}

/** What `SQLDescribeParam` says; undefined where the driver does not know it. */
export interface Told {
  readonly type: number;
  readonly size: bigint;
  readonly digits: number;
}

const LONG_TEXT = 4000;
const LONG_BYTES = 8000;

/** @throws OdbcError when the driver would read another value out of the text */
export function parameterOf(bind: Bind, told: Told | undefined, text: TextForm): Parameter {
  const { bytes, cType, fallback } = encoded(bind, told, text);
  const units = BigInt(Math.max(1, cType === C_TYPE.wide ? bytes.length / 2 : bytes.length));
  const isNull = bind === null;
  if (told === undefined || told.type === 0) return { bytes, isNull, cType, type: fallback, size: units, digits: 0 };
  return { bytes, isNull, cType, type: told.type, size: told.size > units ? told.size : units, digits: told.digits };
}

function encoded(bind: Bind, told: Told | undefined, text: TextForm): { readonly bytes: Buffer; readonly cType: number; readonly fallback: number } {
  if (bind instanceof Uint8Array) return { bytes: Buffer.from(bind), cType: C_TYPE.binary, fallback: bind.length > LONG_BYTES ? SQL_TYPE.longVarbinary : SQL_TYPE.varbinary };
  if (typeof bind === 'bigint' || typeof bind === 'number') {
    // Digits are ASCII in every encoding.
    const fallback = typeof bind === 'bigint' && BigInt.asIntN(64, bind) === bind ? SQL_TYPE.bigint : SQL_TYPE.varchar;
    return { bytes: Buffer.from(String(bind), 'latin1'), cType: C_TYPE.char, fallback };
  }
  const value = bind === null ? '' : moment(bind, told);
  const long = value.length > LONG_TEXT;
  if (text === 'unicode') return { bytes: Buffer.from(value, 'utf16le'), cType: C_TYPE.wide, fallback: long ? SQL_TYPE.wideLongVarchar : SQL_TYPE.wideVarchar };
  const bytes = Buffer.from(value, text);
  if (text === 'latin1' && bytes.toString('latin1') !== value) throw new OdbcError('22021', 0, 'the text has a character that is not in ISO 8859-1');
  return { bytes, cType: C_TYPE.char, fallback: long ? SQL_TYPE.longVarchar : SQL_TYPE.varchar };
}

const TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})?$/;

/** Drivers read times out of text in ODBC's own form only, and some take what they understand of another and drop the rest without a word. */
function moment(text: string, told: Told | undefined): string {
  const kind = told === undefined ? 'text' : kindOf(told.type);
  if (kind === 'timestamp') {
    const value = text.replace('T', ' ').replace(/ (\d\d:\d\d)$/, ' $1:00');
    if (TIMESTAMP.test(value)) return value;
    if (/^\d{4}-\d\d-\d\d$/.test(text)) return `${text} 00:00:00`;
    throw new OdbcError('22007', 0, 'the text is no date and time without a zone');
  }
  if (kind === 'date') {
    if (/^\d{4}-\d\d-\d\d$/.test(text)) return text;
    throw new OdbcError('22007', 0, 'the text is no date');
  }
  return text;
}
