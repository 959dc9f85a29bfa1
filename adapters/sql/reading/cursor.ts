import { type Batch, Misconfigured, type PollingInbound, type PollRequest, type SourceRecord, type Value } from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Column, Dialect, Session } from '../dialects/dialect.js';
import { toRecord } from '../rows.js';
import { after, Binds } from '../statement.js';
import { BegunAnew } from './begun-anew.js';
import { BehindOverlap } from './behind.js';
import { GAP_MEMORY, type GapMemory, type Overlap } from './cursor-options.js';
import { Gaps, named } from './gaps.js';
import { lastPlace, type Page, planTable, readPage, type TablePlan } from './page.js';
import { type CursorPosition, type Position, readPosition, writePosition } from './position.js';
import { Prepared, type Source, Warnings } from './source.js';
import type { TableRead } from './strategy.js';
import { WindowPages } from './window.js';

/** Conditions of one query. */
const GAPS_AT_A_TIME = 200;

/** What `open` learned from the catalogue. */
interface Plan extends TablePlan {
  /** Total order of the pages; its first column is the cursor where one is used. */
  readonly order: readonly Column[];
  /** Reads by transaction number; otherwise by the cursor column. */
  readonly window: { readonly column: Column | undefined } | undefined;
  readonly overlap: Overlap | undefined;
  readonly gaps: GapMemory | undefined;
}

