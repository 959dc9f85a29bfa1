import { createHash, type Hash, randomBytes } from 'node:crypto';
import { reached } from '../../bus/failpoint.js';
import type { Codec, Decoded } from '../codecs/codec.js';
import { codecOf } from '../codecs/format.js';
import { problemsOf } from '../codecs/validate.js';
import {
  type Batch,
  type Clock,
  describe,
  type EndpointContext,
  failureOf,
  InvalidMessage,
  type Logger,
  NotConnected,
  type PollingInbound,
  type PollRequest,
  type SourceRecord,
} from '../contract/index.js';
import { Candidates } from './candidates.js';
import { type Claim, Claims, type Progress, readProgress, writeProgress } from './claims.js';
import { nameProblem } from './names.js';
import type { ReadOptions } from './options.js';
import { putAway } from './put-away.js';
import { type FileSpace, joinPath } from './space.js';

const WORK = '.signalbox-work';
/** Files up to this size are read once and kept for hashing and decoding. */
const SMALL = 1024 * 1024;

interface Taken {
  /** Name in the work folder: `<token>.<original name>`. */
  readonly file: string;
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly modified: string;
}

interface Numbered {
  readonly record: SourceRecord;
  readonly number: number;
}

/**
 * Reads the files of a folder, each exactly once: watched until complete, claimed by a rename, identified by the hash of its content, handed over in
 * batches, put away after its last record is durable. A crash at any point resumes with the same record ids.
 */
export class Pickup implements PollingInbound {
  readonly kind = 'polling';
  private readonly codec: Codec;
  private readonly claims: Claims;
  private readonly candidates: Candidates;
  private readonly work: string;
  private readonly archive: string;
  private readonly error: string;

