// Connections of a client that has no pool of its own.
import { NotConnected } from '../../contract/index.js';
import { abortable } from '../abortable.js';

export interface PoolOptions<C> {
  readonly system: string;
  readonly most: number;
  readonly open: (signal: AbortSignal) => Promise<C>;
  /** Not waited for: the server may be gone. */
  readonly drop: (connection: C) => void;
}

/** A connection that stays alive for ever would keep what the server changed meanwhile (failover, rights) from being seen. */
const OLDEST_MS = 30 * 60_000;

export class Pool<C extends object> {
  readonly #idle: C[] = [];
  readonly #since = new WeakMap<C, number>();
  readonly #waiting: (() => void)[] = [];
  #used = 0;
  #closed = false;

  constructor(private readonly options: PoolOptions<C>) {}

  /** Every connection taken is given back. @throws what opening throws, NotConnected when the pool is closed, or the signal's reason */
  async take(signal: AbortSignal): Promise<C> {
    const { system, most, open, drop } = this.options;
    while (this.#used >= most && !this.#closed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      await abortable(promise, signal, () => {
        const at = this.#waiting.indexOf(resolve);
        if (at >= 0) this.#waiting.splice(at, 1);
        // Woken and given up in one moment: the next one's turn.
        else this.#waiting.shift()?.();
      });
    }
    if (this.#closed) throw new NotConnected('E420', `${system} is closed`);
    this.#used++;
    try {
      for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
        if (performance.now() - (this.#since.get(connection) ?? 0) < OLDEST_MS) return connection;
        drop(connection);
      }
      const connection = await open(signal);
      this.#since.set(connection, performance.now());
      return connection;
    } catch (error) {
      this.#next();
      throw error;
    }
  }

  give(connection: C, broken: boolean): void {
    if (broken || this.#closed) this.options.drop(connection);
    else this.#idle.push(connection);
    this.#next();
  }

  close(): void {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    for (const connection of this.#idle.splice(0)) this.options.drop(connection);
  }

  #next(): void {
    this.#used--;
    this.#waiting.shift()?.();
  }
}
