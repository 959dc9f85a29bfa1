// Whether the partner may have got a request that was not answered, against real sockets.
import { createServer as createHttpServer, type Server as HttpServer, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Delivery, failureOf, type Receipt, Secret, type Verification } from '../../../adapters/contract/index.js';
import { isIdempotent } from '../../../adapters/contract/spec.js';
import { RestClient } from '../../../adapters/rest/client.js';
import { connectSchema, writeSchema } from '../../../adapters/rest/config.js';
import rest from '../../../adapters/rest/index.js';
import { RestOutbound } from '../../../adapters/rest/outbound.js';
import { deliveryOf, sample } from '../../kit/adapter/index.js';
import { heldClock } from '../../kit/fakes.js';
import { freePort, Partner, type Seen } from './partner.js';

const TOKEN = 'partner-token-1234567890';
const signal = new AbortController().signal;
const partner = new Partner(TOKEN);
const open: RestOutbound[] = [];
const delivery: Delivery = deliveryOf(sample(1), { a: 1n });

beforeAll(() => partner.start());
afterAll(() => partner.stop());
beforeEach(() => partner.clear());
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

function outbound(write: Readonly<Record<string, unknown>> = {}, connect: Readonly<Record<string, unknown>> = {}): { readonly made: RestOutbound; readonly client: RestClient } {
  const client = new RestClient(connectSchema.parse({ base: partner.base, bearer: new Secret('crm', TOKEN), timeout: '10s', ...connect }));
  const made = new RestOutbound(client, writeSchema.parse({ path: '/shipments', ...write }), heldClock());
  open.push(made);
  return { made, client };
}

/** Kind of failure and what it says of the outcome. */
async function outcome(work: Promise<Receipt | Verification>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    const failure = failureOf(error);
    if (!failure) throw error;
    return [failure.name, 'outcome' in failure ? failure.outcome : undefined];
  }
}

async function sent(write: Readonly<Record<string, unknown>> = {}, timeout = '10s'): Promise<unknown> {
  const { made } = outbound(write, { timeout });
  await made.open(signal);
  return outcome(made.send(delivery, signal));
}

type Behaviour = (request: Seen, response: ServerResponse) => void;
const answering =
  (status: number, body = '', headers: Readonly<Record<string, string>> = { 'content-type': 'application/json' }): Behaviour =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);

describe('what a failed request says of its outcome', () => {
  test.each<readonly [string, Behaviour, string]>([
    ['a connection that breaks off before the answer', (_, response) => void response.destroy(), 'NotConnected'],
    ['no answer in time', () => undefined, 'TryAgain'],
    ['an answer that breaks off', (_, response) => void response.writeHead(201, { 'content-length': '100' }).write('{"id":', () => response.destroy()), 'NotConnected'],
    ['an answer that does not end', (_, response) => void response.writeHead(201).write('{'), 'TryAgain'],
    ['an answer that is no HTTP', (_, response) => void response.socket?.write('FTP 220 ready\r\n\r\n'), 'NotConnected'],
    ['502 of a gateway', answering(502), 'TryAgain'],
    ['504 of a gateway', answering(504), 'TryAgain'],
    ['a page in place of JSON', answering(200, '<h1>Log in</h1>', { 'content-type': 'text/html' }), 'TryAgain'],
    ['success with broken JSON', answering(201, '{"id":'), 'TryAgain'],
  ])('%s: unknown', async (_, behave, kind) => {
    partner.behave = behave;
    expect(await sent({}, kind === 'TryAgain' ? '1500ms' : '10s')).toEqual([kind, 'unknown']);
  });

  test.each<readonly [string, Behaviour, string]>([
    ['503', answering(503), 'TryAgain'],
    ['500', answering(500), 'TryAgain'],
    ['429', answering(429), 'TryAgain'],
    ['409', answering(409), 'TryAgain'],
    ['400', answering(400), 'InvalidMessage'],
    ['401', answering(401), 'Misconfigured'],
  ])('%s: it did nothing', async (_, behave, kind) => {
    partner.behave = behave;
    expect(await sent()).toEqual([kind, undefined]);
  });

  test('the endpoint may say which statuses leave it open', async () => {
    partner.behave = answering(502);
    expect(await sent({ unknown_status: [] })).toEqual(['TryAgain', undefined]);
    partner.behave = answering(500);
    expect(await sent({ unknown_status: [500] })).toEqual(['TryAgain', 'unknown']);
  });

  test('refused, and a name that is not known: nothing was sent', async () => {
    const { client } = outbound({}, { base: `http://127.0.0.1:${await freePort()}` });
    const refused = await client.open(signal).catch(failureOf);
    expect([refused?.name, refused && 'outcome' in refused && refused.outcome]).toEqual(['NotConnected', undefined]);
    const { client: nowhere } = outbound({}, { base: 'http://nowhere.invalid' });
    expect(await nowhere.open(signal).catch(failureOf)).toMatchObject({ name: 'NotConnected', outcome: undefined });
  });

  describe('while the connection is made', () => {
    const servers: (Server | HttpServer)[] = [];
    afterEach(async () => {
      for (const server of servers.splice(0)) await new Promise((done) => server.close(done));
    });
    async function listening(take: (socket: Socket) => void): Promise<number> {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        take(socket);
      });
      const close = server.close.bind(server);
      server.close = (done) => {
        for (const socket of sockets) socket.destroy();
        return close(done);
      };
      servers.push(server);
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      return (server.address() as AddressInfo).port;
    }

    test.each<readonly [string, (socket: Socket) => void, string]>([
      ['a TLS handshake that is not answered', () => undefined, 'NotConnected'],
      ['a TLS handshake that is cut', (socket) => void socket.once('data', () => socket.resetAndDestroy()), 'NotConnected'],
      ['a server that speaks no TLS', (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'Misconfigured'],
    ])('%s: nothing was sent', async (_, take, kind) => {
      const { made } = outbound({}, { base: `https://127.0.0.1:${await listening(take)}`, timeout: '1500ms' });
      await made.open(signal);
      const told = await outcome(made.send(delivery, signal));
      // The time for the connection and that for the request are over at once.
      expect([
        [kind, undefined],
        ['TryAgain', undefined],
      ]).toContainEqual(told);
    });

    test('a connection that is taken and dropped may have got it', async () => {
      const { made } = outbound({}, { base: `http://127.0.0.1:${await listening((socket) => void socket.once('data', () => socket.destroy()))}` });
      await made.open(signal);
      expect(await outcome(made.send(delivery, signal))).toEqual(['NotConnected', 'unknown']);
    });
  });
});

