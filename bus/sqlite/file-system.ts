import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Misconfigured } from '../errors.js';

/** Magic numbers of statfs(2), where locks or fsync are not those of a local disk. */
const NETWORK: Readonly<Record<number, string>> = {
  0x6969: 'NFS',
  0x517b: 'SMB',
  0xff534d42: 'CIFS',
  0xfe534d42: 'SMB2',
  0x564c: 'NCP',
  0x5346414f: 'AFS',
  0x6b414653: 'AFS',
  0x73757245: 'Coda',
  0x01021997: '9p',
  0x00c36400: 'Ceph',
  0x0bd00bd0: 'Lustre',
  0x47504653: 'GPFS',
  0x013111a8: 'IBRIX',
  0x786f4256: 'a folder shared by VirtualBox',
};
/** Gone with the machine, or with the container. */
const FLEETING: Readonly<Record<number, string>> = { 0x01021994: 'tmpfs', 0x858458f6: 'ramfs', 0x794c7630: 'overlay' };
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
