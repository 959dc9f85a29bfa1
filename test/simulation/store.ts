import { createHash } from 'node:crypto';
import { NotConnected, TryAgain } from '../../bus/errors.js';
import type {
  AuditEntry,
  DeadLetter,
  DeadLetterFilter,
  HistoryEvent,
  LedgerEntry,
  LedgerState,
  MessageState,
  MessageSummary,
  ParkedDelivery,
  Revision,
  Store,
  StoredDeadLetter,
  StoredEvent,
} from '../../bus/store/contract.js';
import { applyEvent, countParts, type Parts } from '../../bus/store/summary.js';
import type { Context } from './context.js';
import type { Life } from './scheduler.js';

interface StoredMessage {
  readonly id: string;
  readonly parts: Parts;
  readonly events: StoredEvent[];
}

interface Lane {
  released: boolean;
  readonly deliveries: Map<string, ParkedDelivery>;
}

/** What is committed: survives Signalbox. */
export class StoreServer {
  readonly checkpoints = new Map<string, { position: string | undefined; epoch: number; at: number }>();
  readonly leases = new Map<string, { holder: string | undefined; epoch: number; expires: number }>();
  readonly dedupe = new Map<string, Set<string>>();
  readonly ledger = new Map<string, LedgerEntry>();
  readonly messages = new Map<string, StoredMessage>();
  readonly letters = new Map<string, StoredDeadLetter>();
  readonly payloads = new Map<string, Uint8Array>();
  readonly parked = new Map<string, Lane>();
  readonly endpointState = new Map<string, Map<string, string>>();
  readonly revisions: Revision[] = [];
  readonly audit: AuditEntry[] = [];
  isUp = true;
  /** What an unanswered write of a process that is gone may still do: PostgreSQL commits it, SQLite does not. */
  outlivesClients = true;
  /** When the ledger was last read for an id, by life and id; when `done` was committed. */
  readonly ledgerRead = new Map<string, number>();
  readonly ledgerDone = new Map<string, number>();
  onCheckpoint: (source: string, position: string) => void = () => undefined;
  seq = 0;

  lane(endpoint: string, lane: string): Lane {
    const name = `${endpoint}\n${lane}`;
    let known = this.parked.get(name);
    if (!known) {
      known = { released: false, deliveries: new Map() };
      this.parked.set(name, known);
    }
    return known;
  }
}

/** One process's way to the simulated store. */
export class SimulatedStore implements Store {
  readonly kind = 'postgres';
  readonly #context: Context;
  readonly #server: StoreServer;
  readonly #life: Life;
  #lastCommit = 0;

  constructor(context: Context, server: StoreServer, life: Life) {
    this.#context = context;
    this.#server = server;
    this.#life = life;
  }

  async open(): Promise<void> {
    await this.#read('open', () => undefined);
  }

