import { reached } from '../../bus/failpoint.js';
import {
  type Accept,
  type Accepted,
  type Clock,
  failureOf,
  type HttpHost,
  type HttpReply,
  type HttpRequest,
  type ListeningInbound,
  type Logger,
  Misconfigured,
  type SourceRecord,
  TryAgain,
} from '../contract/index.js';
import type { Read } from './config.js';
import { type Interpretation, interpret } from './interpret.js';
import { KnownIds } from './known-ids.js';
import { authHeaders, type Verifier, verifierOf } from './webhook-auth.js';

/** A webhook. The order of checks is the security: bytes are verified before anything reads them, and texts say nothing about why. */
export class RestInbound implements ListeningInbound {
  readonly kind = 'listening';
  private readonly known = new KnownIds<Accepted>();
  private readonly verify: Verifier;
  private readonly hidden: ReadonlySet<string>;
  private served: { close(): Promise<void> } | undefined;

  constructor(
    private readonly config: Read,
    private readonly host: HttpHost,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    this.verify = verifierOf(config.auth);
    this.hidden = new Set(authHeaders(config.auth));
  }

  async open(accept: Accept, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.served) throw new Misconfigured('E468', `${this.config.path} is open already`);
    this.served = await this.host.serve({
      method: this.config.method,
      path: this.config.path,
      maxBodyBytes: this.config.max_body,
      handle: (request, stop) => this.handle(request, accept, stop),
    });
  }

  async close(): Promise<void> {
    const served = this.served;
    this.served = undefined;
    await served?.close();
  }

  private async handle(request: HttpRequest, accept: Accept, stop: AbortSignal): Promise<HttpReply> {
    if (!this.verify(request, this.clock.now())) {
      this.log.warn('rest.unauthorized', 'a request was refused: wrong or missing credentials or signature; was the body altered on its way?', {
        path: this.config.path,
        from: request.remoteAddress,
      });
      return reply(401, 'unauthorized');
    }
    const read = interpret(request, this.config, this.hidden);
    if ('reply' in read) return read.reply;
    return this.take(read, accept, stop);
  }

  private async take({ record, digest, keyed }: Exclude<Interpretation, { reply: unknown }>, accept: Accept, stop: AbortSignal): Promise<HttpReply> {
    try {
      const accepted = await this.known.once(record.id, digest, () => this.accepted(record, accept, stop));
      if (accepted === 'other body') {
        // Two inputs under one id that is only a hint (no Idempotency-Key) are the sender's own mistake as well: neither is guessed away.
        return reply(422, keyed ? 'the idempotency key was used for another request' : 'the delivery id was used for another request');
      }
      reached('webhook.answer.before');
      return { status: accepted.result === 'duplicate' ? 200 : 202, body: JSON.stringify({ id: accepted.messageId }) };
    } catch (error) {
      const failure = failureOf(error);
      if (failure?.name !== 'NotConnected' && failure?.name !== 'TryAgain') throw error;
      const wait = failure instanceof TryAgain ? (failure.afterMs ?? 5_000) : 5_000;
      return { ...reply(503, 'try again later'), headers: { 'retry-after': String(Math.min(3_600, Math.max(1, Math.ceil(wait / 1000)))) } };
    }
  }

  private async accepted(record: SourceRecord, accept: Accept, stop: AbortSignal): Promise<Accepted> {
    const late = AbortSignal.timeout(this.config.answer_within);
    const signal = AbortSignal.any([stop, late]);
    const aborted = new Promise<never>((_, fail) => {
      signal.addEventListener('abort', () => fail(new TryAgain('E476', 'the input was not stored in time')), { once: true });
    });
    return Promise.race([accept(record, signal), aborted]);
  }
}

function reply(status: number, error: string): HttpReply {
  return { status, body: JSON.stringify({ error }) };
}
