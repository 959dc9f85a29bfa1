import type { IncomingMessage } from 'node:http';

export class TooLarge extends Error {}

/**
 * Lower-cased names, repeated ones joined. Node's own `headers` drops the second of some (`authorization`, `content-type`); here nothing
 * is dropped, so that two of them match no rule for one.
 */
export function headersOf(raw: readonly string[]): Readonly<Record<string, string>> {
  const headers = Object.create(null) as Record<string, string>;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = raw[at + 1] ?? '';
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
  }
  return headers;
}

/** The first of repeated names counts. */
export function queryOf(text: string): Readonly<Record<string, string>> {
  const query = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(text)) query[name] ??= value;
  return query;
}

/**
 * The body as bytes; stops reading at the limit.
 * @throws TooLarge; an error of the stream when the caller went away
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw new TooLarge();
  const parts: Buffer[] = [];
  let size = 0;
  return new Promise((done, fail) => {
    const onData = (part: Buffer) => {
      size += part.byteLength;
      if (size > maxBytes) finish(() => fail(new TooLarge()));
      else parts.push(part);
    };
    const onEnd = () => finish(() => done(Buffer.concat(parts)));
    const onError = (error: Error) => finish(() => fail(error));
    const onClose = () => finish(() => fail(new Error('the caller went away')));
    const finish = (then: () => void) => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose);
      request.pause();
      then();
    };
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
  });
}
