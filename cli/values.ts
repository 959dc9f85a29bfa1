import { InvalidArgumentError } from 'commander';

/** Parser of an option that wants a whole number. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}.`);
    return value;
  };
}
