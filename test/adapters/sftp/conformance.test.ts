import { join } from 'node:path';
import { Secret } from '../../../adapters/contract/index.js';
import sftp from '../../../adapters/sftp/index.js';
import { adapterConformance } from '../../kit/adapter/index.js';
import { type Server, type SshdAccess, startSshd } from '../../services/servers.js';
import { cleanFolders, inboundFiles, outboundFiles } from '../files/samples.js';
import { kill } from './kill.js';

let server: Server<SshdAccess>;
const root = (): string => join(server.access.directory, 'kit');
const connect = (): Record<string, unknown> => ({
  host: server.access.host,
  port: server.access.port,
  user: server.access.username,
  key: new Secret('sftp-key', server.access.privateKey),
  host_key: server.access.hostKey,
  root: 'kit',
});

adapterConformance('sftp', {
  spec: sftp,
  start: async () => {
    server = await startSshd();
  },
  stop: async () => server.stop(),
  clean: async () => cleanFolders(root()),
  connect,
  badCredentials: () => ({ ...connect(), key: undefined, password: new Secret('wrong', 'a wrong password') }),
  unreachable: () => ({ ...connect(), port: 1 }),
  breakLink: () => kill(server),
  healLink: async () => server.restart(),
  inbound: inboundFiles(root),
  outbound: outboundFiles(root),
});
