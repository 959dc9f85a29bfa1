// The worker's side: everything that queued up while the last commit ran is one transaction, answered after its commit.
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { describe } from '../errors.js';
import { type Failpoint, reached } from '../failpoint.js';
import { type Database, sqliteFailure } from './database.js';
import { Later } from './later.js';
import { type Answer, type Deferred, type Operations, portable, type Question, type Report, type Request } from './protocol.js';

export interface Served {
  readonly database: Database;
  readonly operations: Operations;
  /** Names of the moments before and after each commit. */
  readonly moments?: { readonly before: Failpoint; readonly done: Failpoint };
}

interface Outcome {
  readonly answers: readonly Answer[];
  /** The database cannot be used any more. */
  readonly broken?: unknown;
}

/** Sends something to the asking thread that it did not ask for (`WorkerDatabase`'s `onEvent`). Leaves at once: before the commit when called in an operation, after it when called in `committed`. */
export type Emit = (event: unknown) => void;

/**
 * The whole of a database worker: opens with `start`, then answers until it is closed. Called once, at the top of the worker's file.
 * A disk error ends the worker: after a failed fsync nobody knows what is on disk, only opening anew does.
 */
export function serve(start: (emit: Emit) => Served): void {
  const port = parentPort;
  if (port === null) throw new Error('a database worker is started as a worker thread');
  const post = (report: Report): void => port.postMessage(report);
  let served: Served;
  try {
    served = start((event) => post({ event }));
  } catch (error) {
    post({ broken: portable(error) });
    port.close();
    return;
  }
  const { database, operations } = served;
  const group = new Group(served);
  const later =
    operations.deferred &&
    new Later(operations.deferred, (error) => {
      if (!ended(error)) return true;
      end(error);
      return false;
    });
  const end = (broken?: unknown): void => {
    if (broken !== undefined) post({ broken: portable(broken) });
    later?.stop();
    port.close();
    database.close();
  };
  port.on('message', (first: Question) => {
    const { requests, close } = drain(port, first);
    const { answers, broken } = group.run(requests);
    if (answers.length > 0) post({ answers });
    if (close || broken !== undefined) end(broken);
    else later?.after();
  });
  post({ ready: true });
  later?.after();
}

/** Runs requests, in one transaction as far as can be. */
class Group {
  readonly #database: Database;
  readonly #operations: Operations;
  readonly #moments: Served['moments'];

  constructor({ database, operations, moments }: Served) {
    this.#database = database;
    this.#operations = operations;
    this.#moments = moments;
  }

  run(requests: readonly Request[]): Outcome {
    const { deferred } = this.#operations;
    if (deferred === undefined) return this.#part(requests);
    const answers: Answer[] = [];
    for (const part of parts(requests, deferred.neededBy)) {
      const outcome = this.#prepared(part, deferred);
      answers.push(...outcome.answers);
      if (outcome.broken !== undefined) return { answers, broken: outcome.broken };
    }
    return { answers };
  }

  #prepared(requests: readonly Request[], deferred: Deferred): Outcome {
    if (requests.some(({ name }) => deferred.neededBy.has(name))) {
      try {
        while (deferred.amount() > 0) deferred.step();
      } catch (error) {
        if (ended(error)) return { answers: this.#failAll(requests, error), broken: error };
      }
    }
    return this.#part(requests);
  }

