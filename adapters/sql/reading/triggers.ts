import {
  type Batch,
  InvalidMessage,
  isRecord,
  Misconfigured,
  newRecord,
  type PollingInbound,
  type PollRequest,
  parseJson,
  type SourceRecord,
  type Value,
} from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Column, Dialect, Session, Table } from '../dialects/dialect.js';
import { AT, keyName, OLD, OPERATION, SEQ, type TriggerPlan, type Triggers } from '../dialects/triggers.js';
import { type Cells, includeRows, type Row, readRow, type Shape, selectList, toRecord } from '../rows.js';
import { after, Binds } from '../statement.js';
import type { Raw } from '../values.js';
import { changeKeys } from './keys.js';
import { planTable, type TablePlan } from './page.js';
import { Prepared, type Source, Warnings } from './source.js';
import type { TableRead } from './strategy.js';
import { outboxName, type TriggerOptions } from './triggers-options.js';

interface Plan extends TablePlan {
  readonly outbox: Table;
  readonly seq: Column;
  /** Its columns in the order they are selected. */
  readonly noted: Shape;
  readonly keyOfOutbox: readonly Column[];
  readonly triggers: Triggers;
}

interface Change {
  readonly seq: Value;
  readonly record: SourceRecord | undefined;
}

const OPERATIONS: Readonly<Record<string, string>> = { I: 'insert', U: 'update', D: 'delete' };

/**
 * `triggers`: what triggers noted about a table, in the order it happened to each row, joined with the row as it is now. Notes are removed when
 * they are on the bus, exactly those that were read: no position is kept, and a note that is committed late is read by the next poll.
 */
export class TriggersReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #warnings: Warnings;
  readonly #prepared: Prepared<Plan>;

  constructor(
    private readonly source: Source,
    private readonly read: TableRead,
    private readonly options: TriggerOptions,
  ) {
    this.#warnings = new Warnings(source);
    this.#prepared = new Prepared(source, (dialect, session) => this.#prepare(dialect, session));
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#prepared.open(signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database, plan } = await this.#prepared.get(request.signal);
    let last: Value | undefined;
    for (;;) {
      request.signal.throwIfAborted();
      const changes = await database.read((session) => this.#changes(dialect, session, plan, last, request.maxRecords), request.signal);
      if (changes.length === 0) return;
      const records = changes.flatMap(({ record }) => (record === undefined ? [] : [record]));
      yield { records, settle: () => this.#forget(dialect, plan, changes, request) };
      if (changes.length < request.maxRecords) return;
      last = changes.at(-1)?.seq;
    }
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    this.#prepared.forget();
    this.#warnings.forget();
  }

  async #prepare(dialect: Dialect, session: Session): Promise<Plan> {
    const plan = await planTable(dialect, session, this.read);
    const { triggers } = dialect;
    if (!triggers) throw new Misconfigured('E426', `triggers cannot be generated for ${dialect.capabilities.title}`);
    if (plan.shape.selected.some(({ field }) => field === this.options.operation)) {
      throw new Misconfigured('E426', `${plan.table.name} has a column ${this.options.operation}: say triggers: {operation: another_name}`);
    }
    const wanted = planTriggers(dialect, plan.table, plan.keyColumns, this.read);
    const outbox = await checkTriggers(dialect, session, wanted, this.read, this.source.endpoint.name, () =>
      this.#warnings.once('sql.triggers-unseen', `this account may not see triggers: whether those of ${plan.table.name} are there is not known`),
    );
    const keyOfOutbox = plan.keyColumns.map((_, at) => findColumn(outbox, keyName(at)));
    const noted = [SEQ, OPERATION, AT, OLD].map((name) => findColumn(outbox, name));
    const selected = [...noted, ...keyOfOutbox].map((column) => ({ column, field: column.name, declared: undefined }));
    return { ...plan, outbox, triggers, keyOfOutbox, seq: findColumn(outbox, SEQ), noted: { table: outbox, selected } };
  }

  async #changes(dialect: Dialect, session: Session, plan: Plan, last: Value | undefined, limit: number): Promise<readonly Change[]> {
    const binds = new Binds(dialect);
    const on = plan.keyColumns.map((column, at) => `${dialect.quote(column.name)} = ${dialect.quote(plan.keyOfOutbox[at]?.name ?? '')}`).join(' AND ');
    // Columns of the outbox have names no table has, so none needs its table's name.
    const sql = dialect.page({
      columns: `${selectList(dialect, plan.noted)}, ${selectList(dialect, plan.shape)}`,
      from: `${plan.outbox.sql} LEFT JOIN ${plan.table.sql} ON ${on}`,
      ...(last === undefined ? {} : { where: [after(dialect, [plan.seq], [last], binds)] }),
      order: dialect.quote(SEQ),
      limit,
    });
    const { rows } = await session.query(sql, binds.values);
    const split = plan.noted.selected.length;
    const notes = rows.map((cells) => ({ note: readRow(plan.noted, cells.slice(0, split)).native, row: readRow(plan.shape, cells.slice(split)) }));
    const there = notes.filter(({ note, row }) => note.get(OPERATION) !== 'D' && plan.keyColumns.every(({ name }) => (row.native.get(name) ?? null) !== null));
    let current: readonly Row[] = there.map(({ row }) => row);
    for (const include of plan.includes) current = await includeRows(dialect, session, include, current);
    const withChildren = new Map(there.map(({ note }, at) => [note, current[at]]));
    return notes.map(({ note }) => {
      const seq = note.get(SEQ) ?? null;
      const isDelete = note.get(OPERATION) === 'D';
      // The row of an insert or update is gone: its deletion is noted behind it, and that is what is left to say.
      const row = isDelete ? this.#deleted(plan, note) : withChildren.get(note);
      return { seq, record: row && this.#record(plan, note, row) };
    });
  }

  #record(plan: Plan, note: Cells, row: Row): SourceRecord {
    const at = String(note.get(AT));
    const value = Object.assign(newRecord(), row.value, { [this.options.operation]: OPERATIONS[String(note.get(OPERATION))] ?? 'update' });
    // Numbers start again when the triggers are installed again; the time tells them apart.
    const record = toRecord({ ...row, value }, plan.key, `o${String(note.get(SEQ))}@${at}`, false);
    return { ...record, ...(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(at) ? { time: at } : {}) };
  }

  /** The row as it was, from the note; at least its key. */
  #deleted(plan: Plan, note: Cells): Row {
    const keys = new Map(plan.keyColumns.map((column, at) => [column.name, note.get(plan.keyOfOutbox[at]?.name ?? '') ?? null]));
    const lists = Object.fromEntries(plan.includes.map(({ field }) => [field, []]));
    try {
      const old = parseJson(String(note.get(OLD)));
      if (!isRecord(old)) throw new InvalidMessage('E330', `${OLD} is no record`);
      const cells = plan.shape.selected.map(({ column }): Raw => plan.triggers.old(old[column.name] ?? null, column));
      const row = readRow(plan.shape, cells);
      return { ...row, value: Object.assign(newRecord(), row.value, lists), native: { get: (name) => (keys.has(name) ? keys.get(name) : row.native.get(name)) } };
    } catch (error) {
      const value = Object.fromEntries(plan.key.map(({ column, field }) => [field, keys.get(column.name) ?? null]));
      return { value: Object.assign(newRecord(), value, lists), native: keys, problem: `the deleted row cannot be read from ${OLD}: ${Error.isError(error) ? error.message : ''}` };
    }
  }

  async #forget(dialect: Dialect, plan: Plan, changes: readonly Change[], { fence, signal }: PollRequest): Promise<void> {
    fence?.();
    const { database } = await this.source.link();
    const keys = changes.map(({ seq }) => [seq]);
    const changed = await database.write((session) => changeKeys(dialect, session, [plan.seq], keys, (_, exactly) => `DELETE FROM ${plan.outbox.sql} WHERE ${exactly()}`), signal);
    if (changed === keys.length) return;
    const message = `${changed} notes were removed for ${keys.length} that were read: another reader takes them too`;
    this.source.log.warn('sql.outbox-changed', message, { endpoint: this.source.endpoint.name, code: 'E431', table: plan.outbox.name });
  }
}

