// tedious makes JavaScript numbers and Dates of some types. What of them is exact is made text again; what is not is refused.
import { Decimal, Misconfigured } from '../../../contract/index.js';
import type { Kind, Raw } from '../../values.js';

const KINDS: Readonly<Record<string, Kind>> = {
  TinyInt: 'integer',
  SmallInt: 'integer',
  Int: 'integer',
  BigInt: 'integer',
  IntN: 'integer',
  Bit: 'boolean',
  BitN: 'boolean',
  Decimal: 'decimal',
  DecimalN: 'decimal',
  Numeric: 'decimal',
  NumericN: 'decimal',
  Money: 'decimal',
  MoneyN: 'decimal',
  SmallMoney: 'decimal',
  Float: 'decimal',
  FloatN: 'decimal',
  Real: 'decimal',
  Date: 'date',
  DateTime: 'timestamp',
  DateTimeN: 'timestamp',
  DateTime2: 'timestamp',
  SmallDateTime: 'timestamp',
  DateTimeOffset: 'instant',
  Binary: 'bytes',
  VarBinary: 'bytes',
  Image: 'bytes',
};

const FIXED = /^(Decimal|Numeric|Money|SmallMoney)/;
/** Fifteen digits always survive the way through a double (IEEE 754). */
const EXACT_DIGITS = 15;

export function kindOf(type: string): Kind {
  return KINDS[type] ?? 'text';
}

/** @throws Misconfigured when the client has lost digits of a value; columns of a table are read as text and never come here as such */
export function exact(
  value: unknown,
  {
    colName,
    type,
    scale,
    dataLength,
  }: { readonly colName: string; readonly type: { readonly name: string }; readonly scale?: number | undefined; readonly dataLength?: number | undefined },
): Raw {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return moment(value, type.name, scale ?? 7);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value === 'number' && (type.name === 'Real' || (type.name === 'FloatN' && dataLength === 4))) return shortest(value);
  if (typeof value === 'number' && FIXED.test(type.name)) {
    const places = /Money/.test(type.name) ? 4 : (scale ?? 0);
    const text = value.toFixed(places);
    if (text.replace(/\D/g, '').replace(/^0+/, '').length > EXACT_DIGITS) {
      throw new Misconfigured(
        'E427',
        `${colName}: a number of more than ${EXACT_DIGITS} digits comes exactly only as text; write CAST(${colName} AS varchar(40)) in the statement`,
      );
    }
    return text;
  }
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return value;
  return value instanceof Decimal ? value.toString() : JSON.stringify(value);
}

/** The shortest digits that are this number in 32 bits, as the server prints it. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) if (Math.fround(Number(value.toPrecision(digits))) === value) return Number(value.toPrecision(digits));
  return value;
}

/** Seven digits of a second: the Date has three, the rest is beside it. */
function moment(value: Date & { readonly nanosecondsDelta?: number }, type: string, scale: number): string {
  const iso = value.toISOString();
  const rest = Math.round((value.nanosecondsDelta ?? 0) * 1e7);
  const digits = `${iso.slice(20, 23)}${String(rest).padStart(4, '0')}`.slice(0, /2|Offset|^Time$/.test(type) ? scale : 3);
  const clock = `${iso.slice(11, 19)}${/[1-9]/.test(digits) ? `.${digits}` : ''}`;
  if (type === 'Date') return iso.slice(0, 10);
  if (type === 'Time') return clock;
  return `${iso.slice(0, 10)}T${clock}${type === 'DateTimeOffset' ? 'Z' : ''}`;
}
