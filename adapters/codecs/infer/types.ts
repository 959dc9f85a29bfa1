// What type the values of a column are, where that is certain: text otherwise.

import { parseDate } from '../../../bus/dates.js';

export interface InferredType {
  readonly type: 'text' | 'integer' | 'decimal' | 'date';
  /** Mark of the decimals. */
  readonly decimal?: 'point' | 'comma';
  /** Most digits behind the mark. */
  readonly decimals?: number;
  /** Pattern of the dates. */
  readonly date?: string;
  /** What a person has to decide. */
  readonly note?: string;
}

const PATTERNS = ['yyyy-MM-dd', 'dd.MM.yyyy', 'yyyy/MM/dd', 'yyyyMMdd'];

/** The type of non-empty values. */
export function inferType(values: readonly string[]): InferredType {
  if (values.length === 0) return { type: 'text', note: 'no value in the sample' };
  const all = (form: RegExp): boolean => values.every((value) => form.test(value));
  const plausible = (pattern: string): boolean =>
    values.every((value) => {
      const date = parseDate(value, pattern);
      return date !== undefined && date >= '1900' && date < '2101';
    });
  // Eight digits are a date only when several values say so.
  const date = PATTERNS.find((pattern) => (pattern !== 'yyyyMMdd' || new Set(values).size >= 3) && plausible(pattern));
  if (date !== undefined) return { type: 'date', date };
  if (all(/^\d{1,2}\/\d{1,2}\/\d{4}$/)) return slashed(values);
  if (all(/^[+-]?\d+$/)) {
    if (values.some((value) => /^[+-]?0\d/.test(value))) return { type: 'text', note: 'leading zeros: kept as text' };
    return { type: 'integer' };
  }
  const decimals = (mark: string): number => Math.max(...values.map((value) => (value.includes(mark) ? value.length - value.lastIndexOf(mark) - 1 : 0)));
  for (const [decimal, mark, form] of [
    ['point', '.', /^[+-]?(?:0|[1-9]\d*)(?:\.\d+)?$/],
    ['comma', ',', /^[+-]?(?:0|[1-9]\d*|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d+)?$/],
  ] as const) {
    if (!all(form)) continue;
    if (values.every((value) => /^[+-]?[1-9]\d{0,2}[.,]\d{3}$|^[+-]?\d{1,3}$/.test(value))) {
      return { type: 'text', note: `${values.find((value) => /[.,]/.test(value))} may have thousands or decimals` };
    }
    return { type: 'decimal', decimal, decimals: decimals(mark) };
  }
  return { type: 'text' };
}

/** Day or month first is decided only by a number above 12. */
function slashed(values: readonly string[]): InferredType {
  const parts = values.map((value) => value.split('/').map(Number));
  const [first, second] = [parts.some(([a = 0]) => a > 12), parts.some(([, b = 0]) => b > 12)];
  if (first === second) return { type: 'text', note: 'day/month or month/day: nothing in the sample decides it' };
  const pattern = first ? 'dd/MM/yyyy' : 'MM/dd/yyyy';
  return values.every((value) => parseDate(value, pattern) !== undefined)
    ? { type: 'date', date: pattern }
    : { type: 'text', note: `dates with slashes, some not of the form ${pattern}` };
}
