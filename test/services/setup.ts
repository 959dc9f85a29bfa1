import { createServer, type Server as HttpServer } from 'node:http';
import { type Server, startMariadb, startPostgres, startRabbitmq, startSshd, startVsftpd } from './servers.js';

export interface Running {
  readonly control: HttpServer;
  readonly servers: Map<string, Promise<Server<unknown>>>;
}

const starters: Readonly<Record<string, () => Promise<Server<unknown>>>> = {
  rabbitmq: () => startRabbitmq(),
  postgres: startPostgres,
  mariadb: startMariadb,
  sshd: startSshd,
  ftp: () => startVsftpd('off'),
  ftps: () => startVsftpd('explicit'),
};

export default async function setup(): Promise<void> {
  const servers = new Map<string, Promise<Server<unknown>>>();
  const control = createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    const start = starters[name];
    if (!start) {
      response.writeHead(404).end(`no service ${name}`);
      return;
    }
    let server = servers.get(name);
    if (!server) {
      server = start();
      servers.set(name, server);
    }
    server.then(
      ({ access }) => response.end(JSON.stringify(access)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((done) => control.listen(0, '127.0.0.1', done));
  const address = control.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  process.env['SIGNALBOX_TEST_SERVICES'] = `http://127.0.0.1:${address.port}`;
  (globalThis as typeof globalThis & { testServices?: Running }).testServices = { control, servers };
}
