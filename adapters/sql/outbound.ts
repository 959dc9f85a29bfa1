import { reached } from '../../bus/failpoint.js';
import { type Delivery, type EndpointContext, NotConnected, type Outbound, type Receipt, TryAgain } from '../contract/index.js';
import { abortable } from './abortable.js';
import { CommitUnknown, type Dialect, type Session } from './dialects/dialect.js';
import type { Link } from './reading/source.js';
import type { Effect, Target } from './writing/effect.js';
import { applied, Overtaken, prepareInbox, remember } from './writing/inbox.js';
import { tableWrite, type Write } from './writing/options.js';
import { planProcedure } from './writing/procedure.js';
import { planTable } from './writing/table.js';

interface Job {
  readonly id: string;
  readonly effect: Effect;
  settle(receipt: Receipt): void;
  fail(error: unknown): void;
}

const MOST_OVERTAKEN = 3;

/**
 * Every effect is one transaction with its inbox row. What queued while one transaction ran shares the next; a bad row makes its
 * batch run in halves, so that it fails alone.
 */
export class SqlOutbound implements Outbound {
  #target: Target | undefined;
  #queue: Job[] = [];
  #pump: Promise<void> | undefined;
  #stop = new AbortController();

  constructor(
    private readonly context: EndpointContext,
    private readonly config: Write,
    private readonly link: () => Promise<Link>,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    const link = await this.link();
    const { dialect, database } = link;
    this.#stop = new AbortController();
    this.#target = await database.read(
      (session) => (this.config.mode === 'procedure' ? planProcedure(dialect, session, this.config) : planTable(dialect, session, tableWrite(this.config))),
      signal,
    );
    await prepareInbox(link, this.config.create_inbox, signal);
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    signal.throwIfAborted();
    await this.link();
    if (!this.#target) throw new NotConnected('E420', `${this.context.name} is not open`);
    const effect = this.#target.effect(delivery);
    const { promise, resolve, reject } = Promise.withResolvers<Receipt>();
    const job: Job = { id: delivery.id, effect, settle: resolve, fail: reject };
    this.#queue.push(job);
    this.#pump ??= this.#run();
    return abortable(promise, signal, () => {
      this.#queue = this.#queue.filter((each) => each !== job);
    });
  }

  async close(): Promise<void> {
    this.#stop.abort(new NotConnected('E420', `${this.context.name} is closed`));
    await this.#pump;
    this.#target = undefined;
  }

  async #run(): Promise<void> {
    try {
      const link = await this.link();
      while (this.#queue.length > 0) await this.#apply(link, this.#take());
    } catch (error) {
      for (const job of this.#queue.splice(0)) job.fail(error);
    } finally {
      // In the same turn as the last look at the queue, so that no job is left behind.
      this.#pump = undefined;
    }
  }

  /** The next batch, in the order of the queue. */
  #take(): readonly Job[] {
    const { rows, bytes } = this.config.batch;
    const ids = new Set<string>();
    const batch: Job[] = [];
    const left: Job[] = [];
    let size = 0;
    for (const job of this.#queue) {
      // The same delivery twice at a time: the second waits and is then found in the inbox.
      const fits = left.length === 0 && batch.length < rows && (batch.length === 0 || size + job.effect.bytes <= bytes) && !ids.has(job.id);
      (fits ? batch : left).push(job);
      if (!fits) continue;
      ids.add(job.id);
      size += job.effect.bytes;
    }
    this.#queue = left;
    return batch;
  }

  async #apply(link: Link, batch: readonly Job[], overtaken = 0): Promise<void> {
    try {
      const receipts = await link.database.write((session) => this.#effects(link.dialect, session, batch), this.#stop.signal);
      reached('sql.commit.done');
      batch.forEach((job, at) => {
        job.settle(receipts[at] ?? { detail: job.effect.row });
      });
    } catch (error) {
      if (error instanceof CommitUnknown) return this.#verify(link, batch, error);
      if (error instanceof Overtaken) {
        if (overtaken < MOST_OVERTAKEN) return this.#apply(link, batch, overtaken + 1);
        for (const job of batch) job.fail(new TryAgain('E424', 'another node applies the same deliveries', { cause: error }));
        return;
      }
      if (batch.length === 1 || error instanceof NotConnected || error instanceof TryAgain) {
        for (const job of batch) job.fail(error);
        return;
      }
      const middle = Math.ceil(batch.length / 2);
      await this.#apply(link, batch.slice(0, middle));
      await this.#apply(link, batch.slice(middle));
    }
  }

  async #effects(dialect: Dialect, session: Session, batch: readonly Job[]): Promise<readonly Receipt[]> {
    const { name = '' } = this.#target ?? {};
    const ids = batch.map((job) => job.id);
    const done = await applied(dialect, session, ids);
    const fresh = ids.filter((id) => !done.has(id));
    if (fresh.length > 0) await remember(dialect, session, this.context.name, fresh);
    const receipts: Receipt[] = [];
    for (const { id, effect } of batch) {
      if (done.has(id)) receipts.push({ detail: `${name} ${effect.row}: applied before`, duplicate: true });
      else receipts.push({ detail: `${name} ${effect.row}${await effect.run(session)}` });
    }
    reached('sql.commit.before');
    return receipts;
  }

  /** The answer to COMMIT was lost: what is in the inbox was committed; the rest is tried again, and the inbox decides then. */
  async #verify({ dialect, database }: Link, batch: readonly Job[], unknown: CommitUnknown): Promise<void> {
    const lost = new NotConnected('E420', unknown.message, { cause: unknown });
    const { name = '' } = this.#target ?? {};
    try {
      const done = await database.read(
        (session) =>
          applied(
            dialect,
            session,
            batch.map((job) => job.id),
          ),
        this.#stop.signal,
      );
      for (const job of batch) {
        if (done.has(job.id)) job.settle({ detail: `${name} ${job.effect.row} (found in the inbox after a lost connection)` });
        else job.fail(lost);
      }
    } catch {
      // Still no connection: the next attempt reads the inbox again.
      for (const job of batch) job.fail(lost);
    }
  }
}
