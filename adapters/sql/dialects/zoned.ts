import type { Connect } from '../config.js';
import type { Column, Dialect } from './dialect.js';

/** The dialect with the zone of the configuration at every column that may hold a time. */
export function zoned(dialect: Dialect, connect: Connect): Dialect {
  if (connect.zone === undefined) return dialect;
  const withZone: Pick<Dialect, 'table'> = {
    async table(session, name) {
      const found = await dialect.table(session, name);
      return 'candidates' in found ? found : { ...found, columns: found.columns.map((column) => zonedColumn(column, connect)) };
    },
  };
  return Object.assign(Object.create(dialect) as Dialect, withZone);
}

export function zonedColumn(column: Column, { zone, repeated_hour: repeated }: Connect): Column {
  return zone !== undefined && /^(timestamp|instant|any)$/.test(column.kind) ? { ...column, zone: { name: zone, repeated } } : column;
}
