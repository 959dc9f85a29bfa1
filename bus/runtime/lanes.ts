import type { Clock } from '../../adapters/contract/services.js';
import type { MessageHeaders, Received } from '../broker.js';

/** All unsettled messages of one key, in the order of their channel. Only the first is worked on. */
interface Lane {
  readonly key: string;
  readonly entries: LaneEntry[];
  /** The session in which it was found that nothing of this key is parked; in another one somebody else may have parked some. */
  clearIn: AbortSignal | undefined;
}

/** How the first of a lane has failed so far. */
export interface Trouble {
  readonly deliveryId: string;
  readonly attempt: number;
  /** When its time to be held began. */
  readonly since: number;
  /** From then on it is given up when those behind it keep others of its channel from coming. */
  readonly yieldsAt: number;
  readonly code: string;
  readonly reason: string;
}

/** An ordered message in the hands of this process; settled like any other, and with that the next of its key may begin. */
export class LaneEntry implements Received {
  private readonly copies: Received[];
  phase: 'behind' | 'queued' | 'busy' | 'waiting' | 'gone' = 'behind';
  trouble: Trouble | undefined;
  /** The keys that wait hold up too many others: this one is given up now. */
  isCrowding = false;
  /** Its end is decided: a copy that comes now may be one that a person hands out again, and has a place of its own. */
  isDecided = false;

  constructor(
    readonly channel: string,
    readonly lane: Lane,
    private readonly lanes: Lanes,
    first: Received,
  ) {
    this.copies = [first];
  }

  get id(): string {
    return this.latest.id;
  }

  get headers(): MessageHeaders {
    return this.latest.headers;
  }

  get body(): Uint8Array {
    return this.latest.body;
  }

  get redelivered(): boolean {
    return this.latest.redelivered;
  }

  get deliveryCount(): number {
    return this.latest.deliveryCount;
  }

  get session(): AbortSignal {
    return this.latest.session;
  }

  /** The same message came again: from a new session, or published twice. It keeps its place. */
  attach(copy: Received): void {
    this.copies.push(copy);
  }

  /** @returns whether it is still ours to work on */
  begin(): boolean {
    if (this.phase === 'gone' || !this.lanes.keep(this)) return false;
    this.phase = 'busy';
    return true;
  }

  ack(): void {
    for (const copy of this.copies) copy.ack();
    this.lanes.ended(this);
  }

  /** Gives back what is behind it too, so that nothing overtakes it. */
  requeue(): void {
    if (this.phase === 'gone') return;
    this.lanes.giveBack((entry) => entry.lane === this.lane);
  }

  returnToBroker(): void {
    for (const copy of this.copies) copy.requeue();
  }

  /** Keeps its place, and that of those behind it, without taking up a worker. */
  later(ms: number): void {
    this.lanes.later(this, ms);
  }

  private get latest(): Received {
    return this.copies.at(-1) as Received;
  }
}

/** The keys of one endpoint: of each the first message is handed on, the others wait behind it. */
export class Lanes {
  private readonly lanes = new Map<string, Lane>();
  private readonly unsettled = new Map<string, number>();
  /** Channels that are being given up: nothing new is begun. */
  private readonly leaving = new Set<string>();
  private readonly waits = new Map<LaneEntry, AbortController>();

  /**
   * @param begin called for the first of a key, when its turn comes
   * @param settled called when a message of the channel has left
   */
  constructor(
    private readonly clock: Clock,
    private readonly prefetch: number,
    private readonly begin: (entry: LaneEntry) => void,
    private readonly settled: (channel: string) => void,
  ) {}

  add(channel: string, key: string, received: Received): void {
    if (this.leaving.has(channel)) {
      received.requeue();
      return;
    }
    const lane = this.lanes.get(key) ?? { key, entries: [], clearIn: undefined };
    const known = lane.entries.find(({ id, isDecided }) => id === received.id && !isDecided);
    if (known) {
      known.attach(received);
      return;
    }
    this.lanes.set(key, lane);
    const entry = new LaneEntry(channel, lane, this, received);
    lane.entries.push(entry);
    const unsettled = this.count(channel) + 1;
    this.unsettled.set(channel, unsettled);
    if (lane.entries.length === 1) this.queue(entry);
  }

