// The parts of a long-form field, in their fixed order. Each takes a value and gives a value; null passes through all but `default`.
import { formatDate, parseDate } from '../../bus/dates.js';
import { Decimal } from '../../bus/decimal.js';
import type { Value } from '../../bus/value.js';
import { fail, isNumber } from '../expression/runtime.js';
import { kindOf } from '../expression/type.js';
import type { LoadedTable } from '../input.js';
import { shown } from './shape.js';

/** `name` is the target field, for messages. @throws InvalidMessage */
export type Conversion = (value: Value, name: string) => Value;

export function trimmed(value: Value): Value {
  return typeof value === 'string' ? value.trim() : value;
}

export function emptied(empty: string): Conversion {
  return (value) => (value === '' || (value !== null && textOf(value) === empty) ? null : value);
}

export function lookedUp(table: string, { rows, config }: LoadedTable): Conversion {
  return (value, name) => {
    if (value === null) return null;
    const key = textOf(value);
    if (key === undefined) return fail('E306', `${name}: ${kindOf(value)} is no key of table ${table}`);
    const found = rows.get(key);
    if (found !== undefined) return found;
    if (config.missing === 'keep') return value;
    return config.missing === 'fail' ? fail('E311', `no row "${shown(key)}" in table ${table}`) : config.missing;
  };
}

export function dateRead(pattern: string): Conversion {
  return (value, name) => {
    if (value === null) return null;
    const text = textOf(value);
    const date = text === undefined ? undefined : parseDate(text, pattern);
    return date ?? fail('E304', `${name}: "${shown(text ?? kindOf(value))}" is no date like ${pattern}`);
  };
}

export function datePrinted(pattern: string): Conversion {
  return (value, name) => {
    if (value === null) return null;
    const text = typeof value === 'string' ? formatDate(value, pattern) : undefined;
    return text ?? fail('E304', `${name}: "${shown(textOf(value) ?? kindOf(value))}" is no date that can be printed as ${pattern}`);
  };
}

const MARKS = {
  comma: { form: /^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?-?$/, group: '.', point: ',' },
  point: { form: /^[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?-?$/, group: ',', point: '.' },
} as const;

/** `1.234,50`, and `1.234,50-` as many old systems write a negative amount. */
export function decimalRead(mark: 'comma' | 'point'): Conversion {
  const { form, group, point } = MARKS[mark];
  return (value, name) => {
    if (typeof value !== 'string') return value;
    const signed = /^[+-]/.test(value) && value.endsWith('-');
    const plain = value.replaceAll(group, '').replace(point, '.');
    const exact = form.test(value) && !signed ? Decimal.parse(plain.endsWith('-') ? `-${plain.slice(0, -1)}` : plain) : undefined;
    return exact ?? fail('E305', `${name}: "${shown(value)}" is no number with decimal ${mark}`);
  };
}

export function decimalPrinted(mark: 'comma' | 'point'): Conversion {
  return (value, name) => {
    if (value === null) return null;
    if (!isNumber(value)) return fail('E306', `${name}: ${kindOf(value)} is no number`);
    return mark === 'comma' ? value.toString().replace('.', ',') : value.toString();
  };
}

export function padded(length: number, fill: string): Conversion {
  return (value, name) => {
    if (value === null) return null;
    const text = textOf(value);
    if (text === undefined) return fail('E306', `${name}: ${kindOf(value)} cannot be padded`);
    if (isNumber(value) && text.startsWith('-')) return fail('E306', `${name}: the negative number ${shown(text)} cannot be padded`);
    return text.padStart(length, fill);
  };
}

export function textOf(value: Value): string | undefined {
  if (typeof value === 'string') return value;
  return isNumber(value) || typeof value === 'boolean' ? value.toString() : undefined;
}
