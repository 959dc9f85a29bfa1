// Everything that was asked in one turn of the event loop, or while the last transaction ran, is one transaction.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, failureOf, NotConnected } from '../../errors.js';
import { reached } from '../../failpoint.js';
import { isCollision, isLost, isTimeout } from './failures.js';
import { type Operation, TABLES } from './operation.js';
import { portions } from './rows.js';
import type { Connection, Server } from './server.js';

/** Bytes (roughly) and calls of one transaction. */
const MOST_WEIGHT = 4_000_000;
const MOST_CALLS = 2_000;
/** How long the outcome of a COMMIT without an answer is asked for. */
const PATIENCE_MS = 30_000;
const ASK_AGAIN_MS = 200;
const COLLISIONS = 10;

/** Changes nothing, or notes that there was nothing; waits for whoever is changing it. */
const ASK = 'INSERT INTO writer AS w (id, number, at) VALUES ($1, 0, now()) ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING w.number';

interface Call {
  readonly operation: Operation<unknown, unknown>;
  readonly input: unknown;
  readonly weight: number;
  resolve(output: unknown): void;
  reject(error: unknown): void;
}

/** The answer to COMMIT did not come: the transaction may be there or not. */
class CommitUnknown extends Error {
  readonly outputs: ReadonlyMap<Call, unknown>;

  constructor(outputs: ReadonlyMap<Call, unknown>, cause: unknown) {
    super('the connection was lost while committing', { cause });
    this.outputs = outputs;
  }
}

/**
 * The writes of one store. Calls reject when they are certainly not stored (the caller may repeat them), or when nobody could tell within the patience.
 *
 * After a COMMIT without an answer the database is asked: each transaction notes its number in the row of its store (`writer`), so the row tells which was
 * the last. Touching it waits for a transaction that is still ending there. What was committed resolves, everything else runs again, once.
 */
export class GroupCommit {
  readonly #server: Server;
  readonly #id = randomUUID();
  #number = 0;
  #waiting: Call[] = [];
  #running: Promise<void> | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  write<Input, Output>(operation: Operation<Input, Output>, input: Input): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>();
    this.#waiting.push({ operation, input, weight: operation.weight?.(input) ?? 500, resolve: (output) => resolve(output as Output), reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Resolves when all that was asked is done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // The rest of this turn comes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const calls = this.#waiting;
      this.#waiting = [];
      for (const group of portions(calls, MOST_WEIGHT, ({ weight }) => Math.max(weight, MOST_WEIGHT / MOST_CALLS))) await this.#commit(group, true);
    }
    this.#running = undefined;
  }

  /** Answers every call, whatever happens. */
  async #commit(calls: readonly Call[], again: boolean): Promise<void> {
    try {
      const outputs = await this.#transaction(calls);
      for (const call of calls) call.resolve(outputs.get(call));
    } catch (error) {
      if (error instanceof CommitUnknown) return this.#askFor(calls, error, again);
      // A connection that had been idle may be dead without anybody having noticed.
      if (again && (isLost(error) || isTimeout(error))) return this.#commit(calls, false);
      const failure = this.#server.failure(error);
      if (calls.length > 1 && failureOf(failure) === undefined) {
        const half = Math.ceil(calls.length / 2);
        await this.#commit(calls.slice(0, half), again);
        return this.#commit(calls.slice(half), again);
      }
      for (const call of calls) call.reject(failure);
    }
  }

  async #askFor(calls: readonly Call[], unknown: CommitUnknown, again: boolean): Promise<void> {
    const number = this.#number;
    let last: unknown = unknown.cause;
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until; await sleep(ASK_AGAIN_MS)) {
      let connection: Connection | undefined;
      try {
        connection = await this.#server.connect();
        const [row] = await connection.query<{ readonly number: number }>(ASK, [this.#id]);
        await connection.release();
        connection = undefined;
        if (row !== undefined && row.number >= number) {
          for (const call of calls) call.resolve(unknown.outputs.get(call));
          return;
        }
        if (again) return await this.#commit(calls, false);
        for (const call of calls) call.reject(this.#server.failure(unknown.cause));
        return;
      } catch (error) {
        last = error;
        await connection?.release(error);
      }
    }
    const failure = new NotConnected('E544', `nobody could be asked whether ${calls.length} writes were stored: ${describe(last)}`, { cause: last });
    for (const call of calls) call.reject(failure);
  }

  async #transaction(calls: readonly Call[]): Promise<ReadonlyMap<Call, unknown>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(calls);
      } catch (error) {
        if (!isCollision(error) || attempt === COLLISIONS) throw error;
        await sleep(Math.random() * 5 * attempt);
      }
    }
  }

  async #attempt(calls: readonly Call[]): Promise<ReadonlyMap<Call, unknown>> {
    const number = ++this.#number;
    const connection = await this.#server.connect();
    const outputs = new Map<Call, unknown>();
    try {
      await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      await connection.query('INSERT INTO writer (id, number, at) VALUES ($1, $2, now()) ON CONFLICT (id) DO UPDATE SET number = excluded.number, at = excluded.at', [
        this.#id,
        number,
      ]);
      for (const run of inRuns(calls)) {
        const [first] = run;
        if (first === undefined) continue;
        const found = await first.operation.run(
          connection,
          run.map(({ input }) => input),
        );
        for (const [index, call] of run.entries()) outputs.set(call, found[index]);
      }
    } catch (error) {
      await connection.release(error);
      throw error;
    }
    try {
      reached('store.commit.before');
      await connection.query('COMMIT');
      reached('store.commit.done');
    } catch (error) {
      await connection.release(error);
      // An answer that says no is an answer.
      throw isLost(error) || isTimeout(error) ? new CommitUnknown(outputs, error) : error;
    }
    await connection.release();
    return outputs;
  }
}

/** Calls of one kind that follow each other in the order of their table, table by table. */
function inRuns(calls: readonly Call[]): readonly (readonly Call[])[] {
  const runs: Call[][] = [];
  for (const table of TABLES) {
    let run: Call[] = [];
    for (const call of calls) {
      if (call.operation.table !== table) continue;
      if (run[0]?.operation !== call.operation) {
        run = [];
        runs.push(run);
      }
      run.push(call);
    }
  }
  return runs;
}