  count(channel: string): number {
    return this.unsettled.get(channel) ?? 0;
  }

  /** Ends every wait of the channel and gives back what nobody works on; until `serve` nothing of it is taken. */
  leave(channel: string): void {
    this.leaving.add(channel);
    this.giveBack((entry) => entry.channel === channel && entry.phase !== 'busy');
  }

  serve(channel: string): void {
    this.leaving.delete(channel);
  }

  /** The stay at the broker has ended: what was handed out in it comes again, here or elsewhere. Only what is under way is brought to its end. */
  forget(channel: string): void {
    for (const lane of [...this.lanes.values()]) {
      for (const entry of [...lane.entries]) if (entry.channel === channel && entry.phase !== 'busy' && entry.session.aborted) this.drop(entry);
      this.next(lane);
    }
  }

  ended(entry: LaneEntry): void {
    if (this.drop(entry)) this.next(entry.lane);
  }

  later(entry: LaneEntry, ms: number): void {
    if (entry.phase === 'gone') return;
    if (this.leaving.has(entry.channel)) {
      entry.requeue();
      return;
    }
    entry.phase = 'waiting';
    const wait = new AbortController();
    this.waits.set(entry, wait);
    const wake = (): void => {
      this.waits.delete(entry);
      if (entry.phase === 'waiting') this.queue(entry);
    };
    this.clock.sleep(ms, wait.signal).then(wake, wake);
  }

  giveBack(which: (entry: LaneEntry) => boolean): void {
    for (const lane of [...this.lanes.values()]) {
      const back = lane.entries.filter(which);
      for (const entry of back) {
        entry.returnToBroker();
        this.drop(entry);
      }
      if (back.length > 0) this.next(lane);
    }
  }

  /** Drops what was handed out in a session that has ended: it is somebody else's now. @returns whether `entry` is still ours */
  keep(entry: LaneEntry): boolean {
    for (const other of [...entry.lane.entries]) if (other.session.aborted) this.drop(other);
    if (entry.phase !== 'gone') return true;
    this.next(entry.lane);
    return false;
  }

  /** Keys that have waited for a while must not keep the others of their channel from being handed out. Call now and then. */
  makeRoom(): void {
    const now = this.clock.now().getTime();
    for (const [channel, unsettled] of this.unsettled) {
      if (unsettled <= this.prefetch / 2) continue;
      const waiting = [...this.lanes.values()].filter(({ entries: [first] }) => first?.phase === 'waiting' && first.channel === channel);
      if (waiting.reduce((sum, { entries }) => sum + entries.length, 0) <= this.prefetch / 2) continue;
      const late = waiting.filter(({ entries: [first] }) => (first?.trouble?.yieldsAt ?? Number.POSITIVE_INFINITY) <= now);
      const [first] = late.sort((a, b) => b.entries.length - a.entries.length)[0]?.entries ?? [];
      if (!first) continue;
      first.isCrowding = true;
      this.waits.get(first)?.abort();
    }
  }

  private queue(entry: LaneEntry): void {
    entry.phase = 'queued';
    this.begin(entry);
  }

  private next(lane: Lane): void {
    const [first] = lane.entries;
    if (first?.phase === 'behind') this.queue(first);
    if (!first && this.lanes.get(lane.key) === lane) this.lanes.delete(lane.key);
  }

  private drop(entry: LaneEntry): boolean {
    if (entry.phase === 'gone') return false;
    entry.phase = 'gone';
    this.waits.get(entry)?.abort();
    entry.lane.entries.splice(entry.lane.entries.indexOf(entry), 1);
    this.unsettled.set(entry.channel, this.count(entry.channel) - 1);
    this.settled(entry.channel);
    return true;
  }
}
