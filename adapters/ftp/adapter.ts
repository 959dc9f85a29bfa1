import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { type Adapter, CLOCK, type Clock, type ConnectedSystem, failureOf, inject, injectable, LOGGER, type Logger, type ProbeStep } from '../contract/index.js';
import { fileEndpoints } from '../files/endpoints.js';
import { type Folders, type ProbeTask, probeFiles } from '../files/probe.js';
import { type ConnectOptions, portOf } from './config.js';
import { Pool } from './pool.js';
import { Remote } from './remote.js';

@injectable()
export class FtpAdapter implements Adapter {
  constructor(
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly logger: Logger,
  ) {}

  system(name: string, connect: unknown): ConnectedSystem {
    const options = connect as ConnectOptions;
    const pool = new Pool(options);
    const space = new Remote(pool, options.root);
    const logger = this.logger.with({ system: name });
    const { folders, inbound, outbound } = fileEndpoints(space, this.clock, logger);
    return {
      inbound,
      outbound,
      probe: (signal) => probe(options, pool, folders, this.clock, signal),
      close: async () => pool.close(),
    };
  }
}

/** Over the connections of the system: a server may take no others. */
async function probe(options: ConnectOptions, pool: Pool, folders: Folders, clock: Clock, signal: AbortSignal): Promise<readonly ProbeStep[]> {
  let login: { readonly failure: unknown } | undefined;
  const tasks: readonly ProbeTask[] = [
    { name: 'dns', run: async () => (await lookup(options.host)).address },
    {
      name: 'tcp',
      run: async () => {
        const socket = connectSocket({ host: options.host, port: portOf(options) });
        try {
          await once(socket, 'connect', { signal: AbortSignal.any([signal, AbortSignal.timeout(options.connect_timeout)]) });
        } finally {
          socket.destroy();
        }
        return undefined;
      },
    },
    {
      name: options.tls === 'off' ? 'greeting' : `tls (${options.tls})`,
      run: async () => {
        try {
          await pool.open(signal);
        } catch (failure) {
          if (failureOf(failure)?.code !== 'E443') throw failure;
          login = { failure };
        }
        return options.tls === 'off'
          ? 'not encrypted: password and files can be read on the way'
          : `certificate verified${pool.protocol === undefined ? '' : `, ${pool.protocol}`}`;
      },
    },
    { name: 'login', run: () => (login ? Promise.reject(login.failure) : Promise.resolve(options.user)) },
  ];
  return probeFiles(new Remote(pool, options.root), folders, tasks, clock, signal);
}
