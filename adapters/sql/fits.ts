// What a column keeps of a value: the databases round, cut and wrap in silence, each in its own way.
import { Decimal, InvalidMessage } from '../contract/index.js';
import type { Column } from './dialects/dialect.js';

/** @throws InvalidMessage when the column would round or refuse the number */
export function digits(value: Decimal, column: Column): string {
  if (column.float !== undefined) return nearest(value, column, column.float);
  const scale = column.kind === 'integer' ? 0 : column.kind === 'decimal' ? column.scale : undefined;
  if (scale === undefined) return value.toString();
  const exact = value.withScale(scale);
  if (!exact) throw new InvalidMessage('E333', `${column.name}: ${value.scale} digits after the point, the column keeps ${scale}`);
  const [low, high] = RANGES[column.type] ?? [];
  const wide = column.precision !== undefined && exact.integerDigits > column.precision - scale;
  if (wide || (low !== undefined && high !== undefined && (exact.unscaled < low || exact.unscaled > high))) {
    throw new InvalidMessage('E332', `${column.name}: the number has ${exact.integerDigits} digits before the point and is out of range of ${column.type}`);
  }
  return exact.toString();
}

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  smallint: [-(2n ** 15n), 2n ** 15n - 1n],
  integer: [-(2n ** 31n), 2n ** 31n - 1n],
  bigint: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** A float keeps a number when its shortest text is the number again (IEEE 754; 6 digits always survive in 32 bits). */
function nearest(value: Decimal, { name }: Column, bits: 32 | 64): string {
  const text = value.toString();
  const near = bits === 64 ? Number(text) : Number(Math.fround(Number(text)).toPrecision(6));
  if (Number.isFinite(near) && Decimal.of(near).equals(value)) return text;
  throw new InvalidMessage('E333', `${name}: ${text.slice(0, 60)} has more digits than a float of ${bits} bits keeps`);
}

/** Databases count code points of a text; some also limit its bytes. @throws InvalidMessage when the column would cut the value or refuse it */
export function checkLength<T extends string | Uint8Array>(value: T, { name, length, bytes }: Column): T {
  if (typeof value === 'string') {
    // A text has at least as many UTF-16 units as code points.
    const points = length !== undefined && value.length > length ? Array.from(value).length : 0;
    if (length !== undefined && points > length) throw new InvalidMessage('E332', `${name}: ${points} characters, the column keeps ${length}`);
  }
  const size = bytes === undefined ? 0 : typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  if (bytes !== undefined && size > bytes) throw new InvalidMessage('E332', `${name}: ${size} bytes, the column keeps ${bytes}`);
  return value;
}

/** @throws InvalidMessage when the column would round the time or cut it */
export function checkFraction(text: string, { name, fraction }: Column): string {
  const given = /\.(\d+?)0*(?=$|Z|[+-])/.exec(text)?.[1] ?? '';
  if (fraction === undefined || given === '0' || given.length <= fraction) return text;
  throw new InvalidMessage('E333', `${name}: ${given.length} digits of a second, the column keeps ${fraction}`);
}
