// `cursor`, and reading without any strategy named.
import { z } from 'zod';
import { duration, identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import { CAPABILITIES } from '../dialects/capabilities.js';
import { type Strategy, tableRead } from './strategy.js';

/** A number that was read, as the error says it. */
const mark = (title: string, description: string) =>
  z
    .union([z.int(), z.string().regex(/^-?\d+(\.\d+)?$/, 'expected a number, as the error says it')])
    .transform(String)
    .meta({ title, description, examples: [4711] });

export const cursor = z
  .union([
    z.strictObject({
      column: identifier().meta({ title: 'Column', description: 'Column that grows with every change: a change time or an ascending number.', examples: ['CHG_TS'] }),
      overlap: z
        .union([
          duration({ min: '1ms', max: '30d' }).transform((ms) => ({ ms })),
          z
            .int()
            .min(1)
            .max(1_000_000_000)
            .transform((distance) => ({ distance })),
        ])
        .optional()
        .meta({
          title: 'Overlap',
          description:
            'How far every poll reads back, as time or as a distance of numbers. Longer than the longest transaction of the application. Not needed for PostgreSQL tables.',
          examples: ['5m', 1000],
        }),
      gap_memory: z
        .union([
          z.literal('off'),
          z.strictObject({
            for: duration({ min: '1s', max: '30d' })
              .default(3_600_000)
              .meta({ title: 'For', description: 'How long a missing number is asked for. Longer than the longest transaction.' }),
            most: z.int().min(1).max(100_000).default(10_000).meta({ title: 'Most', description: 'Most gaps that are remembered; then the lowest are given up.' }),
          }),
        ])
        .optional()
        .meta({
          title: 'Gap memory',
          description:
            'Where numbers are not committed in their order: numbers missing below the greatest one are asked for again at every poll, until they come or are given up with a warning. On for a key of one whole number.',
          examples: [{ for: '1h', most: 10_000 }, 'off'],
        }),
      on_reset: z
        .union([
          z.enum(['stop', 'restart', 'continue']),
          z.strictObject({ restart: mark('Restart', 'Read from the first row, when this is the number that was read.') }),
          z.strictObject({ continue: mark('Continue', 'Go on behind what is there, when this is the number that was read.') }),
        ])
        .default('stop')
        .meta({
          title: 'On reset',
          description:
            'When the highest number of the table is below the one that was read (it was made anew, or lost its last rows): `stop` the endpoint, `restart` at the first row, as new rows, or `continue` behind what is there. ' +
            'With the number that was read it is good for this one time.',
          examples: ['continue', { restart: 4711 }],
        }),
    }),
    z.strictObject({
      transaction: identifier().meta({
        title: 'Transaction column',
        description: 'PostgreSQL: an indexed column `xid8 DEFAULT pg_current_xact_id()` that a trigger renews on update. SQL Server: a rowversion column.',
      }),
    }),
  ])
  .meta({ title: 'Cursor', description: 'How new and changed rows are found.' });
export type GapMemory = { readonly for: number; readonly most: number };
export const GAP_MEMORY: GapMemory = { for: 3_600_000, most: 10_000 };
/** With a number that was read it is good for that one alone. */
export type OnReset = 'stop' | 'restart' | 'continue' | { readonly restart: string } | { readonly continue: string };
export type Overlap = { readonly ms: number } | { readonly distance: number };

export const cursorStrategy: Strategy = {
  needs: ['table', 'key'],
  lint: lintCursor,
  fields: ({ cursor: by }) => (by ? { ['column' in by ? by.column : by.transaction]: 'any' } : {}),
};

function lintCursor(read: Read, { driver }: Connect): readonly SpecFinding[] {
  const { cursor: by, key, columns } = tableRead(read);
  const { title, watermark } = CAPABILITIES[driver];
  const findings: SpecFinding[] = [];
  const warn = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
  warn(['table'], 'deleted rows are not seen: reading finds what is there', 'mark deleted rows with a status column, and read that');
  if (by && 'transaction' in by) {
    if (watermark === undefined) findings.push({ severity: 'error', path: ['cursor', 'transaction'], message: `${title} has no transaction numbers`, fix: 'name a cursor column' });
  } else if (watermark === 'transaction' || watermark === 'scn') {
    if (watermark === 'scn')
      warn([], 'a row may be read again, with a new id, when another row of its block changes', 'create the table with ROWDEPENDENCIES, and write with upsert');
    if (by && by.on_reset !== 'stop') warn(['cursor', 'on_reset'], `not needed for a table of ${title}: reading goes by transaction, not by number; it is used for views only`);
    if (by?.overlap) warn(['cursor', 'overlap'], `not needed for a table of ${title}: reading never passes an open transaction; it is used for views only`);
  } else {
    const column = by?.column ?? key[0] ?? '';
    const remembers = key.length === 1 && key[0] === column && by?.gap_memory !== 'off' && !CAPABILITIES[driver].oneWriter;
    if (by === undefined && key.length > 1) {
      findings.push({ severity: 'error', path: ['key'], message: `${title} needs a cursor column when the key has several columns`, fix: 'cursor: {column: ...}' });
    }
    if (key.includes(column))
      warn(['cursor'], `changes of rows that were read are not seen: ${column} does not change with the row`, 'use a column that changes with every change as cursor');
    else warn(['cursor', 'column'], `rows whose ${column} is NULL are never read, and a change that leaves ${column} as it is may be missed`);
    if (by?.on_reset === 'restart') warn(['cursor', 'on_reset'], 'when only the last rows of the table are removed, all rows are sent again, as new ones');
    if (by?.on_reset === 'continue') warn(['cursor', 'on_reset'], 'when the table is made anew and filled between two polls, its first rows are not read');
    if (by?.gap_memory !== undefined && by.gap_memory !== 'off' && !remembers) {
      findings.push({
        severity: 'error',
        path: ['cursor', 'gap_memory'],
        message: CAPABILITIES[driver].oneWriter
          ? `${title} has one writer at a time: there are no gaps`
          : `gaps are remembered of a key of one whole number: ${column} is not the key`,
      });
    }
    if (!by?.overlap && remembers) {
      const ms = by?.gap_memory === undefined || by.gap_memory === 'off' ? GAP_MEMORY.for : by.gap_memory.for;
      warn(
        ['cursor'],
        `a row that is committed late with a lower ${column} is missed when ${column} is no whole number, or its transaction is longer than ${Math.round(ms / 1000)} s`,
      );
    } else if (!by?.overlap && (!CAPABILITIES[driver].oneWriter || !key.includes(column))) {
      warn(['cursor'], `a row that is committed late with a lower ${column} is missed`, 'cursor: {column: ..., overlap: 5m} with more than the longest transaction');
    }
    if (by?.overlap && 'ms' in by.overlap && columns?.[column] === 'integer') {
      findings.push({ severity: 'error', path: ['cursor', 'overlap'], message: `${column} is a number: the overlap must be a distance such as 1000` });
    }
  }
  return findings;
}
