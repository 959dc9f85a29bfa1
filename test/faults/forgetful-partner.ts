import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Failpoint } from '../../bus/failpoint.js';

/** Moments that only come where an outcome may be unknown; the process is killed at them in unknown.test.ts. */
export const MOMENTS_OF_UNKNOWN: readonly Failpoint[] = [
  'target.sending.written',
  'target.unknown.written',
  'target.undone.written',
  'target.parked.written',
  'resolve.ledger.written',
  'resolve.published',
];

/** What becomes of one request: whether its effect happens, and what the sender gets. */
export interface Conduct {
  readonly applies: boolean;
  /** `silence`: no answer at all. `killed`: the sender is gone before there is one. */
  readonly answer: 'answered' | 'reset' | 'half' | 'silence' | 'killed' | 503 | 504;
}

/**
 * Three ways to take an order: `/keyed` honours `Idempotency-Key`, `/verified` can be asked, `/parked` can neither. What comes twice without a key is
 * done twice.
 */
export class ForgetfulPartner {
  /** Effects by `/keyed 4711`. */
  readonly effects = new Map<string, number>();
  /** How requests went, by the answer they got. */
  readonly conducts = new Map<Conduct['answer'], number>();
  requests = 0;
  private readonly keys = new Set<string>();
  private readonly server = createServer((request, response) => {
    this.serve(request, response).catch(() => response.destroy()); // the request ended early
  });

  /** @param decide what becomes of the n-th request; `killed` is done by the test, before the effect or after it */
  constructor(
    private readonly decide: (request: number, path: string) => Conduct,
    private readonly kill: () => Promise<void>,
  ) {}

  async listen(): Promise<number> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return (this.server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((done) => {
      this.server.close(() => done());
      this.server.closeAllConnections();
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const [, path = '', asked] = (request.url ?? '').split('/');
    if (request.method === 'GET') {
      response.writeHead(this.effects.has(`/${path} ${asked}`) ? 200 : 404).end();
      return;
    }
    const { applies, answer } = this.decide(this.requests++, `/${path}`);
    this.conducts.set(answer, (this.conducts.get(answer) ?? 0) + 1);
    const { ref } = JSON.parse(Buffer.concat(parts).toString('utf8')) as { ref: string };
    if (applies) this.apply(`/${path} ${ref}`, request.headers['idempotency-key']);
    if (answer === 'killed') await this.kill();
    if (answer === 'answered') response.writeHead(201, { 'content-type': 'application/json' }).end(`{"id":"B-${ref}"}`);
    else if (answer === 'half') response.writeHead(201, { 'content-type': 'application/json', 'content-length': '100' }).write('{"id":', () => response.destroy());
    else if (answer === 'reset' || answer === 'killed') request.socket.resetAndDestroy();
    else if (answer !== 'silence') response.writeHead(answer).end();
  }

  private apply(effect: string, key: string | string[] | undefined): void {
    if (key !== undefined) {
      if (this.keys.has(String(key))) return;
      this.keys.add(String(key));
    }
    this.effects.set(effect, (this.effects.get(effect) ?? 0) + 1);
  }
}
