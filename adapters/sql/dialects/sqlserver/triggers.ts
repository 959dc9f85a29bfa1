import type { Column } from '../dialect.js';
import { AT, fromText, keyName, OLD, OPERATION, SEQ, type TriggerPlan, type Triggers, text, triggerName } from '../triggers.js';

/** One trigger for the rows of a whole statement. Ownership chaining lets it write where the application may not. */
export const triggers: Triggers = {
  note: 'by hand, run each statement as a batch of its own (a line GO after each)',
  install(plan) {
    const { table, key, schema } = plan;
    const outbox = `${schema}${quoted(plan.outbox)}`;
    const names = [OPERATION, ...key.map((_, at) => keyName(at)), OLD].join(', ');
    const keys = (row: string) => key.map((column) => `${row}.${quoted(column.name)}`).join(', ');
    const join = key.map((column) => `d.${quoted(column.name)} = i.${quoted(column.name)}`).join(' AND ');
    const row = `(SELECT ${table.columns
      .filter(isNoted)
      .map((column) => `${oldText(column)} AS ${quoted(column.name)}`)
      .join(', ')} FOR JSON PATH, INCLUDE_NULL_VALUES, WITHOUT_ARRAY_WRAPPER)`;
    return [
      `IF OBJECT_ID(${text(outbox)}, 'U') IS NULL CREATE TABLE ${outbox} (
  ${SEQ} bigint IDENTITY(1, 1) NOT NULL PRIMARY KEY,
  ${OPERATION} char(1) NOT NULL,
  ${AT} datetime2(7) NOT NULL DEFAULT SYSUTCDATETIME(),
${key.map((column, at) => `  ${keyName(at)} ${column.type} NOT NULL,`).join('\n')}
  ${OLD} nvarchar(max) NULL
)`,
      `CREATE OR ALTER TRIGGER ${schema}${quoted(triggerName(plan))} ON ${table.sql} AFTER INSERT, UPDATE, DELETE AS
BEGIN
  SET NOCOUNT ON;
  INSERT INTO ${outbox} (${names})
    SELECT 'D', ${keys('d')}, ${row} FROM deleted d WHERE NOT EXISTS (SELECT 1 FROM inserted i WHERE ${join});
  INSERT INTO ${outbox} (${names})
    SELECT CASE WHEN EXISTS (SELECT 1 FROM deleted d WHERE ${join}) THEN 'U' ELSE 'I' END, ${keys('i')}, NULL FROM inserted i;
END`,
    ];
  },
  remove: (plan) => [`DROP TRIGGER IF EXISTS ${plan.schema}${quoted(triggerName(plan))}`, `DROP TABLE IF EXISTS ${plan.schema}${quoted(plan.outbox)}`],
  triggerNames: (plan: TriggerPlan) => [triggerName(plan)],
  async installed(session, plan) {
    const { rows } = await session.query(`SELECT name FROM sys.triggers WHERE parent_id = OBJECT_ID(${text(plan.table.sql)}) AND is_disabled = 0`);
    return rows.map(([name]) => String(name)).filter((name) => name === triggerName(plan));
  },
  old: fromText,
};

/** Triggers may not look at text, ntext and image; what else is large, or has no text of its own, stays out of a note too. */
function isNoted({ large, type }: Column): boolean {
  return !large && !/^(text|ntext|image|xml|sql_variant|geography|geometry|hierarchyid)/.test(type);
}

/** Styles of CONVERT (Microsoft's reference): 121 is the ODBC form of times, 2 hex without 0x, 3 the digits that read back to the same float. */
function oldText(column: Column): string {
  const name = `d.${quoted(column.name)}`;
  if (column.kind === 'bytes') return `CONVERT(varchar(max), CONVERT(varbinary(max), ${name}), 2)`;
  const style = /^(real|float)/.test(column.type) ? ', 3' : /^(date|time|smalldatetime)/.test(column.type) ? ', 121' : '';
  return `CONVERT(nvarchar(max), ${name}${style})`;
}

function quoted(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}
