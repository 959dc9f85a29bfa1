import { randomBytes } from 'node:crypto';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import { describe } from '../errors.js';
import type { EndpointStates } from '../store/contract.js';
import type { LeaseTiming } from './lease.js';
import type { Nodes } from './tokens.js';

/** What a process tells the others about itself. */
export interface NodeFacts {
  readonly name: string;
  readonly pid: number;
  readonly version: string;
  /** Milliseconds since the epoch, by its own clock; so are all times here: they are shown, never compared between nodes. */
  readonly startedAt: number;
  readonly revision: number;
  /** Digest of the configuration that runs. */
  readonly digest: string;
  /** Sources it holds. */
  readonly sources: readonly string[];
}

export interface NodeReport extends NodeFacts {
  /** Incarnation: another one for each start. */
  readonly id: string;
  readonly isSelf: boolean;
  readonly isLive: boolean;
  readonly lastBeatAt: number;
}

interface Row extends NodeFacts {
  readonly beat: number;
  readonly at: number;
}

interface Seen {
  readonly row: Row;
  /** Reads in which the row stood as it was before. */
  readonly still: number;
  readonly changedAt: number;
}

/** A holder that is killed is followed by another within this time and a renewal interval: 19 s. */
const SHARED_TTL_MS = 15_000;
const NODES = 'signalbox.nodes';
const BEAT_MS = 5_000;
/** So many readings without a new beat, and the node counts as gone: 20 s. */
const MOST_STILL = 4;
/** A row this old belongs to a process of long ago, unless it beats. */
const OLD_MS = 600_000;

/**
 * The processes that share a store, each of which writes a row of its own every few seconds. A node is alive while its row changes, which needs
 * no agreement of clocks; it is told here for people and for sharing out work. Who may read a source is decided by leases alone.
 */
export class NodeRegistry implements Nodes {
  readonly id = randomBytes(4).toString('hex');
  readonly holder: string;
  readonly timing: LeaseTiming;
  private readonly seen = new Map<string, Seen>();
  private readonly stopping = new AbortController();
  private states: EndpointStates | undefined;
  private facts: (() => NodeFacts) | undefined;
  private beating: Promise<void> | undefined;
  private beats = 0;
  private isAway = false;

  /** @param isShared other processes may open the same store; otherwise nothing is written, and leases outlive a restart */
  constructor(
    readonly name: string,
    private readonly isShared: boolean,
    private readonly clock: Clock,
    private readonly log: Logger,
    ttlMs = SHARED_TTL_MS,
  ) {
    this.holder = isShared ? `${name}/${this.id}` : alone.holder;
    this.timing = isShared ? { ttlMs, renewMs: ttlMs / 4, marginMs: ttlMs / 8 } : alone.timing;
  }

  /** Learns who else is there. @throws what the store throws */
  async open(states: EndpointStates): Promise<void> {
    this.states = states;
    if (this.isShared) await this.look(states);
  }

  /** Tells the others, now and every few seconds. Call once, after `open`. @param afterwards called each time, not waited for, does not throw */
  async start(facts: () => NodeFacts, afterwards: () => Promise<void> = async () => undefined): Promise<void> {
    this.facts = facts;
    if (!this.isShared) return;
    await this.beat();
    this.beating = this.goOn(afterwards);
  }

  /** Tells what it runs and learns what the others run, without waiting for the next beat. @throws what the store throws */
  async refresh(): Promise<void> {
    if (this.isShared && this.facts) await this.beat(false);
  }

  /** Takes its row away: it left of its own will. Does not throw. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await this.beating;
    if (!this.isShared || !this.facts) return;
    try {
      await this.states?.put(NODES, new Map([[this.id, undefined]]));
    } catch (error) {
      this.log.debug('node-kept', `the row of this node could not be removed: ${describe(error)}`);
    }
  }

  liveNodes(): number {
    return 1 + [...this.seen.values()].filter(({ still }) => still < MOST_STILL).length;
  }

  readerOf(source: string): string | undefined {
    return [...this.seen.values()].filter(({ row }) => row.sources.includes(source)).sort((a, b) => a.still - b.still)[0]?.row.name;
  }

  /** Number of the revision with this digest that another node runs: in a rolling change each node comes to it by itself. */
  revisionOf(digest: string): number | undefined {
    return [...this.seen.values()].find(({ row, still }) => row.digest === digest && still < MOST_STILL)?.row.revision;
  }

  /** This one first, then the others by name. */
  list(): readonly NodeReport[] {
    const others = [...this.seen].map(
      ([
        id,
        {
          row: { beat: _beat, at: _at, ...facts },
          still,
          changedAt,
        },
      ]): NodeReport => {
        return { ...facts, id, isSelf: false, isLive: still < MOST_STILL, lastBeatAt: changedAt };
      },
    );
    const self = this.facts ? [{ ...this.facts(), id: this.id, isSelf: true, isLive: true, lastBeatAt: this.clock.now().getTime() }] : [];
    return [...self, ...others.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.startedAt - b.startedAt))];
  }

  private async goOn(afterwards: () => Promise<void>): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.clock.sleep(BEAT_MS, signal).catch(() => undefined); // aborted: the loop ends
      if (signal.aborted) return;
      try {
        await this.beat();
        void afterwards();
        if (this.isAway) this.log.info('nodes-known', 'the other nodes are known again');
        this.isAway = false;
      } catch (error) {
        if (!this.isAway) this.log.warn('nodes-unknown', `this node cannot tell the others that it lives: ${describe(error)}`);
        this.isAway = true;
      }
    }
  }

  private async beat(counts = true): Promise<void> {
    if (!this.facts || !this.states) return;
    this.beats += 1;
    const row: Row = { ...this.facts(), beat: this.beats, at: this.clock.now().getTime() };
    await this.states.put(NODES, new Map([[this.id, JSON.stringify(row)]]));
    await this.look(this.states, counts);
  }

  /** @param counts as one more reading: beyond those that come every few seconds nothing can be told from a row that has not changed */
  private async look(states: EndpointStates, counts = true): Promise<void> {
    const rows = await states.list(NODES, '', 1_000);
    const now = this.clock.now().getTime();
    for (const id of this.seen.keys()) if (!rows.has(id)) this.seen.delete(id);
    const dead: string[] = [];
    for (const [id, text] of rows) {
      if (id === this.id) continue;
      const row = JSON.parse(text) as Row;
      const before = this.seen.get(id);
      if (!before) this.seen.set(id, { row, still: Math.abs(now - row.at) > OLD_MS ? MOST_STILL : 0, changedAt: Math.min(now, row.at) });
      else if (before.row.beat !== row.beat) this.seen.set(id, { row, still: 0, changedAt: now });
      else if (before.still * BEAT_MS > OLD_MS) dead.push(id);
      else if (counts) this.seen.set(id, { ...before, still: before.still + 1 });
    }
    if (dead.length > 0) await states.put(NODES, new Map(dead.map((id) => [id, undefined])));
  }
}

/** For a process that shares its store with nobody. */
export const alone: Nodes = {
  // A restart has the same holder, and so its leases at once; they need not be written often.
  holder: 'signalbox',
  timing: { ttlMs: 600_000, renewMs: 180_000, marginMs: 60_000 },
  liveNodes: () => 1,
  readerOf: () => undefined,
};
