import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Misconfigured } from '../errors.js';

/** Magic numbers of statfs(2), where locks or fsync are not those of a local disk. */
const NETWORK: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  22092: 'NCP',
  1397113167: 'AFS',
  1799439955: 'AFS',
  1937076805: 'Coda',
  16914839: '9p',
  12805120: 'Ceph',
  198183888: 'Lustre',
  1196443219: 'GPFS',
  19993000: 'IBRIX',
  2020557398: 'a folder shared by VirtualBox',
};
/** Gone with the machine, or with the container. */
const FLEETING: Readonly<Record<number, string>> = { 16914836: 'tmpfs', 2240043254: 'ramfs', 2035054128: 'overlay' };
const FUSE = 0x65735546;

export interface FileSystem {
  readonly kind: 'local' | 'network' | 'fleeting' | 'user-space';
  readonly name: string;
}

/** @param type as statfs(2) tells it */
export function fileSystemOf(type: number): FileSystem {
  const magic = type >>> 0;
  const [network, fleeting] = [NETWORK[magic], FLEETING[magic]];
  if (network !== undefined) return { kind: 'network', name: network };
  if (fleeting !== undefined) return { kind: 'fleeting', name: fleeting };
  return magic === FUSE ? { kind: 'user-space', name: 'FUSE' } : { kind: 'local', name: `type 0x${magic.toString(16)}` };
}

/** @throws Misconfigured E523 */
export function refuseNetwork(path: string, type: number = statfsSync(dirname(path)).type): void {
  const { kind, name } = fileSystemOf(type);
  if (kind === 'network') throw new Misconfigured('E523', `${dirname(path)} is on ${name}`);
}
