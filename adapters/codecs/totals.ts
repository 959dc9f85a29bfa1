// Control totals: what the header or trailer of a file says about its records, compared exactly.

import { z } from 'zod';
import { Decimal, InvalidMessage, newRecord, type Value, type ValueRecord } from '../contract/index.js';

/** Spread into the options of a header or trailer record. */
export const totalOptions = {
  count: z
    .union([z.string().min(1), z.record(z.string().min(1), z.string().min(1))])
    .optional()
    .meta({
      title: 'Count',
      description:
        'Field with the number of records between header and trailer; or several fields, each with `records`, `all` (header and trailer too) or the name of one kind of record.',
      examples: ['COUNT', { ORDERS: 'order', LINES: 'line' }],
    }),
  sum: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .meta({
      title: 'Sum',
      description: 'Field with a total: the field of the records that is added up, exactly; `line.AMT` for one kind of record.',
      examples: [{ TOTAL: 'AMT' }],
    }),
  required: z.boolean().default(true).meta({ title: 'Required', description: 'A file without it is wrong.' }),
};

export interface TotalOptions {
  readonly count?: string | Readonly<Record<string, string>> | undefined;
  readonly sum?: Readonly<Record<string, string>> | undefined;
  readonly required: boolean;
}

/** Adds up the records between one header and its trailer. */
export class Totals {
  private readonly counts: readonly (readonly [field: string, what: string])[];
  private readonly sums: readonly Sum[];
  private readonly seen = new Map<string, number>();
  private records = 0;
  private unread = 0;

  constructor(
    { count, sum }: TotalOptions,
    /** How text is read as a number. */
    private readonly decimal: 'point' | 'comma',
  ) {
    this.counts = count === undefined ? [] : typeof count === 'string' ? [[count, 'records']] : Object.entries(count);
    this.sums = Object.entries(sum ?? {}).map(([field, path]) => {
      const dot = path.lastIndexOf('.');
      return { field, path, kind: dot < 0 ? undefined : path.slice(0, dot), of: path.slice(dot + 1), total: new Decimal(0n, 0), bad: 0 };
    });
  }

  /** One record; undefined when it could not be read. */
  add(kind: string | undefined, value: ValueRecord | undefined): void {
    this.records++;
    if (kind !== undefined) this.seen.set(kind, (this.seen.get(kind) ?? 0) + 1);
    if (!value) {
      this.unread++;
      return;
    }
    for (const sum of this.sums) {
      if (sum.kind !== undefined && sum.kind !== kind) continue;
      const of = value[sum.of];
      if (of === undefined && sum.kind === undefined) continue;
      const number = this.number(of);
      if (number) sum.total = sum.total.plus(number);
      else if (of !== null && of !== '') sum.bad++;
    }
  }

  /** What is wrong with the totals that `control` states. `around`: how many headers and trailers there were. */
  problems(control: ValueRecord, around: number): readonly string[] {
    const problems: string[] = [];
    for (const [field, what] of this.counts) {
      const stated = this.number(control[field]);
      const counted = what === 'records' ? this.records : what === 'all' ? this.records + around : (this.seen.get(what) ?? 0);
      if (!stated) problems.push(`${field} is no number`);
      else if (!stated.equals(Decimal.of(counted))) problems.push(`${field} says ${stated.toString()} ${what === 'all' ? 'records' : what}, there are ${counted}`);
    }
    for (const { field, path, total, bad } of this.sums) {
      const stated = this.number(control[field]);
      if (!stated) problems.push(`${field} is no number`);
      else if (bad > 0) problems.push(`${field} cannot be compared: ${path} is no number in ${bad} records`);
      // A record that could not be read is a failure of its own; its amount is missing here.
      else if (this.unread === 0 && !stated.equals(total)) problems.push(`${field} says ${stated.toString()}, the sum of ${path} is ${total.toString()}`);
    }
    return problems;
  }

  /** The totals of what was added, for a file that is written. */
  stated(around: number): ValueRecord {
    const value = newRecord();
    for (const [field, what] of this.counts) {
      value[field] = BigInt(what === 'records' ? this.records : what === 'all' ? this.records + around : (this.seen.get(what) ?? 0));
    }
    for (const { field, path, total, bad } of this.sums) {
      if (bad > 0) throw new InvalidMessage('E348', `the total ${field} cannot be written: ${path} is no number in ${bad} records`);
      value[field] = total;
    }
    return value;
  }

  private number(value: Value | undefined): Decimal | undefined {
    if (typeof value === 'bigint') return new Decimal(value, 0);
    if (value instanceof Decimal) return value;
    if (typeof value !== 'string') return undefined;
    const text = value.trim();
    return Decimal.parse(this.decimal === 'comma' ? text.replaceAll('.', '').replace(',', '.') : text);
  }
}

interface Sum {
  readonly field: string;
  readonly path: string;
  readonly kind: string | undefined;
  readonly of: string;
  total: Decimal;
  bad: number;
}
