import { createHash, randomBytes } from 'node:crypto';
import { reached } from '../../bus/failpoint.js';
import type { Codec } from '../codecs/codec.js';
import { codecOf } from '../codecs/format.js';
import { problemsOf } from '../codecs/validate.js';
import {
  type Batch,
  type Clock,
  describe,
  type EndpointContext,
  failureOf,
  type Logger,
  NotConnected,
  type PollingInbound,
  type PollRequest,
  type SourceRecord,
  TryAgain,
} from '../contract/index.js';
import { type Claim, Claims, counted, hasFailed, type Progress, readProgress, writeProgress } from './claims.js';
import { bytesOf, changedRecord, readContent, records, type Taken } from './content.js';
import { Lookout } from './lookout.js';
import { pathOfWork, pathProblem, workName } from './names.js';
import type { ReadOptions } from './options.js';
import { putAway } from './put-away.js';
import { Requests } from './requests.js';
import { type Entry, type FileSpace, joinPath } from './space.js';
import { WORK } from './survey.js';

/** How often the progress of one file is noted for people. */
const PROGRESS_MS = 5_000;
/** When so many files could not be put away, the others wait for the next poll. */
const MOST_FAILED_MOVES = 3;
const PRUNE_EVERY_MS = 600_000;

/**
 * Reads the files of a folder, each exactly once: watched until complete, claimed by a rename, identified by the hash of its content, handed over in
 * batches, put away after its last record is durable. A crash at any point resumes with the same record ids.
 */
