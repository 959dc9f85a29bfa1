import { z } from 'zod';
import { duration, identifier, secret } from '../contract/index.js';
import { columns, include, names, table } from './options.js';
import { bulk } from './reading/bulk-options.js';
import { cdc } from './reading/cdc-options.js';
import { cursor } from './reading/cursor-options.js';
import { query } from './reading/query-options.js';
import { snapshot } from './reading/snapshot-options.js';
import { checkRead } from './reading/strategies.js';

export type { ColumnType } from './options.js';
export type { Overlap } from './reading/cursor-options.js';

const limits = {
  connections: z.int().min(1).max(50).default(5).meta({ title: 'Connections', description: 'Most connections to the database at a time.', advanced: true }),
  connect_timeout: duration({ min: '100ms', max: '5m' }).default(10_000).meta({ title: 'Connect timeout', description: 'Longest wait for a connection.', advanced: true }),
  statement_timeout: duration({ min: '100ms', max: '1h' })
    .default(60_000)
    .meta({ title: 'Statement timeout', description: 'Longest time one statement may take; the server ends it and so do we.', advanced: true }),
  lock_timeout: duration({ min: '10ms', max: '10m' })
    .default(10_000)
    .meta({ title: 'Lock timeout', description: 'Longest wait for a lock another session holds.', advanced: true }),
};

const tls = z
  .union([
    z.literal('off'),
    z.strictObject({
      ca: z
        .string()
        .min(1)
        .optional()
        .meta({ title: 'CA file', description: 'PEM file of the authority that signed the server certificate. Without it: the authorities of Node.' }),
      servername: z.string().min(1).optional().meta({ title: 'Server name', description: 'Name in the certificate when it is not the host (PostgreSQL).', advanced: true }),
    }),
  ])
  .default({})
  .meta({ title: 'TLS', description: 'On and verified unless it says off; off is meant for the same machine.', examples: [{ ca: 'tls/db-ca.pem' }, 'off'] });

const server = (port: number) => ({
  host: z
    .string()
    .min(1)
    .meta({ title: 'Host', description: 'Name or address of the database server.', examples: ['db.corp.local'] }),
  port: z.int().min(1).max(65_535).default(port).meta({ title: 'Port', description: 'TCP port of the server.' }),
  database: z
    .string()
    .min(1)
    .meta({ title: 'Database', description: 'Name of the database.', examples: ['erp'] }),
  user: z.string().min(1).meta({ title: 'User', description: 'Account to log in with; give it no more rights than the endpoints need.' }),
  password: secret().meta({ title: 'Password', description: 'Password of the account.' }),
  tls,
  ...limits,
});

export const connect = z.discriminatedUnion('driver', [
  z.strictObject({
    driver: z.literal('sqlite').meta({ title: 'Driver', description: 'SQLite database file.' }),
    file: z
      .string()
      .min(1)
      .meta({ title: 'File', description: 'Path of the database file. It must exist; never on a network file system.', examples: ['/var/lib/erp/erp.db'] }),
    lock_timeout: limits.lock_timeout,
  }),
  z.strictObject({ driver: z.literal('postgres').meta({ title: 'Driver', description: 'PostgreSQL 13 or later.' }), ...server(5432) }),
  z.strictObject({ driver: z.literal('mariadb').meta({ title: 'Driver', description: 'MariaDB 10.6 or MySQL 8 and later.' }), ...server(3306) }),
]);
export type Connect = z.output<typeof connect>;
export type ServerConnect = Exclude<Connect, { driver: 'sqlite' }>;
export type SqliteConnect = Extract<Connect, { driver: 'sqlite' }>;

export const read = z
  .strictObject({
    table: table.optional(),
    key: names('Key', 'Column or columns that name one row. Must be unique and never NULL.').optional(),
    columns: columns.optional(),
    include: include.default({}),
    // The ways of reading; at most one of them.
    cursor: cursor.optional(),
    snapshot: snapshot.optional(),
    query: query.optional(),
    bulk: bulk.optional(),
    cdc: cdc.optional(),
  })
  .superRefine(checkRead);
export type Read = z.output<typeof read>;

export const write = z.strictObject({
  table,
  mode: z.enum(['insert', 'upsert']).default('upsert').meta({ title: 'Mode', description: 'insert: a row that is there already is an invalid message. upsert: it is changed.' }),
  key: names('Key', 'Column or columns that name one row; for upsert there must be a unique index on exactly these.').optional(),
  columns: columns.optional(),
  version: identifier().optional().meta({
    title: 'Version',
    description: 'upsert: column that grows with every change. A row is changed only by a greater value, so that an older message never undoes a newer one.',
  }),
  create_inbox: z.boolean().default(true).meta({
    title: 'Create the inbox table',
    description: 'Create `signalbox_inbox` in the target database when it is missing. It records which deliveries were applied.',
    advanced: true,
  }),
});
export type Write = z.output<typeof write>;

export const call = z.strictObject({
  sql: z
    .string()
    .min(1)
    .max(20_000)
    .meta({ title: 'SQL', description: 'One SELECT; parameters by name. Static text, values only as parameters.', examples: ['select qty from stock where sku = :sku'] }),
  one: z.boolean().default(false).meta({ title: 'One row', description: 'The answer is the one row, or null, instead of a list. More than one row is an error.' }),
  limit: z.int().min(1).max(10_000).default(1000).meta({ title: 'Limit', description: 'More rows than this are an error.', advanced: true }),
});
export type Call = z.output<typeof call>;
