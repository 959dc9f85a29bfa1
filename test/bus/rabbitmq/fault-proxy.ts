import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands between a client and a server, to take the connection away. */
export interface FaultProxy {
  readonly port: number;
  /** Resets every connection. New ones are accepted. */
  cut(): void;
  /** Nothing passes any more, nothing is closed: a pulled cable. */
  freeze(): void;
  readonly connections: number;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy()); // the other side learns of it as a closed connection
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  let closing: Promise<void> | undefined;
  return {
    port,
    cut,
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    get connections() {
      return sockets.size / 2;
    },
    async close() {
      closing ??= new Promise((done) => server.close(() => done()));
      cut();
      for (const socket of sockets) socket.destroy();
      await closing;
    },
  };
}
