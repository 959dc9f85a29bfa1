import { type Batch, Misconfigured, type PollingInbound, type PollRequest, type Value } from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Column, Dialect, Session } from '../dialects/dialect.js';
import { readRow, toRecord } from '../rows.js';
import { after, Binds } from '../statement.js';
import type { Overlap } from './cursor-options.js';
import { type Page, planTable, readPage, type TablePlan } from './page.js';
import { type CursorPosition, type Position, readPosition, writePosition } from './position.js';
import { type Source, Warnings } from './source.js';
import type { TableRead } from './strategy.js';
import { WindowPages } from './window.js';

/** What `open` learned from the catalogue. */
interface Plan extends TablePlan {
  /** Total order of the pages; its first column is the cursor where one is used. */
  readonly order: readonly Column[];
  /** Reads by transaction number; otherwise by the cursor column. */
  readonly window: { readonly column: Column | undefined } | undefined;
  readonly overlap: Overlap | undefined;
}

/** `cursor`, and reading without a strategy: new and changed rows, by transaction where the database has numbers for them, else by a column that grows. */
export class CursorReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #warnings: Warnings;
  readonly #window: WindowPages;
  #plan: Plan | undefined;

  constructor(
    private readonly source: Source,
    private readonly read: TableRead,
  ) {
    this.#warnings = new Warnings(source);
    this.#window = new WindowPages(source.clock, this.#warnings);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.source.link();
    this.#plan = await database.read((session) => this.#prepare(dialect, session), signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database } = await this.source.link();
    const plan = this.#plan ?? (await database.read((session) => this.#prepare(dialect, session), request.signal));
    this.#plan = plan;
    const order = [...(plan.window?.column ? [plan.window.column] : []), ...plan.order].map((column) => column.name);
    let position = readPosition(request.checkpoint, plan.window ? 'transaction' : 'cursor', order);
    for (;;) {
      request.signal.throwIfAborted();
      // A transaction of its own per page: nothing of the source is held while the bus stores the batch.
      const step = await database.read((session) => this.#step(dialect, session, plan, position, request.maxRecords), request.signal);
      if (!step) return;
      position = step.position;
      const records = step.page.rows.map((row, at) => toRecord(row, plan.key, step.page.versions[at] ?? '', plan.window === undefined));
      if (records.length > 0) yield { records, checkpoint: writePosition(position, order) };
      if (step.page.next === undefined) return;
    }
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    this.#plan = undefined;
    this.#warnings.forget();
  }

  async #prepare(dialect: Dialect, session: Session): Promise<Plan> {
    const { cursor } = this.read;
    const plan = await planTable(dialect, session, this.read, cursor ? ['column' in cursor ? cursor.column : cursor.transaction] : []);
    const { table, keyColumns } = plan;
    const column = cursor && 'column' in cursor ? findColumn(table, cursor.column) : undefined;
    const transaction = cursor && 'transaction' in cursor ? findColumn(table, cursor.transaction) : undefined;
    const { watermark } = dialect;
    if (transaction && !watermark) throw new Misconfigured('E426', `cursor.transaction: ${dialect.name} has no transaction numbers`);
    if (transaction && !watermark?.fits(transaction)) {
      throw new Misconfigured('E426', `${transaction.name} is ${transaction.type}; cursor.transaction needs ${watermark?.needs}`);
    }
    const fitting = watermark === undefined || watermark.everyTable ? undefined : (column ? [column] : table.columns).find((each) => watermark.fits(each));
    const numbered = transaction ?? fitting;
    const safe = watermark !== undefined && (numbered !== undefined || (watermark.everyTable && !table.view));
    if (!safe && !column && table.view) throw new Misconfigured('E426', `${table.name} is a view: it has no row versions, name a cursor column`);
    const lead = column ?? (safe ? undefined : keyColumns[0]);
    const nullable = column?.nullable === true;
    if (nullable) {
      const message = safe ? `${column.name} may be NULL: rows are read in the order of the key` : `rows whose ${column.name} is NULL are not read: the column may be NULL`;
      this.#warnings.once('sql.cursor-nullable', message);
    }
    const order = lead && !(safe && nullable) ? [lead, ...keyColumns.filter(({ name }) => name !== lead.name)] : keyColumns;
    return { ...plan, order, window: safe ? { column: numbered } : undefined, overlap: cursor && 'column' in cursor ? cursor.overlap : undefined };
  }

  async #step(dialect: Dialect, session: Session, plan: Plan, position: Position | undefined, limit: number): Promise<{ position: Position; page: Page } | undefined> {
    if (!plan.window) return this.#cursor(dialect, session, plan, position?.by === 'cursor' ? position : { by: 'cursor' }, limit);
    return this.#window.step(dialect, session, plan, plan.window.column, position?.by === 'transaction' ? position : { by: 'transaction', from: 0n }, limit);
  }

  async #cursor(dialect: Dialect, session: Session, plan: Plan, position: CursorPosition, limit: number) {
    const [lead] = plan.order;
    if (!lead) return undefined;
    const name = dialect.quote(lead.name);
    const upto = position.upto ?? (await this.#greatest(dialect, session, plan, lead));
    if (upto === null) return undefined;
    const read = position.high?.[0];
    if (typeof upto === 'bigint' && typeof read === 'bigint' && upto < read) {
      this.#warnings.once('sql.cursor-behind', `${lead.name} is at ${upto}, but ${read} was read: rows were removed, or the table was made anew and its new rows are not seen`);
    }
    const binds = new Binds(dialect);
    const where = [`${name} <= ${binds.compared(upto, lead)}`];
    if (position.after) where.push(after(dialect, plan.order, position.after, binds));
    else if (read !== undefined && plan.overlap) where.push(`${name} >= ${dialect.back(binds.compared(dialect.earlier?.(read, plan.overlap) ?? read, lead), plan.overlap)}`);
    else if (position.high) where.push(after(dialect, plan.order, position.high, binds));
    const page = await readPage(dialect, session, plan, { where, binds, order: plan.order, limit });
    const kept = position.high ? { high: position.high } : {};
    if (page.next) return { page, position: { by: 'cursor', ...kept, upto, after: page.next } as const };
    const last = page.last ?? position.after ?? position.high;
    return { page, position: { by: 'cursor', ...(last ? { high: last } : {}) } as const };
  }

  /** The upper bound of a run, fixed before its first page. */
  async #greatest(dialect: Dialect, session: Session, plan: Plan, lead: Column): Promise<Value> {
    const { rows } = await session.query(
      dialect.page({
        columns: dialect.select(lead),
        from: plan.table.sql,
        where: [`${dialect.quote(lead.name)} IS NOT NULL`],
        order: `${dialect.quote(lead.name)} DESC`,
        limit: 1,
      }),
    );
    const cells = rows[0];
    return cells ? (readRow({ table: plan.table, selected: [{ column: lead, field: lead.name, declared: undefined }] }, cells).native.get(lead.name) ?? null) : null;
  }
}
