// `bulk`: everything, at every poll.
import { z } from 'zod';
import { identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import { parseStatement } from '../statement.js';
import { lintOwnSql } from './query-options.js';
import type { Strategy } from './strategy.js';

export const bulk = z
  .strictObject({
    sql: z
      .string()
      .min(1)
      .max(20_000)
      .optional()
      .meta({
        title: 'SQL',
        description: 'Instead of a table: one SELECT without parameters. Its result must have the columns of the key.',
        examples: ['select * from STOCK where QTY <> 0'],
      }),
    run: identifier().default('run').meta({ title: 'Run field', description: 'Field of the record with the number of the run.' }),
    markers: z.boolean().default(false).meta({
      title: 'Markers',
      description: 'A record before the first row and one after the last, with the field `marker` (begin, end), the run, and at the end the number of rows.',
    }),
  })
  .meta({
    title: 'Bulk',
    description: 'The whole table at every poll, each run delivered anew: a nightly full load. Give the endpoint a schedule.',
    examples: [{}, { markers: true }],
  });
export type BulkOptions = z.output<typeof bulk>;

export const bulkStrategy: Strategy = {
  needs: ['key'],
  lint: lintBulk,
  fields: ({ bulk: options }) => ({ [options?.run ?? 'run']: 'integer', ...(options?.markers ? { marker: 'text' as const, rows: 'integer' as const } : {}) }),
  seesChildren: true,
};

function lintBulk(read: Read, { driver }: Connect): readonly SpecFinding[] {
  const { table, bulk: options } = read;
  const findings: SpecFinding[] = [];
  const warn = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
  if (options?.sql === undefined) {
    if (table === undefined) findings.push({ severity: 'error', path: [], message: 'table is missing: bulk reads a table, or its own sql', fix: 'table: STOCK' });
  } else {
    findings.push(...lintOwnSql(read, 'bulk', driver));
    const parsed = parseStatement(options.sql);
    if (typeof parsed === 'string') findings.push({ severity: 'error', path: ['bulk', 'sql'], message: parsed });
    else if (parsed.parameters.size > 0) findings.push({ severity: 'error', path: ['bulk', 'sql'], message: 'a full load takes no parameters', fix: 'use query' });
  }
  warn(['bulk'], 'every poll delivers every row again', 'give the endpoint a schedule, such as cron: 0 2 * * *');
  warn(['bulk'], 'rows are read page by page while others write: what was deleted is not told, and a row whose key changes meanwhile may come twice or not at all in that run');
  return findings;
}
