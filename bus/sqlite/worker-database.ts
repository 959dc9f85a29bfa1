// The asking thread's side of a database worker: what is asked in one turn of the event loop goes over in one message.
import { Worker } from 'node:worker_threads';
import { describe, NotConnected } from '../errors.js';
import { type Answer, type Input, type Operations, type Output, type Report, type Request, revived } from './protocol.js';

export interface WorkerDatabaseOptions {
  /** What the worker sent with `emit`. Must not throw. */
  readonly onEvent?: (event: unknown) => void;
  /** The worker ended without being closed (disk failed, crash). Called once; everything pending was rejected. The owner opens a new one. */
  readonly onBroken?: (reason: Error) => void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * A database in its own thread, with typed operations (`WorkerDatabase<typeof operations>` by a type-only import from the worker's side).
 * Calls may be concurrent; they run in the order they were made.
 */
export class WorkerDatabase<O extends Operations> {
  readonly #worker: Worker;
  readonly #options: WorkerDatabaseOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #queue: Request[] = [];
  #id = 0;
  #isOpen = false;
  #ended: Error | undefined;

  private constructor(worker: Worker, options: WorkerDatabaseOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => resolve());
    });
  }

  /**
   * Starts the worker and waits until the database is open.
   * @throws what opening threw (NotConnected, Misconfigured, TryAgain), or the signal's reason
   */
  static async start<O extends Operations>(file: URL, workerData: unknown, signal: AbortSignal, options: WorkerDatabaseOptions = {}): Promise<WorkerDatabase<O>> {
    signal.throwIfAborted();
    const worker = new Worker(file, { workerData, resourceLimits: { maxYoungGenerationSizeMb: 48 } });
    const database = new WorkerDatabase<O>(worker, options);
    const stop = (): void => void worker.terminate();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await database.#opened();
      signal.throwIfAborted();
      return database;
    } catch (error) {
      await worker.terminate();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** @throws (rejects with) NotConnected when the worker has ended; else what the operation threw */
  read<Name extends keyof O['reads'] & string>(name: Name, input: Input<O['reads'], Name>): Promise<Output<O['reads'], Name>> {
    return this.#ask(false, name, input);
  }

  /** Resolves when the write is durable. `input` must not be changed until then. Rejects with TryAgain E533 when the disk is full. */
  write<Name extends keyof O['writes'] & string>(name: Name, input: Input<O['writes'], Name>): Promise<Output<O['writes'], Name>> {
    return this.#ask(true, name, input);
  }

  /** Requests not answered yet. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Answers what was asked, closes the file, ends the thread. Twice is fine. */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      this.#post();
      this.#ended = new NotConnected('E536', 'the database was closed');
      this.#worker.postMessage({ close: true });
    }
    await this.#exited;
  }

  #ask<Result>(write: boolean, name: string, input: unknown): Promise<Result> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise<Result>((resolve, reject) => {
      const id = ++this.#id;
      this.#waiting.set(id, { resolve, reject });
      this.#queue.push({ id, write, name, input });
      if (this.#queue.length === 1) setImmediate(() => this.#post());
    });
  }

  #post(): void {
    if (this.#queue.length === 0) return;
    const requests = this.#queue;
    this.#queue = [];
    if (this.#ended !== undefined) return;
    try {
      this.#worker.postMessage({ requests });
    } catch (error) {
      // Something that cannot be cloned: the caller's mistake, and only this turn's requests never left.
      for (const { id } of requests) this.#settle(id)?.reject(new Error(describe(error), { cause: error }));
    }
  }

  async #opened(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#worker.on('message', (report: Report) => {
      if ('answers' in report) for (const answer of report.answers) this.#answer(answer);
      else if ('event' in report) this.#options.onEvent?.(report.event);
      else if ('ready' in report) resolve();
      else this.#end(revived(report.broken), reject);
    });
    this.#worker.on('error', (error) => this.#end(new NotConnected('E536', `the database's thread ended: ${describe(error)}`, { cause: error }), reject));
    this.#worker.once('exit', () => this.#end(new NotConnected('E536', "the database's thread ended"), reject));
    await promise;
    this.#isOpen = true;
  }

  #answer(answer: Answer): void {
    const waiting = this.#settle(answer.id);
    if ('error' in answer) waiting?.reject(revived(answer.error));
    else waiting?.resolve(answer.value as never);
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #end(reason: Error, opening: (reason: Error) => void): void {
    const unexpected = this.#ended === undefined;
    this.#ended ??= reason;
    this.#queue = [];
    for (const id of this.#waiting.keys()) this.#settle(id)?.reject(reason);
    opening(reason);
    if (unexpected && this.#isOpen) this.#options.onBroken?.(reason);
  }
}
