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
import type { Read, ServerConnect } from '../config.js';
import type { CdcOptions } from './cdc-options.js';
import { changeRecord, type RowChange } from './cdc-record.js';
import { checkPublication, checkSlot, type SlotStatus } from './cdc-slot.js';
import { type Lsn, lsnOf, lsnText } from './lsn.js';
import type { Message, Relation, ReplicationStream } from './replication.js';
import { type Source, Warnings } from './source.js';

/** Transactions that end at or before `after` are done; of the one that commits at `within.commit`, its first `within.count` changes. */
interface Position {
  readonly after: Lsn;
  readonly within?: { readonly commit: Lsn; readonly count: number };
}

interface Transaction {
  readonly commit: Lsn;
  readonly time: string;
  readonly done: number;
  count: number;
}

/** Stays open between polls. */
interface Stream {
  readonly link: ReplicationStream;
  /** The last position that was handed out; undefined while there is more taken from the stream than handed out. */
  at: string | undefined;
  transaction: Transaction | undefined;
}

const BATCH_BYTES = 16 * 1024 ** 2;
/** A batch that has begun waits so long for more. */
const GATHER_MS = 20;
const FAR = 16n * 1024n ** 2n;

/**
 * `cdc`: transactions in the order of their commits. The server forgets what is confirmed, so the order is: records durable, checkpoint saved,
 * then confirmed; whatever is interrupted comes again under the same ids. The stream stays open between polls.
 */
export class CdcReading implements PollingInbound {
  readonly kind = 'polling';
  readonly #warnings: Warnings;
  #stream: Stream | undefined;
  #moved = 0;
  #looked = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly source: Source,
    private readonly read: Read,
    private readonly options: CdcOptions,
  ) {
    this.#warnings = new Warnings(source);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { database } = await this.source.link();
    await checkPublication(database, this.options, this.read.table, signal);
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { signal, checkpoint } = request;
    const saved = checkpoint === undefined ? undefined : readPosition(checkpoint);
    const confirmed = await this.#look(saved, signal);
    let position = saved ?? { after: confirmed };
    if (this.#stream && this.#stream.at !== checkpoint) await this.#disconnect();
    const stream = this.#stream ?? { link: await this.#connect(position.after, signal), at: writePosition(position), transaction: undefined };
    this.#stream = stream;
    // Later polls compare with it what the server says of the slot.
    if (!saved) yield this.#batch(stream, [], position);
    let records: SourceRecord[] = [];
    let bytes = 0;
    for (;;) {
      const message = await stream.link.next(records.length > 0 ? GATHER_MS : this.options.wait, signal);
      if (message) {
        request.progress?.();
        stream.at = undefined;
        position = this.#follow(stream, message, position, (record) => {
          records.push(record);
          bytes += record.size ?? 0;
        });
      }
      if (records.length >= request.maxRecords || bytes >= BATCH_BYTES || (!message && records.length > 0)) {
        yield* this.#batches(stream, records, position, request.maxRecords);
        records = [];
        bytes = 0;
      } else if (!message && !stream.transaction) {
        if (stream.at === undefined) yield this.#batch(stream, [], position);
        else yield* this.#forward(stream, position);
        return;
      }
    }
  }

  async close(): Promise<void> {
    this.#warnings.forget();
    this.#looked = Number.NEGATIVE_INFINITY;
    await this.#disconnect();
  }

  /** @returns the position after the message */
  #follow(stream: Stream, message: Message, position: Position, take: (record: SourceRecord) => void): Position {
    if (message.tag === 'begin') stream.transaction = begin(message, position);
    const { transaction } = stream;
    if (!transaction) return position;
    if (message.tag === 'commit') {
      stream.transaction = undefined;
      return { after: lsnOf(message.commitEndLsn ?? '0/0') };
    }
    for (const change of changesOf(message)) {
      transaction.count++;
      if (transaction.count <= transaction.done || !this.#wants(change.relation)) continue;
      take(changeRecord(this.source.connect, this.read, this.options, change, { ...transaction, commit: lsnText(transaction.commit) }));
    }
    return { after: position.after, within: { commit: transaction.commit, count: Math.max(transaction.count, transaction.done) } };
  }

  /** A truncation of several tables is more records than asked for at most. */
  *#batches(stream: Stream, records: readonly SourceRecord[], position: Position, most: number): Generator<Batch> {
    for (let at = 0; at + most < records.length; at += most) yield { records: records.slice(at, at + most) };
    const rest = records.length % most || most;
    yield this.#batch(stream, records.slice(-rest), position);
  }

  #batch(stream: Stream, records: readonly SourceRecord[], position: Position): Batch {
    const checkpoint = writePosition(position);
    stream.at = checkpoint;
    this.#moved = this.source.clock.monotonic();
    return { records, checkpoint, settle: async () => stream.link.confirm(position.after) };
  }

  /** Other tables and other databases write to the log too: the slot has to move on although nothing concerns this endpoint. */
  *#forward(stream: Stream, position: Position): Generator<Batch> {
    const upTo = stream.link.handedOut;
    if (upTo === undefined || upTo <= position.after) return;
    const due = this.source.clock.monotonic() - this.#moved >= this.options.heartbeat;
    if (due || upTo - position.after > FAR) yield this.#batch(stream, [], { after: upTo });
  }

  /** @returns up to where the server holds the changes for confirmed */
  async #look(saved: Position | undefined, signal: AbortSignal): Promise<Lsn> {
    const now = this.source.clock.monotonic();
    if (saved && this.#stream && now - this.#looked < this.options.heartbeat) return saved.after;
    const { database } = await this.source.link();
    const slot = await checkSlot(database, this.options, saved !== undefined, signal);
    if (saved) compare(saved.after, slot, this.options);
    if (slot.held > BigInt(this.options.max_lag)) {
      this.#warnings.once(
        'sql.slot-lag',
        `the slot ${this.options.slot} holds back ${slot.held / 1024n ** 2n} MiB of the log of the server: it is read too slowly, or an old transaction is open`,
      );
    }
    if (slot.status === 'unreserved')
      this.#warnings.once('sql.slot-unreserved', `the slot ${this.options.slot} will be lost at the next checkpoint of the server: max_slot_wal_keep_size is reached`);
    this.#looked = now;
    return slot.confirmed;
  }

  async #connect(from: Lsn, signal: AbortSignal): Promise<ReplicationStream> {
    const { connect, system } = this.source;
    const { ReplicationStream: Stream } = await import('./replication.js');
    return Stream.open({ connect: connect as ServerConnect, system, slot: this.options.slot, publication: this.options.publication, from }, signal);
  }

  async #disconnect(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.link.close();
  }

  #wants({ schema, name }: Relation): boolean {
    const { table } = this.read;
    if (table === undefined) return true;
    const [wanted = table, within] = table.split('.').reverse();
    return wanted.toLowerCase() === name.toLowerCase() && (within === undefined || within.toLowerCase() === schema.toLowerCase());
  }
}

