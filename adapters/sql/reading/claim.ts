import { type Batch, Misconfigured, NotConnected, type PollingInbound, type PollRequest, TryAgain, type Value } from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import { type Column, CommitUnknown, type Dialect, type Session } from '../dialects/dialect.js';
import { includeRows, type Row, readRow, selectList, toRecord } from '../rows.js';
import { after, Binds } from '../statement.js';
import { type Claim, LEASE_MS } from './claim-options.js';
import { changeKeys, keysOf, without } from './keys.js';
import { checkKeys, planTable, type TablePlan } from './page.js';
import { Prepared, type Source, Warnings } from './source.js';
import type { TableRead } from './strategy.js';

interface Plan extends TablePlan {
  readonly column: Column;
  readonly owner: Column | undefined;
  readonly since: Column | undefined;
  readonly order: readonly Column[];
  /** Fields that are not handed over. */
  readonly own: ReadonlySet<string>;
}

interface Taken {
  readonly rows: readonly Row[];
  readonly keys: readonly (readonly Value[])[];
  readonly last: readonly Value[] | undefined;
}

/**
 * `claim`: rows in the open state are claimed in one transaction and handed over when it is committed, so that no lock of the legacy table is held
 * while the bus stores them; then exactly these are marked done. A row that is claimed and not done is handed over again with the same id.
 */
