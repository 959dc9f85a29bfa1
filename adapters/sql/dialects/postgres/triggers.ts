import type { Column } from '../dialect.js';
import { quoted } from '../shared.js';
import { AT, fromText, keyName, MOST_OLD, OLD, OPERATION, SEQ, type TriggerPlan, type Triggers, text, triggerName } from '../triggers.js';

/** The function runs with the rights of its owner, so that the application needs none on the outbox table. */
export const triggers: Triggers = {
  install(plan) {
    const { table, key, schema } = plan;
    const outbox = `${schema}${quoted(plan.outbox)}`;
    const name = quoted(triggerName(plan));
    const same = key.map((column) => `OLD.${quoted(column.name)} IS NOT DISTINCT FROM NEW.${quoted(column.name)}`).join(' AND ');
    const note = (operation: string, row: string, old?: string) =>
      `INSERT INTO ${outbox} (${[OPERATION, ...key.map((_, at) => keyName(at)), ...(old === undefined ? [] : [OLD])].join(', ')}) VALUES (${[
        text(operation),
        ...key.map((column) => `${row}.${quoted(column.name)}`),
        ...(old === undefined ? [] : [old]),
      ].join(', ')})`;
    const columns = table.columns;
    const row = `json_object(ARRAY[${columns.map((column) => text(column.name)).join(', ')}]::text[], ARRAY[${columns.map(oldText).join(', ')}]::text[])`;
    return [
      `CREATE TABLE IF NOT EXISTS ${outbox} (
  ${SEQ} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ${OPERATION} char(1) NOT NULL,
  ${AT} timestamptz NOT NULL DEFAULT clock_timestamp(),
${key.map((column, at) => `  ${keyName(at)} ${column.type} NOT NULL,`).join('\n')}
  ${OLD} text
)`,
      `CREATE OR REPLACE FUNCTION ${schema}${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $signalbox$
BEGIN
  IF TG_OP = 'INSERT' THEN
    ${note('I', 'NEW')};
  ELSIF TG_OP = 'UPDATE' AND ${same.replaceAll(' AND ', '\n    AND ')} THEN
    ${note('U', 'NEW')};
  ELSE
    ${note('D', 'OLD', row)};
    IF TG_OP = 'UPDATE' THEN
      ${note('I', 'NEW')};
    END IF;
  END IF;
  RETURN NULL;
END $signalbox$`,
      `DROP TRIGGER IF EXISTS ${name} ON ${table.sql}`,
      `CREATE TRIGGER ${name} AFTER INSERT OR UPDATE OR DELETE ON ${table.sql} FOR EACH ROW EXECUTE FUNCTION ${schema}${name}()`,
    ];
  },
  remove(plan) {
    const name = quoted(triggerName(plan));
    return [`DROP TRIGGER IF EXISTS ${name} ON ${plan.table.sql}`, `DROP FUNCTION IF EXISTS ${plan.schema}${name}()`, `DROP TABLE IF EXISTS ${plan.schema}${quoted(plan.outbox)}`];
  },
  triggerNames: (plan: TriggerPlan) => [triggerName(plan)],
  async installed(session, plan) {
    const { rows } = await session.query("SELECT tgname FROM pg_trigger WHERE tgrelid = CAST($1 AS text)::regclass AND tgname = CAST($2 AS text) AND tgenabled <> 'D'", [
      plan.table.sql,
      triggerName(plan),
    ]);
    return rows.map(([name]) => String(name));
  },
  old: fromText,
};

function oldText(column: Column): string {
  const name = `OLD.${quoted(column.name)}`;
  return column.large ? `CASE WHEN pg_column_size(${name}) <= ${MOST_OLD} THEN ${name}::text END` : `${name}::text`;
}
