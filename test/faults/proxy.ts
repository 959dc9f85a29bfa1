// A TCP proxy between a client and a server that can do to their connections what networks do.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** `up` is to the server. */
export type Direction = 'up' | 'down';

/** How bytes go one way; what is not said is as in a healthy network. */
export interface Conduct {
  /** Nothing passes, nothing is closed, new connections are taken: a pulled cable. What was sent meanwhile passes when it is over, as TCP would send it again. */
  readonly hold?: boolean;
  readonly latencyMs?: number;
  /** Bytes per packet. */
  readonly slice?: number;
}

export interface FaultProxy {
  readonly port: number;
  readonly connections: number;
  /** As the server sees the connections. */
  readonly serverPorts: readonly number[];
  /** From now on, for connections old and new. */
  set(conduct: Conduct, ...only: Direction[]): void;
  /** As in a healthy network again. Connections that were taken away stay away. */
  heal(): void;
  /** Ends every connection with a FIN to both sides. New ones are accepted. */
  cut(): void;
  /** Ends every connection with a RST to both sides. New ones are accepted. */
  reset(): void;
  /** Nothing passes any more on the connections of now and nothing is closed; new ones work. */
  freeze(): void;
  /** The server loses every connection and the client learns nothing: what it sends goes nowhere, nothing comes back. */
  halfOpen(): void;
  /** Ends the next connection whose client sends this: before the server gets it, or when the server has answered and before the client has that answer. */
  cutAt(pattern: RegExp, when: 'before' | 'answered'): void;
  /** Connections that `cutAt` has ended. */
  readonly trapped: number;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<FaultProxy> {
  const links = new Set<Link>();
  const state: State = { up: {}, down: {}, changed: Promise.withResolvers(), trap: undefined, trapped: 0 };
  const change = (apply: () => void): void => {
    apply();
    state.changed.resolve();
    state.changed = Promise.withResolvers();
  };
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const link = new Link(client, connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }), state);
    links.add(link);
    void link.gone.then(() => links.delete(link));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const each = (act: (link: Link) => void): void => {
    for (const link of [...links]) act(link);
  };
  let closing: Promise<void> | undefined;
  return {
    port,
    get connections() {
      return links.size;
    },
    get serverPorts() {
      return [...links].flatMap(({ serverPort }) => serverPort ?? []);
    },
    set: (conduct, ...only) =>
      change(() => {
        for (const way of only.length > 0 ? only : (['up', 'down'] as const)) state[way] = conduct;
      }),
    heal: () => change(() => Object.assign(state, { up: {}, down: {} })),
    get trapped() {
      return state.trapped;
    },
    cut: () => each((link) => link.cut()),
    reset: () => each((link) => link.reset()),
    freeze: () => each((link) => link.freeze()),
    halfOpen: () => each((link) => link.halfOpen()),
    cutAt: (pattern, when) => {
      state.trap = { pattern, when };
    },
    close() {
      closing ??= new Promise((done) => {
        listener.close(() => done());
        each((link) => link.destroy());
      });
      return closing;
    },
  };
}

interface State {
  up: Conduct;
  down: Conduct;
  /** Settled whenever a conduct changes. */
  changed: PromiseWithResolvers<void>;
  trapped: number;
  trap: { readonly pattern: RegExp; readonly when: 'before' | 'answered' } | undefined;
}

class Link {
  readonly gone: Promise<unknown>;
  /** The next answer ends it. */
  private isTrapped = false;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly state: State,
  ) {
    this.gone = Promise.all([client, server].map((socket) => new Promise<void>((done) => socket.once('close', () => done()))));
    const up = new Lane(client, server, state, 'up', (chunk) => this.pass(chunk));
    const down = new Lane(server, client, state, 'down', () => !this.isTrapped || this.spring());
    up.start();
    down.start();
  }

  get serverPort(): number | undefined {
    return this.server.localPort;
  }

  cut(): false {
    for (const socket of [this.client, this.server]) {
      socket.removeAllListeners('data').removeAllListeners('end').resume();
      socket.once('end', () => socket.destroy());
      socket.end();
      // A side that does not answer the FIN is left behind all the same.
      void sleep(1_000, undefined, { ref: false }).then(() => socket.destroy());
    }
    return false;
  }

  private spring(): false {
    this.isTrapped = false;
    this.state.trapped++;
    return this.cut();
  }

  reset(): void {
    this.client.resetAndDestroy();
    this.server.resetAndDestroy();
  }

  freeze(): void {
    for (const socket of [this.client, this.server]) socket.removeAllListeners('data').pause();
  }

  halfOpen(): void {
    this.client.removeAllListeners('data').resume();
    this.server.removeAllListeners('close').removeAllListeners('end').destroy();
  }

  destroy(): void {
    this.client.destroy();
    this.server.destroy();
  }

  /** @returns whether the chunk goes on to the server */
  private pass(chunk: Buffer): boolean {
    const { trap } = this.state;
    if (!trap?.pattern.test(chunk.toString('latin1'))) return true;
    this.state.trap = undefined;
    if (trap.when === 'before') return this.spring();
    this.isTrapped = true;
    return true;
  }
}

/** Bytes one way, in order. */
class Lane {
  private readonly queue: { readonly chunk: Buffer | undefined; readonly due: number }[] = [];
  private isRunning = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly state: State,
    private readonly way: Direction,
    private readonly look: (chunk: Buffer) => boolean,
  ) {}

  start(): void {
    const { from } = this;
    from.on('data', (chunk: Buffer) => this.take(chunk));
    from.on('end', () => this.take(undefined));
    from.on('error', () => undefined); // its close follows
    from.on('close', () => this.take(undefined));
  }

  private take(chunk: Buffer | undefined): void {
    if (chunk && !this.look(chunk)) return;
    this.queue.push({ chunk, due: performance.now() + (this.state[this.way].latencyMs ?? 0) });
    if (!this.isRunning) void this.run();
    else if (this.queue.length > 64) this.from.pause();
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    for (let next = this.queue.shift(); next && !this.to.destroyed; next = this.queue.shift()) {
      while (this.state[this.way].hold && !this.to.destroyed) await this.state.changed.promise;
      const wait = next.due - performance.now();
      if (wait > 0) await sleep(wait, undefined, { ref: false });
      if (this.to.destroyed) break;
      if (next.chunk) await this.write(next.chunk);
      else this.to.end();
      if (this.queue.length < 16) this.from.resume();
    }
    this.queue.length = 0;
    this.isRunning = false;
    if (this.from.destroyed) this.to.destroySoon();
  }

  private async write(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length && !this.to.destroyed; ) {
      const size = this.state[this.way].slice ?? chunk.length;
      const room = this.to.write(chunk.subarray(at, at + size));
      at += size;
      if (!room) await Promise.race([once(this.to, 'drain').catch(() => undefined), new Promise((done) => this.to.once('close', done))]);
      else if (at < chunk.length) await new Promise((done) => setImmediate(done));
    }
  }
}
