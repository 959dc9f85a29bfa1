// From a record to a row of CSV.

import { Decimal, InvalidMessage, type Value, type ValueRecord } from '../contract/index.js';
import type { CsvOptions } from './csv-options.js';
import { encodeText } from './encodings.js';
import { HEADER, TRAILER } from './grouping.js';

export interface RowWriter {
  names(columns: readonly string[]): string;
  /** @throws InvalidMessage */
  row(kind: string, value: ValueRecord): string;
}

export function rowWriter(options: CsvOptions): RowWriter {
  const end = options.trailing_delimiter ? options.delimiter : '';
  const join = (fields: readonly string[]): string => fields.join(options.delimiter) + end;
  return {
    names: (columns) => join(columns.map((name) => writeField(name, options))),
    row(kind, value) {
      const own = kind === HEADER ? options.header_record : kind === TRAILER ? options.trailer_record : options.records?.[kind];
      const columns = own?.columns ?? options.columns ?? Object.keys(value);
      const unknown = Object.keys(value).find((name) => !columns.includes(name));
      if (unknown !== undefined) throw new InvalidMessage('E348', `there is no column "${unknown}"; columns: ${columns.join(', ')}`);
      return join(
        columns.map((name, at) => {
          // What the row is recognised by need not be mapped.
          const sign = own?.when?.column === at + 1 ? [own.when.is].flat()[0] : undefined;
          const field = value[name] ?? sign ?? null;
          if (field === null) return options.null_text ?? '';
          const text = writeField(decimalMark(field, kind, options) ?? plainText(field, name), options);
          if (options.encoding !== 'utf-8') encodeText(text, options.encoding, `column "${name}"`);
          return text;
        }),
      );
    },
  };
}

function decimalMark(value: Value, kind: string, { decimal }: CsvOptions): string | undefined {
  return decimal === 'comma' && (kind === HEADER || kind === TRAILER) && value instanceof Decimal ? value.toString().replace('.', ',') : undefined;
}

function writeField(text: string, options: CsvOptions): string {
  const { quote, delimiter } = options;
  const slashed = options.escape === 'backslash';
  const safe = options.guard_formulas && /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+([.,]\d+)?$/.test(text) ? `'${text}` : text;
  const special =
    // Also where its end and the delimiter behind it make one too early.
    (safe + delimiter).indexOf(delimiter) < safe.length ||
    /[\r\n]/.test(safe) ||
    (quote !== 'none' && safe.includes(quote)) ||
    (slashed && safe.includes('\\')) ||
    (options.trim && safe !== safe.trim()) ||
    safe === options.null_text ||
    (options.comment !== undefined && safe.startsWith(options.comment));
  if (!special) return safe;
  if (quote === 'none') {
    if (!slashed) throw new InvalidMessage('E348', 'the value has a delimiter or line end, and quote is none');
    return safe
      .replaceAll('\\', '\\\\')
      .replaceAll(delimiter.slice(0, 1), `\\${delimiter.slice(0, 1)}`)
      .replace(/\r\n|[\r\n]/g, '\\$&');
  }
  const inner = slashed ? safe.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) : safe.replaceAll(quote, quote + quote);
  return `${quote}${inner}${quote}`;
}

/** A single value as text, for formats that know nothing else. Null is empty. @throws InvalidMessage */
export function plainText(value: Value, name: string): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean' || value instanceof Decimal) return value.toString();
  throw new InvalidMessage('E348', `field "${name}" is ${value instanceof Uint8Array ? 'bytes' : 'a list or a record'}; the format takes single values`);
}
