// The asking side of a connection's thread. Drivers wait in their calls, so each connection has a thread of its own and does one thing at a time.
import { Worker } from 'node:worker_threads';
import { describe } from '../../../contract/index.js';
import { type Answer, OdbcError, type Request } from './protocol.js';

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
}

export class OdbcThread {
  readonly #worker = new Worker(new URL('./worker.js', import.meta.url));
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #id = 0;
  #over: Error | undefined;
  #isClosing = false;
  #cancelling: Promise<unknown> | undefined;

  constructor() {
    this.#worker.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer)
        waiting?.reject(answer.error.state === undefined ? new Error(answer.error.message) : new OdbcError(answer.error.state, answer.error.native, answer.error.message));
      else waiting?.resolve(answer);
    });
    this.#worker.on('error', (error) => this.#end(new OdbcError('08S01', 0, `the connection's thread ended: ${describe(error)}`)));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#worker.once('exit', () => {
      this.#end(new OdbcError('08003', 0, 'the connection was closed'));
      resolve();
    });
    // Only what is asked keeps the process up.
    this.#worker.unref();
  }

  /** @throws OdbcError */
  async ask<const R extends Request>(request: R): Promise<Answer> {
    if (this.#over) throw this.#over;
    const id = ++this.#id;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, { resolve, reject });
    this.#worker.ref();
    this.#worker.postMessage({ id, request });
    try {
      return await promise;
    } finally {
      if (this.#waiting.size === 0) this.#worker.unref();
    }
  }

  /** Of what it was asked, something was cancelled: nobody knows what the call that did so still does to the connection. */
  get wasCancelled(): boolean {
    return this.#cancelling !== undefined;
  }

  /** Tells the driver, from another thread, to give up what this one waits in. */
  cancel(from: OdbcThread, library: string, statement: bigint): void {
    // Its handle may be freed at any moment.
    if (this.#isClosing) return;
    this.#cancelling = Promise.all([this.#cancelling, from.ask({ to: 'cancel', library, statement }).catch(() => undefined)]);
  }

  /** Ends the thread when the call it waits in has come back, and any that cancels it: no earlier, native code cannot be interrupted. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#cancelling;
    if (!this.#over) {
      // What the driver says about a connection that goes away helps nobody.
      await this.ask({ to: 'close' }).catch(() => undefined);
      await this.#ended;
    }
  }

  /** Nobody waits for it any more: it does not keep the process up. */
  forget(): void {
    this.#worker.unref();
  }

  #end(reason: Error): void {
    this.#over ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#over);
    this.#waiting.clear();
  }
}
