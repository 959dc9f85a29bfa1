import { connect as connectSocket } from 'node:net';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { nearest } from '../bus/finding.js';
import { type Actor, type Service, UnknownName } from '../console/service.js';
import { remoteService } from './client.js';
import { coded } from './failure.js';
import type { Format } from './output.js';

/** The options every command has. */
export interface Globals {
  readonly config: string;
  readonly output: Format;
  readonly socket?: string;
}

export function globals(command: Command): Globals {
  const options = command.optsWithGlobals<Globals>();
  return { ...options, config: resolve(options.config) };
}

/** The service that runs with this configuration. */
export async function connect({ config, socket }: Globals): Promise<Service> {
  return remoteService(socket ?? (await socketPath(config)));
}

const SOCKET_NAME = 'signalbox.sock';

/** Most installations keep their state in the default place, and loading the configuration takes longer than asking there. */
async function socketPath(config: string): Promise<string> {
  const usual = join(config, '.signalbox', SOCKET_NAME);
  if (await answers(usual)) return usual;
  const { stateDirectory } = await import('./offline.js');
  const directory = await stateDirectory(config);
  return directory === undefined ? usual : join(directory, SOCKET_NAME);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(path);
    const settle = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
    socket.setTimeout(2_000, () => settle(false));
  });
}

/** Who asks: the user of the operating system. */
export function actor(reason: string | undefined): Actor {
  return { who: userName(), ...(reason === undefined ? {} : { reason }) };
}

/** Runs `ask`; when the name is unknown, says which known one it might be. */
export async function named<T>(name: string, known: () => Promise<readonly string[]>, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof UnknownName)) throw error;
    const near = nearest(name, await known());
    throw coded('E552', error.message, { cause: error, ...(near === undefined ? {} : { hint: `did you mean \`${near}\`?` }) });
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a uid that no user database knows.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
