import { randomBytes } from 'node:crypto';
import { CUSTODY_NOTES, type CustodyRequest, type FileCustody, type Sighting } from '../adapters/contract/custody.js';
import { Misconfigured } from '../bus/errors.js';
import { type By, wordsOf } from '../bus/runtime/operator.js';
import type { Store, StoredEvent } from '../bus/store/contract.js';
import { type FileLine, type FileReconciliation, type FileStory, type FilesQuery, type ReconcileQuery, type TargetCount, UnknownName } from './service.js';

/** Asked for in one go before the time is looked through bucket by bucket. */
const ALL_AT_ONCE = 2_000;
/** The first four of nine digits in base 36: about 17 hours of ids. */
const BUCKET_MS = 36 ** 5;
const MOST_DAYS = 400;
const MOST_SEEN = 2_000;
/** Messages of a file that are named; all of them are counted. */
const SAMPLE = 20;
const AT_ONCE = 50;

/** What the endpoints that read files have noted about each, next to what the history knows of its records. */
export class CustodyBook {
  constructor(
    private readonly store: Pick<Store, 'endpointState' | 'history'>,
    /** Names of the inbound endpoints. */
    private readonly sources: () => readonly string[],
    private readonly messageIds: (endpoint: string, recordId: string) => readonly string[],
  ) {}

  async list({ endpoint, state, since = 0, limit }: FilesQuery): Promise<readonly FileLine[]> {
    const lists = await Promise.all(this.endpoints(endpoint).map((each) => this.of(each, since, state === undefined ? limit : Number.POSITIVE_INFINITY)));
    const lines = lists.flat().filter((line) => state === undefined || line.state === state);
    return lines.sort((a, b) => b.seenAt - a.seenAt).slice(0, limit);
  }

  /** By id, by path or by name: the newest of that name. */
  async find(reference: string, endpoint?: string): Promise<FileStory> {
    const lines = (await this.list({ ...(endpoint === undefined ? {} : { endpoint }), limit: Number.POSITIVE_INFINITY })).filter(
      ({ id, name }) => id === reference || name === reference || name.endsWith(`/${reference}`),
    );
    const line = lines.find(({ id }) => id === reference) ?? lines[0];
    if (!line) throw new UnknownName(`no file "${reference}" is known`);
    const where = [...new Set(lines.map((each) => each.endpoint))];
    if (where.length > 1) throw new UnknownName(`"${reference}" is known at ${where.join(', ')}: say which`);
    const messages: string[] = [];
    for (let number = 1; line.identity !== undefined && number <= Math.min(line.records, SAMPLE); number++)
      messages.push(...this.messageIds(line.endpoint, `${line.identity}:${number}`));
    return { ...line, others: lines.filter(({ id }) => id !== line.id).map(({ id }) => id), messages };
  }

  /** @throws Misconfigured E455 when there is nothing to be released or read again */
  async ask(action: CustodyRequest['action'], endpoint: string, id: string, by: By): Promise<FileLine> {
    const line = (await this.list({ endpoint, limit: Number.POSITIVE_INFINITY })).find((each) => each.id === id);
    if (!line) throw new UnknownName(`${endpoint} knows no file "${id}"`);
    const isPutAway = (line.state === 'archived' || line.state === 'failed') && line.place !== '';
    if (action === 'release' && line.state !== 'held' && !(isPutAway && line.unread === 'rejected'))
      throw new Misconfigured('E455', `${line.name} is ${line.state}: only a file that is held or was rejected can be released`);
    if (action === 'reprocess' && !isPutAway) throw new Misconfigured('E455', `${line.name} is ${line.state}: only a file in the archive or the error folder can be read again`);
    const now = Date.now();
    const request: CustodyRequest = { action, id, by: wordsOf(by), at: now };
    const key = `${CUSTODY_NOTES.requests}${now.toString(36).padStart(9, '0')}${randomBytes(6).toString('hex')}`;
    await this.store.endpointState.put(endpoint, new Map([[key, JSON.stringify(request)]]));
    return line;
  }

  async reconcile({ endpoint, since, limit }: ReconcileQuery): Promise<readonly FileReconciliation[]> {
    const lines = await this.list({ ...(endpoint === undefined ? {} : { endpoint }), ...(since === undefined ? {} : { since }), limit });
    const found: FileReconciliation[] = [];
    for (const line of lines) if (line.claimedAt !== undefined) found.push(await this.compare(line));
    return found;
  }