  readonly checkpoints: Store['checkpoints'] = {
    get: (source) => this.#read('checkpoint?', ({ checkpoints }) => checkpoints.get(source)?.position),
    set: (source, position, epoch) =>
      this.#write('checkpoint', ({ checkpoints, onCheckpoint }) => {
        const known = checkpoints.get(source);
        if (known && known.epoch > epoch) return false;
        checkpoints.set(source, { position, epoch, at: this.#now });
        this.#context.note(`${this.#life.name} checkpoint ${source} ${position}`);
        onCheckpoint(source, position);
        return true;
      }),
    delete: (source) =>
      this.#write('checkpoint-', ({ checkpoints }) => {
        const known = checkpoints.get(source);
        if (known) known.position = undefined;
      }),
    list: () =>
      this.#read('checkpoints?', ({ checkpoints }) => [...checkpoints].flatMap(([source, { position, at }]) => (position === undefined ? [] : [{ source, position, at }]))),
  };

  /** By the store's own clock, as PostgreSQL does. */
  readonly leases: Store['leases'] = {
    acquire: (name, holder, ttlMs) =>
      this.#write('lease', ({ leases }) => {
        const known = leases.get(name);
        if (known && known.holder !== undefined && known.holder !== holder && known.expires > this.#now) return undefined;
        const epoch = (known?.epoch ?? 0) + (known?.holder === holder ? 0 : 1);
        if (known?.holder !== holder) this.#context.note(`${this.#life.name} holds ${name} epoch ${epoch}`);
        leases.set(name, { holder, epoch, expires: this.#now + ttlMs });
        return epoch;
      }),
    release: (name, holder) =>
      this.#write('lease-', ({ leases }) => {
        const known = leases.get(name);
        if (known?.holder === holder) known.holder = undefined;
      }),
  };

  readonly dedupe: Store['dedupe'] = {
    seen: (scope, ids) =>
      this.#read('seen?', ({ dedupe }) => {
        const known = dedupe.get(scope);
        return new Set(ids.filter((id) => known?.has(id)));
      }),
    add: (scope, ids) =>
      this.#write('seen', ({ dedupe }) => {
        const known = dedupe.get(scope) ?? new Set();
        for (const id of ids) known.add(id);
        dedupe.set(scope, known);
      }),
  };

  readonly ledger = {
    get: (ids: readonly string[]) =>
      this.#read('ledger?', ({ ledger, ledgerRead }) => {
        for (const id of ids) ledgerRead.set(`${this.#life.name} ${id}`, this.#now);
        return new Map(ids.flatMap((id) => [ledger.get(id) ?? []].flat().map((entry) => [id, entry] as const)));
      }),
    put: (entries: readonly LedgerEntry[]) =>
      this.#write('ledger', ({ ledger, ledgerDone }) => {
        for (const entry of entries) {
          ledger.set(entry.deliveryId, entry);
          if (entry.state === 'done' && !ledgerDone.has(entry.deliveryId)) ledgerDone.set(entry.deliveryId, this.#now);
        }
      }),
    swap: (id: string, seen: LedgerEntry | undefined, next: LedgerEntry | undefined) =>
      this.#write('ledger?-', ({ ledger }) => {
        const now = ledger.get(id);
        if (now === undefined ? next === undefined : next && isSame(now, next)) return true;
        if (now !== undefined && !(seen && isSame(now, seen))) return false;
        if (next) ledger.set(id, next);
        else ledger.delete(id);
        return true;
      }),
    delete: (ids: readonly string[]) =>
      this.#write('ledger-', ({ ledger }) => {
        for (const id of ids) ledger.delete(id);
      }),
    list: ({ state, endpoint, limit }: Parameters<Store['ledger']['list']>[0]) =>
      this.#read('ledger*', ({ ledger }) =>
        [...ledger.values()].filter((entry) => (state === undefined || entry.state === state) && (endpoint === undefined || entry.endpoint === endpoint)).slice(0, limit),
      ),
    counts: (state: LedgerState) =>
      this.#read('ledger#', ({ ledger }) => {
        const counts = new Map<string, number>();
        for (const entry of ledger.values()) if (entry.state === state) counts.set(entry.endpoint, (counts.get(entry.endpoint) ?? 0) + 1);
        return counts;
      }),
  };

  readonly history: Store['history'] = {
    append: (events) => this.#write('history', (server) => this.#append(server, events)),
    events: (id) => this.#read('events?', ({ messages }) => [...(messages.get(id)?.events ?? [])]),
    message: (id) =>
      this.#read('message?', ({ messages }) => {
        const known = messages.get(id);
        return known && summary(known);
      }),
    search: ({ state, limit }) =>
      this.#read('search', ({ messages }) =>
        [...messages.values()]
          .map(summary)
          .filter((one) => state === undefined || one.state === state)
          .slice(0, limit),
      ),
    byPrefix: (prefix, limit) => this.#read('prefix?', ({ messages }) => [...messages.keys()].filter((id) => id.startsWith(prefix)).slice(0, limit)),
    since: (after, limit) =>
      this.#read('since?', ({ messages }) =>
        [...messages.values()]
          .flatMap(({ events }) => events)
          .filter(({ seq }) => seq > after)
          .sort((a, b) => a.seq - b.seq)
          .slice(0, limit),
      ),
    counts: () =>
      this.#read('counts?', ({ messages }) => {
        const counts: Record<MessageState, number> = { active: 0, delivered: 0, filtered: 0, dead: 0, parked: 0 };
        for (const { parts } of messages.values()) counts[countParts(parts).state]++;
        return counts;
      }),
  };

  readonly deadLetters: Store['deadLetters'] = {
    add: (letters) =>
      this.#write('letters', (server) => {
        for (const letter of letters) {
          server.letters.set(letter.id, { ...letter, state: 'open' });
          this.#context.note(`${this.#life.name} dead letter ${letter.id.slice(0, 6)} ${letter.code}`);
        }
      }),
    get: (id) => this.#read('letter?', ({ letters }) => letters.get(id)),
    list: (filter) => this.#read('letters?', ({ letters }) => open(letters, filter)),
    groups: () => this.#read('groups?', () => []),
    settle: (settled, as) =>
      this.#write('letters-', ({ letters }) => {
        let count = 0;
        for (const { id, at } of settled) {
          const known = letters.get(id);
          if (known?.state !== 'open' || known.at !== at) continue;
          letters.set(id, { ...known, state: as });
          count++;
        }
        return count;
      }),
  };

  readonly payloads = {
    put: (_messageId: string, content: Uint8Array) =>
      this.#write('payload', ({ payloads }) => {
        const reference = createHash('sha256').update(content).digest('hex');
        payloads.set(reference, content);
        return reference;
      }),
    get: (reference: string) => this.#read('payload?', ({ payloads }) => payloads.get(reference)),
  };

  readonly parked = {
    add: (entries: readonly ParkedDelivery[]) =>
      this.#write('parked', (server) => {
        for (const entry of entries) {
          const { deliveries } = server.lane(entry.endpoint, entry.lane);
          if (!deliveries.has(entry.deliveryId)) deliveries.set(entry.deliveryId, entry);
        }
      }),
    lanes: (filter: { readonly endpoint?: string; readonly released?: boolean; readonly limit: number }) =>
      this.#read('lanes?', ({ parked }) =>
        [...parked.values()]
          .flatMap(({ released, deliveries }) => {
            const [first] = deliveries.values();
            return first ? [{ endpoint: first.endpoint, lane: first.lane, count: deliveries.size, released, firstAt: first.at, code: first.code, reason: first.reason }] : [];
          })
          .filter(({ endpoint, released }) => (filter.endpoint === undefined || filter.endpoint === endpoint) && (filter.released === undefined || filter.released === released))
          .slice(0, filter.limit),
      ),
    list: (endpoint: string, lane: string, limit: number) => this.#read('lane?', (server) => [...server.lane(endpoint, lane).deliveries.values()].slice(0, limit)),
    get: (id: string) => this.#read('parked?', ({ parked }) => [...parked.values()].flatMap(({ deliveries }) => deliveries.get(id) ?? []).at(0)),
    release: (endpoint: string, lane: string) =>
      this.#write('release', (server) => {
        const known = server.lane(endpoint, lane);
        known.released = known.deliveries.size > 0;
        return known.released;
      }),
    hold: (endpoint: string, lane: string) =>
      this.#write('hold', (server) => {
        server.lane(endpoint, lane).released = false;
      }),
    remove: (ids: readonly string[]) =>
      this.#write('parked-', ({ parked }) => {
        let count = 0;
        for (const lane of parked.values()) {
          for (const id of ids) if (lane.deliveries.delete(id)) count++;
          if (lane.deliveries.size === 0) lane.released = false;
        }
        return count;
      }),
  };

  readonly endpointState: Store['endpointState'] = {
    get: (endpoint, key) => this.#read('note?', ({ endpointState }) => endpointState.get(endpoint)?.get(key)),
    put: (endpoint, entries) =>
      this.#write('note', ({ endpointState }) => {
        const known = endpointState.get(endpoint) ?? new Map<string, string>();
        endpointState.set(endpoint, known);
        for (const [key, value] of entries) {
          if (value === undefined) known.delete(key);
          else known.set(key, value);
        }
      }),
    list: (endpoint, prefix, limit) =>
      this.#read('notes?', ({ endpointState }) => new Map([...(endpointState.get(endpoint) ?? [])].filter(([key]) => key.startsWith(prefix)).slice(0, limit))),
  };

  readonly revisions: Store['revisions'] = {
    add: ({ digest, content, by, at }) =>
      this.#write('revision', ({ revisions }) => {
        const latest = revisions.at(-1);
        if (latest?.digest === digest) return latest;
        const added: Revision = { number: revisions.length + 1, digest, content, by, at };
        revisions.push(added);
        return added;
      }),
    latest: () => this.#read('revision?', ({ revisions }) => revisions.at(-1)),
    get: (number) => this.#read('revision?', ({ revisions }) => revisions[number - 1]),
    list: (limit) => this.#read('revisions?', ({ revisions }) => revisions.toReversed().slice(0, limit)),
  };

  readonly audit: Store['audit'] = {
    append: (entry) => this.#write('audit', ({ audit }) => void audit.push(entry)),
    list: (limit) => this.#read('audit?', ({ audit }) => audit.slice(-limit)),
  };

  async prune(): Promise<number> {
    return 0;
  }

  async size(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}

  get #now(): number {
    return this.#context.scheduler.now;
  }

  #append(server: StoreServer, events: readonly HistoryEvent[]): void {
    for (const event of events) {
      const known: StoredMessage = server.messages.get(event.messageId) ?? { id: event.messageId, parts: new Map(), events: [] };
      server.messages.set(event.messageId, known);
      applyEvent(known.parts, event);
      known.events.push({ ...event, seq: ++server.seq });
      this.#context.note(`${this.#life.name} history ${event.messageId.slice(0, 6)} ${event.kind}${event.deliveryId === undefined ? '' : ` ${event.deliveryId.slice(0, 6)}`}`);
    }
  }

  #read<T>(name: string, query: (server: StoreServer) => T): Promise<T> {
    return this.#ask(name, false, query);
  }

  #write<T>(name: string, change: (server: StoreServer) => T): Promise<T> {
    return this.#ask(name, true, change);
  }

  #ask<T>(name: string, isWrite: boolean, run: (server: StoreServer) => T): Promise<T> {
    const { scheduler, random, rates } = this.#context;
    const [server, life] = [this.#server, this.#life];
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        this.#context.note(`${life.name} ${name} failed: ${error.message}`);
        scheduler.after(this.#context.latency(0.05, 1), life, () => reject(error));
      };
      const commit = (): void => {
        if (!life.alive && !(server.outlivesClients && random.chance(0.5))) return;
        const refusal = server.isUp ? (random.chance(rates.storeFails) ? new TryAgain('E543', 'the store is busy') : undefined) : new NotConnected('E540', 'the store is away');
        if (refusal) {
          fail(refusal);
          return;
        }
        const result = run(server);
        if (isWrite && random.chance(rates.storeUnknown)) fail(new TryAgain('E544', 'nobody knows whether it was stored'));
        else scheduler.after(this.#context.latency(0.05, 1), life, () => resolve(result));
      };
      let wait = this.#context.latency(isWrite ? 0.3 : 0.1, isWrite ? 8 : 3);
      if (isWrite) {
        // Writes of one process are committed in order, as SQLite does it and a pool that groups them.
        this.#lastCommit = Math.max(this.#lastCommit + 0.001, scheduler.now + wait);
        wait = this.#lastCommit - scheduler.now;
      }
      scheduler.after(wait, undefined, commit);
    });
  }
}

function open(letters: ReadonlyMap<string, StoredDeadLetter>, { group, endpoint, route, messageId, limit }: DeadLetterFilter): readonly StoredDeadLetter[] {
  const matches = (letter: DeadLetter): boolean =>
    (group ?? letter.group) === letter.group &&
    (endpoint ?? letter.endpoint) === letter.endpoint &&
    (route ?? letter.route) === letter.route &&
    (messageId ?? letter.messageId) === letter.messageId;
  return [...letters.values()].filter((letter) => letter.state === 'open' && matches(letter)).slice(0, limit);
}

function summary({ id, parts, events }: StoredMessage): MessageSummary {
  const { state, queued, delivered, dead } = countParts(parts);
  const received = events.find(({ message }) => message)?.message;
  return {
    id,
    type: received?.type,
    source: received?.source ?? '',
    key: received?.key,
    at: events[0]?.at ?? 0,
    lastAt: events.at(-1)?.at ?? 0,
    state,
    queued,
    delivered,
    dead,
    traceparent: received?.traceparent,
  };
}

function isSame(one: LedgerEntry, other: LedgerEntry): boolean {
  return one.state === other.state && one.at === other.at && one.detail === other.detail;
}
