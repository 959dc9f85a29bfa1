// `cdc`: the changes of PostgreSQL by logical replication.
import { z } from 'zod';
import { byteSize, duration, identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import type { Strategy } from './strategy.js';

export const cdc = z
  .strictObject({
    publication: identifier().meta({ title: 'Publication', description: 'Publication of the tables to read.', examples: ['signalbox_orders'] }),
    slot: z
      .string()
      .regex(/^[a-z0-9_]{1,63}$/, 'expected lower-case letters, digits and _')
      .meta({
        title: 'Slot',
        description: 'Logical replication slot of this endpoint alone. The server keeps its log until the endpoint has read it.',
        examples: ['signalbox_orders'],
      }),
    create: z.boolean().default(false).meta({
      title: 'Create',
      description: 'Create publication (of `table`) and slot when they are missing and the account may. Otherwise the error gives the SQL for an administrator.',
    }),
    max_lag: byteSize()
      .default(1024 ** 3)
      .meta({ title: 'Most lag', description: 'A warning when the slot holds back more of the log of the server than this.', examples: ['1GiB'] }),
    heartbeat: duration({ min: '1s', max: '1h' })
      .default(30_000)
      .meta({ title: 'Heartbeat', description: 'So often the slot moves forward when only other tables change, and its lag is looked at.', advanced: true }),
    wait: duration({ min: '10ms', max: '1m' }).default(5_000).meta({ title: 'Wait', description: 'How long a poll waits for the next change before it ends.', advanced: true }),
    operation: identifier()
      .default('operation')
      .meta({ title: 'Operation field', description: 'Field of the record that says insert, update, delete or truncate.', advanced: true }),
    before: identifier()
      .default('before')
      .meta({ title: 'Before field', description: 'Field with the row as it was before an update, as far as the replica identity of the table tells it.', advanced: true }),
    table_field: identifier()
      .default('table')
      .meta({ title: 'Table field', description: 'Field with the name of the table, when the endpoint reads all tables of the publication.', advanced: true }),
  })
  .meta({
    title: 'Change data capture',
    description: 'PostgreSQL: every change in the order of the commits, from the log of the server, by logical replication (pgoutput).',
    examples: [{ publication: 'signalbox_orders', slot: 'signalbox_orders' }],
  });
export type CdcOptions = z.output<typeof cdc>;

export const cdcStrategy: Strategy = {
  needs: [],
  lint: lintCdc,
  fields: ({ cdc: options, table }) => ({
    [options?.operation ?? 'operation']: 'text',
    [options?.before ?? 'before']: 'any',
    ...(table === undefined ? { [options?.table_field ?? 'table']: 'text' as const } : {}),
  }),
};

function lintCdc({ include, table, columns, cdc: options }: Read, { driver }: Connect): readonly SpecFinding[] {
  const findings: SpecFinding[] = [];
  const warn = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
  const refuse = (path: SpecFinding['path'], message: string, fix: string) => findings.push({ severity: 'error', path, message, fix });
  if (driver !== 'postgres') refuse(['cdc'], `${driver} has no logical replication that is read here`, 'use cursor, triggers or snapshot');
  if (Object.keys(include).length > 0) refuse(['include'], 'child rows are not in the log with their parent', 'read the child table as an endpoint of its own, or use triggers');
  if (table === undefined && columns) refuse(['columns'], 'columns are those of one table', 'table: the table they belong to');
  if (table === undefined && options?.create) refuse(['cdc', 'create'], 'the publication can be created for one table only', 'table: the table to publish');
  warn(['cdc'], 'rows that were there before the slot are not seen', 'load them with an endpoint of their own (bulk), started after the slot was created');
  warn(['cdc', 'slot'], 'while this endpoint stands still the server keeps its log, until the disk is full or max_slot_wal_keep_size is reached: then the slot is lost');
  return findings;
}
