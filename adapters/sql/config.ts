import { z } from 'zod';
import { odbcConnect } from './dialects/odbc/options.js';
import { oracleConnect } from './dialects/oracle/options.js';
import { limits, server, times } from './dialects/server.js';
import { sqlserverConnect } from './dialects/sqlserver/options.js';
import { columns, include, names, table } from './options.js';
import { bulk } from './reading/bulk-options.js';
import { cdc } from './reading/cdc-options.js';
import { claim } from './reading/claim-options.js';
import { cursor } from './reading/cursor-options.js';
import { outbox } from './reading/outbox-options.js';
import { query } from './reading/query-options.js';
import { snapshot } from './reading/snapshot-options.js';
import { checkRead } from './reading/strategies.js';
import { triggers } from './reading/triggers-options.js';

export type { ColumnType } from './options.js';
export type { Overlap } from './reading/cursor-options.js';
export { type Call, call, type Write, write } from './writing/options.js';

export const connect = z.discriminatedUnion('driver', [
  z.strictObject({
    driver: z.literal('sqlite').meta({ title: 'Driver', description: 'SQLite database file.' }),
    file: z
      .string()
      .min(1)
      .meta({ title: 'File', description: 'Path of the database file. It must exist; never on a network file system.', examples: ['/var/lib/erp/erp.db'] }),
    ...times,
    lock_timeout: limits.lock_timeout,
  }),
  z.strictObject({ driver: z.literal('postgres').meta({ title: 'Driver', description: 'PostgreSQL 13 or later.' }), ...server(5432) }),
  sqlserverConnect,
  oracleConnect,
  odbcConnect,
  z.strictObject({ driver: z.literal('mariadb').meta({ title: 'Driver', description: 'MariaDB 10.6 or MySQL 8 and later.' }), ...server(3306) }),
]);
export type Connect = z.output<typeof connect>;
export type ServerConnect = Exclude<Connect, { driver: 'sqlite' | 'odbc' | 'oracle' }>;
export type OracleConnect = Extract<Connect, { driver: 'oracle' }>;
export type SqlServerConnect = Extract<Connect, { driver: 'sqlserver' }>;
export type OdbcConnect = Extract<Connect, { driver: 'odbc' }>;
export type SqliteConnect = Extract<Connect, { driver: 'sqlite' }>;

export const read = z
  .strictObject({
    table: table.optional(),
    key: names('Key', 'Column or columns that name one row. Must be unique and never NULL.').optional(),
    columns: columns.optional(),
    include: include.default({}),
    // The ways of reading; at most one of them.
    cursor: cursor.optional(),
    claim: claim.optional(),
    outbox: outbox.optional(),
    triggers: triggers.optional(),
    snapshot: snapshot.optional(),
    query: query.optional(),
    bulk: bulk.optional(),
    cdc: cdc.optional(),
  })
  .superRefine(checkRead);
export type Read = z.output<typeof read>;
