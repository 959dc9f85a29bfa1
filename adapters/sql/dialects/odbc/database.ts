import { Misconfigured, NotConnected, TryAgain } from '../../../contract/index.js';
import { abortable, within } from '../../abortable.js';
import type { OdbcConnect } from '../../config.js';
import { MOST_BYTES, MOST_TEXT, TOO_LARGE } from '../../values.js';
import { type Bind, CommitUnknown, type Database, type Result, type Session } from '../dialect.js';
import { connectionString } from './connection-string.js';
import { classifyOdbc } from './failures.js';
import { type Answer, type CatalogueCall, type Facts, OdbcError, type Opening, type Request } from './protocol.js';
import { OdbcThread } from './thread.js';

const ISOLATION = { read_uncommitted: 1, read_committed: 2, repeatable_read: 4, serializable: 8, driver: undefined } as const;
const GRACE_MS = 5_000;
const OLDEST_MS = 30 * 60_000;

/** What the dialect adds to a statement. */
export interface Extras {
  /** The driver told what it is. Called for each new connection, before anything else is done with it. */
  readonly learned: (facts: Facts) => void;
  /** Runs a text that stands for several statements; undefined: it is one. */
  readonly steps: (sql: string) => ((session: OdbcSession, binds: readonly Bind[]) => Promise<Result>) | undefined;
}

interface Connection {
  readonly thread: OdbcThread;
  readonly statement: bigint;
  readonly facts: Facts;
  readonly since: number;
}

/** A transaction, with the driver's catalogue functions. */
export class OdbcSession implements Session {
  constructor(
    readonly facts: Facts,
    private readonly ask: (request: Request) => Promise<Answer>,
    private readonly extras: Extras,
    private readonly seconds: number,
  ) {}

  async query(sql: string, binds: readonly Bind[] = []): Promise<Result> {
    const steps = this.extras.steps(sql);
    if (steps) return steps(this, binds);
    if (sql === '') return this.catalogue({ of: 'tables', schema: undefined, table: 'signalbox_inbox', most: 1 });
    const [text, most] = withoutMark(sql);
    return resultOf(await this.ask({ to: 'query', sql: text, binds, seconds: this.seconds, most }));
  }

  async catalogue(call: CatalogueCall): Promise<Result> {
    return resultOf(await this.ask({ to: 'catalogue', call }));
  }
}

export function connectOdbc(connect: OdbcConnect, system: string, extras: Extras): Database {
  return new OdbcDatabase(connect, system, extras);
}

/** Connections are opened as needed and kept; a statement that is given up is cancelled, and its connection dropped. */
class OdbcDatabase implements Database {
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  /** All threads, also those that wait in a driver nobody waits for any more. */
  readonly #threads = new Set<OdbcThread>();
  readonly #leaving = new Set<Promise<void>>();
  #used = 0;
  #canceller: OdbcThread | undefined;
  #closed = false;

  constructor(
    private readonly connect: OdbcConnect,
    private readonly system: string,
    private readonly extras: Extras,
  ) {}

  read<T>(work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#run(true, work, signal);
  }

