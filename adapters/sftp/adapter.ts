import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { type Adapter, CLOCK, type Clock, type ConnectedSystem, failureOf, inject, injectable, LOGGER, type Logger, type ProbeStep } from '../contract/index.js';
import type { ReadOptions, WriteOptions } from '../files/options.js';
import { Pickup } from '../files/pickup.js';
import { type Folders, type ProbeTask, probeFiles } from '../files/probe.js';
import { splitPath } from '../files/space.js';
import { writeFiles } from '../files/write.js';
import { SftpClient } from './client.js';
import type { ConnectOptions } from './config.js';
import { Remote } from './remote.js';

@injectable()
export class SftpAdapter implements Adapter {
  constructor(
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly logger: Logger,
  ) {}

  system(name: string, connect: unknown): ConnectedSystem {
    const options = connect as ConnectOptions;
    const client = new SftpClient(options);
    const space = new Remote(client, options.root);
    const logger = this.logger.with({ system: name });
    const folders = { read: new Set<string>(), written: new Set<string>() };
    return {
      inbound: (endpoint) => {
        const config = endpoint.config as ReadOptions;
        folders.read.add(config.path);
        return new Pickup(space, config, endpoint, this.clock, logger.with({ endpoint: endpoint.name }));
      },
      outbound: (endpoint) => {
        const config = endpoint.config as WriteOptions;
        folders.written.add(splitPath(config.path).folder);
        return writeFiles(space, endpoint, this.clock, logger);
      },
      probe: (signal) => probe(options, folders, this.clock, signal),
      close: async () => client.close(),
    };
  }
}

/** With a session of its own, so that a test of the connection never disturbs the work. */
async function probe(options: ConnectOptions, folders: Folders, clock: Clock, signal: AbortSignal): Promise<readonly ProbeStep[]> {
  const client = new SftpClient(options);
  let login: { readonly failure: unknown } | undefined;
  const tasks: readonly ProbeTask[] = [
    { name: 'dns', run: async () => (await lookup(options.host)).address },
    {
      name: 'tcp',
      run: async () => {
        const socket = connectSocket({ host: options.host, port: options.port });
        try {
          await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(options.connect_timeout)]) });
        } finally {
          socket.destroy();
        }
        return undefined;
      },
    },
    {
      name: 'host key',
      run: async () => {
        try {
          await client.open(signal);
        } catch (failure) {
          if (failureOf(failure)?.code !== 'E443') throw failure;
          login = { failure };
        }
        return 'as pinned';
      },
    },
    {
      name: 'login',
      run: () => (login ? Promise.reject(login.failure) : Promise.resolve(options.user)),
    },
  ];
  try {
    return await probeFiles(new Remote(client, options.root), folders, tasks, clock, signal);
  } finally {
    client.close();
  }
}
