// What is known about each file. The work folder says which files are ours; these notes say how far each has come and, when it is gone, what became of
// it; the runtime's checkpoint says which records are durable on the bus.

import { createHash, randomBytes } from 'node:crypto';
import { CUSTODY_NOTES, type CustodyRequest, type EndpointState, type FileCustody, type FileState } from '../contract/index.js';

export interface Claim {
  /** Of its custody: names sort by time. */
  readonly id: string;
  /** `held`: waits for a person. `done`: all records are on the bus, the file only has to be put away. */
  readonly state: 'claimed' | 'held' | 'done';
  /** SHA-256 of the content when its first record was handed over. */
  readonly hash?: string;
  readonly identity?: string;
  /** How many records are counted below. */
  readonly records: number;
  readonly accepted: number;
  readonly filtered: number;
  readonly dead: number;
  /** Why it goes to the error folder, or was not read. */
  readonly reason?: string;
  /** Put away without being read. */
  readonly unread?: 'skipped' | 'rejected';
  /** A person wants it read: no policy stops it. */
  readonly released?: true;
  /** Makes another identity of a file that was read before. */
  readonly again?: string;
  readonly by?: string;
  readonly seenAt?: number;
  readonly claimedAt?: number;
  readonly doneAt?: number;
}

/** The last batch that is durable. */
export interface Progress {
  /** Name in the work folder. */
  readonly file: string;
  /** Number of its last record. */
  readonly records: number;
  /** Nothing follows: the file is done. */
  readonly end: boolean;
  /** Counts of the batches before it, for when the process died before it could note its own. */
  readonly before?: Counts;
  /** How many records of the batch itself could not be decoded. */
  readonly bad?: number;
}

type Counts = Pick<Claim, 'records' | 'accepted' | 'filtered' | 'dead' | 'reason'>;

/** A file as the notes about it need it. */
export interface Noted {
  /** Name in the work folder. */
  readonly file: string;
  /** Path below the folder that is read. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
}

/** A file of the same name or content that was read before. */
export interface Before {
  readonly id: string;
  readonly name: string;
  readonly hash: string;
  readonly at: number;
}

type Notes = Map<string, string | undefined>;
type MoreNotes = ReadonlyMap<string, string | undefined>;

const PRUNED_AT_ONCE = 500;

export class Claims {
  constructor(private readonly state: EndpointState) {}

  /** @param now milliseconds since the epoch */
  async get(file: string, now: number): Promise<Claim> {
    const text = await this.state.get(claimKey(file));
    const fresh: Claim = { id: custodyId(now), state: 'claimed', records: 0, accepted: 0, filtered: 0, dead: 0, claimedAt: now };
    return text === undefined ? fresh : { ...fresh, ...(JSON.parse(text) as Partial<Claim>) };
  }

  /** Notes a claim and what people are told of it, in one commit with `more`. */
  async put(taken: Noted, claim: Claim, state: FileState = claim.state, more: MoreNotes = new Map()): Promise<void> {
    await this.state.put(new Map([[claimKey(taken.file), JSON.stringify(claim)], custodyNote(taken, claim, state), ...more]));
  }

  /** All its records are on the bus. From here on its name and content are known. */
  async done(taken: Noted, claim: Claim, more: MoreNotes): Promise<void> {
    const { id, hash, unread, doneAt = 0 } = claim;
    const isUnread = unread !== undefined || (claim.records === 0 && hasFailed(claim));
    const before = hash === undefined || isUnread ? undefined : JSON.stringify({ id, name: taken.name, hash, at: doneAt } satisfies Before);
    const known: Notes = before === undefined || hash === undefined ? new Map() : new Map([nameKey(taken.name), hashKey(hash)].map((each) => [each, before]));
    await this.put(taken, claim, 'done', new Map([...known, ...more]));
  }

  /** It lies at `place` now, and is ours no more. */
  async end(taken: Noted, claim: Claim, ended: { readonly state: FileState; readonly place: string; readonly at: number }): Promise<void> {
    const note = custodyNote({ ...taken, path: ended.place }, claim, ended.state, ended.at);
    await this.state.put(new Map([[claimKey(taken.file), undefined], note]));
  }

  /** @returns what was read under this name, and with this content, since `since` */
  async before(name: string, hash: string, since: number): Promise<{ readonly name: Before | undefined; readonly content: Before | undefined }> {
    const of = async (key: string): Promise<Before | undefined> => {
      const text = await this.state.get(key);
      const before = text === undefined ? undefined : (JSON.parse(text) as Before);
      return before && before.at >= since ? before : undefined;
    };
    const [byName, byContent] = await Promise.all([of(nameKey(name)), of(hashKey(hash))]);
    return { name: byName, content: byContent };
  }

