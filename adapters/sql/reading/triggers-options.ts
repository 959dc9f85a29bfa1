// `triggers`: a table without any sign of change, written down by triggers of the database.
import { z } from 'zod';
import { identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import { CAPABILITIES } from '../dialects/capabilities.js';
import { type Strategy, type TableRead, tableRead } from './strategy.js';

export const triggers = z
  .strictObject({
    outbox: identifier()
      .refine((name) => !name.includes('.'), 'expected a name without schema: it is in the schema of the table')
      .optional()
      .meta({ title: 'Outbox table', description: 'Name of the table the triggers write to, without schema. Without it: signalbox_outbox_ and the name of the table.' }),
    operation: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'expected a plain field name')
      .default('operation')
      .meta({ title: 'Operation field', description: 'Field of the record that says insert, update or delete.' }),
  })
  .meta({
    title: 'Triggers',
    description: 'Triggers note inserts, updates and deletes of the table in an outbox table; `signalbox systems install-triggers` prints or installs them.',
  });
export type TriggerOptions = z.output<typeof triggers>;

export const triggersStrategy: Strategy = {
  needs: ['table', 'key'],
  lint: lintTriggers,
  fields: (read) => ({ [read.triggers?.operation ?? 'operation']: 'text' }),
  rights: (read) => [{ table: outboxName(tableRead(read)), right: 'DELETE' }],
};

/** As the configuration would name it: with the schema of the table, where that is named. */
export function outboxName({ table, triggers: options }: TableRead): string {
  const [name = table, ...schema] = table.split('.').reverse();
  return [...schema.reverse(), options?.outbox ?? `signalbox_outbox_${name}`].join('.');
}

function lintTriggers(read: Read, { driver }: Connect): readonly SpecFinding[] {
  const { triggers: by, columns, table, key, include } = tableRead(read);
  if (!by) return [];
  const findings: SpecFinding[] = [
    {
      severity: 'warning',
      path: ['triggers'],
      message: `changes are noted from the moment the triggers are installed on: rows that are there before are not seen; nor is TRUNCATE`,
    },
    { severity: 'warning', path: ['triggers'], message: `needs the right to DELETE from ${outboxName(tableRead(read))}; the table ${table} itself is only read` },
  ];
  if (columns?.[by.operation] !== undefined || key.includes(by.operation) || Object.hasOwn(include, by.operation)) {
    findings.push({ severity: 'error', path: ['triggers', 'operation'], message: `${by.operation} is a column already`, fix: 'triggers: {operation: another_name}' });
  }
  if (CAPABILITIES[driver].triggers === false) {
    findings.push({
      severity: 'error',
      path: ['triggers'],
      message: `triggers cannot be generated for ${CAPABILITIES[driver].title}`,
      fix: 'write them by hand, and read their table as an outbox',
    });
  }
  return findings;
}
