import { subtle } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Diagnosis } from '../../diagnosis.js';
import { NotConnected } from '../../errors.js';
import type { Audit, Checkpoints, DeadLetters, Dedupe, EndpointStates, History, Leases, Ledger, Parked, Payloads, Retention, Revisions, Store } from '../contract.js';
import { payloadsBefore } from '../grace.js';
import { appendAudit, auditReads } from './audit.js';
import { checkpointReads, deleteCheckpoint, setCheckpoint } from './checkpoints.js';
import { Classes } from './classes.js';
import { addLetters, deadLetterReads, pruneLetters, settleLetters } from './dead-letters.js';
import { addIds, dedupeReads, pruneIds } from './dedupe.js';
import { diagnosePostgres } from './diagnose.js';
import { endpointStateReads, putState } from './endpoint-state.js';
import { GroupCommit } from './group-commit.js';
import { historyReads } from './history-read.js';
import { check } from './history-rows.js';
import { historyWrites } from './history-write.js';
import { acquireLease, releaseLease } from './leases.js';
import { deleteEntries, ledgerReads, pruneEntries, putEntries, swapEntry } from './ledger.js';
import { migrate } from './migrate.js';
import type { Operation } from './operation.js';
import type { PostgresOptions } from './options.js';
import { addParked, holdLane, parkedReads, releaseLane, removeParked } from './parked.js';
import { payloadReads, prunePayloads, putPayload } from './payloads.js';
import { addRevision, revisionReads } from './revisions.js';
import { Server } from './server.js';

/** Rows per step of a prune: some milliseconds. */
const STEP = 500;
const CLOSE_MS = 5_000;

