import { join } from 'node:path';
import { Secret } from '../../../adapters/contract/index.js';
import ftp from '../../../adapters/ftp/index.js';
import { adapterConformance } from '../../kit/adapter/index.js';
import { type FtpAccess, type Server, startVsftpd } from '../../services/servers.js';
import { cleanFolders, inboundFiles, outboundFiles } from '../files/samples.js';
import { kill } from '../sftp/kill.js';

for (const tls of ['explicit', 'off'] as const) {
  let server: Server<FtpAccess>;
  const root = (): string => join(server.access.directory, 'kit');
  const connect = (): Record<string, unknown> => ({
    host: server.access.host,
    port: server.access.port,
    user: server.access.user,
    password: new Secret('ftp-password', server.access.password),
    root: 'kit',
    tls,
    ...(tls === 'off' ? {} : { ca: server.access.ca }),
  });

  adapterConformance(`ftp, tls ${tls}`, {
    spec: ftp,
    start: async () => {
      server = await startVsftpd(tls);
    },
    stop: async () => server.stop(),
    clean: async () => cleanFolders(root()),
    connect,
    badCredentials: () => ({ ...connect(), password: new Secret('wrong', 'a wrong password') }),
    unreachable: () => ({ ...connect(), port: 1 }),
    breakLink: () => kill(server),
    healLink: async () => server.restart(),
    inbound: inboundFiles(root),
    outbound: outboundFiles(root),
  });
}
