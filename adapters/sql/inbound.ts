import { type Batch, type Clock, type EndpointContext, type Logger, Misconfigured, type PollingInbound, type PollRequest, type Value } from '../contract/index.js';
import { findColumn, findTable } from './catalogue.js';
import type { Overlap, Read } from './config.js';
import type { Column, Database, Dialect, Session } from './dialects/dialect.js';
import { type CursorPosition, type Position, readPosition, type WindowPosition, writePosition } from './position.js';
import type { Shape } from './rows.js';
import { type Included, includeRows, keyText, planIncludes, type Row, readRow, type Selected, selectList, shapeOf, toRecord } from './rows.js';
import { after, Binds } from './statement.js';
import { textOf } from './values.js';

/** What `open` learned from the catalogue. */
interface Plan {
  readonly shape: Shape;
  readonly key: readonly Selected[];
  /** Total order of the pages; its first column is the cursor where one is used. */
  readonly order: readonly Column[];
  readonly includes: readonly Included[];
  /** Reads by transaction number; otherwise by the cursor column. */
  readonly window: { readonly column: Column | undefined } | undefined;
  readonly overlap: Overlap | undefined;
}

interface Page {
  readonly rows: readonly Row[];
  readonly versions: readonly string[];
  /** Where the next page starts; undefined after the last. */
  readonly next: readonly Value[] | undefined;
  readonly last: readonly Value[] | undefined;
}

const STALLED_MINUTES = 5;

export class SqlInbound implements PollingInbound {
  readonly kind = 'polling';
  readonly #warned = new Set<string>();
  #plan: Plan | undefined;
  #held: { readonly below: bigint; readonly since: number } | undefined;

  constructor(
    private readonly context: EndpointContext,
    private readonly read: Read,
    private readonly link: () => Promise<{ readonly dialect: Dialect; readonly database: Database }>,
    private readonly log: Logger,
    private readonly clock: Clock,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.link();
    this.#plan = await database.read((session) => this.#prepare(dialect, session), signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database } = await this.link();
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
    this.#warned.clear();
  }