/** The store of several nodes: each opens its own on the same schema. */
export class PostgresStore implements Store {
  readonly kind = 'postgres';
  readonly #options: PostgresOptions;
  #opened: Opened | undefined;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  async open(signal: AbortSignal): Promise<void> {
    if (this.#opened !== undefined) return;
    signal.throwIfAborted();
    const server = new Server(this.#options);
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([migrate(server, this.#options.schema), aborted.promise]);
    } catch (error) {
      await within(CLOSE_MS, server.close());
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
    this.#opened = opened(server);
  }

  readonly checkpoints: Checkpoints = {
    get: async (source) => this.#parts.checkpoints.get(source),
    set: async (source, position, epoch) => this.#write(setCheckpoint, { source, position, epoch }),
    delete: async (source) => this.#write(deleteCheckpoint, source),
    list: async () => this.#parts.checkpoints.list(),
  };

  /** `now` is not used: see leases.ts. */
  readonly leases: Leases = {
    acquire: async (name, holder, ttlMs) => this.#write(acquireLease, { name, holder, ttlMs }),
    release: async (name, holder) => this.#write(releaseLease, { name, holder }),
  };

  readonly dedupe: Dedupe = {
    seen: async (scope, ids) => this.#parts.dedupe.seen(scope, ids),
    add: async (scope, ids, at) => this.#write(addIds, { scope, ids, at: at.getTime() }),
  };

  readonly ledger: Ledger = {
    get: async (ids) => this.#parts.ledger.get(ids),
    put: async (entries) => this.#write(putEntries, entries),
    swap: async (deliveryId, seen, next) => this.#write(swapEntry, { deliveryId, seen, next }),
    delete: async (ids) => this.#write(deleteEntries, ids),
    list: async (filter) => this.#parts.ledger.list(filter),
    counts: async (state) => this.#parts.ledger.counts(state),
  };

  readonly history: History = {
    append: async (events) => {
      for (const event of events) check(event);
      return this.#write(this.#parts.historyWrites.append, events);
    },
    events: async (messageId) => this.#parts.history.events(messageId),
    message: async (messageId) => this.#parts.history.message(messageId),
    search: async (query) => this.#parts.history.search(query),
    byPrefix: async (prefix, limit) => this.#parts.history.byPrefix(prefix, limit),
    since: async (after, limit) => this.#parts.history.since(after, limit),
    counts: async () => this.#parts.history.counts(),
  };

  readonly deadLetters: DeadLetters = {
    add: async (letters) => this.#write(addLetters, letters),
    get: async (id) => this.#parts.deadLetters.get(id),
    list: async (filter) => this.#parts.deadLetters.list(filter),
    groups: async () => this.#parts.deadLetters.groups(),
    settle: async (letters, as, by, reason, at) => this.#write(settleLetters, { letters, as, by, reason, at: at.getTime() }),
  };

  readonly payloads: Payloads = {
    put: async (messageId, content) => {
      // Off this thread.
      const digest = await subtle.digest('SHA-256', new Uint8Array(content));
      const reference = Buffer.from(digest).toString('hex');
      await this.#write(putPayload, { messageId, reference, content, at: Date.now() });
      return reference;
    },
    get: async (reference) => this.#parts.payloads.get(reference),
  };

  readonly parked: Parked = {
    add: async (entries) => this.#write(addParked, entries),
    lanes: async (filter) => this.#parts.parked.lanes(filter),
    list: async (endpoint, lane, limit) => this.#parts.parked.list(endpoint, lane, limit),
    get: async (deliveryId) => this.#parts.parked.get(deliveryId),
    release: async (endpoint, lane) => this.#write(releaseLane, { endpoint, lane }),
    hold: async (endpoint, lane) => this.#write(holdLane, { endpoint, lane }),
    remove: async (deliveryIds) => this.#write(removeParked, deliveryIds),
  };

  readonly endpointState: EndpointStates = {
    get: async (endpoint, key) => this.#parts.endpointState.get(endpoint, key),
    put: async (endpoint, entries) => this.#write(putState, { endpoint, entries }),
    list: async (endpoint, prefix, limit) => this.#parts.endpointState.list(endpoint, prefix, limit),
  };

  readonly revisions: Revisions = {
    add: async (revision) => this.#write(addRevision, revision),
    latest: async () => this.#parts.revisions.latest(),
    get: async (number) => this.#parts.revisions.get(number),
    list: async (limit) => this.#parts.revisions.list(limit),
  };

  readonly audit: Audit = {
    append: async (entry) => this.#write(appendAudit, entry),
    list: async (limit) => this.#parts.audit.list(limit),
  };

  /** Each step is a commit of its own, so that writers come in between. Two nodes that prune at once share the work. */
  async prune(now: Date, retention: Retention): Promise<number> {
    const before = (ms: number): { readonly before: number; readonly limit: number } => ({ before: now.getTime() - ms, limit: STEP });
    let removed = 0;
    removed += await this.#repeat(pruneLetters, before(retention.historyMs));
    removed += await this.#repeat(this.#parts.historyWrites.prune, before(retention.historyMs));
    removed += await this.#repeat(pruneIds, before(retention.dedupeMs));
    removed += await this.#repeat(pruneEntries, before(retention.ledgerMs));
    const uses = { before: payloadsBefore(now, retention), limit: STEP };
    for (let after: number | undefined = 0; after !== undefined; ) after = await this.#write(prunePayloads, { ...uses, after });
    // Long after the last question about a COMMIT.
    await this.#parts.server.read("DELETE FROM writer WHERE at < now() - interval '7 days'");
    return removed;
  }

  async size(): Promise<number> {
    const [row] = await this.#parts.server.read<{ readonly bytes: number }>(
      "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS bytes FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind = 'r'",
      [`"${this.#options.schema}"`],
    );
    return row?.bytes ?? 0;
  }

  diagnose(): Promise<readonly Diagnosis[]> {
    return diagnosePostgres(this.#options, Date.now);
  }

  async close(): Promise<void> {
    const parts = this.#opened;
    this.#opened = undefined;
    if (parts === undefined) return;
    await parts.commits.settled();
    await within(CLOSE_MS, parts.server.close());
  }

  async #repeat<Input>(operation: Operation<Input, number>, input: Input): Promise<number> {
    let total = 0;
    for (let done = await this.#write(operation, input); done > 0; done = await this.#write(operation, input)) total += done;
    return total;
  }

  #write<Input, Output>(operation: Operation<Input, Output>, input: Input): Promise<Output> {
    return this.#parts.commits.write(operation, input);
  }

  get #parts(): Opened {
    if (this.#opened === undefined) throw new NotConnected('E536', 'the store is not open');
    return this.#opened;
  }
}

type Opened = ReturnType<typeof opened>;

function opened(server: Server) {
  const classes = new Classes(server);
  return {
    server,
    commits: new GroupCommit(server),
    checkpoints: checkpointReads(server),
    dedupe: dedupeReads(server),
    ledger: ledgerReads(server),
    history: historyReads(server, classes),
    historyWrites: historyWrites(classes),
    deadLetters: deadLetterReads(server),
    payloads: payloadReads(server),
    parked: parkedReads(server),
    endpointState: endpointStateReads(server),
    revisions: revisionReads(server),
    audit: auditReads(server),
  };
}

/** Closing must not hang on a dead link. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const stop = new AbortController();
  try {
    await Promise.race([work, sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined)]);
  } finally {
    stop.abort();
  }
}
