import { request } from 'node:http';
import type { DatabaseAccess, FtpAccess, SshdAccess } from './servers.js';

// Servers are started by the first test that asks and shared by all of the run; setup.ts owns them.

async function access<T>(name: string): Promise<T> {
  const control = process.env['SIGNALBOX_TEST_SERVICES'];
  if (!control) throw new Error('no test services: run the tests through jest');
  return new Promise((done, fail) => {
    // A connection of its own: one that is kept may be closed by the other side in the moment it is used again.
    request(`${control}/${name}`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => (response.statusCode === 200 ? done(JSON.parse(text) as T) : fail(new Error(text))));
    })
      .on('error', fail)
      .end();
  });
}

export const services = {
  rabbitmq: () => access<{ readonly url: string }>('rabbitmq'),
  postgres: () => access<DatabaseAccess>('postgres'),
  mariadb: () => access<DatabaseAccess>('mariadb'),
  sshd: () => access<SshdAccess>('sshd'),
  ftp: () => access<FtpAccess>('ftp'),
  ftps: () => access<FtpAccess>('ftps'),
};
