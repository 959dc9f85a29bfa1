import { type Batch, Misconfigured, type PollingInbound, type PollRequest, type Value } from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Column, Dialect, Session } from '../dialects/dialect.js';
import { toRecord } from '../rows.js';
import { after, Binds } from '../statement.js';
import { changeKeys, keysOf, without } from './keys.js';
import type { Outbox } from './outbox-options.js';
import { planTable, readPage, type TablePlan } from './page.js';
import { Prepared, type Source } from './source.js';
import type { TableRead } from './strategy.js';

interface Plan extends TablePlan {
  readonly order: readonly Column[];
  readonly mark: Column | undefined;
  readonly own: ReadonlySet<string>;
}

/**
 * `outbox`: rows that are there and not marked, in order; when they are on the bus exactly these are deleted or marked. No position is kept, so
 * a row that is committed late is read by the next poll, and one whose removal failed is read again with the same id.
 */
export class OutboxReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #prepared: Prepared<Plan>;

  constructor(
    private readonly source: Source,
    private readonly read: TableRead,
    private readonly outbox: Outbox,
  ) {
    this.#prepared = new Prepared(source, (dialect, session) => this.#prepare(dialect, session));
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#prepared.open(signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database, plan } = await this.#prepared.get(request.signal);
    let last: readonly Value[] | undefined;
    for (;;) {
      request.signal.throwIfAborted();
      const page = await database.read((session) => this.#page(dialect, session, plan, last, request.maxRecords), request.signal);
      if (page.rows.length === 0) return;
      const keys = keysOf(plan.table, plan.keyColumns, page.rows);
      const records = page.rows.map((row) => toRecord(without(row, plan.own), plan.key, 'outbox', true));
      yield { records, settle: () => this.#remove(dialect, plan, keys, request) };
      if (page.next === undefined) return;
      last = page.next;
    }
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    this.#prepared.forget();
  }

  async #prepare(dialect: Dialect, session: Session): Promise<Plan> {
    const { order, keep } = this.outbox;
    const marked = keep === 'delete' ? [] : [keep.mark];
    const plan = await planTable(dialect, session, this.read, [...(order ?? []), ...marked]);
    const { table, keyColumns } = plan;
    if (table.view) throw new Misconfigured('E426', `${table.name} is a view: rows are removed from a table`);
    const mark = keep === 'delete' ? undefined : findColumn(table, keep.mark);
    const lead = (order ?? []).map((name) => findColumn(table, name));
    return {
      ...plan,
      mark,
      order: [...lead, ...keyColumns.filter(({ name }) => !lead.some((each) => each.name === name))],
      own: new Set(plan.shape.selected.filter(({ column }) => column.name === mark?.name).map(({ field }) => field)),
    };
  }

  #page(dialect: Dialect, session: Session, plan: Plan, last: readonly Value[] | undefined, limit: number) {
    const { keep } = this.outbox;
    const binds = new Binds(dialect);
    const where: string[] = [];
    if (keep !== 'delete' && plan.mark) {
      const name = dialect.quote(plan.mark.name);
      where.push(keep.open === null ? `${name} IS NULL` : `${name} = ${binds.compared(exact(keep.open), plan.mark)}`);
    }
    if (last) where.push(after(dialect, plan.order, last, binds));
    return readPage(dialect, session, plan, { where, binds, order: plan.order, limit });
  }

  async #remove(dialect: Dialect, plan: Plan, keys: readonly (readonly Value[])[], { fence, signal }: PollRequest): Promise<void> {
    fence?.();
    const { keep } = this.outbox;
    const { database } = await this.source.link();
    const changed = await database.write(
      (session) =>
        changeKeys(dialect, session, plan.keyColumns, keys, (binds, exactly) => {
          if (keep === 'delete' || !plan.mark) return `DELETE FROM ${plan.table.sql} WHERE ${exactly()}`;
          return `UPDATE ${plan.table.sql} SET ${dialect.quote(plan.mark.name)} = ${binds.written(exact(keep.done), plan.mark)} WHERE ${exactly()}`;
        }),
      signal,
    );
    if (changed === keys.length) return;
    const message = `${changed} rows were ${keep === 'delete' ? 'deleted' : 'marked'} for ${keys.length} that were read: another reader takes them too, or the key is not unique`;
    this.source.log.warn('sql.outbox-changed', message, { endpoint: this.source.endpoint.name, code: 'E431', table: plan.table.name });
  }
}

function exact(value: string | number | boolean | null): Value {
  return typeof value === 'number' ? BigInt(value) : value;
}
