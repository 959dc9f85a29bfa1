import { type Batch, type EndpointContext, Misconfigured, type PollRequest, type SourceRecord, writeJson } from '../../contract/index.js';
import { announce, type Change, type Chunk, compare, type Present, settled } from './snapshot-diff.js';
import type { SnapshotOptions } from './snapshot-options.js';
import { type Header, Remembered } from './snapshot-state.js';

/** What a scan of the whole table found. */
export interface Scan {
  readonly remembered: number;
  readonly present: number;
  readonly gone: number;
}

/** One poll: hands over changes chunk by chunk, and remembers each chunk once its records are durable. */
export class Handover<P extends Present> {
  readonly remembered: Remembered;
  readonly #checkpoint: string;
  #allowed = Number.POSITIVE_INFINITY;
  #gone = 0;
  #changed = false;

  constructor(
    private readonly options: SnapshotOptions,
    private readonly request: PollRequest,
    endpoint: EndpointContext,
    public header: Header,
    private readonly table: string,
    private readonly record: (change: Change<P>, version: string) => SourceRecord,
  ) {
    this.remembered = new Remembered(endpoint.state);
    this.#checkpoint = writeJson({ v: 1n, by: 'snapshot', generation: BigInt(header.generation) });
  }

  /** @throws Misconfigured when more rows are gone than the guard lets go */
  guard(scan: Scan): void {
    const { guard } = this.options;
    const token = this.#token;
    if (guard === 'off' || guard.allow === token) return;
    this.#allowed = Math.max(guard.rows, Math.floor(scan.remembered * guard.share));
    if (scan.gone > this.#allowed || (scan.remembered > 0 && scan.present === 0)) this.#refuse(scan.gone, scan.remembered);
  }

  /**
   * @param complete the page reaches the end of the chunk
   * @param next the header once this page is done, given the number of a new chunk
   * @returns the rest of the chunk, when the page does not reach its end
   */
  async *page(
    chunk: Chunk,
    page: readonly P[],
    complete: boolean,
    joined: readonly string[],
    next?: (header: Header, rest: Chunk | undefined) => Header,
  ): AsyncGenerator<Batch, Chunk | undefined> {
    const difference = compare(chunk, page, complete);
    const { changes } = difference;
    this.#gone += changes.filter(({ operation }) => operation === 'delete').length;
    if (this.#gone > this.#allowed) this.#refuse(this.#gone, undefined);
    const rest = complete ? undefined : String(this.header.following);
    const chunks = settled(chunk, page, difference, rest);
    const quiet = next !== undefined && this.options.initial === 'remember';
    const wanted = quiet ? [] : changes.filter(({ operation }) => this.options.deletes || operation !== 'delete');
    const moved = rest === undefined ? this.header : { ...this.header, following: this.header.following + 1 };
    const header = next ? next(moved, chunks[1]) : moved;
    if (changes.length === 0 && complete && joined.length === 0 && !next) return undefined;
    this.#changed ||= changes.length > 0;
    if (wanted.length === 0) {
      await this.#write(header, chunks, joined);
      return chunks[1];
    }
    // Written down before it is handed over: a row that changes back while nobody knows whether the change went out must not be forgotten.
    const announced = announce(chunk, wanted);
    if (announced) await this.#write(this.header, [announced], joined);
    const records = wanted.map((change) => this.record(change, `${this.header.generation}.${change.version}~${change.hash ?? 'gone'}`));
    yield* this.#batches(records, () => this.#write({ ...header, begun: true }, chunks, joined));
    return chunks[1];
  }

  /** The run has come to the end of the table. */
  async end(): Promise<void> {
    if (this.#changed) await this.#write({ ...this.header, runs: this.header.runs + 1 }, []);
  }

  /** The position alone: so that the next poll is not taken for the first one. */
  async *position(next: (header: Header) => Header = (header) => header): AsyncGenerator<Batch> {
    yield { records: [], checkpoint: this.#checkpoint, settle: () => this.#write({ ...next(this.header), begun: true }, []) };
  }

  async *#batches(records: readonly SourceRecord[], commit: () => Promise<void>): AsyncGenerator<Batch> {
    const { maxRecords } = this.request;
    let failure: unknown;
    const settle = async (): Promise<void> => {
      try {
        await commit();
      } catch (error) {
        failure = error;
        throw error;
      }
    };
    for (let at = 0; at < records.length; at += maxRecords) {
      const last = at + maxRecords >= records.length;
      yield { records: records.slice(at, at + maxRecords), checkpoint: this.#checkpoint, ...(last ? { settle } : {}) };
    }
    // What is not remembered now would be compared with a state that is too old.
    if (failure !== undefined) throw failure;
  }

  async #write(header: Header, chunks: readonly Chunk[], joined: readonly string[] = []): Promise<void> {
    this.request.fence?.();
    await this.remembered.write(header, chunks, joined);
    this.header = header;
  }

  get #token(): string {
    return `${this.header.generation}.${this.header.runs}`;
  }

  #refuse(gone: number, remembered: number | undefined): never {
    const { guard } = this.options;
    const [share, rows] = guard === 'off' ? [1, 0] : [guard.share, guard.rows];
    const of = remembered === undefined ? '' : ` of ${remembered}`;
    throw new Misconfigured(
      'E435',
      `${this.table}: ${gone}${of} rows are gone, the guard lets ${Math.round(share * 10_000) / 100}% go (or ${rows} rows, never all): nothing more is handed over. If that is right, set snapshot.guard.allow to "${this.#token}"; it is good for this one time`,
    );
  }
}