/** What is installed for an endpoint. */
export function planTriggers(dialect: Dialect, table: Table, key: readonly Column[], read: TableRead): TriggerPlan {
  const own = outboxName(read).split('.').at(-1) ?? '';
  const outbox = read.triggers?.outbox ?? `signalbox_outbox_${table.name}`;
  if (outbox.length > 63) throw new Misconfigured('E426', `the name ${own} is longer than 63 characters: say triggers: {outbox: shorter_name}`);
  return { table, key, outbox, schema: table.sql.slice(0, -dialect.quote(table.name).length) };
}

/** @returns the outbox table @throws Misconfigured when it or a trigger is missing, or of another shape */
export async function checkTriggers(dialect: Dialect, session: Session, plan: TriggerPlan, read: TableRead, endpoint: string, unseen: () => void): Promise<Table> {
  const hint = `run: signalbox systems install-triggers ${endpoint}`;
  const outbox = await dialect.table(session, outboxName(read));
  if ('candidates' in outbox) throw new Misconfigured('E432', `${plan.table.name} has no outbox table ${plan.outbox}; ${hint}`);
  const names = new Set(outbox.columns.map(({ name }) => name));
  const wanted = [SEQ, OPERATION, AT, OLD, ...plan.key.map((_, at) => keyName(at))];
  const missing = wanted.filter((name) => !names.has(name));
  if (missing.length > 0 || names.has(keyName(plan.key.length))) {
    throw new Misconfigured('E433', `${outbox.name} ${missing.length > 0 ? `has no column ${missing.join(', ')}` : 'was made for a longer key'}`);
  }
  const installed = await dialect.triggers?.installed(session, plan);
  if (installed === undefined) unseen();
  const absent = installed === undefined ? [] : (dialect.triggers?.triggerNames(plan) ?? []).filter((name) => !installed.includes(name));
  if (absent.length > 0) throw new Misconfigured('E432', `the trigger ${absent.join(', ')} of ${plan.table.name} is missing or switched off; ${hint}`);
  return outbox;
}