/** `cursor`, and reading without a strategy: new and changed rows, by transaction where the database has numbers for them, else by a column that grows. */
export class CursorReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #warnings: Warnings;
  readonly #window: WindowPages;
  readonly #behind: BehindOverlap;
  readonly #begunAnew: BegunAnew;
  readonly #prepared: Prepared<Plan>;

  constructor(
    private readonly source: Source,
    private readonly read: TableRead,
  ) {
    this.#warnings = new Warnings(source);
    this.#prepared = new Prepared(source, (dialect, session) => this.#prepare(dialect, session));
    this.#window = new WindowPages(source.clock, this.#warnings);
    this.#behind = new BehindOverlap(this.#warnings);
    const by = read.cursor && 'column' in read.cursor ? read.cursor : undefined;
    this.#begunAnew = new BegunAnew(by?.on_reset ?? 'stop', by?.overlap !== undefined, source.log.with({ endpoint: source.endpoint.name }));
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#prepared.open(signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database, plan } = await this.#prepared.get(request.signal);
    const order = [...(plan.window?.column ? [plan.window.column] : []), ...plan.order].map((column) => column.name);
    let position = readPosition(request.checkpoint, plan.window ? 'transaction' : 'cursor', order);
    if (position?.by === 'cursor') {
      const before = position;
      position = await database.read((session) => this.#begunAnew.judge(dialect, session, plan, before), request.signal);
      if (position !== before) yield { records: [], checkpoint: writePosition(position, order) };
    }
    const gaps = plan.gaps && new Gaps(position?.by === 'cursor' ? position.gaps : undefined);
    if (gaps && plan.gaps && position?.by === 'cursor') {
      for await (const records of this.#late(plan, plan.gaps, gaps, position, request)) {
        position = { ...(records.length === 0 ? position : filled(position)), gaps: gaps.toString() };
        yield { records, checkpoint: writePosition(position, order), ahead: true };
      }
    }
    for (;;) {
      request.signal.throwIfAborted();
      // A transaction of its own per page: nothing of the source is held while the bus stores the batch.
      const step = await database.read((session) => this.#step(dialect, session, plan, position, request.maxRecords), request.signal);
      if (!step) return;
      const wasUnderWay = position?.by === 'cursor' ? position.upto !== undefined : position?.to !== undefined;
      position = gaps && plan.gaps ? this.#remember(plan, plan.gaps, gaps, position, step) : step.position;
      const records = recordsOf(plan, step.page, position);
      // The end of a run is kept although its last rows are gone: else it would not end, and nothing behind it be read.
      if (records.length > 0 || wasUnderWay) yield { records, checkpoint: writePosition(position, order), ahead: true };
      if (step.page.next === undefined) break;
    }
    await this.#look(plan, position, request.signal);
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    this.#prepared.forget();
    this.#warnings.forget();
    this.#behind.forget();
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
    const by = cursor && 'column' in cursor ? cursor : undefined;
    // An overlap that is long enough finds the same rows.
    const wanted = by?.gap_memory === undefined ? by?.overlap === undefined : by.gap_memory !== 'off';
    const isNumber = order.length === 1 && order[0]?.kind === 'integer' && wanted && !safe && !dialect.capabilities.oneWriter;
    return { ...plan, order, window: safe ? { column: numbered } : undefined, overlap: by?.overlap, gaps: isNumber ? (memory(by?.gap_memory) ?? GAP_MEMORY) : undefined };
  }

  /** Rows that came behind the mark: what was missing is asked for again, until it is given up. */
  async *#late(plan: Plan, memory: GapMemory, gaps: Gaps, position: Position, request: PollRequest): AsyncGenerator<readonly SourceRecord[]> {
    const [lead] = plan.order;
    if (!lead) return;
    const { dialect, database } = await this.source.link();
    let count = 0;
    const asked = gaps.all;
    for (let from = 0; from < asked.length; from += GAPS_AT_A_TIME) {
      const portion = asked.slice(from, from + GAPS_AT_A_TIME);
      let last: readonly Value[] | undefined;
      do {
        request.signal.throwIfAborted();
        const page = await database.read((session) => {
          const binds = new Binds(dialect);
          const name = dialect.quote(lead.name);
          const ranges = portion.map((gap) =>
            gap.from === gap.to ? `${name} = ${binds.compared(gap.from, lead)}` : `${name} BETWEEN ${binds.compared(gap.from, lead)} AND ${binds.compared(gap.to, lead)}`,
          );
          const where = [`(${ranges.join(' OR ')})`, ...(last ? [after(dialect, plan.order, last, binds)] : [])];
          return readPage(dialect, session, plan, { where, binds, order: plan.order, limit: request.maxRecords });
        }, request.signal);
        last = page.next;
        if (page.rows.length === 0) continue;
        gaps.fill(numbersOf(page, lead));
        count += page.rows.length;
        yield recordsOf(plan, page, position);
      } while (last);
    }
    if (count > 0) {
      const message = `${count} rows of ${plan.table.name} came behind the greatest ${lead.name} that was read: their transactions ended later; the memory of gaps found them`;
      this.#warnings.once('sql.row-behind', message);
    }
    if (this.#giveUp(memory, gaps)) yield [];
  }

  /** @returns whether something was given up */
  #giveUp(memory: GapMemory, gaps: Gaps): boolean {
    const given = gaps.giveUp(this.source.clock.now().getTime(), memory.for, memory.most);
    if (given.length === 0) return false;
    const message = `numbers that are missing for too long, or are too many, are not asked for any more: ${named(given)}; of rows that were rolled back or deleted there is nothing to read`;
    this.source.log.warn('sql.gap-given-up', message, { endpoint: this.source.endpoint.name, gaps: given.length });
    return true;
  }

  #remember(plan: Plan, memory: GapMemory, gaps: Gaps, before: Position | undefined, step: { readonly position: Position; readonly page: Page }): Position {
    const [lead] = plan.order;
    if (step.position.by !== 'cursor' || !lead) return step.position;
    const tops = before?.by === 'cursor' ? [before.high?.[0], before.after?.[0]].filter((value) => typeof value === 'bigint') : [];
    const [top] = tops.sort((a, b) => (a > b ? -1 : 1));
    const numbers = numbersOf(step.page, lead);
    gaps.fill(numbers.filter((number) => top !== undefined && number <= top));
    gaps.note(top, numbers, this.source.clock.now().getTime());
    if (before?.by !== 'cursor' || before.high === undefined) gaps.trim();
    else this.#giveUp(memory, gaps);
    return { ...step.position, gaps: gaps.toString() };
  }

  async #look(plan: Plan, position: Position | undefined, signal: AbortSignal): Promise<void> {
    const { overlap, order } = plan;
    const [lead] = order;
    const high = position?.by === 'cursor' ? position.high?.[0] : undefined;
    if (plan.window || !overlap || !lead || high === undefined || high === null) return;
    const { dialect, database } = await this.source.link();
    await database.read((session) => this.#behind.look(dialect, session, plan, lead, overlap, high), signal);
  }

  async #step(dialect: Dialect, session: Session, plan: Plan, position: Position | undefined, limit: number): Promise<{ position: Position; page: Page } | undefined> {
    if (!plan.window) return this.#cursor(dialect, session, plan, position?.by === 'cursor' ? position : { by: 'cursor' }, limit);
    return this.#window.step(dialect, session, plan, plan.window.column, position?.by === 'transaction' ? position : { by: 'transaction', from: 0n }, limit);
  }

  async #cursor(dialect: Dialect, session: Session, plan: Plan, position: CursorPosition, limit: number) {
    const [lead] = plan.order;
    if (!lead) return undefined;
    const name = dialect.quote(lead.name);
    // The upper bound of a run is fixed before its first page.
    const upto = position.upto ?? (await lastPlace(dialect, session, plan.table, [lead]))?.[0] ?? null;
    if (upto === null) return undefined;
    const read = position.high?.[0];
    // Made anew since it was looked at: the next poll says so.
    if (typeof upto === 'bigint' && typeof read === 'bigint' && upto < read) return undefined;
    const binds = new Binds(dialect);
    const where = [`${name} <= ${binds.compared(upto, lead)}`];
    if (position.after) where.push(after(dialect, plan.order, position.after, binds));
    else if (read !== undefined && plan.overlap) where.push(`${name} >= ${dialect.back(binds.compared(dialect.earlier?.(read, plan.overlap) ?? read, lead), plan.overlap)}`);
    else if (position.high) where.push(after(dialect, plan.order, position.high, binds));
    const page = await readPage(dialect, session, plan, { where, binds, order: plan.order, limit });
    const era = position.era === undefined ? {} : { era: position.era };
    const kept = { ...era, ...(position.high ? { high: position.high } : {}) };
    if (page.next) return { page, position: { by: 'cursor', ...kept, upto, after: page.next } as const };
    const last = page.last ?? position.after ?? position.high;
    return { page, position: { by: 'cursor', ...era, ...(last ? { high: last } : {}) } as const };
  }
}

function recordsOf(plan: Plan, page: Page, position: Position): readonly SourceRecord[] {
  const era = position.by === 'cursor' && position.era !== undefined ? `e${position.era}.` : '';
  return page.rows.map((row, at) => toRecord(row, plan.key, `${era}${page.versions[at] ?? ''}`, plan.window === undefined));
}

/** The table has a row that was read. */
function filled({ emptied: _emptied, ...position }: CursorPosition): CursorPosition {
  return position;
}

function memory(option: 'off' | GapMemory | undefined): GapMemory | undefined {
  return option === 'off' ? undefined : option;
}

function numbersOf(page: Page, lead: Column): readonly bigint[] {
  return page.rows.map((row) => row.native.get(lead.name)).filter((value) => typeof value === 'bigint');
}
