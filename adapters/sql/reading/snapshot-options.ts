// `snapshot`: comparison of a whole table with what is remembered of it.
import { z } from 'zod';
import { identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import type { Strategy } from './strategy.js';

const share = z
  .string()
  .regex(/^(\d{1,2}|100)(\.\d{1,2})?%$/, 'expected a share such as 20%')
  .transform((text) => Number.parseFloat(text) / 100);

const guardOptions = z.strictObject({
  share: share.default(0.2).meta({ title: 'Share', description: 'Greatest share of the remembered rows that may be gone at once.', examples: ['20%'] }),
  rows: z.int().min(0).max(1_000_000_000).default(10).meta({ title: 'Rows', description: 'So many may be gone at once whatever the share; never all of them.' }),
  allow: z
    .string()
    .regex(/^\d+\.\d+$/, 'expected the text the error gives, such as 1.17')
    .optional()
    .meta({ title: 'Allow once', description: 'The text of the error when so many deletions are right. It is good for that one time: after it the table has another number.' }),
});

const guard = z
  .union([z.literal('off'), share.transform((of) => ({ share: of, rows: 10, allow: undefined })), guardOptions])
  .default({ share: 0.2, rows: 10 })
  .meta({
    title: 'Guard',
    description: 'When more rows are gone than this, or all of them, nothing is handed over and the endpoint stops: an empty table is more often a failed load than a wish.',
    examples: ['20%', { share: '50%', rows: 1000 }],
  });

export const snapshot = z
  .strictObject({
    initial: z
      .enum(['emit', 'remember'])
      .default('emit')
      .meta({ title: 'First run', description: 'emit: every row there is comes as an insert. remember: only changes from then on.' }),
    deletes: z.boolean().default(true).meta({ title: 'Deletes', description: 'Hand over rows that are gone, with the fields of their key.' }),
    guard,
    operation: identifier().default('operation').meta({ title: 'Operation field', description: 'Field of the record that says insert, update or delete.', advanced: true }),
    page: z.int().min(1).max(10_000).default(1000).meta({ title: 'Page', description: 'Rows read at once.', advanced: true }),
    most: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(100_000)
      .meta({ title: 'Most rows without a key', description: 'A table without a key is compared in memory; with more rows than this the endpoint stops.', advanced: true }),
  })
  .meta({
    title: 'Snapshot',
    description: 'Compares the whole table with what was read before: sees inserts, updates and deletes of tables that have only a key, or none. Reads all rows at every poll.',
    examples: [{}, { initial: 'remember', guard: '5%' }],
  });
export type SnapshotOptions = z.output<typeof snapshot>;

export const snapshotStrategy: Strategy = {
  needs: ['table'],
  lint: lintSnapshot,
  fields: ({ snapshot: options }) => ({ [options?.operation ?? 'operation']: 'text' }),
  seesChildren: true,
};

function lintSnapshot({ key, snapshot: options, include }: Read, _: Connect): readonly SpecFinding[] {
  const findings: SpecFinding[] = [];
  const warn = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
  warn(['snapshot'], 'what changes and changes back between two polls is not seen, and several changes of a row come as one', 'poll as often as the table can bear');
  if (!options) return findings;
  if (!key) warn(['key'], 'without a key an update comes as a delete and an insert, and the rows are compared in memory', 'key: the column or columns that name a row');
  if (!key && Object.keys(include).length > 0) findings.push({ severity: 'error', path: ['include'], message: 'child rows need a key of the row', fix: 'key: ORD_NO' });
  if (!options.deletes) warn(['snapshot', 'deletes'], 'rows that are gone are not handed over');
  if (options.guard === 'off') {
    warn(['snapshot', 'guard'], 'a table that is emptied by mistake, or read while it is loaded anew, comes as deletion of every row', 'guard: 20%, and allow the exception once');
  }
  return findings;
}