describe('a request that cannot be repeated', () => {
  test('goes on a connection of its own, without a key', async () => {
    const ports = new Set<number | undefined>();
    const server = createHttpServer((request, response) => {
      ports.add(request.socket.remotePort);
      response.writeHead(request.headers['idempotency-key'] === undefined ? 204 : 500).end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { made } = outbound({ idempotency_key: 'none' }, { base });
      await made.open(signal);
      for (let count = 0; count < 3; count++) expect(await made.send(delivery, signal)).toEqual({ detail: '204' });
      expect(ports.size).toBe(3);
    } finally {
      await closed(server);
    }
  });

  test('is one without a key that the method does not make repeatable', () => {
    const repeatable = (write: Readonly<Record<string, unknown>>) => isIdempotent(rest.write, writeSchema.parse({ path: '/s', ...write }));
    expect(repeatable({})).toBe(true);
    expect(repeatable({ idempotency_key: 'x-request-id' })).toBe(true);
    for (const method of ['POST', 'PATCH']) expect(repeatable({ method, idempotency_key: 'none' })).toBe(false);
    for (const method of ['PUT', 'DELETE']) expect(repeatable({ method, idempotency_key: 'none' })).toBe(true);
    for (const name of ['authorization', 'host', 'content-type', 'a b']) expect(writeSchema.safeParse({ path: '/s', idempotency_key: name }).success).toBe(false);
  });

  test('the key goes into the header that the partner knows', async () => {
    expect(await sent({ idempotency_key: 'x-request-id' })).toMatchObject({ detail: '201 SHP-1' });
    expect(partner.seen[0]?.headers).toMatchObject({ 'x-request-id': delivery.idempotencyKey });
    expect(partner.seen[0]?.headers).not.toHaveProperty('idempotency-key');
  });
});

describe('verify', () => {
  const verify = { path: '/bookings/{key}', done: [200, 204], not_done: 404 };

  test.each<readonly [string, Behaviour, unknown]>([
    ['200', answering(200, '{}'), 'done'],
    ['204', answering(204), 'done'],
    ['404', answering(404), 'not-done'],
    ['410, which nobody named', answering(410), ['TryAgain', undefined]],
    ['500', answering(500), ['TryAgain', undefined]],
    ['401', answering(401), ['TryAgain', undefined]],
    ['302', answering(302), ['TryAgain', undefined]],
  ])('%s', async (_, behave, expected) => {
    partner.behave = behave;
    const { made } = outbound({ verify, headers: { 'x-tenant': 'main' } });
    await made.open(signal);
    expect(await outcome(made.verify(delivery, signal))).toEqual(expected);
    expect(partner.seen).toMatchObject([{ method: 'GET', url: '/api/bookings/K-1', headers: { 'x-tenant': 'main', authorization: `Bearer ${TOKEN}` } }]);
  });

  test('its options: one status or several, never the same for both', () => {
    const parses = (given: unknown) => writeSchema.safeParse({ path: '/s', verify: given }).success;
    expect(writeSchema.parse({ path: '/s', verify: { path: '/s/{id}' } }).verify).toEqual({ path: '/s/{id}', done: [200], not_done: [404] });
    expect(parses({ path: '/s/{id}', done: 200, not_done: [404, 410] })).toBe(true);
    expect(parses({ path: '/s/{id}', done: 404 })).toBe(false);
    expect(parses({ path: '/s/{nothing}' })).toBe(false);
    expect(parses({ path: '/s/{id}', not_done: 500 })).toBe(false);
    expect(rest.write.verifies(writeSchema.parse({ path: '/s' }))).toBe(false);
    expect(rest.write.verifies(writeSchema.parse({ path: '/s', verify }))).toBe(true);
  });
});

async function closed(server: HttpServer): Promise<void> {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}