  #part(requests: readonly Request[]): Outcome {
    if (!requests.some((request) => request.write)) return { answers: requests.map((request) => this.#answer(request)) };
    // The usual case first, without savepoints, which cost a copy of every page touched.
    const together = this.#together(requests);
    if (together.answers !== undefined) return { answers: together.answers };
    if (hopeless(together.error)) return { answers: this.#failAll(requests, together.error), ...(ended(together.error) ? { broken: together.error } : {}) };
    return this.#oneByOne(requests);
  }

  #together(requests: readonly Request[]): { readonly answers: readonly Answer[]; readonly error?: never } | { readonly answers?: never; readonly error: unknown } {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      const answers = requests.map((request): Answer => (request.write ? { id: request.id, value: this.#call(request) } : this.#answer(request)));
      this.#commit();
      return { answers };
    } catch (error) {
      return { error: this.#rollback(error) };
    }
  }

  #commit(): void {
    if (this.#moments) reached(this.#moments.before);
    this.#database.exec('COMMIT');
    if (this.#moments) reached(this.#moments.done);
    this.#operations.committed?.();
  }

  /** One of the group failed: each gets a savepoint, so that only that one fails. */
  #oneByOne(requests: readonly Request[]): Outcome {
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      const answers = requests.map((request): Answer => (request.write ? this.#isolated(request) : this.#answer(request)));
      this.#commit();
      return { answers };
    } catch (error) {
      const failed = this.#rollback(error);
      return { answers: this.#failAll(requests, failed), ...(ended(failed) ? { broken: failed } : {}) };
    }
  }

  #isolated(request: Request): Answer {
    this.#database.exec('SAVEPOINT one');
    try {
      const value = this.#call(request);
      this.#database.exec('RELEASE one');
      return { id: request.id, value };
    } catch (error) {
      // A full or broken disk has rolled back everything already: that is the group's failure.
      if (hopeless(error) || !this.#database.inTransaction) throw error;
      this.#database.exec('ROLLBACK TO one; RELEASE one');
      this.#operations.rolledBack?.();
      return { id: request.id, error: this.#portable(error) };
    }
  }

  #answer(request: Request): Answer {
    try {
      return { id: request.id, value: this.#call(request) };
    } catch (error) {
      return { id: request.id, error: this.#portable(error) };
    }
  }

  #call(request: Request): unknown {
    const table: Readonly<Record<string, (input: never) => unknown>> = request.write ? this.#operations.writes : this.#operations.reads;
    const operation = table[request.name];
    if (operation === undefined) throw new Error(`no operation ${request.name}`);
    return operation(request.input as never);
  }

  #rollback(error: unknown): unknown {
    try {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
    } catch (second) {
      return new AggregateError([error, second], describe(error));
    }
    this.#operations.rolledBack?.();
    return error;
  }

  /** Reads are asked again: they need no space on disk. */
  #failAll(requests: readonly Request[], error: unknown): readonly Answer[] {
    const failed = this.#portable(error);
    return requests.map((request) => (request.write || ended(error) ? { id: request.id, error: failed } : this.#answer(request)));
  }

  #portable(error: unknown): ReturnType<typeof portable> {
    return portable(sqliteFailure(error, this.#database.name) ?? error);
  }
}

/** Cut before each operation that needs the deferred work of the writes before it: these are committed first. */
function parts(requests: readonly Request[], neededBy: ReadonlySet<string>): readonly (readonly Request[])[] {
  const result: Request[][] = [];
  let part: Request[] | undefined;
  let written = false;
  for (const request of requests) {
    if (part === undefined || (written && neededBy.has(request.name))) {
      part = [];
      result.push(part);
      written = false;
    }
    part.push(request);
    written ||= request.write;
  }
  return result;
}

function drain(port: MessagePort, first: Question): { readonly requests: readonly Request[]; readonly close: boolean } {
  const requests: Request[] = [];
  for (let question: Question | undefined = first; question !== undefined; question = (receiveMessageOnPort(port) as { message: Question } | undefined)?.message) {
    if ('close' in question) return { requests, close: true };
    for (const request of question.requests) requests.push(request);
  }
  return { requests, close: false };
}

/** Running the requests one by one would fail the same way. */
function hopeless(error: unknown): boolean {
  const failure = sqliteFailure(error, '');
  return error instanceof AggregateError || failure?.code === 'E533' || failure?.code === 'E531' || ended(error);
}

function ended(error: unknown): boolean {
  const failure = sqliteFailure(error, '');
  return error instanceof AggregateError || failure?.code === 'E534' || failure?.code === 'E535';
}
