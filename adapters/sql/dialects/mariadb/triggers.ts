import type { Column } from '../dialect.js';
import { AT, fromText, keyName, MOST_OLD, OLD, OPERATION, SEQ, type TriggerPlan, type Triggers, text, triggerName } from '../triggers.js';

const VERBS = { ins: 'INSERT', upd: 'UPDATE', del: 'DELETE' } as const;

/** Triggers run with the rights of who made them. Each is one statement, so that a client needs no DELIMITER. */
export const triggers: Triggers = {
  install(plan) {
    const { table, key, schema } = plan;
    const outbox = `${schema}${quoted(plan.outbox)}`;
    const names = [OPERATION, ...key.map((_, at) => keyName(at)), OLD].join(', ');
    const values = (operation: string, row: string, old: string) => [text(operation), ...key.map((column) => `${row}.${quoted(column.name)}`), old].join(', ');
    const same = key.map((column) => `OLD.${quoted(column.name)} <=> NEW.${quoted(column.name)}`).join(' AND ');
    const row = `JSON_OBJECT(${table.columns.map((column) => `${text(column.name)}, ${oldText(column)}`).join(', ')})`;
    const bodies = {
      ins: `INSERT INTO ${outbox} (${names}) VALUES (${values('I', 'NEW', 'NULL')})`,
      upd: `INSERT INTO ${outbox} (${names})
  SELECT ${values('D', 'OLD', row)} FROM DUAL WHERE NOT (${same})
  UNION ALL SELECT ${values('I', 'NEW', 'NULL')} FROM DUAL WHERE NOT (${same})
  UNION ALL SELECT ${values('U', 'NEW', 'NULL')} FROM DUAL WHERE ${same}`,
      del: `INSERT INTO ${outbox} (${names}) VALUES (${values('D', 'OLD', row)})`,
    };
    return [
      // From the table itself, so that the key has its very type and collation.
      `CREATE TABLE IF NOT EXISTS ${outbox} (
  ${SEQ} bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
  ${OPERATION} char(1) CHARACTER SET ascii NOT NULL,
  ${AT} timestamp(6) NOT NULL DEFAULT current_timestamp(6),
  ${OLD} longtext CHARACTER SET utf8mb4
) ENGINE=InnoDB AS SELECT 'I' AS ${OPERATION}, ${key.map((column, at) => `${quoted(column.name)} AS ${keyName(at)}`).join(', ')} FROM ${table.sql} WHERE 1 = 0`,
      ...(['ins', 'upd', 'del'] as const).flatMap((verb) => [
        `DROP TRIGGER IF EXISTS ${schema}${quoted(triggerName(plan, verb))}`,
        `CREATE TRIGGER ${schema}${quoted(triggerName(plan, verb))} AFTER ${VERBS[verb]} ON ${table.sql} FOR EACH ROW ${bodies[verb]}`,
      ]),
    ];
  },
  remove: (plan) => [...triggerNames(plan).map((name) => `DROP TRIGGER IF EXISTS ${plan.schema}${quoted(name)}`), `DROP TABLE IF EXISTS ${plan.schema}${quoted(plan.outbox)}`],
  triggerNames,
  async installed(session, plan) {
    const wanted = triggerNames(plan);
    const schema = plan.schema.replaceAll('`', '').slice(0, -1);
    const { rows } = await session.query(
      `SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = ? AND trigger_name IN (${wanted.map(() => '?').join(', ')})`,
      [schema, ...wanted],
    );
    if (rows.length > 0) return rows.map(([name]) => String(name));
    // Only an account with the right TRIGGER sees them.
    const grants = await session.query('SHOW GRANTS');
    return grants.rows.some(([grant]) => /ALL PRIVILEGES|TRIGGER/.test(String(grant).split(' ON ')[0] ?? '')) ? [] : undefined;
  },
  old: fromText,
};

function triggerNames(plan: TriggerPlan): readonly string[] {
  return ['ins', 'upd', 'del'].map((verb) => triggerName(plan, verb));
}

function oldText(column: Column): string {
  const text = wholeText(column);
  return column.large ? `IF(LENGTH(OLD.${quoted(column.name)}) <= ${MOST_OLD}, ${text}, NULL)` : text;
}

function wholeText(column: Column): string {
  const name = `OLD.${quoted(column.name)}`;
  if (column.kind === 'bytes') return `HEX(${name})`;
  return column.kind === 'integer' ? `CAST(${name} + 0 AS CHAR)` : `CAST(${name} AS CHAR CHARACTER SET utf8mb4)`;
}

function quoted(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
