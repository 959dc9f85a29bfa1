// The host keys a server shows, before any login.

import { createHash } from 'node:crypto';
import { connect as connectSocket } from 'node:net';
import SftpLibrary from 'ssh2-sftp-client';
import { describe, NotConnected, type ServerIdentity } from '../contract/index.js';
import { ALGORITHMS, LEGACY } from './algorithms.js';

/** As `ssh-keygen -lf` prints it. */
export function fingerprintOf(hostKey: Buffer): string {
  return `SHA256:${createHash('sha256').update(hostKey).digest('base64').replace(/=+$/, '')}`;
}

/** The name a public key begins with (RFC 4253 section 6.6). */
export function keyTypeOf(hostKey: Buffer): string {
  const length = hostKey.length >= 4 ? hostKey.readUInt32BE(0) : 0;
  return hostKey.toString('latin1', 4, 4 + Math.min(length, 64)).replace(/[^\x21-\x7e]/g, '?');
}

/** In the order they are preferred by a connection, which takes the first one the server has. */
const FAMILIES = [['ssh-ed25519'], ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'], ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa']] as const;

/** One connection for each kind of key; each ends when the key is shown. No user is named, no login tried. @throws NotConnected */
export async function scanHostKeys(host: string, port: number, signal: AbortSignal): Promise<readonly ServerIdentity[]> {
  const keys: Buffer[] = [];
  for (const family of FAMILIES) {
    const key = await hostKeyOf(host, port, family, signal);
    if (key) keys.push(key);
  }
  return keys.map((key) => ({ kind: keyTypeOf(key), fingerprint: fingerprintOf(key), option: 'host_key' }));
}

async function hostKeyOf(host: string, port: number, family: (typeof FAMILIES)[number], signal: AbortSignal): Promise<Buffer | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(20_000)]);
  const socket = connectSocket({ host, port });
  const stop = (): void => void socket.destroy();
  limit.addEventListener('abort', stop, { once: true });
  const lost = new Promise<never>((_, fail) => {
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('the connection was closed')));
  });
  let shown: Buffer | undefined;
  try {
    const library = new SftpLibrary('signalbox', { error: () => undefined });
    await Promise.race([
      lost,
      library.connect({
        sock: socket,
        username: 'signalbox',
        hostVerifier: (hostKey: Buffer): boolean => {
          shown = hostKey;
          return false;
        },
        algorithms: {
          kex: [...ALGORITHMS.kex, ...LEGACY.kex],
          serverHostKey: [...family],
          cipher: [...ALGORITHMS.cipher, ...LEGACY.cipher],
          hmac: [...ALGORITHMS.hmac, ...LEGACY.hmac],
        },
        readyTimeout: 20_000,
      }),
    ]);
  } catch (error) {
    signal.throwIfAborted();
    if (!shown && !/no matching host key/i.test(describe(error))) throw new NotConnected('E400', `${host}:${port}: ${describe(error)}`, { cause: error });
  } finally {
    limit.removeEventListener('abort', stop);
    socket.destroy();
  }
  return shown;
}