export class Pickup implements PollingInbound {
  readonly kind = 'polling';
  private readonly codec: Codec;
  private readonly claims: Claims;
  private readonly lookout: Lookout;
  private readonly requests: Requests;
  private readonly work: string;
  private readonly archive: string;
  private readonly error: string;
  /** Files of the work folder with records that are not on the bus yet. */
  private readonly unfinished = new Set<string>();
  private readonly unmoved = new Set<string>();
  private failedMoves = 0;
  private prunedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly space: FileSpace,
    private readonly options: ReadOptions,
    context: EndpointContext,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.codec = codecOf(options);
    this.claims = new Claims(context.state);
    this.work = joinPath(options.path, WORK);
    const folder = (path: string): string => (path.startsWith('/') ? path : joinPath(options.path, path));
    [this.archive, this.error] = [folder(options.archive), folder(options.error)];
    this.lookout = new Lookout(space, options, [this.archive, this.error], context.state, clock, logger);
    this.requests = new Requests(space, this.work, this.claims, this.lookout.waiting, logger);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.codec.ready?.();
    await this.space.open(signal);
    if (!(await this.space.stat(this.options.path, signal))) await this.space.list(this.options.path, signal);
    for (const folder of [this.work, this.archive, this.error]) await this.space.makeFolder(folder, signal);
    await this.claims.forgetAllBut(new Set((await this.space.list(this.work, signal)).map((entry) => entry.name)));
    // A claim that was cut off may have left the file under both names; done again it takes away the first. Before its marker goes, without which nobody would look at that.
    for (const { file, name, path } of await this.inWork(signal)) {
      if ((await this.claims.get(file, this.now)).hash === undefined) await this.space.rename(joinPath(this.options.path, name), path, 'new', signal);
    }
    await this.lookout.load();
  }

  async *poll(request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    const progress = readProgress(request.checkpoint);
    this.unfinished.clear();
    this.failedMoves = 0;
    await this.requests.hear(request, this.now);
    const held = await this.inWork(signal);
    // What the checkpoint proves durable is noted before another file's checkpoint takes its place.
    const ended = progress?.end ? held.find(({ file }) => file === progress.file) : undefined;
    if (progress && ended) await this.noteDone(ended, counted(await this.claims.get(ended.file, this.now), progress));
    for (const taken of held) yield* this.apart(taken.name, this.readOn(taken, progress?.file === taken.file ? progress : undefined, request));
    const stuck = yield* this.readFolder(request);
    await this.prune();
    if (stuck !== undefined) throw new TryAgain('E450', stuck);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private get now(): number {
    return this.clock.now().getTime();
  }

  private async inWork(signal: AbortSignal): Promise<readonly Taken[]> {
    const entries = (await this.space.list(this.work, signal)).filter((entry) => entry.kind === 'file');
    const taken = entries.map(({ name, size, modified }) => ({ file: name, name: pathOfWork(name), path: joinPath(this.work, name), size, modified }));
    return taken.sort(this.lookout.compare);
  }

  /** Look after look, until there is nothing more to be read. @returns why it goes no further, when that is for somebody to know */
  private async *readFolder(request: PollRequest): AsyncGenerator<Batch, string | undefined> {
    for (let look = 0; ; look++) {
      const sight = await this.lookout.look(request, new Set(this.requests.released.keys()), look === 0);
      let [claims, stuck, unready] = [0, undefined as string | undefined, undefined as string | undefined];
      for (const entry of sight.files) {
        if (!sight.ready.has(entry.name)) {
          unready ??= entry.name;
          continue;
        }
        request.signal.throwIfAborted();
        const wait = await this.waitOf(entry, unready);
        if (wait) {
          for (const { name, size } of sight.files) if (sight.waits.has(name)) sight.waits.set(name, { size, reason: wait.reason });
          stuck = wait.isLate ? `${entry.name} waits: ${wait.reason}` : undefined;
          break;
        }
        const taken = await this.claim(entry, request);
        if (taken) {
          claims++;
          sight.waits.delete(entry.name);
          yield* this.apart(entry.name, this.readOn(taken, undefined, request));
        } else if (this.lookout.sequence) break;
      }
      await this.lookout.waiting.note(sight.waits, this.now);
      if (!sight.isCut || claims === 0) return stuck;
    }
  }

  /** Why a file that is ready is not read now. */
  private async waitOf({ name }: Entry, unready: string | undefined): Promise<{ readonly reason: string; readonly isLate: boolean } | undefined> {
    const { sequence } = this.lookout;
    if (!sequence) return undefined;
    const [first] = this.unfinished;
    if (first !== undefined) return { reason: `${pathOfWork(first)} is not read to its end`, isLate: false };
    const number = sequence.numberOf(name);
    if (number === undefined || number < (sequence.next ?? 0)) return undefined; // the lookout lets only released ones through
    const turn = await sequence.turn(number, (unready === undefined ? undefined : sequence.numberOf(unready)) ?? number, this.now);
    if (turn.kind === 'now') return undefined;
    if (turn.kind === 'passed') return { reason: turn.reason, isLate: false };
    if (turn.kind === 'skip') {
      this.logger.warn('file.gap-skipped', `${name} is read: ${turn.missing} did not come within the hold time`, { code: 'E450' });
      return undefined;
    }
    const isReleased = [...this.requests.released.keys()].some((path) => (sequence.numberOf(path) ?? -1) >= number);
    if (!isReleased || turn.reason.endsWith('not complete')) return turn;
    await sequence.skipTo(number);
    this.logger.info('file.gap-released', `${name} is read by request: ${turn.reason}`);
    return undefined;
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

  private async claim({ name, size, modified }: Entry, { signal, fence }: PollRequest): Promise<Taken | undefined> {
    const original = joinPath(this.options.path, name);
    const file = workName(randomBytes(6).toString('hex'), name);
    const path = joinPath(this.work, file);
    fence?.();
    try {
      if ((await this.space.rename(original, path, 'new', signal)) !== 'renamed') {
        this.logger.info('file.vanished', `${name} was gone before it could be claimed`);
        return undefined;
      }
    } catch (error) {
      if (!failureOf(error) || error instanceof NotConnected) throw error;
      this.lookout.refuse(name, describe(error));
      return undefined;
    }
    reached('files.claimed');
    const now = await this.space.stat(path, signal);
    if (now?.kind === 'file' && now.size === size && now.modified === modified) return { file, name, path, size, modified };
    // It was written to, or exchanged, between listing and claim: give it back and watch it again.
    this.lookout.forget(name);
    fence?.();
    if (now && (await this.space.rename(path, original, 'new', signal)) === 'exists') this.logger.warn('file.replaced', `${name} was replaced while it was claimed; both are read`);
    return undefined;
  }

  private async *readOn(taken: Taken, progress: Progress | undefined, request: PollRequest): AsyncGenerator<Batch> {
    const { signal } = request;
    let claim = await this.claims.get(taken.file, this.now);
    if (claim.state === 'done') return this.failedMoves < MOST_FAILED_MOVES ? this.finish(taken, claim, request) : undefined;
    this.unfinished.add(taken.file);
    if (claim.state === 'held') return;
    if (progress) claim = counted(claim, progress);
    if (claim.hash === undefined) claim = await this.begin(taken, claim, request);
    if (taken.size === 0) return this.finish(taken, this.options.empty === 'fail' ? { ...claim, reason: 'the file is empty' } : claim, request);
    const problem = pathProblem(taken.name);
    if (problem) return this.finish(taken, { ...claim, reason: problem }, request);
    const content = await readContent(this.space, taken, request);
    if (!content) return;
    const changed = claim.hash !== undefined && claim.hash !== content.hash;
    if (claim.hash === undefined) {
      claim = await this.judge(taken, { ...claim, hash: content.hash });
      request.fence?.();
      await this.claims.put(taken, claim, claim.state, this.arrived(taken.name));
      reached('files.claim.noted');
    }
    if (claim.state === 'held') return;
    if (claim.unread) return this.finish(taken, claim, request);
    if (this.options.all_or_nothing && !changed && !progress) {
      const reason = await problemsOf(this.codec, bytesOf(content.kept ?? (await this.space.read(taken.path, signal)) ?? [], request.progress), taken.name);
      if (reason !== undefined) {
        this.logger.warn('file.rejected', reason);
        return this.finish(taken, { ...claim, reason }, request);
      }
    }
    const id = claim.identity ?? this.identityOf(taken, claim);
    const settled = { claim, notedAt: Number.NEGATIVE_INFINITY };
    const lists = changed ? changedRecord(taken, id) : records(this.space, this.codec, taken, id, content, progress?.records ?? 0, request);
    let batch: SourceRecord[] = [];
    let number = progress?.records ?? 0;
    for await (const list of lists) {
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

  /** What is known when it was claimed. Its marker goes now, before a later file of the same name may lie there. */
  private async begin({ name }: Taken, claim: Claim, { signal, fence }: PollRequest): Promise<Claim> {
    const marker = claim.again === undefined ? this.lookout.markerPath(name) : undefined;
    fence?.();
    if (marker !== undefined) await this.space.remove(marker, signal);
    reached('files.marker.removed');
    const by = this.requests.released.has(name) ? { released: true as const } : {};
    return { ...claim, ...by, seenAt: claim.seenAt ?? this.lookout.waiting.get(name)?.at ?? this.now };
  }

  /** Its identity, and what becomes of it when its name or its content came before. */
  private async judge(taken: Taken, claim: Claim): Promise<Claim> {
    const { same_name: sameName, same_content: sameContent, remember } = this.options;
    const identified = { ...claim, identity: this.identityOf(taken, claim) };
    if (claim.released || (sameName === 'process' && sameContent === 'process')) return identified;
    const before = await this.claims.before(taken.name, claim.hash ?? '', this.now - remember);
    const when = (at: number): string => new Date(at).toISOString();
    if (before.name && before.name.hash !== claim.hash && sameName !== 'process') {
      const reason = `a file of this name with other content was read at ${when(before.name.at)} (${before.name.id})`;
      if (sameName === 'alert') return this.hold(taken, { ...identified, reason });
      this.logger.warn('file.rejected', `${taken.name} is not read: ${reason}`, { code: 'E452' });
      return { ...identified, reason, unread: 'rejected' };
    }
    if (!before.content || sameContent === 'process') return identified;
    const reason = `${before.content.name} with the same content was read at ${when(before.content.at)} (${before.content.id})`;
    return sameContent === 'skip' ? { ...identified, reason, unread: 'skipped' } : this.hold(taken, { ...identified, reason });
  }

  private hold({ name }: Taken, claim: Claim): Claim {
    this.logger.warn('file.held', `${name} waits for a person: ${claim.reason}`, { code: 'E451' });
    return { ...claim, state: 'held' };
  }

  private identityOf({ name, modified }: Taken, { hash = '', again = '' }: Claim): string {
    const identity = createHash('sha256').update(`${Buffer.byteLength(name)}:${name}${hash}`);
    if (this.options.identity === 'arrival') identity.update(modified);
    return identity.update(again).digest('hex').slice(0, 16);
  }

  private batch(batch: readonly SourceRecord[], taken: Taken, number: number, end: boolean, settled: { claim: Claim; notedAt: number }, request: PollRequest): Batch {
    const bad = batch.filter(({ failure }) => failure).length;
    return {
      records: batch,
      // With what the batches before it came to: known when they are settled.
      get checkpoint() {
        const { records: known, accepted, filtered, dead, reason } = settled.claim;
        return writeProgress({ file: taken.file, records: number, end, before: { records: known, accepted, filtered, dead, ...(reason === undefined ? {} : { reason }) }, bad });
      },
      ahead: !end,
      settle: async ({ accepted, filtered, dead, reason }) => {
        const { claim } = settled;
        const cause = claim.reason ?? reason;
        settled.claim = {
          ...claim,
          records: number,
          accepted: claim.accepted + accepted,
          filtered: claim.filtered + filtered,
          dead: claim.dead + dead,
          ...(cause === undefined ? {} : { reason: cause }),
        };
        request.fence?.();
        if (end) return this.finish(taken, settled.claim, request);
        if (dead === 0 && this.clock.monotonic() - settled.notedAt < PROGRESS_MS) return;
        settled.notedAt = this.clock.monotonic();
        await this.claims.put(taken, settled.claim, 'progress');
        reached('files.progress.noted');
      },
    };
  }

  private async noteDone(taken: Taken, claim: Claim): Promise<Claim> {
    if (claim.state === 'done') return claim;
    const done: Claim = { ...claim, state: 'done', doneAt: this.now };
    const after = claim.again === undefined ? this.lookout.sequence?.after(taken.name) : undefined;
    await this.claims.done(taken, done, new Map<string, string | undefined>([...(after ? [after] : []), ...this.arrived(taken.name)]));
    return done;
  }

  /** It waits no more: what was noted and asked of it then. */
  private arrived(name: string): ReadonlyMap<string, undefined> {
    const asked = this.requests.released.get(name);
    this.requests.released.delete(name);
    return new Map([...this.lookout.waiting.claimed(name), ...(asked === undefined ? [] : [[asked, undefined] as const])]);
  }

  /** That it is done is durable before it is moved: a move that fails is repeated, the file is never read again. */
  private async finish(taken: Taken, claim: Claim, { signal, fence, progress }: PollRequest): Promise<void> {
    fence?.();
    const done = await this.noteDone(taken, claim);
    this.unfinished.delete(taken.file);
    reached('files.done.noted');
    const failed = hasFailed(done);
    const folder = failed ? this.error : this.archive;
    fence?.();
    try {
      const place = await putAway(this.space, { ...taken, claim: done, folder, failed, time: this.clock.now(), progress }, signal);
      this.unmoved.delete(taken.file);
      reached('files.put-away');
      await this.claims.end(taken, done, { state: failed ? 'failed' : 'archived', place: place ?? joinPath(folder, taken.name), at: this.now });
      reached('files.forgotten');
    } catch (error) {
      this.failedMoves++;
      if (failureOf(error) && !(error instanceof NotConnected) && !this.unmoved.has(taken.file)) {
        this.unmoved.add(taken.file);
        await this.claims.put(taken, done, 'cleanup');
      }
      throw error;
    }
  }

  private async prune(): Promise<void> {
    if (this.clock.monotonic() - this.prunedAt < PRUNE_EVERY_MS) return;
    if (!(await this.claims.prune(this.now - this.options.remember))) this.prunedAt = this.clock.monotonic();
  }
}