  /** For claims whose file is gone: a crash came after it was put away and before that was noted, or nothing was ever moved. */
  async forgetAllBut(ours: ReadonlySet<string>): Promise<void> {
    const gone = [...(await this.state.list(claimKey(''), 10_000))].filter(([key]) => !ours.has(key.slice(claimKey('').length)));
    const notes: Notes = new Map();
    for (const [key, text] of gone) {
      notes.set(key, undefined);
      const { id } = JSON.parse(text) as Partial<Claim>;
      const custody = id === undefined ? undefined : await this.custody(id);
      if (!custody) continue;
      const state = custody.state !== 'done' && custody.state !== 'cleanup' ? undefined : hasFailed(custody) ? 'failed' : 'archived';
      notes.set(custodyKey(custody.id), state && JSON.stringify({ ...custody, state, place: '' } satisfies FileCustody));
    }
    if (notes.size > 0) await this.state.put(notes);
  }

  async custody(id: string): Promise<FileCustody | undefined> {
    const text = await this.state.get(custodyKey(id));
    return text === undefined ? undefined : (JSON.parse(text) as FileCustody);
  }

  async forget(file: string): Promise<void> {
    await this.state.put(new Map([[claimKey(file), undefined]]));
  }

  async write(notes: MoreNotes): Promise<void> {
    await this.state.put(notes);
  }

  async requests(): Promise<ReadonlyMap<string, CustodyRequest>> {
    return new Map([...(await this.state.list(CUSTODY_NOTES.requests, 1_000))].map(([key, text]) => [key, JSON.parse(text) as CustodyRequest]));
  }

  /** Forgets what ended before `before`. @returns whether there may be more */
  async prune(before: number): Promise<boolean> {
    const oldest = [...(await this.state.list(CUSTODY_NOTES.files, PRUNED_AT_ONCE))].map(([, text]) => JSON.parse(text) as FileCustody);
    const old = oldest.filter(({ endedAt }) => endedAt !== undefined && endedAt < before);
    const notes: Notes = new Map(old.map(({ id }) => [custodyKey(id), undefined]));
    for (const { id, name, hash } of old) {
      for (const key of [nameKey(name), ...(hash === undefined ? [] : [hashKey(hash)])]) {
        const text = await this.state.get(key);
        if (text !== undefined && (JSON.parse(text) as Before).id === id) notes.set(key, undefined);
      }
    }
    if (notes.size > 0) await this.state.put(notes);
    return old.length === PRUNED_AT_ONCE;
  }
}

export function readProgress(checkpoint: string | undefined): Progress | undefined {
  return checkpoint === undefined ? undefined : (JSON.parse(checkpoint) as Progress);
}

export function writeProgress(progress: Progress): string {
  return JSON.stringify(progress);
}

/** The counts of a claim when the batch of `progress` is durable and was perhaps not counted: what could be decoded of it counts as accepted. */
export function counted(claim: Claim, { records, before, bad = 0 }: Progress): Claim {
  if (!before || claim.records >= records) return claim;
  const size = Math.max(0, records - before.records - bad);
  return { ...claim, ...before, records, accepted: before.accepted + size, dead: before.dead + bad };
}

/** It belongs into the error folder. */
export function hasFailed({ dead, reason, unread }: Pick<Claim, 'dead' | 'reason' | 'unread'>): boolean {
  return unread === undefined ? dead > 0 || reason !== undefined : unread === 'rejected';
}

export function custodyKey(id: string): string {
  return `${CUSTODY_NOTES.files}${id}`;
}

function claimKey(file: string): string {
  return `file/${file}`;
}

function nameKey(name: string): string {
  return `name/${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
}

function hashKey(hash: string): string {
  return `hash/${hash}`;
}

export function custodyId(now: number): string {
  return `${Math.trunc(now).toString(36).padStart(9, '0')}${randomBytes(3).toString('hex')}`;
}

function custodyNote({ name, path, size }: Noted, claim: Claim, state: FileState, endedAt?: number): [string, string] {
  const { id, hash, identity, records, accepted, filtered, dead, reason, unread, by, claimedAt = 0, seenAt = claimedAt, doneAt } = claim;
  const custody = { id, name, state, place: path, size, hash, identity, records, accepted, filtered, dead, reason, unread, seenAt, claimedAt, doneAt, endedAt, by };
  return [custodyKey(id), JSON.stringify(custody)];
}