  write<T>(work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#run(false, work, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    this.#idle.length = 0;
    const threads = [...this.#threads, ...(this.#canceller ? [this.#canceller] : [])];
    await within(3_000, Promise.all(threads.map((thread) => thread.close())));
    for (const thread of threads) thread.forget();
  }

  async #run<T>(readOnly: boolean, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    await this.#turn(signal);
    let connection: Connection | undefined;
    let committing = false;
    let broken = true;
    try {
      connection = this.#fresh() ?? (await this.#open(signal));
      const held = connection;
      const ask = (request: Request) => this.#asked(held, request, signal);
      if (!readOnly && !held.facts.transactions) {
        throw new Misconfigured('E428', `${this.system}: the driver of ${held.facts.dbms} has no transactions, so an effect and its inbox row cannot be written together`);
      }
      await ask({ to: 'begin', readOnly, isolation: readOnly ? ISOLATION[this.connect.isolation] : this.connect.isolation === 'driver' ? undefined : ISOLATION.read_committed });
      const result = await work(new OdbcSession(held.facts, ask, this.extras, Math.max(1, Math.ceil(this.connect.statement_timeout / 1000))));
      committing = true;
      await ask({ to: 'end', commit: true });
      broken = false;
      return result;
    } catch (error) {
      const failure = classifyOdbc(error);
      broken = signal.aborted || !connection || failure === undefined || failure.name === 'NotConnected' || failure.name === 'TryAgain';
      if (connection && !broken) broken = !(await this.#rolledBack(connection));
      if (signal.aborted) throw signal.reason;
      if (committing && failure?.name === 'NotConnected') throw new CommitUnknown(`${this.system}: the connection was lost while committing`, { cause: error });
      throw failure ?? error;
    } finally {
      if (connection) this.#giveBack(connection, broken);
      this.#used--;
      this.#waiting.shift()?.();
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    while (this.#used >= this.connect.connections && !this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await abortable(promise, signal, () => {
        const at = this.#waiting.indexOf(resolve);
        if (at >= 0) this.#waiting.splice(at, 1);
        // Woken and given up in one moment: the next one's turn.
        else this.#waiting.shift()?.();
      });
    }
    if (this.#closed) throw new NotConnected('E420', `${this.system} is closed`);
    this.#used++;
  }

  #fresh(): Connection | undefined {
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (performance.now() - connection.since < OLDEST_MS) return connection;
      this.#drop(connection.thread);
    }
    return undefined;
  }

  async #open(signal: AbortSignal): Promise<Connection> {
    const until = performance.now() + this.connect.connect_timeout;
    while (this.#threads.size >= this.connect.connections * 3) {
      const left = until - performance.now();
      if (left > 0 && this.#leaving.size > 0) await abortable(within(left, Promise.race(this.#leaving)), signal);
      else throw new NotConnected('E420', `${this.system}: ${this.#threads.size} connections wait in the driver and do not come back`);
    }
    const { connect } = this;
    const opening: Opening = {
      library: connect.library,
      connectionString: connectionString(connect),
      installed: connect.dsn === undefined ? { driver: connect.odbc_driver ?? '' } : { dsn: connect.dsn },
      text: connect.text,
      loginSeconds: Math.max(1, Math.ceil(connect.connect_timeout / 1000)),
      most: { text: MOST_TEXT, bytes: MOST_BYTES },
      tooLarge: TOO_LARGE,
    };
    const thread = new OdbcThread();
    this.#threads.add(thread);
    try {
      const answer = await this.#timely(thread.ask({ to: 'open', opening }), connect.connect_timeout + GRACE_MS, signal);
      if (!('opened' in answer)) throw new TypeError('the thread did not answer what was asked');
      this.extras.learned(answer.opened.facts);
      return { thread, statement: answer.opened.statement, facts: answer.opened.facts, since: performance.now() };
    } catch (error) {
      this.#drop(thread);
      if (error instanceof OdbcError && /can't open lib|cannot open shared object|Cannot find/i.test(error.message))
        throw new Misconfigured('E429', error.message, { cause: error });
      if (Error.isError(error) && /Failed to load shared library/i.test((error as Error).message)) {
        throw new Misconfigured('E429', `${(error as Error).message}: is unixODBC installed?`, { cause: error });
      }
      throw error;
    }
  }

  /** The driver's own timeout comes first, where it has one; then the statement is cancelled; then the connection is given up. */
  async #asked(connection: Connection, request: Request, signal: AbortSignal): Promise<Answer> {
    const asked = connection.thread.ask(request);
    const timer = setTimeout(() => this.#cancel(connection), this.connect.statement_timeout + 1_000);
    try {
      return await this.#timely(asked, this.connect.statement_timeout + GRACE_MS, signal);
    } catch (error) {
      if (signal.aborted) this.#cancel(connection);
      // Drivers name a cancelled statement in many ways.
      if (error instanceof OdbcError && error.state === 'HY008')
        throw new TryAgain('E424', `the statement took longer than ${this.connect.statement_timeout} ms`, { cause: error });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #timely<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new NotConnected('E420', `${this.system}: no answer within ${ms} ms`)), ms);
    try {
      return await abortable(Promise.race([work, promise]), signal);
    } finally {
      work.catch(() => undefined);
      clearTimeout(timer);
    }
  }

  /** In a thread of its own: some drivers connect to the server for it. */
  #cancel(connection: Connection): void {
    this.#canceller ??= new OdbcThread();
    connection.thread.cancel(this.#canceller, this.connect.library, connection.statement);
  }

  async #rolledBack(connection: Connection): Promise<boolean> {
    try {
      await this.#timely(connection.thread.ask({ to: 'end', commit: false }), GRACE_MS, new AbortController().signal);
      return true;
    } catch {
      return false;
    }
  }

  #giveBack(connection: Connection, broken: boolean): void {
    if (broken || this.#closed || connection.thread.wasCancelled) this.#drop(connection.thread);
    else this.#idle.push(connection);
  }

  /** Not waited for: its driver may wait for a server that is gone. */
  #drop(thread: OdbcThread): void {
    const left = thread.close().finally(() => {
      this.#threads.delete(thread);
      this.#leaving.delete(left);
    });
    this.#leaving.add(left);
  }
}

const MARK = /\/\*first \d+\*\//g;

/** Where the database has no words for the first rows: `page` says it in a comment. Inside a subselect nobody can heed it. */
export function marked(sql: string, most: number): string {
  return `${sql}/*first ${most}*/`;
}

function withoutMark(sql: string): readonly [string, number | undefined] {
  const most = /\/\*first (\d+)\*\/$/.exec(sql)?.[1];
  return [sql.replace(MARK, ''), most === undefined ? undefined : Number(most)];
}

function resultOf(answer: Answer): Result {
  if ('result' in answer) return answer.result;
  throw new TypeError('the thread did not answer what was asked');
}
