import {
  type Clock,
  type Delivery,
  InvalidMessage,
  Misconfigured,
  type Outbound,
  parseTemplate,
  type Receipt,
  type Template,
  TryAgain,
  type Verification,
  writeJson,
} from '../contract/index.js';
import { failureFor, idIn, jsonOf } from './answers.js';
import type { Answer, RestClient } from './client.js';
import { isRepeatable, type Write } from './config.js';
import { plainPath, segment } from './path.js';

/** Sends each delivery as one request with an `Idempotency-Key`, so that a partner that honours it applies it once. */
export class RestOutbound implements Outbound {
  private readonly path: Template;
  private readonly verifyPath: Template | undefined;

  constructor(
    private readonly client: RestClient,
    private readonly config: Write,
    private readonly clock: Clock,
  ) {
    this.path = templateOf(config.path);
    this.verifyPath = config.verify && templateOf(config.verify.path);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.client.open(signal);
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    const { idempotencyKey, traceparent } = delivery;
    // draft-ietf-httpapi-idempotency-key says a quoted string; partners in the field compare the bare text
    if (!/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) throw new InvalidMessage('E361', 'the idempotency key holds characters that cannot stand in a header');
    const answer = await this.client.request(
      {
        method: this.config.method,
        path: plainPath(this.path.render(delivery, segment)),
        headers: {
          ...this.config.headers,
          'content-type': 'application/json',
          ...(this.config.idempotency_key === 'none' ? {} : { [this.config.idempotency_key]: idempotencyKey }),
          ...(traceparent !== undefined && /^[0-9a-f-]{55}$/.test(traceparent) ? { traceparent } : {}),
        },
        body: writeJson(delivery.payload, this.config.numbers),
        fresh: !isRepeatable(this.config),
      },
      signal,
    );
    if (!this.config.success.includes(answer.status)) throw failureFor(answer, this.client, this.clock, this.config.unknown_status);
    return { detail: `${answer.status} ${this.accepted(answer)}`.trim(), ...(answer.status === 409 ? { duplicate: true } : {}) };
  }

  async verify(delivery: Delivery, signal: AbortSignal): Promise<Verification> {
    const { verify } = this.config;
    if (!verify || !this.verifyPath) throw new Misconfigured('E468', 'the endpoint has no `verify:`');
    const answer = await this.client.request({ method: 'GET', path: plainPath(this.verifyPath.render(delivery, segment)), headers: this.config.headers }, signal);
    if (verify.done.includes(answer.status)) return 'done';
    if (verify.not_done.includes(answer.status)) return 'not-done';
    throw new TryAgain('E581', `GET ${verify.path} of ${this.client.origin.host} answered ${answer.status}, which does not say whether it has the delivery`);
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private accepted(answer: Answer): string {
    // The configuration says that this status is enough; the rest is only for people.
    if (answer.status >= 400 || this.config.expect === 'any') return readable(answer, this.client);
    return idIn(jsonOf(answer, this.client));
  }
}

/** @throws Misconfigured */
function templateOf(path: string): Template {
  const template = parseTemplate(path);
  if (typeof template === 'string') throw new Misconfigured('E468', template);
  return template;
}

function readable(answer: Answer, client: RestClient): string {
  try {
    return idIn(jsonOf(answer, client));
  } catch (error) {
    if (error instanceof TryAgain) return ''; // no JSON: there is no id to show
    throw error;
  }
}
