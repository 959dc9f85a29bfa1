import { createHash } from 'node:crypto';
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
import type { Read } from '../config.js';
import type { Session } from '../dialects/dialect.js';
import { keyText, type Row, toRecord } from '../rows.js';
import { after, Binds, upTo } from '../statement.js';
import { fitCell, Unreadable } from '../values.js';
import { planTable, readPage, type TablePlan } from './page.js';
import { type Change, compare, type Present } from './snapshot-diff.js';
import { Handover } from './snapshot-handover.js';
import type { SnapshotOptions } from './snapshot-options.js';
import { FIRST, Remembered } from './snapshot-state.js';
import type { Link, Source } from './source.js';
import { type TableRead, tableRead } from './strategy.js';

export interface PresentRow extends Present {
  readonly row: Row;
}

interface Plan extends Link {
  readonly table: TablePlan;
}

/**
 * `snapshot` of a table with a key. A poll reads the whole table in one read-only transaction and learns which ranges of keys differ from what
 * is remembered; when not too much is gone, it reads those ranges again, each in a transaction of its own, hands the differences over and
 * remembers them. The first run has nothing to compare with and goes through the table once.
 */
export class SnapshotReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #read: TableRead;
  #plan: Plan | undefined;

  constructor(
    private readonly source: Source,
    read: Read,
    private readonly options: SnapshotOptions,
  ) {
    this.#read = tableRead(read);
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#plan = await this.#prepare(signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    const plan = this.#plan ?? (await this.#prepare(signal));
    this.#plan = plan;
    const { endpoint } = this.source;
    const { table, keyColumns } = plan.table;
    const about = `${table.name} by ${keyColumns.map(({ name }) => name).join(', ')}`;
    const header = await new Remembered(endpoint.state).begin(isStarted(request.checkpoint), about);
    const record = (change: Change<PresentRow>, version: string) => this.#record(plan.table, change, version);
    const run = new Handover<PresentRow>(this.options, request, endpoint, header, table.name, record);
    yield* header.complete ? this.#changes(plan, run, request) : this.#first(plan, run, request);
  }

  async close(): Promise<void> {
    this.#plan = undefined;
  }

  async *#first(plan: Plan, run: Handover<PresentRow>, request: PollRequest): AsyncGenerator<Batch> {
    const { tail } = run.header;
    let chunk = (await run.remembered.chunk(run.header, tail.id, this.options.page))?.chunk;
    let { lower } = tail;
    while (chunk) {
      request.signal.throwIfAborted();
      const page = await this.#page(plan, lower, undefined, request.signal);
      const end = page.rows.at(-1)?.key;
      const complete = !page.more || !end;
      chunk = yield* run.page(chunk, page.rows, complete, [], (header, rest) => ({ ...header, complete, tail: rest && end ? { id: rest.id, lower: end } : header.tail }));
      lower = end;
      request.progress?.();
    }
    yield* run.position();
  }

  async *#changes(plan: Plan, run: Handover<PresentRow>, request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    const scan = await plan.database.read((session) => this.#scan(plan, session, run, request), signal);
    run.guard(scan);
    for (const range of scan.changed) {
      const found = await run.remembered.chunk(run.header, range.id, this.options.page);
      let chunk = found?.chunk;
      let joined = found?.joined ?? [];
      let { lower } = range;
      while (chunk) {
        signal.throwIfAborted();
        const page = await this.#page(plan, lower, chunk.upto, signal);
        lower = page.rows.at(-1)?.key;
        chunk = yield* run.page(chunk, page.rows, !page.more, joined);
        joined = [];
      }
      request.progress?.();
    }
    await run.end();
  }

  /** All of it in one transaction, which sees one state of the table. */
  async #scan(plan: Plan, session: Session, run: Handover<PresentRow>, request: PollRequest) {
    const changed: { readonly id: string; readonly lower: readonly Value[] | undefined }[] = [];
    const counts = { remembered: 0, present: 0, gone: 0 };
    let id: string | undefined = FIRST;
    let lower: readonly Value[] | undefined;
    while (id !== undefined) {
      request.signal.throwIfAborted();
      const found = await run.remembered.chunk(run.header, id, this.options.page);
      if (!found) throw new Misconfigured('E436', `what was remembered of the table is damaged: range ${id} is missing; reset the endpoint (signalbox systems reset)`);
      const { chunk } = found;
      const { top } = chunk;
      let { entries } = chunk;
      let differs = false;
      counts.remembered += entries.size;
      let page: { readonly rows: readonly PresentRow[]; readonly more: boolean };
      let from = lower;
      do {
        page = await this.#within(plan, session, from, chunk.upto);
        const { changes, left } = compare({ entries, top }, page.rows, !page.more);
        counts.present += page.rows.length;
        counts.gone += changes.filter(({ operation }) => operation === 'delete').length;
        differs ||= changes.length > 0;
        entries = left;
        from = page.rows.at(-1)?.key;
      } while (page.more);
      if (differs) changed.push({ id, lower });
      lower = chunk.upto;
      id = chunk.next;
      request.progress?.();
    }
    return { ...counts, changed };
  }

  #page(plan: Plan, lower: readonly Value[] | undefined, upper: readonly Value[] | undefined, signal: AbortSignal) {
    return plan.database.read((session) => this.#within(plan, session, lower, upper), signal);
  }

  async #within({ dialect, table }: Plan, session: Session, lower: readonly Value[] | undefined, upper: readonly Value[] | undefined) {
    const { keyColumns } = table;
    const binds = new Binds(dialect);
    const where = [...(lower ? [after(dialect, keyColumns, lower, binds)] : []), ...(upper ? [upTo(dialect, keyColumns, upper, binds)] : [])];
    const page = await readPage(dialect, session, table, { where, binds, order: keyColumns, limit: this.options.page });
    const rows = page.rows.map((row): PresentRow => {
      const key = keyColumns.map((column) => row.native.get(column.name) ?? null);
      return { key, text: keyText(key), hash: hashOf(row.value), row };
    });
    return { rows, more: page.next !== undefined };
  }

  #record({ shape, key }: TablePlan, { row, key: values, operation }: Change<PresentRow>, version: string): SourceRecord {
    const field = this.options.operation;
    if (row) return toRecord({ ...row.row, value: Object.assign(newRecord(), row.row.value, { [field]: operation }) }, key, version, false);
    // Nothing but the key is known of a row that is gone: other fields are absent, so that a mapping that takes them fails instead of writing nulls.
    const value = newRecord();
    const native = new Map<string, Value>();
    key.forEach(({ column, field: name, declared }, at) => {
      const cell = values[at] ?? null;
      const fitted = fitCell(cell, column, declared);
      native.set(column.name, cell);
      value[shape.selected.find((each) => each.column.name === column.name)?.field ?? name] = fitted instanceof Unreadable ? cell : fitted;
    });
    value[field] = operation;
    return toRecord({ value, native, problem: undefined }, key, version, false);
  }

  async #prepare(signal: AbortSignal): Promise<Plan> {
    const { dialect, database } = await this.source.link();
    const table = await database.read((session) => planTable(dialect, session, this.#read), signal);
    refuseField(table, this.options.operation);
    return { dialect, database, table };
  }
}

/** @throws Misconfigured when the position belongs to another way of reading */
export function isStarted(checkpoint: string | undefined): boolean {
  if (checkpoint === undefined) return false;
  const saved = parseJson(checkpoint);
  if (!isRecord(saved) || saved['by'] !== 'snapshot')
    throw new Misconfigured('E426', 'the saved position belongs to another way of reading; reset the endpoint (signalbox systems reset)');
  return true;
}

/** 96 bits: enough to tell the contents of one row apart. */
export function hashOf(value: Value): string {
  return createHash('sha256').update(writeJson(value)).digest('base64url').slice(0, 16);
}

/** @throws Misconfigured when the table has a column of that name */
export function refuseField({ table, shape }: Pick<TablePlan, 'table' | 'shape'>, field: string): void {
  const taken = shape.selected.some((each) => each.field === field);
  if (taken) throw new Misconfigured('E426', `${table.name} has a column ${field} itself: give the field of the record another name`);
}