function begin({ commitLsn, commitTime }: Extract<Message, { tag: 'begin' }>, { within }: Position): Transaction {
  const commit = lsnOf(commitLsn ?? '0/0');
  const micros = BigInt(commitTime.toString());
  const time = `${new Date(Number(micros / 1000n)).toISOString().slice(0, 19)}.${(micros % 1_000_000n).toString().padStart(6, '0')}Z`;
  return { commit, time, done: within?.commit === commit ? within.count : 0, count: 0 };
}

function changesOf(message: Message): readonly RowChange[] {
  switch (message.tag) {
    case 'insert':
      return [{ operation: 'insert', relation: message.relation, row: message.new }];
    case 'update':
      return [{ operation: 'update', relation: message.relation, row: message.new, before: message.old ?? message.key ?? undefined }];
    case 'delete':
      return [{ operation: 'delete', relation: message.relation, row: message.old ?? message.key ?? {} }];
    case 'truncate':
      return message.relations.map((relation) => ({ operation: 'truncate', relation, row: {} }));
    default:
      return [];
  }
}

/** @throws Misconfigured when the server cannot give what follows on the saved position */
function compare(after: Lsn, { confirmed, current }: SlotStatus, { slot }: CdcOptions): void {
  const again = 'reset the endpoint (signalbox systems reset) to go on from where the slot is, and load the tables anew';
  if (confirmed > after) {
    throw new Misconfigured(
      'E436',
      `the slot ${slot} is at ${lsnText(confirmed)}, the endpoint has read up to ${lsnText(after)}: it was made anew or another reader used it, and the changes in between are gone; ${again}`,
    );
  }
  if (current < after)
    throw new Misconfigured('E436', `the endpoint has read up to ${lsnText(after)}, but the server is at ${lsnText(current)}: it was restored or is another one; ${again}`);
}

function writePosition({ after, within }: Position): string {
  const rest = within ? { commit: lsnText(within.commit), count: BigInt(within.count) } : {};
  return writeJson({ v: 1n, by: 'cdc', after: lsnText(after), ...rest });
}

function readPosition(text: string): Position {
  const saved: Value = parseJson(text);
  const fields = isRecord(saved) ? saved : newRecord();
  const { by, after, commit, count } = fields;
  if (by !== 'cdc' || typeof after !== 'string')
    throw new Misconfigured('E426', 'the saved position belongs to another way of reading; reset the endpoint (signalbox systems reset)');
  return { after: lsnOf(after), ...(typeof commit === 'string' ? { within: { commit: lsnOf(commit), count: Number(count) } } : {}) };
}
