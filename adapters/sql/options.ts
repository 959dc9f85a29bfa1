// Options that reading and writing have in common.
import { z } from 'zod';
import { identifier } from '../contract/index.js';

/** One name or a list of them. */
export const names = (title: string, description: string) =>
  z
    .union([identifier(), z.array(identifier()).min(1).max(8)])
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .meta({ title, description });

export const columnType = z.enum(['text', 'integer', 'decimal', 'number', 'boolean', 'date', 'timestamp', 'bytes', 'any']);
export type ColumnType = z.output<typeof columnType>;

export const columns = z.record(identifier(), columnType).meta({
  title: 'Columns',
  description: 'Columns and their types. Only these (with key and cursor) are used, and expressions are checked against them. Without it: all columns of the table.',
  examples: [{ ORD_NO: 'text', AMT: 'decimal', CHG_TS: 'timestamp' }],
});

export const table = identifier().meta({ title: 'Table', description: 'Table or view, with its schema if it is not the default one.', examples: ['ORD_HEAD', 'sales.ord_head'] });

export const include = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'expected a plain field name'),
    z.strictObject({
      table,
      by: names('By', 'Column or columns of the child table that hold the key of the row.'),
      parent: names('Parent columns', 'Columns of the row they refer to, when they are named differently.').optional(),
      order: names('Order', 'Columns of the child table that give the order of the list.').optional(),
      columns: columns.optional(),
    }),
  )
  .meta({ title: 'Include', description: 'Child rows put into the record as a list, read in the same snapshot.', examples: [{ lines: { table: 'ORD_LINE', by: 'ORD_NO' } }] });
