import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import {
  type Adapter,
  CLOCK,
  type Clock,
  type ConnectedSystem,
  failureOf,
  inject,
  injectable,
  LOGGER,
  type Logger,
  Misconfigured,
  type ProbeStep,
  type ServerIdentity,
} from '../contract/index.js';
import { fileEndpoints } from '../files/endpoints.js';
import { type Folders, type ProbeTask, probeFiles } from '../files/probe.js';
import { SftpClient } from './client.js';
import { type ConnectOptions, legacyNow } from './config.js';
import { scanHostKeys } from './host-keys.js';
import { Remote } from './remote.js';

@injectable()
export class SftpAdapter implements Adapter {
  constructor(
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly logger: Logger,
  ) {}

  system(name: string, connect: unknown): ConnectedSystem {
    const options = connect as ConnectOptions;
    const client = new SftpClient(options, () => this.clock.now());
    const space = new Remote(client, options.root);
    const logger = this.logger.with({ system: name });
    this.warn(options, logger);
    const { folders, inbound, outbound } = fileEndpoints(space, this.clock, logger);
    return {
      inbound,
      outbound,
      probe: (signal) => probe(options, client, folders, this.clock, signal),
      close: async () => client.close(),
    };
  }

  private warn(options: ConnectOptions, logger: Logger): void {
    const { legacy } = options;
    if (!legacy) return;
    const names = legacy.algorithms.join(', ');
    if (legacyNow(options, this.clock.now()).size > 0) logger.warn('sftp.legacy', `weak algorithms are allowed until ${legacy.until}: ${names}`);
    else logger.error('sftp.legacy', `weak algorithms are not offered any more since ${legacy.until} is over: ${names}`);
  }
}

/** The host keys of the server that `connect` names. */
export async function identify({ host, port = 22 }: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<readonly ServerIdentity[]> {
  if (typeof host !== 'string' || host === '' || typeof port !== 'number') throw new Misconfigured('E481', '`connect` does not name the host of the server');
  return scanHostKeys(host, port, signal);
}

/**
 * With a session of its own, so that a test of the connection never disturbs the work; where the server has no room for a second one, over the one
 * that is open.
 */
async function probe(options: ConnectOptions, working: SftpClient, folders: Folders, clock: Clock, signal: AbortSignal): Promise<readonly ProbeStep[]> {
  const own = new SftpClient(options, () => clock.now());
  let client = own;
  let login: { readonly failure: unknown } | undefined;
  const weak = legacyNow(options, clock.now());
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
          await own.open(signal);
        } catch (failure) {
          if (working.isOpen && ['E400', 'E448'].includes(failureOf(failure)?.code ?? '')) {
            client = working;
            return 'as pinned (over the open session: the server takes no second one)';
          }
          if (failureOf(failure)?.code !== 'E443') throw failure;
          login = { failure };
        }
        return weak.size === 0 ? 'as pinned' : `as pinned; weak algorithms are allowed until ${options.legacy?.until}`;
      },
    },
    {
      name: 'login',
      run: () => (login ? Promise.reject(login.failure) : Promise.resolve(options.user)),
    },
  ];
  try {
    return await probeFiles(() => new Remote(client, options.root), folders, tasks, clock, signal);
  } finally {
    own.close();
  }
}