  constructor(
    private readonly space: FileSpace,
    private readonly options: ReadOptions,
    context: EndpointContext,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.codec = codecOf(options);
    this.claims = new Claims(context.state);
    this.candidates = new Candidates(options, clock, logger);
    this.work = joinPath(options.path, WORK);
    const folder = (path: string): string => (path.startsWith('/') ? path : joinPath(options.path, path));
    [this.archive, this.error] = [folder(options.archive), folder(options.error)];
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.space.open(signal);
    await this.space.list(this.options.path, signal);
    for (const folder of [this.work, this.archive, this.error]) await this.space.makeFolder(folder, signal);
    const ours = new Set((await this.space.list(this.work, signal)).map((entry) => entry.name));
    await this.claims.forget((await this.claims.files()).filter((file) => !ours.has(file)));
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    const progress = readProgress(request.checkpoint);
    const listing = await this.space.list(this.options.path, signal);
    const held = await this.space.list(this.work, signal);
    // What the checkpoint proves durable is noted before another file's checkpoint takes its place.
    if (progress?.end && held.some((entry) => entry.name === progress.file)) {
      await this.claims.put(progress.file, { ...(await this.claims.get(progress.file)), state: 'done' });
    }
    const order = (name: string): string => name.slice(name.indexOf('.') + 1);
    for (const entry of [...held].sort((a, b) => (order(a.name) < order(b.name) ? -1 : 1))) {
      if (entry.kind !== 'file') continue;
      const taken = { file: entry.name, name: order(entry.name), path: joinPath(this.work, entry.name), size: entry.size, modified: entry.modified };
      yield* this.apart(entry.name, this.readOn(taken, progress?.file === entry.name ? progress : undefined, request));
    }
    for (const entry of this.candidates.ready(listing)) {
      signal.throwIfAborted();
      const taken = await this.claim(entry.name, entry.size, entry.modified, request);
      if (taken) yield* this.apart(entry.name, this.readOn(taken, undefined, request));
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Trouble with one file (not with the link) leaves the others alone; the file is tried again at the next poll. */
  private async *apart(name: string, batches: AsyncGenerator<Batch>): AsyncGenerator<Batch> {
    try {
      yield* batches;
    } catch (error) {
      if (!failureOf(error) || error instanceof NotConnected) throw error;
      this.logger.warn('file.postponed', `${name} is tried again at the next poll: ${describe(error)}`);
    }
  }

  private async claim(name: string, size: number, modified: string, { signal, fence }: PollRequest): Promise<Taken | undefined> {
    const original = joinPath(this.options.path, name);
    const file = `${randomBytes(6).toString('hex')}.${name}`;
    const path = joinPath(this.work, file);
    fence?.();
    try {
      if ((await this.space.rename(original, path, 'new', signal)) !== 'renamed') {
        this.logger.info('file.vanished', `${name} was gone before it could be claimed`);
        return undefined;
      }
    } catch (error) {
      if (!failureOf(error) || error instanceof NotConnected) throw error;
      this.candidates.refuse(name, describe(error));
      return undefined;
    }
    reached('files.claimed');
    const now = await this.space.stat(path, signal);
    if (now?.kind === 'file' && now.size === size && now.modified === modified) return { file, name, path, size, modified };
    // It was written to, or exchanged, between listing and claim: give it back and watch it again.
    this.candidates.forget(name);
    fence?.();
    if (now && (await this.space.rename(path, original, 'new', signal)) === 'exists') this.logger.warn('file.replaced', `${name} was replaced while it was claimed; both are read`);
    return undefined;
  }

  private async *readOn(taken: Taken, progress: Progress | undefined, request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    let claim = await this.claims.get(taken.file);
    if (claim.state === 'done') return this.finish(taken, claim, request);
    if (taken.size === 0) return this.finish(taken, this.options.empty === 'fail' ? { ...claim, reason: 'the file is empty' } : claim, request);
    const problem = nameProblem(taken.name);
    if (problem) return this.finish(taken, { ...claim, reason: problem }, request);
    const content = await this.hash(taken, request);
    if (!content) return;
    const changed = claim.hash !== undefined && claim.hash !== content.hash;
    if (claim.hash === undefined) {
      claim = { ...claim, hash: content.hash };
      request.fence?.();
      await this.claims.put(taken.file, claim);
      reached('files.claim.noted');
    }
    if (this.options.all_or_nothing && !changed && !progress) {
      const reason = await problemsOf(this.codec, hashed(content.kept ?? (await this.space.read(taken.path, signal)) ?? [], undefined, request.progress), taken.name);
      if (reason !== undefined) {
        this.logger.warn('file.rejected', reason);
        return this.finish(taken, { ...claim, reason }, request);
      }
    }
    const identity = createHash('sha256').update(`${Buffer.byteLength(taken.name)}:${taken.name}${claim.hash}`);
    if (this.options.identity === 'arrival') identity.update(taken.modified);
    const id = identity.digest('hex').slice(0, 16);
    const settled = { claim };
    const records = changed ? this.changedRecord(taken, id) : this.records(taken, id, content, progress?.records ?? 0, request);
    let batch: SourceRecord[] = [];
    let number = progress?.records ?? 0;
    for await (const list of records) {
      for (const { record, number: at } of list) {
        if (batch.length >= request.maxRecords) {
          yield this.batch(batch, taken, number, false, settled, request);
          signal.throwIfAborted();
          batch = [];
        }
        batch.push(record);
        number = at;
      }
    }
    if (batch.length === 0) return this.finish(taken, settled.claim, request);
    yield this.batch(batch, taken, number, true, settled, request);
  }

  private batch(records: readonly SourceRecord[], taken: Taken, number: number, end: boolean, settled: { claim: Claim }, request: PollRequest): Batch {
    return {
      records,
      checkpoint: writeProgress({ file: taken.file, records: number, end }),
      settle: async ({ accepted, filtered, dead, reason }) => {
        const { claim } = settled;
        const first = claim.reason ?? reason;
        settled.claim = {
          ...claim,
          accepted: claim.accepted + accepted,
          filtered: claim.filtered + filtered,
          dead: claim.dead + dead,
          ...(first === undefined ? {} : { reason: first }),
        };
        request.fence?.();
        if (end) await this.finish(taken, settled.claim, request);
        else if (dead > 0) await this.claims.put(taken.file, settled.claim);
      },
    };
  }

  /** That it is done is durable before it is moved: a move that fails is repeated, the file is never read again. */
  private async finish(taken: Taken, claim: Claim, { signal, fence }: PollRequest): Promise<void> {
    fence?.();
    if (claim.state !== 'done') await this.claims.put(taken.file, { ...claim, state: 'done' });
    reached('files.done.noted');
    const failed = claim.dead > 0 || claim.reason !== undefined;
    fence?.();
    await putAway(this.space, { ...taken, claim, folder: failed ? this.error : this.archive, failed, time: this.clock.now() }, signal);
    reached('files.put-away');
    await this.claims.forget([taken.file]);
    reached('files.forgotten');
  }

  private async hash(taken: Taken, { signal, progress }: PollRequest): Promise<{ readonly hash: string; readonly kept: readonly Uint8Array[] | undefined } | undefined> {
    const bytes = await this.space.read(taken.path, signal);
    if (!bytes) return undefined;
    const hash = createHash('sha256');
    const kept: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of bytes) {
      hash.update(chunk);
      progress?.();
      size += chunk.length;
      if (size <= SMALL) kept.push(chunk);
    }
    return { hash: hash.digest('hex'), kept: size <= SMALL ? kept : undefined };
  }

  private async *records(
    taken: Taken,
    id: string,
    content: { readonly hash: string; readonly kept: readonly Uint8Array[] | undefined },
    after: number,
    { signal, progress }: PollRequest,
  ): AsyncGenerator<readonly Numbered[]> {
    const again = { hash: createHash('sha256'), ended: false };
    const bytes = content.kept ?? (await this.space.read(taken.path, signal)) ?? [];
    let number = after;
    for await (const list of this.codec.decode(hashed(bytes, again, progress), taken.name)) {
      number = list.at(-1)?.number ?? number;
      if (number > after) yield list.filter((decoded) => decoded.number > after).map((decoded) => ({ record: sourceRecord(decoded, id, taken), number: decoded.number }));
    }
    if (!content.kept && again.ended && again.hash.digest('hex') !== content.hash) yield* this.changedRecord(taken, id, number + 1);
  }

  private async *changedRecord(taken: Taken, id: string, number = 1): AsyncGenerator<readonly Numbered[]> {
    const failure = new InvalidMessage('E350', `${taken.name} changed after its first records were read`, { place: taken.name });
    yield [{ number, record: { id: `${id}:changed`, value: null, failure, position: taken.name } }];
  }
}

async function* hashed(bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, sum?: { readonly hash: Hash; ended: boolean }, progress?: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    sum?.hash.update(chunk);
    progress?.();
    yield chunk;
  }
  if (sum) sum.ended = true;
}

function sourceRecord(decoded: Decoded, id: string, taken: Taken): SourceRecord {
  return {
    id: `${id}:${decoded.number}`,
    value: decoded.value,
    position: decoded.line === undefined ? `${taken.name}#${decoded.number}` : `${taken.name}:${decoded.line}`,
    wire: { 'file-name': taken.name, 'file-size': String(taken.size), 'file-record': String(decoded.number) },
    size: decoded.raw.length,
    raw: decoded.raw,
    ...(decoded.failure ? { failure: decoded.failure } : {}),
  };
}