  async #prepare(dialect: Dialect, session: Session): Promise<Plan> {
    const { cursor, key: keyNames } = this.read;
    const table = await findTable(dialect, session, this.read.table);
    const column = cursor && 'column' in cursor ? findColumn(table, cursor.column) : undefined;
    const transaction = cursor && 'transaction' in cursor ? findColumn(table, cursor.transaction) : undefined;
    const parents = Object.values(this.read.include).flatMap((child) => child.parent ?? child.by);
    const needed = [...keyNames, ...parents, ...(cursor ? ['column' in cursor ? cursor.column : cursor.transaction] : [])];
    const shape = shapeOf(table, this.read.columns, needed);
    const keyColumns = keyNames.map((name) => findColumn(table, name));
    const key = keyColumns.map((each) => shape.selected.find(({ column: { name } }) => name === each.name) ?? { column: each, field: each.name, declared: undefined });
    const includes = await planIncludes(dialect, session, this.read, table);
    const { watermark } = dialect;
    if (transaction && !watermark) throw new Misconfigured('E426', `cursor.transaction: ${dialect.name} has no transaction numbers`);
    if (transaction && !watermark?.fits(transaction)) {
      throw new Misconfigured('E426', `${transaction.name} is ${transaction.type}; cursor.transaction needs ${watermark?.needs}`);
    }
    const fitting = watermark === undefined || watermark.everyTable ? undefined : [...(column ? [column] : table.columns)].find((each) => watermark.fits(each));
    const numbered = transaction ?? fitting;
    const safe = watermark !== undefined && (numbered !== undefined || (watermark.everyTable && !table.view));
    if (!safe && !column && table.view) throw new Misconfigured('E426', `${table.name} is a view: it has no row versions, name a cursor column`);
    const lead = column ?? (safe ? undefined : keyColumns[0]);
    const nullable = column?.nullable === true;
    if (nullable) {
      const message = safe ? `${column.name} may be NULL: rows are read in the order of the key` : `rows whose ${column.name} is NULL are not read: the column may be NULL`;
      this.#warn('sql.cursor-nullable', message);
    }
    const order = lead && !(safe && nullable) ? [lead, ...keyColumns.filter(({ name }) => name !== lead.name)] : keyColumns;
    return { shape, key, order, includes, window: safe ? { column: numbered } : undefined, overlap: cursor && 'column' in cursor ? cursor.overlap : undefined };
  }

  async #step(dialect: Dialect, session: Session, plan: Plan, position: Position | undefined, limit: number): Promise<{ position: Position; page: Page } | undefined> {
    if (plan.window) return this.#window(dialect, session, plan, position?.by === 'transaction' ? position : { by: 'transaction', from: 0n }, limit);
    return this.#cursor(dialect, session, plan, position?.by === 'cursor' ? position : { by: 'cursor' }, limit);
  }

  /**
   * Rows of the transactions in `[from, to)`: all of them have ended, so none can appear later, and a row changed meanwhile belongs to the
   * next window. Watermark and rows come from one snapshot.
   */
  async #window(dialect: Dialect, session: Session, plan: Plan, position: WindowPosition, limit: number) {
    const watermark = dialect.watermark;
    if (!watermark || !plan.window) return undefined;
    const { below, next } = await watermark.current(session);
    if (position.from > next) throw new Misconfigured('E426', `transaction ${position.from} was read, but the database is at ${next}: it was restored or is another one`);
    const to = position.to ?? below;
    this.#watch(below, next, watermark.look);
    if (to <= position.from) return undefined;
    const { column } = plan.window;
    const written = watermark.written(next, column);
    const binds = new Binds(dialect);
    const where = [`${written} >= ${watermark.number(position.from, column)}`, `${written} < ${watermark.number(to, column)}`];
    if (position.after) where.push(after(dialect, plan.order, position.after, binds));
    const page = await this.#page(dialect, session, plan, where, binds, limit, watermark.version(column));
    return { page, position: page.next ? ({ by: 'transaction', from: position.from, to, after: page.next } as const) : ({ by: 'transaction', from: to } as const) };
  }

  async #cursor(dialect: Dialect, session: Session, plan: Plan, position: CursorPosition, limit: number) {
    const [lead] = plan.order;
    if (!lead) return undefined;
    const name = dialect.quote(lead.name);
    const upto = position.upto ?? (await this.#greatest(dialect, session, plan, lead));
    if (upto === null) return undefined;
    const read = position.high?.[0];
    if (typeof upto === 'bigint' && typeof read === 'bigint' && upto < read) {
      this.#warn('sql.cursor-behind', `${lead.name} is at ${upto}, but ${read} was read: rows were removed, or the table was made anew and its new rows are not seen`);
    }
    const binds = new Binds(dialect);
    const where = [`${name} <= ${binds.compared(upto, lead)}`];
    if (position.after) where.push(after(dialect, plan.order, position.after, binds));
    else if (read !== undefined && plan.overlap) where.push(`${name} >= ${dialect.back(binds.compared(read, lead), plan.overlap)}`);
    else if (position.high) where.push(after(dialect, plan.order, position.high, binds));
    const page = await this.#page(dialect, session, plan, where, binds, limit, undefined);
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
        from: plan.shape.table.sql,
        where: [`${dialect.quote(lead.name)} IS NOT NULL`],
        order: `${dialect.quote(lead.name)} DESC`,
        limit: 1,
      }),
    );
    const cells = rows[0];
    return cells ? (readRow({ table: plan.shape.table, selected: [{ column: lead, field: lead.name, declared: undefined }] }, cells).native.get(lead.name) ?? null) : null;
  }

  async #page(dialect: Dialect, session: Session, plan: Plan, where: readonly string[], binds: Binds, limit: number, version: string | undefined): Promise<Page> {
    const order = plan.order.map((column) => dialect.quote(column.name)).join(', ');
    const list = version === undefined ? selectList(dialect, plan.shape) : `${selectList(dialect, plan.shape)}, ${version}`;
    // One row more tells whether there is another page.
    const sql = dialect.page({ columns: list, from: plan.shape.table.sql, where, order, limit: limit + 1 });
    const { rows: cells } = await session.query(sql, binds.values);
    const taken = cells.slice(0, limit);
    let rows: readonly Row[] = taken.map((row) => readRow(plan.shape, row));
    const places = rows.map((row) => plan.order.map((column) => row.native.get(column.name) ?? null));
    this.#checkKeys(plan, places);
    for (const include of plan.includes) rows = await includeRows(dialect, session, include, rows);
    const lead = plan.order[0]?.name ?? '';
    const versions = rows.map((row, at) => (version === undefined ? textOf(row.native.get(lead) ?? null) : `x${String(taken[at]?.at(-1))}`));
    const last = places.at(-1);
    return { rows, versions, last, next: cells.length > limit ? last : undefined };
  }

  /** An open write transaction anywhere in the cluster holds the watermark back: nothing is lost, but nothing comes either. */
  #watch(below: bigint, next: bigint, look: string): void {
    const now = this.clock.monotonic();
    if (this.#held?.below !== below || next === below) this.#held = { below, since: now };
    const minutes = Math.floor((now - this.#held.since) / 60_000);
    if (minutes >= STALLED_MINUTES) this.#warn('sql.watermark-held', `a transaction open for more than ${STALLED_MINUTES} minutes holds back all newer rows: ${look}`);
  }

  /** Once per opening: a poll comes every few seconds. */
  #warn(event: string, message: string): void {
    if (this.#warned.has(event)) return;
    this.#warned.add(event);
    this.log.warn(event, message, { endpoint: this.context.name });
  }

  /** Pages need a total order: two rows with one key could be torn apart at a border and one be lost. */
  #checkKeys(plan: Plan, places: readonly (readonly Value[])[]): void {
    const seen = new Set<string>();
    for (const place of places) {
      const text = keyText(place);
      const names = plan.order.map((column) => column.name).join(', ');
      if (place.includes(null)) throw new Misconfigured('E426', `${plan.shape.table.name}: a row has NULL in its key (${names})`);
      if (seen.has(text)) throw new Misconfigured('E426', `${plan.shape.table.name}: several rows have the same ${names} (${text.slice(0, 80)}): the key is not unique`);
      seen.add(text);
    }
  }
}
