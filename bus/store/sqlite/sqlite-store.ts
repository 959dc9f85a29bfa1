import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiagnoseOptions, Diagnosis } from '../../diagnosis.js';
import { describe, Misconfigured, NotConnected } from '../../errors.js';
import { diagnoseFile } from '../../sqlite/inspection.js';
import { WorkerDatabase } from '../../sqlite/worker-database.js';
import type { Audit, Checkpoints, DeadLetters, Dedupe, EndpointStates, History, Leases, Ledger, Parked, Payloads, Retention, Revisions, Store } from '../contract.js';
import { payloadsBefore } from '../grace.js';
import { toColumns } from './event-text.js';
import type { StoreOperations } from './operations.js';
import { MIGRATIONS } from './schema.js';

/** Rows per step of a prune: some milliseconds of the worker's time. */
const STEP = 500;
const VACUUM_PAGES = 500;
const REOPEN_MS = 1_000;

/** The store of one box: `<directory>/store.db`, owned by a thread of its own. */
export class SqliteStore implements Store {
  readonly kind = 'sqlite';
  readonly #directory: string;
  readonly #closing = new AbortController();
  #opened: WorkerDatabase<StoreOperations> | undefined;
  #reopening: Promise<void> | undefined;
  #problem = 'the store is not open';

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** When the disk fails later (E534, E536), the store is opened anew by itself; until then every call is refused. */
  async open(signal: AbortSignal): Promise<void> {
    if (this.#opened !== undefined) return;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new Misconfigured('E537', `${this.#directory}: ${describe(error)}`, { cause: error });
    }
    const onBroken = (reason: Error): void => {
      this.#problem = `the store is opened again after: ${describe(reason)}`;
      this.#opened = undefined;
      this.#reopening = this.#reopen();
    };
    const path = join(this.#directory, 'store.db');
    this.#opened = await WorkerDatabase.start<StoreOperations>(new URL('./store-worker.js', import.meta.url), { path }, signal, { onBroken });
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted && this.#opened === undefined) {
      try {
        await sleep(REOPEN_MS, undefined, { signal });
        await this.open(signal);
      } catch (error) {
        this.#problem = `the store cannot be opened again: ${describe(error)}`;
      }
    }
  }

  readonly checkpoints: Checkpoints = {
    get: async (source) => this.#database.read('checkpoints.get', source),
    set: async (source, position, epoch) => this.#database.write('checkpoints.set', { source, position, epoch }),
    delete: async (source) => this.#database.write('checkpoints.delete', source),
    list: async () => this.#database.read('checkpoints.list', undefined),
  };

  readonly leases: Leases = {
    acquire: async (name, holder, ttlMs, now) => this.#database.write('leases.acquire', { name, holder, ttlMs, now: now.getTime() }),
    release: async (name, holder) => this.#database.write('leases.release', { name, holder }),
  };

  readonly dedupe: Dedupe = {
    seen: async (scope, ids) => this.#database.read('dedupe.seen', { scope, ids }),
    add: async (scope, ids, at) => this.#database.write('dedupe.add', { scope, ids, at: at.getTime() }),
  };

  readonly ledger: Ledger = {
    get: async (ids) => this.#database.read('ledger.get', ids),
    put: async (entries) => this.#database.write('ledger.put', entries),
    swap: async (deliveryId, seen, next) => this.#database.write('ledger.swap', { deliveryId, seen, next }),
    delete: async (ids) => this.#database.write('ledger.delete', ids),
    list: async (filter) => this.#database.read('ledger.list', filter),
    counts: async (state) => this.#database.read('ledger.counts', state),
  };

  readonly history: History = {
    append: async (events) => this.#database.write('history.append', toColumns(events)),
    events: async (messageId) => this.#database.read('history.events', messageId),
    message: async (messageId) => this.#database.read('history.message', messageId),
    search: async (query) => this.#database.read('history.search', query),
    byPrefix: async (prefix, limit) => this.#database.read('history.byPrefix', { prefix, limit }),
    since: async (after, limit) => this.#database.read('history.since', { after, limit }),
    counts: async () => this.#database.read('history.counts', undefined),
  };

