import { createServer, type Server } from 'node:http';

/** One REST service of the demo: it takes JSON, knows a request by its Idempotency-Key, and can be broken. */
export interface Partner {
  readonly url: string;
  /** Effects by idempotency key: what a real partner would have in its books. */
  readonly effects: ReadonlyMap<string, unknown>;
  /** Requests that repeated a key. */
  readonly repeats: () => number;
  broken: boolean;
  close(): Promise<void>;
}

export async function startPartner(token: string, prefix: string): Promise<Partner> {
  const effects = new Map<string, unknown>();
  let repeats = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const reply = (status: number, body: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      if (partner.broken) return reply(503, { error: 'closed for maintenance' });
      if (request.headers.authorization !== `Bearer ${token}`) return reply(401, { error: 'who are you?' });
      const key = request.headers['idempotency-key'];
      if (typeof key !== 'string') return reply(400, { error: 'no Idempotency-Key' });
      if (effects.has(key)) repeats++;
      else effects.set(key, JSON.parse(Buffer.concat(parts).toString('utf8')));
      return reply(201, { id: `${prefix}-${99_000 + effects.size}` });
    });
  });
  const url = await listen(server);
  const partner: Partner = {
    url,
    effects,
    repeats: () => repeats,
    broken: false,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return partner;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the partner got no port');
  return `http://127.0.0.1:${address.port}`;
}
