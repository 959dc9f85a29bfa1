// What an answer means for the runtime.
import { type Clock, InvalidMessage, isRecord, JsonError, Misconfigured, parseJson, TryAgain, type Value } from '../contract/index.js';
import type { Answer, RestClient } from './client.js';

const LONGEST_WAIT_MS = 21_600_000; // the last step of the retry ladder

/** The failure behind a status that is no success. @param open statuses that do not say whether the partner did it */
export function failureFor(answer: Answer, client: RestClient, clock: Clock, open: readonly number[] = []): Misconfigured | TryAgain | InvalidMessage {
  const { status } = answer;
  const said = client.excerpt(answer);
  const detail = `${client.origin.host} answered ${status}${said === '' ? '' : `: ${said}`}`;
  if (status === 401 || status === 403 || status === 407) return new Misconfigured('E470', detail);
  if (status >= 300 && status < 400) return new Misconfigured('E471', `${client.origin.host} answered ${status}: redirects are not followed`);
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const afterMs = retryAfter(answer.headers['retry-after'], clock.now());
    return new TryAgain('E472', detail, { ...(afterMs === undefined ? {} : { afterMs }), ...(open.includes(status) ? { outcome: 'unknown' } : {}) });
  }
  // draft-ietf-httpapi-idempotency-key: 409 while the first request with the key is under way, 422 for a key that was used for another request
  if (status === 409) return new TryAgain('E474', detail);
  return new InvalidMessage('E473', detail);
}

/** RFC 9110 section 10.2.3: seconds or a date. Undefined for anything else; never longer than the runtime would wait. */
export function retryAfter(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const date = /^[A-Za-z]{3,9},? .* GMT$/.test(text) ? Date.parse(text) - now.getTime() : Number.NaN;
  const ms = /^\d{1,12}$/.test(text) ? Number(text) * 1000 : date;
  return Number.isNaN(ms) ? undefined : Math.min(LONGEST_WAIT_MS, Math.max(1_000, ms));
}

/**
 * The JSON of a successful answer; undefined when it has no body.
 * @throws TryAgain when it is something else: a page of a proxy in between passes with time, the ladder bounds the rest. The status says that the partner
 * did it, the rest does not: whether it did is unknown
 */
export function jsonOf(answer: Answer, client: RestClient): Value | undefined {
  if (answer.cut) throw unclear(`the answer of ${client.origin.host} is larger than \`max_answer\``);
  if (answer.text === '' || answer.status === 204) return undefined;
  const type = answer.headers['content-type'] ?? '';
  if (!/^application\/([a-z0-9!#$&^_.+-]+\+)?json\b/i.test(type)) {
    throw unclear(`${client.origin.host} answered ${answer.status} with ${type.slice(0, 60) || 'no content type'} instead of JSON: ${client.excerpt(answer)}`);
  }
  try {
    return parseJson(answer.text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw unclear(`${client.origin.host} answered ${answer.status} with broken JSON, ${error.message}`);
  }
}

function unclear(detail: string): TryAgain {
  return new TryAgain('E475', detail, { outcome: 'unknown' });
}

/** `SHP-99812`, when the answer has an id. */
export function idIn(value: Value | undefined): string {
  const id = isRecord(value) ? value['id'] : undefined;
  return typeof id === 'string' || typeof id === 'bigint'
    ? String(id)
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, 100)
    : '';
}