  /** Every record of one file, looked up in the history: ids of messages are made of the ids of records. */
  private async compare(file: FileLine): Promise<FileReconciliation> {
    const tally = new Tally();
    const missing: number[] = [];
    for (let from = 1; file.identity !== undefined && from <= file.records; from += AT_ONCE) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, file.records - from + 1) }, (_, index) => from + index);
      const events = await Promise.all(numbers.map((number) => this.eventsOf(file, number)));
      for (const [index, of] of events.entries()) if (!tally.add(of)) missing.push(numbers[index] ?? 0);
    }
    const { accepted, filtered, dead } = file;
    const noted = accepted + filtered + dead;
    const sample = `${missing.slice(0, 10).join(', ')}${missing.length > 10 ? ', ...' : ''}`;
    const problems = [
      ...(missing.length > 0 ? [`${missing.length} of ${file.records} records have no message in the history: ${sample}`] : []),
      ...(noted === file.records ? [] : [`${file.records} records were read, ${accepted} accepted + ${filtered} filtered + ${dead} dead are ${noted}`]),
    ];
    return { file, ...tally.counts, missing: missing.length, targets: tally.targets(), problems };
  }

  private async eventsOf({ endpoint, identity = '', records }: FileLine, number: number): Promise<readonly (readonly StoredEvent[])[]> {
    const read = (recordId: string): Promise<readonly (readonly StoredEvent[])[]> => Promise.all(this.messageIds(endpoint, recordId).map((id) => this.store.history.events(id)));
    const events = await read(`${identity}:${number}`);
    // The last record may stand for the discovery that the file had changed.
    return number === records && events.every((of) => of.length === 0) ? read(`${identity}:changed`) : events;
  }

  private endpoints(endpoint: string | undefined): readonly string[] {
    const all = this.sources();
    if (endpoint === undefined) return all;
    const own = all.filter((name) => name === endpoint || name.startsWith(`${endpoint}.`));
    if (own.length === 0) throw new UnknownName(`no source "${endpoint}"; known: ${all.join(', ')}`);
    return own;
  }

  private async of(endpoint: string, since: number, limit: number): Promise<readonly FileLine[]> {
    const seen = [...(await this.store.endpointState.list(endpoint, CUSTODY_NOTES.seen, MOST_SEEN))].map(([key, text]) => sighted(key.slice(CUSTODY_NOTES.seen.length), text));
    const files = await this.newest(endpoint, since, limit);
    return [...seen, ...files].map((file) => ({ endpoint, ...file }));
  }

  /** Ids begin with their time, and come in the order of their ids. */
  private async newest(endpoint: string, since: number, limit: number): Promise<readonly FileCustody[]> {
    const read = async (prefix: string, most: number): Promise<readonly FileCustody[]> =>
      [...(await this.store.endpointState.list(endpoint, `${CUSTODY_NOTES.files}${prefix}`, most)).values()].map((text) => JSON.parse(text) as FileCustody);
    const all = await read('', ALL_AT_ONCE);
    if (all.length < ALL_AT_ONCE) return all.filter((file) => (file.claimedAt ?? file.seenAt) >= since);
    const found: FileCustody[] = [];
    const end = Math.max(since, Date.now() - MOST_DAYS * 86_400_000) - BUCKET_MS;
    for (let at = Date.now(); at > end && found.length < limit; at -= BUCKET_MS) found.push(...(await read(Math.trunc(at).toString(36).padStart(9, '0').slice(0, 4), 1_000_000)));
    return found.filter((file) => (file.claimedAt ?? file.seenAt) >= since);
  }
}

function sighted(name: string, text: string): FileCustody {
  const { at, size, reason } = JSON.parse(text) as Sighting;
  const counts = { records: 0, accepted: 0, filtered: 0, dead: 0 };
  return { id: name, name, state: reason === undefined ? 'seen' : 'held', place: name, size, seenAt: at, ...counts, ...(reason === undefined ? {} : { reason }) };
}

type PartState = 'delivered' | 'pending' | 'parked' | 'dead' | 'discarded';

/** Counts records by what became of them, and their deliveries by target. */
class Tally {
  readonly counts = { delivered: 0, filtered: 0, dead: 0, parked: 0, pending: 0 };
  private readonly byTarget = new Map<string, Record<PartState, number>>();

  /** The events of the messages of one record. @returns whether there are any, of each */
  add(messages: readonly (readonly StoredEvent[])[]): boolean {
    if (messages.length === 0 || messages.some((events) => events.length === 0)) return false;
    const states = messages.flatMap((events) => this.partsOf(events));
    if (states.includes('dead')) this.counts.dead++;
    else if (states.includes('pending')) this.counts.pending++;
    else if (states.includes('parked')) this.counts.parked++;
    else if (states.includes('delivered')) this.counts.delivered++;
    else this.counts.filtered++;
    return true;
  }

  targets(): readonly TargetCount[] {
    return [...this.byTarget].map(([endpoint, counts]) => ({ endpoint, ...counts })).sort((a, b) => (a.endpoint < b.endpoint ? -1 : 1));
  }

  /** The last event of a delivery wins, but what was delivered stays delivered (as the summaries of the history have it). */
  private partsOf(events: readonly StoredEvent[]): readonly PartState[] {
    const parts = new Map<string, { readonly state: PartState; readonly endpoint: string | undefined }>();
    let whole: PartState | undefined;
    for (const { kind, deliveryId, endpoint } of events) {
      const state = STATE_AFTER[kind];
      if (state === undefined) continue;
      if (deliveryId === undefined) whole = state === 'dead' || state === 'discarded' ? state : undefined;
      else {
        const before = parts.get(deliveryId);
        if (before?.state === 'delivered' || (before && kind === 'queued')) continue;
        if (kind === 'retry' && (before?.state === 'dead' || before?.state === 'discarded')) continue;
        parts.set(deliveryId, { state, endpoint: endpoint ?? before?.endpoint });
      }
    }
    for (const { state, endpoint } of parts.values()) {
      if (endpoint === undefined) continue;
      const counts = this.byTarget.get(endpoint) ?? { delivered: 0, pending: 0, parked: 0, dead: 0, discarded: 0 };
      counts[state]++;
      this.byTarget.set(endpoint, counts);
    }
    return [...(whole ? [whole] : []), ...[...parts.values()].map(({ state }) => state)];
  }
}

const STATE_AFTER: Readonly<Partial<Record<StoredEvent['kind'], PartState>>> = {
  queued: 'pending',
  retry: 'pending',
  redelivered: 'pending',
  delivered: 'delivered',
  duplicate: 'delivered',
  dead: 'dead',
  parked: 'parked',
  discarded: 'discarded',
};
