import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import type { TlsFiles } from '../../../bus/rabbitmq/tls.js';
import { acking, message } from '../../kit/broker/harness.js';
import { clock, recorder } from '../../kit/broker/services.js';
import { freePort, type RabbitmqServer, startRabbitmq } from '../../services/servers.js';
import { createAuthority } from './certificates.js';

describe('RabbitMQ over TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-tls-'));
  const ours = (name: string): string => join(directory, name);
  const closing: (() => Promise<void>)[] = [];
  let server: RabbitmqServer | undefined;
  let port = 0;

  beforeAll(async () => {
    const authority = createAuthority(directory);
    authority.issue('server', 'broker', 'DNS:localhost');
    authority.issue('client', 'signalbox', 'DNS:signalbox');
    mkdirSync(ours('other'));
    createAuthority(ours('other')).issue('client', 'signalbox', 'DNS:signalbox');
    port = await freePort();
    server = await startRabbitmq(
      [
        `listeners.ssl.1 = 127.0.0.1:${port}`,
        `ssl_options.cacertfile = ${ours('ca.pem')}`,
        `ssl_options.certfile = ${ours('server.pem')}`,
        `ssl_options.keyfile = ${ours('server.key')}`,
        'ssl_options.verify = verify_peer',
        'ssl_options.fail_if_no_peer_cert = true',
        'ssl_cert_login_from = common_name',
        'auth_mechanisms.1 = PLAIN',
        'auth_mechanisms.2 = EXTERNAL',
      ],
      ['rabbitmq_auth_mechanism_ssl'],
    );
    await server.control('add_user', 'signalbox', 'not used');
    await server.control('set_permissions', 'signalbox', '.*', '.*', '.*');
  }, 120_000);
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  async function attempt(login: string, host: string, tls: TlsFiles): Promise<RabbitmqBroker> {
    const broker = new RabbitmqBroker({ urls: [`amqps://${login}${host}:${port}/`], tls, prefix: 'tls', settleMs: 0, clock, log: recorder() });
    closing.push(() => broker.close());
    await broker.open(AbortSignal.timeout(20_000));
    return broker;
  }
  const good = { caFile: ours('ca.pem'), certFile: ours('client.pem'), keyFile: ours('client.key') };

  test('a private authority, a certificate of ours and no password: it works', async () => {
    const broker = await attempt('', 'localhost', good);
    await broker.declare({ name: 'a' });
    const inbox = acking();
    await broker.consume('a', { prefetch: 1 }, inbox.onMessage);
    await broker.publish('a', message('over TLS'));
    await inbox.until(1);
    expect(await server?.control('list_connections', 'user', 'auth_mechanism', 'ssl', '--silent')).toMatch(/signalbox\s+EXTERNAL\s+true/);
  });

  test('with user and password, and a name that is not the host', async () => {
    await attempt('guest:guest@', 'localhost', good);
    await attempt('guest:guest@', '127.0.0.1', { ...good, servername: 'localhost' });
  });

  test.each<[string, string, TlsFiles, RegExp]>([
    ['an authority we do not know', 'localhost', { certFile: good.certFile, keyFile: good.keyFile }, /certificate/],
    ['another authority than the given one', 'localhost', { ...good, caFile: ours('other/ca.pem') }, /certificate/],
    ['a name that is not in the certificate', '127.0.0.1', good, /altnames/],
    ['no certificate of ours where one is asked for', 'localhost', { caFile: good.caFile }, /certificate required/],
    ['a certificate of ours that the broker does not trust', 'localhost', { ...good, certFile: ours('other/client.pem'), keyFile: ours('other/client.key') }, /unknown ca/],
    ['a file that is not there', 'localhost', { ...good, caFile: ours('nowhere.pem') }, /nowhere\.pem cannot be read/],
  ])('%s is refused and says so', async (_what, host, tls, text) => {
    await expect(attempt('guest:guest@', host, tls)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E517', message: expect.stringMatching(text) });
  });
});
