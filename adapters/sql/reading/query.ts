import { createHash } from 'node:crypto';
import { type Batch, isRecord, Misconfigured, newRecord, type PollingInbound, type PollRequest, parseJson, type SourceRecord, writeJson } from '../../contract/index.js';
import { findColumn } from '../catalogue.js';
import type { Read } from '../config.js';
import type { Dialect, Session } from '../dialects/dialect.js';
import { type Row, type Selected, type Shape, toRecord } from '../rows.js';
import { type Kind, textOf } from '../values.js';
import { isSamePlace, type Known, named, type OwnPage, OwnSql } from './own-sql.js';
import { unwrap, wrap } from './position.js';
import type { QueryOptions } from './query-options.js';
import { type Source, Warnings } from './source.js';

/** Rows with one watermark are taken together, so they have to fit into memory. */
const MOST_TOGETHER = 100_000;

/** `query`: own SQL. The watermark moves only over all rows that have it. */
export class QueryReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #warnings: Warnings;
  readonly #sql: OwnSql;
  readonly #first: OwnSql | undefined;

  constructor(
    private readonly source: Source,
    private readonly read: Read,
    private readonly options: QueryOptions,
  ) {
    this.#warnings = new Warnings(source);
    this.#sql = new OwnSql(options.sql, source.connect);
    this.#first = options.initial_sql === undefined ? undefined : new OwnSql(options.initial_sql, source.connect);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.source.link();
    await database.read((session) => session.query(dialect.ping), signal);
  }

  async *poll({ checkpoint, maxRecords, signal }: PollRequest): AsyncGenerator<Batch> {
    const { dialect, database } = await this.source.link();
    let watermark = checkpoint === undefined ? undefined : this.#readPosition(checkpoint);
    for (;;) {
      signal.throwIfAborted();
      const { page, rows, next } = await database.read((session) => this.#group(dialect, session, watermark, maxRecords), signal);
      if (!next) return;
      watermark = next;
      const records = this.#records(page.shape, rows);
      const at = writeJson({ v: 1n, by: 'query', column: this.options.watermark, kind: next.kind, watermark: wrap(next.value) });
      // The position after the last record only: those with the same watermark belong together.
      for (let from = 0; from < records.length; from += maxRecords) {
        yield { records: records.slice(from, from + maxRecords), ...(from + maxRecords >= records.length ? { checkpoint: at } : {}) };
      }
      if (!page.more) return;
    }
  }

  async close(): Promise<void> {
    this.#warnings.forget();
  }

  /** As many rows as asked for, less those of the last watermark unless all of them are there; more when that leaves none. */
  async #group(dialect: Dialect, session: Session, watermark: Known | undefined, asked: number) {
    for (let limit = asked; ; limit *= 4) {
      const page = await this.#page(dialect, session, watermark, limit);
      const column = findColumn(page.shape.table, this.options.watermark);
      const at = (row: Row | undefined) => row?.native.get(column.name) ?? null;
      const missing = page.rows.filter((row) => at(row) === null).length;
      if (missing > 0) throw new Misconfigured('E437', `a row has no ${this.options.watermark}: give it one in the SQL (coalesce), or say nulls: ignore`);
      const last = page.rows.at(-1);
      let end = page.rows.length;
      while (page.more && end > 0 && isSamePlace(at(page.rows[end - 1]), at(last))) end--;
      const rows = page.rows.slice(0, end);
      const upTo = at(rows.at(-1));
      if (upTo === null && !page.more) return { page, rows: [], next: undefined };
      // With >= in the SQL the rows of the watermark come again: that alone is no progress.
      if (upTo !== null && !(page.more && watermark && isSamePlace(upTo, watermark.value))) return { page, rows, next: { value: upTo, kind: column.kind } };
      // What a page may hold was used up, or what a run may hold together.
      if (limit >= MOST_TOGETHER || page.rows.length < limit) {
        throw new Misconfigured(
          'E437',
          `more than ${page.rows.length} rows have the ${this.options.watermark} ${textOf(at(last))}: they cannot be read together; use a finer watermark`,
        );
      }
    }
  }

  async #page(dialect: Dialect, session: Session, watermark: Known | undefined, limit: number): Promise<OwnPage> {
    const { initial, nulls, watermark: column } = this.options;
    const start: Known | undefined =
      watermark ?? (initial === undefined ? undefined : typeof initial === 'string' ? { value: initial, kind: 'text' } : { value: BigInt(initial), kind: 'integer' });
    const sql = watermark === undefined && this.#first ? this.#first : this.#sql;
    if (nulls === 'ignore') await this.#count(dialect, session, sql, start);
    return sql.page(dialect, session, this.read, [...(this.read.key ?? []), column], {
      ...(start ? { parameters: { watermark: start } } : {}),
      ...(nulls === 'ignore' ? { where: () => [`${named(column)} IS NOT NULL`] } : {}),
      order: [column],
      limit,
    });
  }

  /** Once per opening. */
  async #count(dialect: Dialect, session: Session, sql: OwnSql, start: Known | undefined): Promise<void> {
    if (this.#warnings.has('sql.query-nulls')) return;
    const { watermark: column } = this.options;
    const page = await sql.page(dialect, session, {}, [], {
      ...(start ? { parameters: { watermark: start } } : {}),
      where: () => [`${named(column)} IS NULL`],
      order: [],
      limit: 1000,
    });
    const many = page.more ? 'more than 1000' : String(page.rows.length);
    this.#warnings.once('sql.query-nulls', `rows without a ${column} are left out: ${many} now`);
  }

  #records(shape: Shape, rows: readonly Row[]): readonly SourceRecord[] {
    const column = findColumn(shape.table, this.options.watermark);
    const key = (this.read.key ?? []).map((name): Selected => {
      const { name: real } = findColumn(shape.table, name);
      return shape.selected.find((each) => each.column.name === real) ?? { column: findColumn(shape.table, name), field: name, declared: undefined };
    });
    const copies = new Map<string, number>();
    return rows.map((row) => {
      const version = textOf(row.native.get(column.name) ?? null);
      if (key.length > 0) return toRecord(row, key, version, true);
      // Equal rows with equal watermarks are all of one group, so that counting them is the same each time.
      const content = createHash('sha256').update(writeJson(row.value)).digest('hex').slice(0, 20);
      const copy = (copies.get(`${version}~${content}`) ?? 0) + 1;
      copies.set(`${version}~${content}`, copy);
      const { key: _, ...record } = toRecord(row, [], `${version};n=${copy}`, true);
      return { ...record, position: `${this.options.watermark}=${version}` };
    });
  }

  /** @throws Misconfigured when it belongs to another configuration */
  #readPosition(text: string): Known {
    const saved = parseJson(text);
    const { by = null, column = null, kind = null, watermark = null } = isRecord(saved) ? saved : newRecord();
    if (by !== 'query' || column !== this.options.watermark) {
      throw new Misconfigured(
        'E426',
        `the saved position is by ${textOf(by)} ${textOf(column)}, the configuration reads by query ${this.options.watermark}; reset the endpoint (signalbox systems reset)`,
      );
    }
    return { value: unwrap(watermark), kind: String(kind) as Kind };
  }
}
