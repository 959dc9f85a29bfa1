import { failureOf, NotConnected } from '../contract/index.js';
import { Connection, Refused } from './client.js';
import type { ConnectOptions } from './config.js';

/** How long someone waits for a connection before a reader is asked to give way. */
const PATIENCE_MS = 1_000;
/** How long a reader that is busy keeps its connection when others wait. */
const TURN_MS = 10_000;

interface Turn {
  readonly connection: Connection;
  readonly since: number;
  /** Whether the reader waits for bytes; else whoever it reads for is busy with the last ones. */
  isAsking: boolean;
  gaveWay: boolean;
}

/**
 * The few connections of one system, opened when they are needed and shared by all its endpoints. An FTP connection does one thing at a time, so
 * reading a file holds one of them; where there are no more, a reader gives way and reads on from where it was (REST).
 */
export class Pool {
  private readonly idle: Connection[] = [];
  private readonly leased = new Set<Connection>();
  private readonly turns = new Set<Turn>();
  private readonly waiting: (() => void)[] = [];
  private opening = 0;
  private limit: number;
  private generation = 0;
  private keepalive: NodeJS.Timeout | undefined;

  constructor(private readonly options: ConnectOptions) {
    this.limit = options.connections;
  }

  /** There is a connection afterwards, and it answers. @throws NotConnected, Misconfigured */
  async open(signal: AbortSignal): Promise<void> {
    await this.use(signal, (connection) => connection.command('NOOP', signal));
  }

  /** What is known about the link in use, for a test of the connection. */
  get protocol(): string | undefined {
    return this.idle[0]?.protocol;
  }

  async use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.take(signal);
    try {
      return await work(connection);
    } finally {
      this.give(connection);
    }
  }

  async *read(pathAt: (connection: Connection) => string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    for (let position = 0; ; ) {
      const connection = await this.take(signal);
      const turn: Turn = { connection, since: performance.now(), isAsking: true, gaveWay: false };
      this.turns.add(turn);
      try {
        for await (const chunk of connection.download(pathAt(connection), position, signal)) {
          position += chunk.length;
          turn.isAsking = false;
          yield chunk;
          turn.isAsking = true;
          // Servers end transfers that rest for minutes; the next bytes are asked for anew.
          if (connection.dead) turn.gaveWay = true;
          if (turn.gaveWay) break;
        }
        if (!turn.gaveWay) return;
      } catch (error) {
        if (!turn.gaveWay) throw error;
      } finally {
        this.turns.delete(turn);
        this.give(connection);
      }
    }
  }

  close(): void {
    this.generation++;
    clearInterval(this.keepalive);
    this.keepalive = undefined;
    for (const connection of [...this.idle.splice(0), ...this.leased]) connection.close();
  }

  private async take(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      signal.throwIfAborted();
      const connection = this.idle.pop() ?? (this.leased.size + this.opening < this.limit ? await this.connect(signal) : undefined);
      if (!connection) await this.turn(signal);
      else if (!connection.dead) {
        this.leased.add(connection);
        return connection;
      }
    }
  }

  private give(connection: Connection): void {
    if (!this.leased.delete(connection)) return;
    if (!connection.dead) this.idle.push(connection);
    this.waiting.shift()?.();
  }

  /** Undefined when the server takes no more connections than there are: then there is one to wait for. */
  private async connect(signal: AbortSignal): Promise<Connection | undefined> {
    const { generation } = this;
    this.opening++;
    try {
      const connection = await Connection.open(this.options, signal);
      if (generation !== this.generation) {
        connection.close();
        throw new NotConnected('E400', `the connection to ${this.options.host} was closed`);
      }
      this.keepalive ??= setInterval(() => this.keepAlive(), this.options.keepalive).unref();
      return connection;
    } catch (error) {
      const refused = Error.isError(error) && error.cause instanceof Refused;
      if (!refused || failureOf(error)?.name !== 'NotConnected' || this.leased.size === 0) throw error;
      this.limit = this.leased.size;
      return undefined;
    } finally {
      this.opening--;
      this.waiting.shift()?.();
    }
  }

  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearInterval(timer);
        signal.removeEventListener('abort', done);
        const at = this.waiting.indexOf(done);
        if (at >= 0) this.waiting.splice(at, 1);
        resolve();
      };
      const timer = setInterval(() => this.giveWay(), PATIENCE_MS);
      signal.addEventListener('abort', done, { once: true });
      this.waiting.push(done);
    });
  }

  private giveWay(): void {
    const now = performance.now();
    for (const turn of this.turns) {
      if (turn.gaveWay || now - turn.since < (turn.isAsking ? TURN_MS : PATIENCE_MS)) continue;
      turn.gaveWay = true;
      turn.connection.close();
      this.give(turn.connection);
      return;
    }
  }

  private keepAlive(): void {
    for (const connection of this.idle.splice(0)) {
      this.leased.add(connection);
      const done = (): void => this.give(connection);
      // One that does not answer is closed by that; whoever needs a connection next opens another.
      void connection.command('NOOP', AbortSignal.timeout(this.options.timeout)).then(done, done);
    }
  }
}
