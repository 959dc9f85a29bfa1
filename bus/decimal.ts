/**
 * An exact decimal number: `unscaled * 10^-scale`. Digits are kept as they came, trailing zeros included
 * (`1234.50` stays `1234.50`), so that an amount crosses the bus without a change. Immutable.
 *
 * Follows the General Decimal Arithmetic Specification for addition, subtraction and multiplication;
 * comparison is by value (`1.0` equals `1.00`).
 */
export class Decimal {
  readonly unscaled: bigint;
  /** Number of digits after the point, 0 or more. */
  readonly scale: number;

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }

  /**
   * Reads `-12.340`, `1e3`, `1.5E-2`. White space, separators, `NaN` and `Infinity` are refused.
   * @returns undefined when the text is no decimal number, or has more than 400 digits.
   */
  static parse(text: string): Decimal | undefined {
    const match = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?$/.exec(text);
    if (!match || text.length > 400) return undefined;
    const fraction = match[3] ?? '';
    let unscaled = BigInt(`${match[2]}${fraction}`);
    if (match[1] === '-') unscaled = -unscaled;
    const scale = fraction.length - Number(match[4] ?? 0);
    return scale >= 0 ? new Decimal(unscaled, scale) : new Decimal(unscaled * 10n ** BigInt(-scale), 0);
  }

  static of(value: bigint | number | Decimal): Decimal {
    if (value instanceof Decimal) return value;
    if (typeof value === 'bigint') return new Decimal(value, 0);
    const parsed = Decimal.parse(String(value));
    if (!parsed) throw new RangeError(`${value} is no decimal number`);
    return parsed;
  }

  /** -1, 0 or 1. */
  compare(other: Decimal): number {
    const [a, b] = this.aligned(other);
    return a < b ? -1 : a > b ? 1 : 0;
  }

  equals(other: Decimal): boolean {
    return this.compare(other) === 0;
  }

  plus(other: Decimal): Decimal {
    const [a, b, scale] = this.aligned(other);
    return new Decimal(a + b, scale);
  }

  minus(other: Decimal): Decimal {
    return this.plus(other.negated());
  }

  times(other: Decimal): Decimal {
    return new Decimal(this.unscaled * other.unscaled, this.scale + other.scale);
  }

  negated(): Decimal {
    return new Decimal(-this.unscaled, this.scale);
  }

  /**
   * The same value with exactly `scale` digits after the point.
   * @returns undefined when digits other than zero would be lost: nothing is rounded unasked.
   */
  withScale(scale: number): Decimal | undefined {
    if (scale >= this.scale) return new Decimal(this.unscaled * 10n ** BigInt(scale - this.scale), scale);
    const divisor = 10n ** BigInt(this.scale - scale);
    return this.unscaled % divisor === 0n ? new Decimal(this.unscaled / divisor, scale) : undefined;
  }

  /** Rounds half to even (IEEE 754 roundTiesToEven) to `scale` digits after the point. */
  rounded(scale: number): Decimal {
    if (scale >= this.scale) return new Decimal(this.unscaled * 10n ** BigInt(scale - this.scale), scale);
    const divisor = 10n ** BigInt(this.scale - scale);
    const quotient = this.unscaled / divisor;
    const remainder = this.unscaled % divisor;
    const twice = (remainder < 0n ? -remainder : remainder) * 2n;
    const up = twice > divisor || (twice === divisor && quotient % 2n !== 0n);
    return new Decimal(up ? quotient + (this.unscaled < 0n ? -1n : 1n) : quotient, scale);
  }

  /** Digits before the point, without leading zeros; 0 for a value below one. */
  get integerDigits(): number {
    const digits = (this.unscaled < 0n ? -this.unscaled : this.unscaled).toString();
    return this.unscaled === 0n ? 0 : Math.max(0, digits.length - this.scale);
  }

  /** Plain notation, never an exponent: `-0.05`, `1234.50`. */
  toString(): string {
    if (this.scale === 0) return this.unscaled.toString();
    const negative = this.unscaled < 0n;
    const digits = (negative ? -this.unscaled : this.unscaled).toString().padStart(this.scale + 1, '0');
    const point = digits.length - this.scale;
    return `${negative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
  }

  toJSON(): string {
    return this.toString();
  }

  private aligned(other: Decimal): [bigint, bigint, number] {
    if (this.scale === other.scale) return [this.unscaled, other.unscaled, this.scale];
    return this.scale > other.scale
      ? [this.unscaled, other.unscaled * 10n ** BigInt(this.scale - other.scale), this.scale]
      : [this.unscaled * 10n ** BigInt(other.scale - this.scale), other.unscaled, other.scale];
  }
}
