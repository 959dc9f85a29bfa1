import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A REST partner of the other company: checks a bearer token, honours `Idempotency-Key`, and does what a test tells it. */
export class Partner {
  readonly effects: string[] = [];
  readonly seen: Seen[] = [];
  readonly items = new Map<string, string>();
  /** Answers instead of the partner's own code. */
  behave: ((request: Seen, response: ServerResponse) => void) | undefined;
  /** The next request is done, and not answered. */
  losesNext = false;
  private readonly keys = new Set<string>();
  private server: Server | undefined;
  private port = 0;

  constructor(readonly token: string) {}

  get base(): string {
    return `http://127.0.0.1:${this.port}/api`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => this.answer({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(parts).toString() }, response));
    });
    await new Promise<void>((done, fail) => server.on('error', fail).listen(this.port, '127.0.0.1', done));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async stop(): Promise<void> {
    const server = this.server;
    this.server = undefined;
    if (!server) return;
    await new Promise((done) => {
      server.close(done);
      server.closeAllConnections();
    });
  }

  clear(): void {
    this.behave = undefined;
    this.losesNext = false;
    this.effects.length = 0;
    this.seen.length = 0;
    this.keys.clear();
    this.items.clear();
  }

  private answer(request: Seen, response: ServerResponse): void {
    this.seen.push(request);
    if (this.behave) {
      this.behave(request, response);
      return;
    }
    const [status, body] = this.own(request);
    if (this.losesNext) {
      this.losesNext = false;
      response.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }

  private own(request: Seen): readonly [number, string] {
    if (request.headers.authorization !== `Bearer ${this.token}`) return [401, `{"error":"bad token ${request.headers.authorization ?? ''}"}`];
    if (request.method === 'GET' && request.url === '/api/health') return [200, '{"ok":true}'];
    if (request.method === 'GET') {
      const item = this.items.get(request.url);
      return item === undefined ? [404, '{"error":"unknown"}'] : [200, item];
    }
    const key = String(request.headers['idempotency-key']);
    if (!this.keys.has(key)) {
      this.keys.add(key);
      this.effects.push(request.body);
      if (request.method === 'PUT') this.items.set(request.url, request.body);
    }
    return [201, `{"id":"SHP-${this.effects.length}"}`];
  }
}

/** A port where nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
