// Numbers as COBOL keeps them: zoned, packed (COMP-3) and binary, exact in both directions. IBM Enterprise COBOL Language Reference, USAGE and SIGN clauses;
// overpunched signs in ASCII as EBCDIC files have them after conversion ({ A-I, } J-R) and as Micro Focus writes them (p-y).

import { Decimal, InvalidMessage } from '../contract/index.js';

export type Sign = 'none' | 'trailing' | 'leading' | 'trailing-separate' | 'leading-separate';

export interface Zoned {
  readonly ebcdic: boolean;
  readonly sign: Sign;
  /** How a sign in the last (or first) digit is written in ASCII. */
  readonly overpunch: 'translated' | 'micro_focus';
}

/** The number as it stands, without its implied decimals. @throws InvalidMessage E355 */
export function readZoned(bytes: Uint8Array, { ebcdic, sign }: Zoned): bigint {
  const separate = sign.endsWith('separate');
  const leading = sign.startsWith('leading');
  let [from, to, negative] = [0, bytes.length, false];
  if (separate) {
    const mark = bytes[leading ? 0 : to - 1];
    const [plus, minus] = ebcdic ? [0x4e, 0x60] : [0x2b, 0x2d];
    if (mark !== plus && mark !== minus) return wrong('no sign where the separate sign stands', bytes);
    negative = mark === minus;
    if (leading) from++;
    else to--;
  }
  const signed = separate ? -1 : sign === 'none' ? to - 1 : leading ? 0 : to - 1;
  let digits = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    const digit = at === signed ? overpunched(byte, ebcdic) : byte >>> 4 === (ebcdic ? 0xf : 0x3) ? byte & 0xf : -1;
    if (digit === undefined || digit === -1 || (digit & 0xf) > 9 || (digit >= 0x10 && sign === 'none')) return wrong('no number in zoned digits', bytes);
    if (digit >= 0x10) negative = true;
    digits += digit & 0xf;
  }
  const value = BigInt(digits);
  return negative ? -value : value;
}

/** Undefined: more digits than bytes, or a sign where there is none. */
export function writeZoned(value: bigint, size: number, { ebcdic, sign, overpunch }: Zoned): Buffer | undefined {
  const separate = sign.endsWith('separate');
  const negative = value < 0n;
  const digits = (negative ? -value : value).toString().padStart(size - (separate ? 1 : 0), '0');
  if (digits.length > size - (separate ? 1 : 0) || (negative && sign === 'none')) return undefined;
  const bytes = Buffer.from(digits, 'latin1');
  if (ebcdic) for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) | 0xf0;
  if (separate) {
    const mark = Buffer.of(ebcdic ? (negative ? 0x60 : 0x4e) : negative ? 0x2d : 0x2b);
    return Buffer.concat(sign.startsWith('leading') ? [mark, bytes] : [bytes, mark]);
  }
  if (sign !== 'none') {
    const at = sign === 'leading' ? 0 : bytes.length - 1;
    const digit = (bytes[at] ?? 0) & 0xf;
    if (ebcdic) bytes[at] = (negative ? 0xd0 : 0xc0) | digit;
    else if (overpunch === 'translated') bytes[at] = (negative ? '}JKLMNOPQR' : '{ABCDEFGHI').charCodeAt(digit);
    else if (negative) bytes[at] = 0x70 | digit;
  }
  return bytes;
}

/** The digit, with 0x10 added when it says minus; undefined when it is none. */
function overpunched(byte: number, ebcdic: boolean): number | undefined {
  const [zone, digit] = [byte >>> 4, byte & 0xf];
  if (ebcdic) return zone === 0xf || zone === 0xc || zone === 0xa || zone === 0xe ? digit : zone === 0xd || zone === 0xb ? digit | 0x10 : undefined;
  if (zone === 0x3) return digit;
  if (zone === 0x7 && digit <= 9) return digit | 0x10;
  const plus = '{ABCDEFGHI'.indexOf(String.fromCharCode(byte));
  const minus = '}JKLMNOPQR'.indexOf(String.fromCharCode(byte));
  return plus >= 0 ? plus : minus >= 0 ? minus | 0x10 : undefined;
}

