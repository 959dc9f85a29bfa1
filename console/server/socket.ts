import { randomUUID } from 'node:crypto';
import { link, lstat, mkdir, rename, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { describe, Misconfigured } from '../../bus/errors.js';

/** Longest path of a unix socket: `sun_path` less its end (unix(7): 108 bytes on Linux, 104 on BSD and macOS). */
const LONGEST = process.platform === 'linux' ? 107 : 103;

/** Changes nothing. @throws Misconfigured E551 when another instance answers on `path` */
export async function refuseLiveSocket(path: string): Promise<void> {
  if (await answers(path)) throw inUse(path);
}

/**
 * Makes `path` free for a new admin socket. A socket that a crashed process left behind is removed, but only when nobody answers on it.
 * Called by the process that holds the lock of the state directory; that two of them are safe here all the same guards a socket outside of it.
 * @throws Misconfigured: E551 when another instance answers, E555 when the path cannot be used
 */
export async function claimSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST) throw new Misconfigured('E555', `the path of the admin socket has more than ${LONGEST} bytes: ${path}`);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const found = await lstat(path).catch(absent);
    if (!found) return;
    if (!found.isSocket()) throw new Misconfigured('E555', `${path} is there and is no socket`);
    if (await answers(path)) throw inUse(path);
    await removeStale(path);
  } catch (error) {
    throw error instanceof Misconfigured ? error : new Misconfigured('E555', describe(error), { cause: error });
  }
}

export function inUse(path: string): Misconfigured {
  return new Misconfigured('E551', `another Signalbox answers on ${path}`);
}

/** Two processes may find the same stale socket: the one that moved it away asks again, so that it never removes the other's new one. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${randomUUID().slice(0, 8)}`;
  try {
    await rename(path, aside);
  } catch (error) {
    absent(error);
    return;
  }
  const alive = await answers(aside);
  if (alive) await link(aside, path);
  await unlink(aside);
  if (alive) throw inUse(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const settle = (alive: boolean): void => {
      socket.destroy();
      resolve(alive);
    };
    // One that accepts no connection in time is busy or stopped, but there.
    socket.setTimeout(2_000, () => settle(true));
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') settle(false);
      else if (error.code === 'EAGAIN') settle(true);
      else reject(error);
    });
  });
}

function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
