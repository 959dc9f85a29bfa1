import { reached } from '../../bus/failpoint.js';
import { type Delivery, type EndpointContext, InvalidMessage, Misconfigured, NotConnected, type Outbound, type Receipt, TryAgain, type Value } from '../contract/index.js';
import { abortable } from './abortable.js';
import { findColumn, findTable } from './catalogue.js';
import type { Write } from './config.js';
import { type Bind, type Column, CommitUnknown, type Database, type Dialect, type Session, type Table } from './dialects/dialect.js';
import { textOf } from './values.js';

interface Job {
  readonly id: string;
  readonly sql: string;
  readonly binds: readonly Bind[];
  /** For people: `ORD_NO=4711`. */
  readonly row: string;
  settle(receipt: Receipt): void;
  fail(error: unknown): void;
}

interface Target {
  readonly table: Table;
  readonly key: readonly Column[];
  readonly version: Column | undefined;
}

interface Link {
  readonly dialect: Dialect;
  readonly database: Database;
}

const BATCH = 200;

/**
 * Every effect is one transaction with its inbox row. What queued while one transaction ran shares the next; a bad row makes its
 * batch run one by one, so that it fails alone.
 */
export class SqlOutbound implements Outbound {
  #target: Target | undefined;
  #queue: Job[] = [];
  #pump: Promise<void> | undefined;
  #stop = new AbortController();