/** @throws InvalidMessage E355 */
export function readPacked(bytes: Uint8Array): bigint {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  const sign = hex.at(-1) ?? '';
  const digits = hex.slice(0, -1);
  if (!/^\d+$/.test(digits) || !/[a-f]/.test(sign)) return wrong('no packed number', bytes);
  return sign === 'd' || sign === 'b' ? -BigInt(digits) : BigInt(digits);
}

/** `digits` of the PICTURE; undefined when the value has more. */
export function writePacked(value: bigint, digits: number, signed: boolean): Buffer | undefined {
  const negative = value < 0n;
  const text = (negative ? -value : value).toString();
  if (text.length > digits || (negative && !signed)) return undefined;
  return Buffer.from(text.padStart(digits | 1, '0') + (negative ? 'd' : signed ? 'c' : 'f'), 'hex');
}

export function readBinary(bytes: Uint8Array, signed: boolean, little: boolean): bigint {
  const hex = Buffer.from(little ? Uint8Array.from(bytes).reverse() : bytes).toString('hex');
  const value = BigInt(`0x${hex}`);
  return signed ? BigInt.asIntN(bytes.length * 8, value) : value;
}

/** Undefined when it does not fit. */
export function writeBinary(value: bigint, size: number, signed: boolean, little: boolean): Buffer | undefined {
  const unsigned = BigInt.asUintN(size * 8, value);
  if ((signed ? BigInt.asIntN(size * 8, unsigned) : unsigned) !== value) return undefined;
  const bytes = Buffer.from(unsigned.toString(16).padStart(size * 2, '0'), 'hex');
  return little ? bytes.reverse() : bytes;
}

/** COMP-1 and COMP-2. IEEE 754: the shortest decimal that is the same number; hexadecimal floating point (z/Architecture): its exact value. @throws InvalidMessage E355 */
export function readFloat(bytes: Buffer, form: 'ieee' | 'hexadecimal', little: boolean): Decimal {
  if (form === 'hexadecimal') {
    const whole = readBinary(bytes, false, little);
    const bits = BigInt(bytes.length * 8 - 8);
    const fraction = whole & ((1n << bits) - 1n);
    const shift = (((whole >> bits) & 0x7fn) - 64n) * 4n - bits;
    const sign = whole >> (bits + 7n) === 0n ? 1n : -1n;
    if (shift >= 0n) return new Decimal(sign * (fraction << shift), 0);
    return shorter(new Decimal(sign * fraction * 5n ** -shift, Number(-shift)));
  }
  const number = bytes.length === 4 ? (little ? bytes.readFloatLE() : bytes.readFloatBE()) : little ? bytes.readDoubleLE() : bytes.readDoubleBE();
  if (!Number.isFinite(number)) return wrong('no finite number', bytes);
  if (bytes.length === 8) return Decimal.of(number);
  for (let digits = 6; digits < 9; digits++) {
    if (Math.fround(Number(number.toPrecision(digits))) === number) return Decimal.of(Number(number.toPrecision(digits)));
  }
  return Decimal.of(Number(number.toPrecision(9)));
}

/** Undefined when the number is not the value: nothing is rounded. */
export function writeFloat(value: Decimal, size: number, little: boolean): Buffer | undefined {
  const bytes = Buffer.alloc(size);
  const number = Number(value.toString());
  if (size === 4) little ? bytes.writeFloatLE(number) : bytes.writeFloatBE(number);
  else little ? bytes.writeDoubleLE(number) : bytes.writeDoubleBE(number);
  return Number.isFinite(number) && readFloat(bytes, 'ieee', little).equals(value) ? bytes : undefined;
}

function shorter(value: Decimal): Decimal {
  let { unscaled, scale } = value;
  while (scale > 0 && unscaled % 10n === 0n) [unscaled, scale] = [unscaled / 10n, scale - 1];
  return new Decimal(unscaled, scale);
}

function wrong(text: string, bytes: Uint8Array): never {
  throw new InvalidMessage('E355', `${text}: ${Buffer.from(bytes.subarray(0, 32)).toString('hex')}`);
}
