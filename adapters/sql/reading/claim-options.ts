// `claim`: a status column says which rows are new.
import { z } from 'zod';
import { duration, identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import { CAPABILITIES } from '../dialects/capabilities.js';
import { type Strategy, tableRead } from './strategy.js';

/** A value of a status column, as the configuration writes it. */
export const state = z.union([z.string().max(200), z.int(), z.boolean(), z.null()]);

export const claim = z
  .strictObject({
    column: identifier().meta({ title: 'Column', description: 'Status column that says which rows are new.', examples: ['ST'] }),
    open: state.meta({ title: 'Open', description: 'Its value in rows that are to be read; null where it is NULL.', examples: ['N'] }),
    claimed: state.meta({ title: 'Claimed', description: 'Its value while a row is being read; nobody else uses it.', examples: ['C'] }),
    done: state.meta({ title: 'Done', description: 'Its value when the row is safely on the bus.', examples: ['D'] }),
    order: z
      .union([identifier(), z.array(identifier()).min(1).max(8)])
      .transform((value) => (typeof value === 'string' ? [value] : value))
      .optional()
      .meta({ title: 'Order', description: 'Columns that give the order of reading; never NULL. Without it: the key.' }),
    owner: identifier().optional().meta({ title: 'Owner column', description: 'Text column that gets the name of the endpoint that claims the row.' }),
    since: identifier().optional().meta({ title: 'Since column', description: 'Time column that gets the time of the claim, by the clock of the database.' }),
    lease: duration({ min: '10s', max: '7d' })
      .optional()
      .meta({ title: 'Lease', description: 'With since: a claim that is older is taken over. Longer than any pause of the bus. 5 minutes when absent.', examples: ['5m'] }),
  })
  .meta({ title: 'Claim', description: 'Rows are claimed by their status column, handed over and marked done. Needs the right to change the table.' });
export type Claim = z.output<typeof claim>;

export const LEASE_MS = 300_000;

export const claimStrategy: Strategy = {
  needs: ['table', 'key'],
  lint: lintClaim,
  rights: (read) => [{ table: tableRead(read).table, right: 'UPDATE' }],
};

function lintClaim(read: Read, { driver }: Connect): readonly SpecFinding[] {
  const { claim: by, columns, table } = tableRead(read);
  if (!by) return [];
  const findings: SpecFinding[] = [];
  const add = (severity: SpecFinding['severity'], path: SpecFinding['path'], message: string, fix?: string) =>
    findings.push({ severity, path: ['claim', ...path], message, ...(fix === undefined ? {} : { fix }) });
  const { column, open, claimed, done, since, owner, lease } = by;
  if (new Set([open, claimed, done]).size < 3) add('error', [], 'open, claimed and done need three different values');
  if (claimed === null) add('error', ['claimed'], 'a claimed row needs a value');
  for (const name of [column, since, owner]) {
    if (name !== undefined && columns?.[name] !== undefined) {
      findings.push({
        severity: 'error',
        path: ['columns', name],
        message: `${name} belongs to the claim and is no field of the record: it changes while the row is read`,
        fix: 'leave it out',
      });
    }
  }
  if (lease !== undefined && since === undefined) add('error', ['lease'], 'a lease needs the column since: a claim without its time never expires', 'since: CLAIMED_AT');
  if (since === undefined) {
    add('warning', [], 'claims that broke off are taken again at the next poll: only one Signalbox may read the table', 'since: a time column, where several do');
  }
  add('warning', [], `only rows with ${column} ${shown(open)} are seen: the application sets it for every new and changed row; deleted rows are not seen`);
  add('warning', [], `needs the right to UPDATE ${table}: the session that claims is not read-only`);
  if (!CAPABILITIES[driver].skipLocked && !CAPABILITIES[driver].oneWriter) {
    add('warning', [], `${CAPABILITIES[driver].title} cannot pass over locked rows: a claim waits for those who hold them`);
  }
  return findings;
}

export function shown(value: z.output<typeof state>): string {
  return value === null ? 'IS NULL' : `= ${JSON.stringify(value)}`;
}
