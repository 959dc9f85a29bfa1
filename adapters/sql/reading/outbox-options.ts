// `outbox`: a table the application writes for us, consumed row by row.
import { z } from 'zod';
import { identifier, type SpecFinding } from '../../contract/index.js';
import type { Read } from '../config.js';
import { state } from './claim-options.js';
import { type Strategy, tableRead } from './strategy.js';

export const outbox = z
  .strictObject({
    order: z
      .union([identifier(), z.array(identifier()).min(1).max(8)])
      .transform((value) => (typeof value === 'string' ? [value] : value))
      .optional()
      .meta({ title: 'Order', description: 'Columns that give the order of reading; never NULL. Without it: the key.', examples: ['SEQ'] }),
    keep: z
      .union([
        z.literal('delete'),
        z.strictObject({
          mark: identifier().meta({ title: 'Mark', description: 'Column that says which rows were read.', examples: ['SENT'] }),
          open: state.default(null).meta({ title: 'Open', description: 'Its value in rows that are to be read; null where it is NULL.' }),
          done: state.meta({ title: 'Done', description: 'Its value when the row is safely on the bus.', examples: ['Y'] }),
        }),
      ])
      .default('delete')
      .meta({
        title: 'Keep',
        description: 'What becomes of a row that is safely on the bus: it is deleted, or marked and left to the application.',
        examples: ['delete', { mark: 'SENT', open: 'N', done: 'Y' }],
      }),
  })
  .meta({ title: 'Outbox', description: 'A table of events that the application only adds to: every row is read once and then deleted or marked.' });
export type Outbox = z.output<typeof outbox>;

export const outboxStrategy: Strategy = {
  needs: ['table', 'key'],
  lint: lintOutbox,
  rights: (read) => [{ table: tableRead(read).table, right: read.outbox?.keep === 'delete' ? 'DELETE' : 'UPDATE' }],
};

function lintOutbox(read: Read): readonly SpecFinding[] {
  const { outbox: by, table, columns } = tableRead(read);
  if (!by) return [];
  const { keep } = by;
  const findings: SpecFinding[] = [
    { severity: 'warning', path: ['outbox'], message: 'only added rows are seen: a change of a row after it was read is not' },
    {
      severity: 'warning',
      path: ['outbox'],
      message: `needs the right to ${keep === 'delete' ? 'DELETE from' : 'UPDATE'} ${table}, and rows are ${keep === 'delete' ? 'deleted' : 'changed'} there after they were read`,
    },
  ];
  if (keep === 'delete') return findings;
  if (keep.open === keep.done) findings.push({ severity: 'error', path: ['outbox', 'keep'], message: 'open and done need two different values' });
  if (columns?.[keep.mark] !== undefined) {
    findings.push({ severity: 'error', path: ['columns', keep.mark], message: `${keep.mark} belongs to the outbox and is no field of the record`, fix: 'leave it out' });
  }
  return findings;
}
