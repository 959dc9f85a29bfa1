import { Decimal } from '../../../contract/index.js';
import type { Column } from '../dialect.js';
import { quoted } from '../shared.js';
import { AT, keyName, MOST_OLD, OLD, OPERATION, SEQ, type TriggerPlan, type Triggers, text, triggerName } from '../triggers.js';

/** A trigger names tables of its own schema without it (sqlite.org/lang_createtrigger.html). */
export const triggers: Triggers = {
  install(plan) {
    const { table, key, schema } = plan;
    const names = [OPERATION, ...key.map((_, at) => keyName(at)), OLD].join(', ');
    const note = (operation: string, row: string, old: string, where?: string) =>
      `INSERT INTO ${quoted(plan.outbox)} (${names}) SELECT ${[text(operation), ...key.map((column) => `${row}.${quoted(column.name)}`), old].join(', ')}${where === undefined ? '' : ` WHERE ${where}`};`;
    const same = key.map((column) => `OLD.${quoted(column.name)} IS NEW.${quoted(column.name)}`).join(' AND ');
    const row = `'{' || ${table.columns.map((column) => `${text(`${JSON.stringify(column.name)}:`)} || ${oldCell(column)}`).join(` || ',' || `)} || '}'`;
    const trigger = (verb: 'ins' | 'upd' | 'del', event: string, ...body: string[]) =>
      `CREATE TRIGGER IF NOT EXISTS ${schema}${quoted(triggerName(plan, verb))} AFTER ${event} ON ${quoted(table.name)} FOR EACH ROW BEGIN\n  ${body.join('\n  ')}\nEND`;
    return [
      `CREATE TABLE IF NOT EXISTS ${schema}${quoted(plan.outbox)} (
  ${SEQ} INTEGER PRIMARY KEY AUTOINCREMENT,
  ${OPERATION} TEXT NOT NULL,
  ${AT} TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
${key.map((column, at) => `  ${keyName(at)} ${column.type === 'NONE' ? 'BLOB' : column.type} NOT NULL,`).join('\n')}
  ${OLD} TEXT
)`,
      trigger('ins', 'INSERT', note('I', 'NEW', 'NULL')),
      trigger('upd', 'UPDATE', note('D', 'OLD', row, `NOT (${same})`), note('I', 'NEW', 'NULL', `NOT (${same})`), note('U', 'NEW', 'NULL', same)),
      trigger('del', 'DELETE', note('D', 'OLD', row)),
    ];
  },
  remove: (plan) => [...triggerNames(plan).map((name) => `DROP TRIGGER IF EXISTS ${plan.schema}${quoted(name)}`), `DROP TABLE IF EXISTS ${plan.schema}${quoted(plan.outbox)}`],
  triggerNames,
  async installed(session, plan) {
    const { rows } = await session.query(`SELECT name FROM ${plan.schema}sqlite_master WHERE type = 'trigger'`);
    const there = new Set(rows.map(([name]) => String(name)));
    return triggerNames(plan).filter((name) => there.has(name));
  },
  old(value) {
    const [type, cell] = Array.isArray(value) ? value : [];
    if (typeof cell !== 'string') return null;
    if (type === 'integer') return BigInt(cell);
    if (type === 'real') return Decimal.parse(cell) ? Number(cell) : cell;
    return type === 'blob' ? new Uint8Array(Buffer.from(cell, 'hex')) : cell;
  },
};

function triggerNames(plan: TriggerPlan): readonly string[] {
  return ['ins', 'upd', 'del'].map((verb) => triggerName(plan, verb));
}

/** With its type, since a column may hold values of any. */
function oldCell(column: Column): string {
  const name = `OLD.${quoted(column.name)}`;
  return `json_array(typeof(${name}), CASE WHEN length(${name}) > ${MOST_OLD} THEN NULL ELSE CASE typeof(${name}) WHEN 'blob' THEN hex(${name}) WHEN 'real' THEN printf('%!.17g', ${name}) ELSE CAST(${name} AS TEXT) END END)`;
}