  readonly deadLetters: DeadLetters = {
    add: async (letters) => this.#database.write('deadLetters.add', letters),
    get: async (id) => this.#database.read('deadLetters.get', id),
    list: async (filter) => this.#database.read('deadLetters.list', filter),
    groups: async () => this.#database.read('deadLetters.groups', undefined),
    settle: async (letters, as, by, reason, at) =>
      this.#database.write('deadLetters.settle', { letters: letters.map(({ id, at: failedAt }) => ({ id, at: failedAt })), as, by, reason, at: at.getTime() }),
  };

  readonly payloads: Payloads = {
    put: async (messageId, content) => this.#database.write('payloads.put', { messageId, content, at: Date.now() }),
    get: async (reference) => this.#database.read('payloads.get', reference),
  };

  readonly parked: Parked = {
    add: async (entries) => this.#database.write('parked.add', entries),
    lanes: async (filter) => this.#database.read('parked.lanes', filter),
    list: async (endpoint, lane, limit) => this.#database.read('parked.list', { endpoint, lane, limit }),
    get: async (deliveryId) => this.#database.read('parked.get', deliveryId),
    release: async (endpoint, lane) => this.#database.write('parked.release', { endpoint, lane }),
    hold: async (endpoint, lane) => this.#database.write('parked.hold', { endpoint, lane }),
    remove: async (deliveryIds) => this.#database.write('parked.remove', deliveryIds),
  };

  readonly endpointState: EndpointStates = {
    get: async (endpoint, key) => this.#database.read('endpointState.get', { endpoint, key }),
    put: async (endpoint, entries) => this.#database.write('endpointState.put', { endpoint, entries }),
    list: async (endpoint, prefix, limit) => this.#database.read('endpointState.list', { endpoint, prefix, limit }),
  };

  readonly revisions: Revisions = {
    add: async (revision) => this.#database.write('revisions.add', revision),
    latest: async () => this.#database.read('revisions.latest', undefined),
    get: async (number) => this.#database.read('revisions.get', number),
    list: async (limit) => this.#database.read('revisions.list', limit),
  };

  readonly audit: Audit = {
    append: async (entry) => this.#database.write('audit.append', entry),
    list: async (limit) => this.#database.read('audit.list', limit),
  };

  /** Each step is a commit of its own, so that writers come in between. */
  async prune(now: Date, retention: Retention): Promise<number> {
    const before = (ms: number): { readonly before: number; readonly limit: number } => ({ before: now.getTime() - ms, limit: STEP });
    const database = this.#database;
    let removed = 0;
    removed += await repeat(() => database.write('deadLetters.prune', before(retention.historyMs)));
    removed += await repeat(() => database.write('history.prune', before(retention.historyMs)));
    removed += await repeat(() => database.write('dedupe.prune', before(retention.dedupeMs)));
    removed += await repeat(() => database.write('ledger.prune', before(retention.ledgerMs)));
    const uses = { before: payloadsBefore(now, retention), limit: STEP };
    for (let after: number | undefined = 0; after !== undefined; ) after = await database.write('payloads.prune', { ...uses, after });
    await repeat(() => database.write('shrink', VACUUM_PAGES));
    return removed;
  }

  async size(): Promise<number> {
    return this.#database.read('size', undefined);
  }

  diagnose(how: DiagnoseOptions): Promise<readonly Diagnosis[]> {
    const database = this.#opened;
    const ask = database && ((integrity: boolean) => database.read('inspect', integrity));
    return diagnoseFile({ what: 'store', path: join(this.#directory, 'store.db'), schema: MIGRATIONS.length, ask }, how);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reopening;
    await this.#opened?.close();
    this.#opened = undefined;
  }

  get #database(): WorkerDatabase<StoreOperations> {
    if (this.#opened === undefined) throw new NotConnected('E536', this.#problem);
    return this.#opened;
  }
}

/** Until a step finds nothing more. */
async function repeat(step: () => Promise<number>): Promise<number> {
  let total = 0;
  for (let done = await step(); done > 0; done = await step()) total += done;
  return total;
}
