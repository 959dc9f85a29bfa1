// Numbers below the greatest one read that were not there: of transactions that are still open, or were rolled back. Kept in the checkpoint.

/** Numbers `from` to `to`, missing since then (milliseconds of our clock; only for giving up). */
export interface Gap {
  readonly from: bigint;
  readonly to: bigint;
  readonly since: number;
}

/** So many numbers below the first row ever read may still come. */
const BELOW_FIRST = 100_000n;
/** Of a table that is read for the first time only the newest gaps can belong to open transactions; the others are rows that were deleted long ago. */
const AT_FIRST = 1_000;

export class Gaps {
  #gaps: readonly Gap[];

  constructor(text: string | undefined) {
    this.#gaps = text === undefined ? [] : parse(text);
  }

  get all(): readonly Gap[] {
    return this.#gaps;
  }

  /** A page was read behind `top`, the greatest number before it. @returns the greatest now */
  note(top: bigint | undefined, numbers: readonly bigint[], now: number): bigint | undefined {
    let last = top;
    const found: Gap[] = [];
    for (const number of numbers) {
      const lowest = number >= 0n && number < BELOW_FIRST ? 0n : number - BELOW_FIRST;
      if (last === undefined && number > lowest) found.push({ from: lowest, to: number - 1n, since: now });
      if (last !== undefined && number > last + 1n) found.push({ from: last + 1n, to: number - 1n, since: now });
      if (last === undefined || number > last) last = number;
    }
    this.#gaps = [...this.#gaps, ...found];
    return last;
  }

  /** These have come. */
  fill(numbers: readonly bigint[]): void {
    const come = [...numbers].sort((a, b) => (a < b ? -1 : 1));
    if (come.length === 0) return;
    this.#gaps = this.#gaps.flatMap((gap) => {
      const inside = come.filter((number) => number >= gap.from && number <= gap.to);
      if (inside.length === 0) return [gap];
      const pieces: Gap[] = [];
      let from = gap.from;
      for (const number of inside) {
        if (number > from) pieces.push({ ...gap, from, to: number - 1n });
        from = number + 1n;
      }
      return from <= gap.to ? [...pieces, { ...gap, from }] : pieces;
    });
  }

  /** Numbers above are not there any more, and will be given again. */
  cut(highest: bigint): void {
    this.#gaps = this.#gaps.flatMap((gap) => (gap.from > highest ? [] : gap.to > highest ? [{ ...gap, to: highest }] : [gap]));
  }

  /** The first reading of a table: what is far below belongs to no open transaction. */
  trim(): void {
    this.#gaps = this.#gaps.slice(-AT_FIRST);
  }

  /** @returns those that are too old or too many, which are not asked for any more */
  giveUp(now: number, forMs: number, most: number): readonly Gap[] {
    const young = this.#gaps.filter(({ since }) => now - since < forMs);
    const kept = new Set(young.slice(-most));
    const over = this.#gaps.filter((gap) => !kept.has(gap));
    this.#gaps = [...kept];
    return over;
  }

  /** Groups of one age; every number as its distance from the one before, base 36. */
  toString(): string {
    const groups = [...Map.groupBy(this.#gaps, ({ since }) => since)];
    return groups
      .map(([since, gaps]) => {
        let before = 0n;
        const items = gaps.map(({ from, to }) => {
          const item = `${(from - before).toString(36)}${to > from ? `+${(to - from).toString(36)}` : ''}`;
          before = to;
          return item;
        });
        return `${since.toString(36)}:${items.join(',')}`;
      })
      .join(';');
  }
}

/** For people. */
export function named(gaps: readonly Gap[]): string {
  const shown = gaps.slice(0, 20).map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`));
  return `${shown.join(', ')}${gaps.length > shown.length ? ` and ${gaps.length - shown.length} more` : ''}`;
}

function parse(text: string): readonly Gap[] {
  return text
    .split(';')
    .filter((group) => group !== '')
    .flatMap((group) => {
      const [since = '', items = ''] = group.split(':');
      let before = 0n;
      return items.split(',').map((item) => {
        const [distance = '', length = '0'] = item.split('+');
        const from = before + number(distance);
        before = from + number(length);
        return { from, to: before, since: Number.parseInt(since, 36) };
      });
    })
    .sort((a, b) => (a.from < b.from ? -1 : 1));
}

function number(text: string): bigint {
  const digits = text.replace('-', '');
  let value = 0n;
  for (const digit of digits) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return text.startsWith('-') ? -value : value;
}
