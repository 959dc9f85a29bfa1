import type { Column } from '../dialect.js';
import { quoted } from '../shared.js';
import { AT, fromText, keyName, OLD, OPERATION, SEQ, type TriggerPlan, type Triggers, text, triggerName } from '../triggers.js';

/** Oracle 12.2 and later: identity columns, names of 128 bytes, JSON_OBJECT. The trigger runs with the rights of its owner. */
export const triggers: Triggers = {
  note: 'not to be run twice; afterwards look at user_errors: a trigger that cannot be compiled stops the writes of the application',
  install(plan) {
    const { table, key, schema } = plan;
    const outbox = `${schema}${quoted(plan.outbox)}`;
    const names = [OPERATION, ...key.map((_, at) => keyName(at)), OLD].map(quoted).join(', ');
    const note = (operation: string, row: string, old: string) =>
      `INSERT INTO ${outbox} (${names}) VALUES (${[text(operation), ...key.map((column) => `${row}.${quoted(column.name)}`), old].join(', ')});`;
    const same = key.map((column) => `:OLD.${quoted(column.name)} = :NEW.${quoted(column.name)}`).join(' AND ');
    const row = `JSON_OBJECT(${table.columns
      .filter(isNoted)
      .map((column) => `KEY ${text(column.name)} VALUE ${oldText(column)}`)
      .join(', ')} NULL ON NULL RETURNING CLOB)`;
    return [
      `CREATE TABLE ${outbox} (
  ${quoted(SEQ)} NUMBER(19) GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ${quoted(OPERATION)} CHAR(1) NOT NULL,
  ${quoted(AT)} TIMESTAMP(6) WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
${key.map((column, at) => `  ${quoted(keyName(at))} ${column.type} NOT NULL,`).join('\n')}
  ${quoted(OLD)} CLOB
)`,
      `CREATE OR REPLACE TRIGGER ${schema}${quoted(triggerName(plan))} AFTER INSERT OR UPDATE OR DELETE ON ${table.sql} FOR EACH ROW
BEGIN
  IF INSERTING THEN
    ${note('I', ':NEW', 'NULL')}
  ELSIF UPDATING AND ${same} THEN
    ${note('U', ':NEW', 'NULL')}
  ELSE
    ${note('D', ':OLD', row)}
    IF UPDATING THEN
      ${note('I', ':NEW', 'NULL')}
    END IF;
  END IF;
END;`,
    ];
  },
  remove: (plan) => [`DROP TRIGGER ${plan.schema}${quoted(triggerName(plan))}`, `DROP TABLE ${plan.schema}${quoted(plan.outbox)} PURGE`],
  triggerNames: (plan: TriggerPlan) => [triggerName(plan)],
  async installed(session, plan) {
    const { rows } = await session.query(`SELECT trigger_name FROM all_triggers WHERE status = 'ENABLED' AND trigger_name = ${text(triggerName(plan))}`);
    return rows.map(([name]) => String(name));
  },
  old: fromText,
};

/** A trigger that cannot be compiled would stop the application: only what surely has a short text. */
function isNoted({ large, type }: Column): boolean {
  return !large && /^(N?VARCHAR2?|N?CHAR|NUMBER|FLOAT|BINARY_|DATE|TIMESTAMP|RAW)/.test(type);
}

function oldText(column: Column): string {
  const name = `:OLD.${quoted(column.name)}`;
  if (column.kind === 'bytes') return `RAWTOHEX(${name})`;
  if (column.kind === 'date' || column.type === 'DATE') return `TO_CHAR(${name}, 'YYYY-MM-DD HH24:MI:SS')`;
  if (column.kind === 'timestamp') return `TO_CHAR(${name}, 'YYYY-MM-DD HH24:MI:SS.FF')`;
  if (column.kind === 'instant') return `TO_CHAR(${name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.FF') || 'Z'`;
  return column.kind === 'integer' || column.kind === 'decimal' ? `TO_CHAR(${name}, 'TM9')` : `TO_CHAR(${name})`;
}