export class ClaimReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #warnings: Warnings;
  readonly #prepared: Prepared<Plan>;

  constructor(
    private readonly source: Source,
    private readonly read: TableRead,
    private readonly claim: Claim,
  ) {
    this.#warnings = new Warnings(source);
    this.#prepared = new Prepared(source, (dialect, session) => this.#prepare(dialect, session));
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#prepared.open(signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { dialect, plan } = await this.#prepared.get(request.signal);
    // First what an earlier poll claimed and did not mark, page by page, so that a mark that keeps failing does not go round in circles.
    for (const which of ['again', 'open'] as const) {
      let last: readonly Value[] | undefined;
      for (;;) {
        request.signal.throwIfAborted();
        request.fence?.();
        const taken: Taken = await this.#write((session) => this.#take(dialect, session, plan, { which, last, limit: request.maxRecords }), request.signal);
        if (taken.rows.length === 0) break;
        const records = taken.rows.map((row) => toRecord(without(row, plan.own), plan.key, 'claim', true));
        yield { records, settle: () => this.#done(dialect, plan, taken.keys, request) };
        if (taken.rows.length < request.maxRecords) break;
        // An open row is not open any more when it was claimed; one that is set back meanwhile comes again.
        last = which === 'again' ? taken.last : undefined;
      }
    }
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    this.#prepared.forget();
    this.#warnings.forget();
  }

  async #prepare(dialect: Dialect, session: Session): Promise<Plan> {
    const { column, since, owner, order } = this.claim;
    const own = [column, since, owner].filter((name) => name !== undefined);
    const plan = await planTable(dialect, session, this.read, [...own, ...(order ?? [])]);
    const { table, keyColumns } = plan;
    if (table.view) throw new Misconfigured('E426', `${table.name} is a view: rows are claimed in a table`);
    const named = (name: string | undefined) => (name === undefined ? undefined : findColumn(table, name));
    if (since !== undefined && dialect.now === undefined) throw new Misconfigured('E426', `claim.since: the time of ${dialect.capabilities.title} is not known`);
    const lead = (order ?? []).map((name) => findColumn(table, name));
    const hidden = new Set(own.map((name) => findColumn(table, name).name));
    return {
      ...plan,
      column: findColumn(table, column),
      since: named(since),
      owner: named(owner),
      order: [...lead, ...keyColumns.filter(({ name }) => !lead.some((each) => each.name === name))],
      own: new Set(plan.shape.selected.filter((each) => hidden.has(each.column.name)).map(({ field }) => field)),
    };
  }

  async #take(
    dialect: Dialect,
    session: Session,
    plan: Plan,
    { which, last, limit }: { readonly which: 'open' | 'again'; readonly last: readonly Value[] | undefined; readonly limit: number },
  ): Promise<Taken> {
    const binds = new Binds(dialect);
    const where = this.#which(dialect, plan, which, binds);
    if (last) where.push(after(dialect, plan.order, last, binds));
    const order = plan.order.map(({ name }) => dialect.quote(name)).join(', ');
    const sql = dialect.page({ columns: selectList(dialect, plan.shape), from: plan.table.sql, where, order, limit, lock: plan.keyColumns });
    const { rows: cells } = await session.query(sql, binds.values);
    let rows: readonly Row[] = cells.map((row) => readRow(plan.shape, row));
    if (rows.length === 0) return { rows, keys: [], last };
    const places = rows.map((row) => plan.order.map(({ name }) => row.native.get(name) ?? null));
    checkKeys(plan.table, plan.order, places);
    const keys = keysOf(plan.table, plan.keyColumns, rows);
    const changed = await changeKeys(dialect, session, plan.keyColumns, keys, (values, exactly) => {
      const set = [`${dialect.quote(plan.column.name)} = ${values.written(exact(this.claim.claimed), plan.column)}`];
      if (plan.owner) set.push(`${dialect.quote(plan.owner.name)} = ${values.written(this.#name(plan.owner), plan.owner)}`);
      if (plan.since) set.push(`${dialect.quote(plan.since.name)} = ${dialect.now}`);
      // Where rows cannot be locked, another may have claimed them between the two statements.
      return `UPDATE ${plan.table.sql} SET ${set.join(', ')} WHERE ${[exactly(), ...this.#which(dialect, plan, which, values)].join(' AND ')}`;
    });
    // Nothing of it is committed.
    if (changed < keys.length) throw new TryAgain('E424', `${plan.table.name}: another reader has just claimed ${keys.length - changed} of ${keys.length} rows`);
    if (changed > keys.length) throw new Misconfigured('E426', `${plan.table.name}: ${changed} rows were claimed for ${keys.length} keys: the key is not unique`);
    for (const include of plan.includes) rows = await includeRows(dialect, session, include, rows);
    return { rows, keys, last: places.at(-1) };
  }

  #which(dialect: Dialect, plan: Plan, which: 'open' | 'again', binds: Binds): string[] {
    return which === 'open' ? [this.#in(dialect, plan.column, this.claim.open, binds)] : this.#unfinished(dialect, plan, binds);
  }

  /** Claimed rows of a poll that broke off: by this endpoint, which only one process reads at a time; by others when their lease is over. */
  #unfinished(dialect: Dialect, plan: Plan, binds: Binds): string[] {
    const where = [this.#in(dialect, plan.column, this.claim.claimed, binds)];
    const either: string[] = [];
    if (plan.owner) either.push(`${dialect.quote(plan.owner.name)} = ${binds.compared(this.#name(plan.owner), plan.owner)}`);
    if (plan.since && dialect.now !== undefined) {
      const since = dialect.quote(plan.since.name);
      either.push(`${since} IS NULL`, `${since} < ${dialect.back(dialect.now, { ms: this.claim.lease ?? LEASE_MS })}`);
    }
    return either.length === 0 ? where : [...where, `(${either.join(' OR ')})`];
  }

  async #done(dialect: Dialect, plan: Plan, keys: readonly (readonly Value[])[], { fence, signal }: PollRequest): Promise<void> {
    fence?.();
    const changed = await this.#write(
      (session) =>
        changeKeys(dialect, session, plan.keyColumns, keys, (binds, exactly) => {
          const set = `${dialect.quote(plan.column.name)} = ${binds.written(exact(this.claim.done), plan.column)}`;
          const where = [exactly(), this.#in(dialect, plan.column, this.claim.claimed, binds)];
          if (plan.owner) where.push(`${dialect.quote(plan.owner.name)} = ${binds.compared(this.#name(plan.owner), plan.owner)}`);
          return `UPDATE ${plan.table.sql} SET ${set} WHERE ${where.join(' AND ')}`;
        }),
      signal,
    );
    if (changed === keys.length) return;
    const message = `${keys.length - changed} of ${keys.length} rows were not marked done: they were changed, removed or claimed by another while they were read`;
    this.source.log.warn('sql.claim-changed', message, { endpoint: this.source.endpoint.name, code: 'E431', table: plan.table.name });
  }

  #in(dialect: Dialect, column: Column, value: Claim['open'], binds: Binds): string {
    const name = dialect.quote(column.name);
    return value === null ? `${name} IS NULL` : `${name} = ${binds.compared(exact(value), column)}`;
  }

  #name(owner: Column): string {
    return this.source.endpoint.name.slice(0, owner.length ?? 200);
  }

  /** Whether a commit whose answer was lost took place is seen at the next poll. */
  async #write<T>(work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { database } = await this.source.link();
    try {
      return await database.write(work, signal);
    } catch (error) {
      if (error instanceof CommitUnknown) throw new NotConnected('E420', error.message, { cause: error });
      throw error;
    }
  }
}

function exact(value: Claim['open']): Value {
  return typeof value === 'number' ? BigInt(value) : value;
}
