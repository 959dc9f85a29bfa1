import {
  type Batch,
  isRecord,
  Misconfigured,
  newRecord,
  type PollingInbound,
  type PollRequest,
  parseJson,
  type SourceRecord,
  type Value,
  writeJson,
} from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Read } from '../config.js';
import type { Dialect, Session } from '../dialects/dialect.js';
import { type Row, type Selected, toRecord } from '../rows.js';
import { after, Binds } from '../statement.js';
import { type Kind, textOf } from '../values.js';
import type { BulkOptions } from './bulk-options.js';
import { type Known, named, OwnSql, type Parameters } from './own-sql.js';
import { checkKeys, planTable, readPage, type TablePlan } from './page.js';
import { unwrap, wrap } from './position.js';
import type { Source } from './source.js';

/** A run that has come to `after`, or to its end. */
interface Position {
  readonly run: bigint;
  readonly rows: bigint;
  readonly after?: readonly Known[];
  readonly done: boolean;
}

interface Step {
  readonly rows: readonly Row[];
  readonly key: readonly Selected[];
  readonly next: readonly Known[] | undefined;
}

/** `bulk`: one pass over the whole table in pages of the key. A run that was interrupted goes on where it was; the next poll after its end is a new run. */
export class BulkReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #sql: OwnSql | undefined;
  readonly #key: readonly string[];
  #plan: TablePlan | undefined;

  constructor(
    private readonly source: Source,
    private readonly read: Read,
    private readonly options: BulkOptions,
  ) {
    this.#sql = options.sql === undefined ? undefined : new OwnSql(options.sql, source.connect);
    this.#key = read.key ?? [];
  }

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.source.link();
    await database.read((session) => this.#prepare(dialect, session), signal);
  }

  async *poll({ checkpoint, maxRecords, signal, progress }: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database } = await this.source.link();
    const saved = checkpoint === undefined ? undefined : this.#readPosition(checkpoint);
    let position: Position = saved && !saved.done ? saved : { run: (saved?.run ?? 0n) + 1n, rows: 0n, done: false };
    const { markers } = this.options;
    do {
      signal.throwIfAborted();
      const { after: from, run } = position;
      const limit = Math.max(1, maxRecords - (markers ? 2 : 0));
      const step = await database.read((session) => this.#step(dialect, session, from, limit), signal);
      const rows = position.rows + BigInt(step.rows.length);
      const records: SourceRecord[] = step.rows.map((row) => this.#record(row, step.key, run));
      if (markers && !from) records.unshift(this.#marker('begin', run));
      if (markers && !step.next) records.push(this.#marker('end', run, rows));
      position = { run, rows, done: !step.next, ...(step.next ? { after: step.next } : {}) };
      yield { records, checkpoint: this.#writePosition(position) };
      progress?.();
    } while (!position.done);
  }

  async close(): Promise<void> {
    this.#plan = undefined;
  }

  async #prepare(dialect: Dialect, session: Session): Promise<void> {
    const { table } = this.read;
    if (this.#sql || table === undefined) {
      await session.query(dialect.ping);
      return;
    }
    this.#plan = await planTable(dialect, session, { ...this.read, table, key: [...this.#key] });
  }

  async #step(dialect: Dialect, session: Session, from: readonly Known[] | undefined, limit: number): Promise<Step> {
    if (this.#sql) return this.#ownStep(this.#sql, dialect, session, from, limit);
    if (!this.#plan) await this.#prepare(dialect, session);
    const plan = this.#plan;
    if (!plan) throw new TypeError('the table is checked by the schema');
    const { keyColumns, key } = plan;
    const binds = new Binds(dialect);
    const where = from
      ? [
          after(
            dialect,
            keyColumns,
            from.map(({ value }) => value),
            binds,
          ),
        ]
      : [];
    const page = await readPage(dialect, session, plan, { where, binds, order: keyColumns, limit });
    const next = page.next?.map((value, at): Known => ({ value, kind: keyColumns[at]?.kind ?? 'any' }));
    return { rows: page.rows, key, next };
  }

  async #ownStep(sql: OwnSql, dialect: Dialect, session: Session, from: readonly Known[] | undefined, limit: number): Promise<Step> {
    const page = await sql.page(dialect, session, this.read, this.#key, {
      order: this.#key,
      limit,
      ...(from ? { where: (parameters) => [beyond(this.#key, from, parameters)] } : {}),
    });
    const columns = this.#key.map((name) => findColumn(page.shape.table, name));
    const places = page.rows.map((row) => columns.map(({ name }) => row.native.get(name) ?? null));
    checkKeys(page.shape.table, columns, places);
    const last = places.at(-1);
    const key = columns.map((column) => page.shape.selected.find((each) => each.column.name === column.name) ?? { column, field: column.name, declared: undefined });
    return { rows: page.rows, key, next: page.more ? last?.map((value, at): Known => ({ value, kind: columns[at]?.kind ?? 'any' })) : undefined };
  }

  #record(row: Row, key: readonly Selected[], run: bigint): SourceRecord {
    const { run: field } = this.options;
    if (Object.hasOwn(row.value, field)) throw new Misconfigured('E426', `there is a column ${field} already: say bulk: {run: another_name}`);
    const record = toRecord(row, key, `run${run}`, true);
    return { ...record, value: Object.assign(newRecord(), row.value, { [field]: run }) };
  }

  #marker(marker: 'begin' | 'end', run: bigint, rows?: bigint): SourceRecord {
    return {
      id: `run=${run};${marker}`,
      position: `run ${run} ${marker}`,
      value: Object.assign(newRecord(), { marker, [this.options.run]: run }, rows === undefined ? {} : { rows }),
    };
  }

  #writePosition({ run, rows, done, after: from }: Position): string {
    const rest = from ? { after: from.map(({ value }) => wrap(value)), kinds: from.map(({ kind }) => kind) } : {};
    return writeJson({ v: 1n, by: 'bulk', key: [...this.#key], run, rows, done, ...rest });
  }

  /** @throws Misconfigured when it belongs to another way of reading; a run by another key begins anew */
  #readPosition(text: string): Position {
    const saved = parseJson(text);
    const { by = null, key = null, run, rows, done, after: from, kinds } = isRecord(saved) ? saved : newRecord();
    if (by !== 'bulk' || typeof run !== 'bigint' || typeof rows !== 'bigint') {
      throw new Misconfigured('E426', `the saved position is by ${textOf(by)}, the configuration reads by bulk; reset the endpoint (signalbox systems reset)`);
    }
    const usable = Array.isArray(from) && Array.isArray(kinds) && writeJson(key) === writeJson([...this.#key]);
    if (done === true || !usable) return { run, rows, done: true };
    return { run, rows, done: false, after: from.map((value: Value, at: number): Known => ({ value: unwrap(value), kind: textOf(kinds[at] ?? 'any') as Kind })) };
  }
}

/** Rows after `from` in the order of `columns`. */
function beyond(columns: readonly string[], from: readonly Known[], parameters: Parameters): string {
  const place = (at: number) => parameters.place(from[at] ?? { value: null, kind: 'any' });
  const cases = columns.map((column, at) =>
    [...columns.slice(0, at).map((before, index) => `${named(before)} = ${place(index)}`), `${named(column)} > ${place(at)}`].join(' AND '),
  );
  return `(${cases.map((each) => `(${each})`).join(' OR ')})`;
}
