// Options of `write:` and `call:`.
import { z } from 'zod';
import { byteSize, duration, identifier } from '../../contract/index.js';
import { columns, names, table } from '../options.js';

const include = z
  .record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'expected a plain field name'),
    z.strictObject({
      table,
      by: names('By', 'Column or columns of the child table that hold the key of the row. They are filled in; a child that names another parent is an invalid message.'),
      parent: names('Parent columns', 'Columns of the row they refer to, when they are named differently.').optional(),
      mode: z.enum(['replace', 'upsert']).default('replace').meta({
        title: 'Mode',
        description: 'replace: the children of the row are those of the message and no others. upsert: children of the message are inserted or changed, others stay.',
      }),
      key: names('Key', 'mode upsert: columns that name one child; there must be a unique index on exactly these.').optional(),
      columns: columns.optional(),
    }),
  )
  .meta({
    title: 'Include',
    description: 'Lists of the payload written to child tables, in the transaction of the row. A list that is absent leaves its table as it is; an empty one is no children.',
    examples: [{ lines: { table: 'ORD_LINE', by: 'ORD_NO' } }],
  });

export const write = z
  .strictObject({
    table: table.optional(),
    mode: z.enum(['insert', 'upsert', 'update', 'delete', 'procedure']).default('upsert').meta({
      title: 'Mode',
      description:
        'insert: a row that is there already is an invalid message. upsert: it is changed. update: the row must be there. delete: the row is removed, and it is no error when it is gone. procedure: a stored procedure is called.',
    }),
    procedure: identifier()
      .optional()
      .meta({
        title: 'Procedure',
        description: 'mode procedure: its name; fields of the payload are its parameters by name. PostgreSQL: a function too.',
        examples: ['erp.book_order'],
      }),
    key: names('Key', 'Column or columns that name one row; for upsert there must be a unique index on exactly these.').optional(),
    columns: columns.optional(),
    version: identifier().optional().meta({
      title: 'Version',
      description:
        'upsert, update, delete: column that grows with every change. A row is changed only by a greater value and deleted only by one that is not smaller, so that an older message never undoes a newer one.',
    }),
    missing: z.enum(['fail', 'ignore']).default('fail').meta({
      title: 'Missing row',
      description: 'mode update: fail: a row that is not there is an invalid message. ignore: nothing happens, and the receipt says so.',
    }),
    include: include.default({}),
    batch: z
      .strictObject({
        rows: z.int().min(1).max(1000).default(200).meta({ title: 'Rows', description: 'Most deliveries of one transaction.' }),
        bytes: byteSize({ max: 256 * 1024 * 1024 })
          .default(8 * 1024 * 1024)
          .meta({ title: 'Bytes', description: 'Most bytes of one transaction; a larger delivery has its own.' }),
      })
      .prefault({})
      .meta({ title: 'Batch', description: 'Deliveries that queue while a transaction runs share the next, up to this.', advanced: true }),
    create_inbox: z.boolean().default(true).meta({
      title: 'Create the inbox table',
      description: 'Create `signalbox_inbox` in the target database when it is missing. It records which deliveries were applied.',
      advanced: true,
    }),
  })
  .superRefine(checkWrite);
export type Write = z.output<typeof write>;

/** `write` of a mode that writes a table. */
export type TableWrite = Write & { readonly table: string };

export function tableWrite(config: Write): TableWrite {
  const { table: name } = config;
  if (name === undefined) throw new TypeError('table is checked by the schema');
  return { ...config, table: name };
}

function checkWrite({ mode, table: name, procedure, include: children }: Pick<Write, 'mode' | 'table' | 'procedure' | 'include'>, context: z.core.$RefinementCtx): void {
  const issue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (mode === 'procedure') {
    if (procedure === undefined) issue([], 'procedure is missing: mode procedure needs it');
    if (name !== undefined) issue(['table'], 'mode procedure writes no table: leave it out');
    if (Object.keys(children).length > 0) issue(['include'], 'a procedure takes single values: include is for tables');
    return;
  }
  if (name === undefined) issue([], 'table is missing');
  if (procedure !== undefined) issue(['procedure'], `mode ${mode} calls no procedure: mode: procedure does`);
}

const cache = z
  .strictObject({
    for: duration({ min: '1s', max: '7d' }).meta({ title: 'For', description: 'How long an answer is used again: it may be as old as this.', examples: ['5m'] }),
    entries: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .meta({ title: 'Entries', description: 'Most answers kept; the one used longest ago goes first. Together they take at most 64 MiB.' }),
    negative: duration({ min: '1s', max: '7d' })
      .optional()
      .meta({ title: 'Negative', description: 'How long "not there" (null or an empty list) is used again. Without it: it is asked every time.', examples: ['30s'] }),
  })
  .meta({ title: 'Cache', description: 'Answers kept in memory, by the values of the parameters. Errors are never kept.', examples: [{ for: '5m', entries: 10_000 }] });

export const call = z.strictObject({
  sql: z
    .string()
    .min(1)
    .max(20_000)
    .meta({ title: 'SQL', description: 'One SELECT; parameters by name. Static text, values only as parameters.', examples: ['select qty from stock where sku = :sku'] }),
  one: z.boolean().default(false).meta({ title: 'One row', description: 'The answer is the one row, or null, instead of a list. More than one row is an error.' }),
  limit: z.int().min(1).max(10_000).default(1000).meta({ title: 'Limit', description: 'More rows than this are an error.', advanced: true }),
  cache: cache.optional(),
});
export type Call = z.output<typeof call>;
