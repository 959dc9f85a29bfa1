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
  type ValueRecord,
  writeJson,
} from '../../contract/index.js';
import type { Read } from '../config.js';
import { keyText, type Row, readRow, selectList } from '../rows.js';
import { planTable, type TablePlan } from './page.js';
import { unwrap, wrap } from './position.js';
import { hashOf, isStarted, type PresentRow, refuseField } from './snapshot.js';
import { type Change, type Chunk, compare } from './snapshot-diff.js';
import { Handover } from './snapshot-handover.js';
import type { SnapshotOptions } from './snapshot-options.js';
import { Remembered } from './snapshot-state.js';
import type { Link, Source } from './source.js';

interface Plan extends Link {
  readonly table: TablePlan;
}

/**
 * `snapshot` of a table without a key: a row is its whole content, and which of two equal rows is gone makes no difference, so rows are counted by
 * content. There is no order to read them by: the table is read at once, and is compared in memory. The whole content is remembered, since
 * nothing else could say what is gone.
 */
export class KeylessReading implements PollingInbound {
  readonly kind = 'polling';
  #plan: Plan | undefined;

  constructor(
    private readonly source: Source,
    private readonly read: Read,
    private readonly options: SnapshotOptions,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    this.#plan = await this.#prepare(signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    const plan = this.#plan ?? (await this.#prepare(signal));
    this.#plan = plan;
    const { endpoint } = this.source;
    const { name } = plan.table.table;
    const header = await new Remembered(endpoint.state).begin(isStarted(request.checkpoint), `${name} without a key`);
    const run = new Handover<PresentRow>(this.options, request, endpoint, header, name, (change, version) => this.#record(change, version));
    const found = Map.groupBy(await this.#rows(plan, signal), ({ hash }) => bucketOf(hash));
    const buckets: { readonly chunk: Chunk; readonly rows: readonly PresentRow[] }[] = [];
    const scan = { remembered: 0, present: 0, gone: 0 };
    for (const id of BUCKETS) {
      signal.throwIfAborted();
      const chunk = (await run.remembered.chunk(header, id, 0))?.chunk ?? { id, top: 0, entries: new Map() };
      const rows = found.get(id) ?? [];
      const { changes } = compare(chunk, rows, true);
      scan.remembered += chunk.entries.size;
      scan.present += rows.length;
      scan.gone += changes.filter(({ operation }) => operation === 'delete').length;
      if (changes.length > 0) buckets.push({ chunk, rows });
    }
    run.guard(scan);
    const first = !header.complete;
    for (const { chunk, rows } of buckets) {
      yield* run.page(chunk, rows, true, [], first ? (current) => current : undefined);
      request.progress?.();
    }
    if (first) yield* run.position((current) => ({ ...current, complete: true }));
    await run.end();
  }

  async close(): Promise<void> {
    this.#plan = undefined;
  }

  async #rows({ dialect, database, table }: Plan, signal: AbortSignal): Promise<readonly PresentRow[]> {
    const { most } = this.options;
    const { shape } = table;
    const sql = dialect.page({ columns: selectList(dialect, shape), from: table.table.sql, limit: most + 1 });
    const { rows } = await database.read((session) => session.query(sql), signal);
    if (rows.length > most) throw new Misconfigured('E437', `${table.table.name} has more than ${most} rows and no key: name a key, read a view with one, or raise snapshot.most`);
    const copies = new Map<string, bigint>();
    return rows.map((cells) => {
      const row = readRow(shape, cells);
      const content = writeJson(
        Object.fromEntries(Object.entries(row.value).map(([name, value]) => [name, isRecord(value) || Array.isArray(value) ? { json: writeJson(value) } : wrap(value)])),
      );
      const hash = hashOf(content);
      const copy = (copies.get(hash) ?? 0n) + 1n;
      copies.set(hash, copy);
      const key = [content, copy];
      return { key, text: keyText(key), hash, row };
    });
  }

  #record({ key, row, operation }: Change<PresentRow>, version: string): SourceRecord {
    const [content = null, copy = null] = key;
    const text = String(content);
    const value = Object.assign(newRecord(), row ? row.row.value : contentOf(text), { [this.options.operation]: operation });
    const position = `row ${hashOf(text)}${copy === 1n ? '' : ` (copy ${String(copy)})`}`;
    return { id: `row=${hashOf(text)};n=${String(copy)};v=${version}`, value, position, ...failureOf(row?.row, position) };
  }

  async #prepare(signal: AbortSignal): Promise<Plan> {
    const { dialect, database } = await this.source.link();
    const { table: name } = this.read;
    if (name === undefined) throw new TypeError('the table is checked by the schema');
    const table = await database.read((session) => planTable(dialect, session, { ...this.read, table: name, key: [] }), signal);
    refuseField(table, this.options.operation);
    return { dialect, database, table };
  }
}

const BUCKETS = Array.from({ length: 64 }, (_, at) => `b${at}`);

function bucketOf(hash: string): string {
  return `b${(Buffer.from(hash, 'base64url')[0] ?? 0) & 63}`;
}

function contentOf(text: string): ValueRecord {
  const saved = parseJson(text);
  const value = newRecord();
  if (!isRecord(saved)) return value;
  for (const [name, cell] of Object.entries(saved)) value[name] = isRecord(cell) && typeof cell['json'] === 'string' ? parseJson(cell['json']) : unwrap(cell);
  return value;
}

function failureOf(row: Row | undefined, place: string): Pick<SourceRecord, 'failure' | 'raw'> {
  if (row?.problem === undefined) return {};
  return { failure: new InvalidMessage('E330', row.problem, { place }), raw: new TextEncoder().encode(writeJson(row.value)) };
}
