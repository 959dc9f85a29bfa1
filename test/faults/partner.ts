import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `lost`: the effect is applied, then the connection is dropped in place of an answer. */
export type Mood = 'well' | 'lost' | 'status-500' | 'status-429';

/** A REST partner that honours `Idempotency-Key` and can be in a bad mood. */
export class FaultyPartner {
  mood: Mood = 'well';
  /** Effects by what they are about; two for one row would be one too many. */
  readonly effects = new Map<string, number>();
  /** Requests that repeated a key. */
  repeats = 0;
  /** Requests that came while it was in a bad mood. */
  refused = 0;
  /** What it answers about one thing in place of taking it; undefined when it takes it. */
  answerTo: (ref: string) => number | undefined = () => undefined;
  private readonly keys = new Set<string>();
  private readonly server = createServer((request, response) => {
    this.serve(request, response).catch(() => response.destroy()); // the request ended early
  });

  async listen(port = 0): Promise<number> {
    await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', done));
    return (this.server.address() as AddressInfo).port;
  }

  /** Stops answering anybody, as when its process is killed. */
  close(): Promise<void> {
    return new Promise((done) => {
      this.server.close(() => done());
      this.server.closeAllConnections();
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const reply = (status: number, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ id: `B-${this.effects.size}` }));
    };
    if (this.mood !== 'well') this.refused++;
    if (this.mood === 'status-500') return reply(500);
    if (this.mood === 'status-429') return reply(429, { 'retry-after': '1' });
    const key = String(request.headers['idempotency-key']);
    const { ref } = JSON.parse(Buffer.concat(parts).toString('utf8')) as { ref: string };
    const refusal = this.answerTo(ref);
    if (refusal !== undefined) return reply(refusal);
    if (this.keys.has(key)) this.repeats++;
    else {
      this.keys.add(key);
      this.effects.set(ref, (this.effects.get(ref) ?? 0) + 1);
    }
    if (this.mood === 'lost') response.destroy();
    else reply(201);
  }
}
