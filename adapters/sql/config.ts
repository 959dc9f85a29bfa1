import { z } from 'zod';
import { duration, identifier, secret } from '../contract/index.js';

const names = (title: string, description: string) =>
  z
    .union([identifier(), z.array(identifier()).min(1).max(8)])
    .transform((value) => (typeof value === 'string' ? [value] : value))
    .meta({ title, description });

const columnType = z.enum(['text', 'integer', 'decimal', 'number', 'boolean', 'date', 'timestamp', 'bytes', 'any']);
export type ColumnType = z.output<typeof columnType>;

const columns = z.record(identifier(), columnType).meta({
  title: 'Columns',
  description: 'Columns and their types. Only these (with key and cursor) are used, and expressions are checked against them. Without it: all columns of the table.',
  examples: [{ ORD_NO: 'text', AMT: 'decimal', CHG_TS: 'timestamp' }],
});

const table = identifier().meta({ title: 'Table', description: 'Table or view, with its schema if it is not the default one.', examples: ['ORD_HEAD', 'sales.ord_head'] });

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

const cursor = z
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
    }),
    z.strictObject({
      transaction: identifier().meta({
        title: 'Transaction column',
        description: 'PostgreSQL: an indexed column `xid8 DEFAULT pg_current_xact_id()` that a trigger renews on update.',
      }),
    }),
  ])
  .meta({ title: 'Cursor', description: 'How new and changed rows are found.' });

const include = z
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

export const read = z.strictObject({
  table,
  key: names('Key', 'Column or columns that name one row. Must be unique and never NULL.'),
  columns: columns.optional(),
  cursor: cursor.optional(),
  include: include.default({}),
});
export type Read = z.output<typeof read>;
export type Overlap = { readonly ms: number } | { readonly distance: number };

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