  constructor(
    private readonly context: EndpointContext,
    private readonly config: Write,
    private readonly link: () => Promise<Link>,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    const link = await this.link();
    this.#stop = new AbortController();
    this.#target = await link.database.read(async (session) => {
      const table = await findTable(link.dialect, session, this.config.table);
      for (const name of Object.keys(this.config.columns ?? {})) findColumn(table, name);
      const key = (this.config.key ?? []).map((name) => findColumn(table, name));
      return { table, key, version: this.config.version === undefined ? undefined : findColumn(table, this.config.version) };
    }, signal);
    if (this.config.mode === 'upsert' && this.#target.key.length === 0) throw new Misconfigured('E426', `${this.config.table}: upsert needs a key`);
    await this.#inbox(link, signal);
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    signal.throwIfAborted();
    const { dialect } = await this.link();
    if (!this.#target) throw new NotConnected('E420', `${this.context.name} is not open`);
    const statement = this.#statement(dialect, this.#target, delivery);
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>();
    const job: Job = { id: delivery.id, ...statement, settle: resolve, fail: reject };
    this.#queue.push(job);
    this.#pump ??= this.#run();
    return abortable(promise, signal, () => {
      this.#queue = this.#queue.filter((each) => each !== job);
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(new NotConnected('E420', `${this.context.name} is closed`));
    await this.#pump;
    this.#target = undefined;
  }

  async #run(): Promise<void> {
    try {
      const link = await this.link();
      while (this.#queue.length > 0) {
        // The same delivery twice at a time: the second waits and is then found in the inbox.
        const ids = new Set<string>();
        const batch = this.#queue.slice(0, BATCH).filter(({ id }) => !ids.has(id) && ids.add(id));
        const taken = new Set(batch);
        this.#queue = this.#queue.filter((job) => !taken.has(job));
        await this.#apply(link, batch);
      }
    } catch (error) {
      for (const job of this.#queue.splice(0)) job.fail(error);
    } finally {
      // In the same turn as the last look at the queue, so that no job is left behind.
      this.#pump = undefined;
    }
  }

  async #apply(link: Link, batch: readonly Job[]): Promise<void> {
    try {
      const receipts = await link.database.write((session) => this.#effects(link.dialect, session, batch), this.#stop.signal);
      reached('sql.commit.done');
      batch.forEach((job, at) => {
        job.settle(receipts[at] ?? { detail: job.row });
      });
    } catch (error) {
      if (error instanceof CommitUnknown) return this.#verify(link, batch, error);
      if (batch.length === 1 || error instanceof NotConnected || error instanceof TryAgain) {
        for (const job of batch) job.fail(error);
        return;
      }
      for (const job of batch) await this.#apply(link, [job]);
    }
  }

  async #effects(dialect: Dialect, session: Session, batch: readonly Job[]): Promise<readonly Receipt[]> {
    const done = await this.#applied(dialect, session, batch);
    const fresh = batch.filter((job) => !done.has(job.id));
    if (fresh.length > 0) {
      try {
        await this.#remember(dialect, session, fresh);
      } catch (cause) {
        if (dialect.classify(cause)?.code !== 'E331') throw cause;
        throw new TryAgain('E424', 'another node has just applied one of these deliveries', { cause });
      }
    }
    const receipts: Receipt[] = [];
    for (const job of batch) {
      if (done.has(job.id)) {
        receipts.push({ detail: `${this.config.table} ${job.row}: applied before`, duplicate: true });
        continue;
      }
      const { changed } = await session.query(job.sql, job.binds);
      receipts.push({ detail: `${this.config.mode} ${this.config.table} ${job.row}${changed === 0 ? ': a newer or equal version is there' : ''}` });
    }
    reached('sql.commit.before');
    return receipts;
  }

  async #remember({ capabilities, place }: Dialect, session: Session, jobs: readonly Job[]): Promise<void> {
    for (let from = 0; from < jobs.length; from += capabilities.rowsPerInsert) {
      const part = jobs.slice(from, from + capabilities.rowsPerInsert);
      const binds = part.flatMap((job) => [job.id, this.context.name.slice(0, 200)]);
      const rows = part.map((_, at) => `(${place(2 * at + 1)}, ${place(2 * at + 2)})`);
      await session.query(`INSERT INTO signalbox_inbox (delivery_id, endpoint) VALUES ${rows.join(', ')}`, binds);
    }
  }

  async #applied(dialect: Dialect, session: Session, batch: readonly Job[]): Promise<ReadonlySet<string>> {
    const places = batch.map((_, at) => dialect.place(at + 1)).join(', ');
    const { rows } = await session.query(
      `SELECT delivery_id FROM signalbox_inbox WHERE delivery_id IN (${places})`,
      batch.map((job) => job.id),
    );
    return new Set(rows.map((row) => String(row[0])));
  }

  /** The answer to COMMIT was lost: what is in the inbox was committed; the rest is tried again, and the inbox decides then. */
  async #verify({ dialect, database }: Link, batch: readonly Job[], unknown: CommitUnknown): Promise<void> {
    const lost = new NotConnected('E420', unknown.message, { cause: unknown });
    try {
      const done = await database.read((session) => this.#applied(dialect, session, batch), this.#stop.signal);
      for (const job of batch) {
        if (done.has(job.id)) job.settle({ detail: `${this.config.mode} ${this.config.table} ${job.row} (found in the inbox after a lost connection)` });
        else job.fail(lost);
      }
    } catch {
      // Still no connection: the next attempt reads the inbox again.
      for (const job of batch) job.fail(lost);
    }
  }

  #statement(dialect: Dialect, target: Target, delivery: Delivery): Pick<Job, 'sql' | 'binds' | 'row'> {
    const { table, key, version } = target;
    const values = new Map<Column, Value>();
    for (const [field, value] of Object.entries(delivery.payload)) {
      const column = findColumn(table, field);
      if (values.has(column)) throw new InvalidMessage('E332', `two fields are for the column ${column.name}`);
      values.set(column, value);
    }
    const needed = this.config.mode === 'upsert' ? [...key, ...(version ? [version] : [])] : key;
    for (const column of needed) if ((values.get(column) ?? null) === null) throw new InvalidMessage('E332', `${column.name}: no value, and it is the key or version of the row`);
    if (values.size === 0) throw new InvalidMessage('E332', 'the payload has no field');
    const columns = [...values.keys()];
    const binds = columns.map((column) => dialect.bind(values.get(column) ?? null, column));
    const names = columns.map((column) => dialect.quote(column.name)).join(', ');
    const sql =
      this.config.mode === 'upsert'
        ? dialect.upsert({ table, columns, key, version })
        : `INSERT INTO ${table.sql} (${names}) VALUES (${columns.map((_, at) => dialect.place(at + 1)).join(', ')})`;
    return { sql, binds, row: key.map((column, at) => `${this.config.key?.[at]}=${textOf(values.get(column) ?? null)}`).join(' ') };
  }

  async #inbox({ dialect, database }: Link, signal: AbortSignal): Promise<void> {
    const there = async () => !('candidates' in (await database.read((session) => dialect.table(session, 'signalbox_inbox'), signal)));
    if (await there()) return;
    const missing = `the table signalbox_inbox is missing; run: ${dialect.createInbox}`;
    if (!this.config.create_inbox) throw new Misconfigured('E425', missing);
    try {
      await database.write((session) => session.query(dialect.createInbox), signal);
    } catch (cause) {
      if (cause instanceof NotConnected || cause instanceof TryAgain) throw cause;
      // Another node may have created it at the same moment.
      if (!(await there())) throw new Misconfigured('E425', missing, { cause });
    }
  }
}
