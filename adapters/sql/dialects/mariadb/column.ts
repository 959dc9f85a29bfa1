// A column or parameter as information_schema describes it.
import type { Kind, Raw } from '../../values.js';
import type { Column } from '../dialect.js';

/** The columns of `information_schema` that `columnOf` takes, before `column_type` or `dtd_identifier`. */
export const DESCRIPTION = `data_type, CAST(coalesce(numeric_precision, 0) AS CHAR), CAST(numeric_scale AS CHAR), CAST(character_maximum_length AS CHAR),
  CAST(character_octet_length AS CHAR), CAST(datetime_precision AS CHAR), character_set_name`;

/** `type` of a BIT column: no type of a cast. */
export const BIT = 'BIT';

export function columnOf([data, precision, scale, length, octets, fraction, charset, full]: readonly Raw[]): Omit<Column, 'name' | 'nullable'> {
  const kind = KINDS[String(data)] ?? 'text';
  return {
    type: castType(String(data), String(full), String(precision), String(scale)),
    kind,
    ...(data === 'decimal' ? { scale: Number(scale), precision: Number(precision) } : {}),
    ...(data === 'char' || data === 'varchar' ? { length: Number(length) } : {}),
    ...(octets !== null && (kind === 'bytes' || (String(data).endsWith('text') && String(charset).startsWith('utf8'))) ? { bytes: Number(octets) } : {}),
    ...(typeof fraction === 'string' ? { fraction: Number(fraction) } : {}),
    ...(data === 'float' ? { float: 32 } : data === 'double' ? { float: 64 } : {}),
    ...(/^(medium|long)|^json$/.test(String(data)) ? { large: true } : {}),
  };
}

/** What CAST takes, so that the comparison is exact: text against a number would be compared as floats. */
function castType(data: string, full: string, precision: string, scale: string): string {
  const kind = KINDS[data];
  if (data === 'bit') return BIT;
  if (kind === 'integer') return full.includes('unsigned') ? 'UNSIGNED' : 'SIGNED';
  if (data === 'decimal') return `DECIMAL(${precision},${scale})`;
  if (kind === 'timestamp' || kind === 'instant') return 'DATETIME(6)';
  return kind === 'date' ? 'DATE' : data === 'time' ? 'TIME(6)' : data === 'double' || data === 'float' ? 'DOUBLE' : '';
}

const KINDS: Readonly<Record<string, Kind>> = {
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  bigint: 'integer',
  year: 'integer',
  bit: 'integer',
  decimal: 'decimal',
  float: 'decimal',
  double: 'decimal',
  date: 'date',
  datetime: 'timestamp',
  timestamp: 'instant',
  binary: 'bytes',
  varbinary: 'bytes',
  tinyblob: 'bytes',
  blob: 'bytes',
  mediumblob: 'bytes',
  longblob: 'bytes',
  json: 'json',
};
