// The text of an XML document from its bytes: the encoding is the one of the byte order mark or of the declaration, which must agree.

import { InvalidMessage } from '../contract/index.js';
import { decodeText, encodingOf, isWide, validPrefix, withoutMark } from './encodings.js';

export interface XmlText {
  readonly text: string;
  readonly encoding: string;
}

/** Bytes in which the declaration must have ended. */
const HEAD = 1_024;

/** `declared` from the configuration decides over the document. @throws InvalidMessage E341, after all text before the bad byte was given */
export async function* xmlText(bytes: AsyncIterable<Uint8Array>, declared: string | undefined): AsyncGenerator<XmlText> {
  const input = bytes[Symbol.asyncIterator]();
  try {
    let head: Buffer = Buffer.alloc(0);
    let ended = false;
    while (head.length < HEAD && !ended) {
      const next = await input.next();
      if (next.done) ended = true;
      else head = Buffer.concat([head, next.value]);
    }
    const encoding = declared ?? detect(head);
    const rest = { [Symbol.asyncIterator]: () => chain(head, input) };
    const [stream, target] = isWide(encoding) ? [withoutMark(rest, encoding), 'utf-8'] : [withoutMark(rest, encoding), encoding];
    let [offset, carry] = [0, Buffer.alloc(0)];
    for await (const chunk of stream) {
      const whole = carry.length > 0 ? Buffer.concat([carry, chunk]) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const cut = target === 'utf-8' ? complete(whole) : whole.length;
      yield* decoded(whole.subarray(0, cut), target, offset, encoding);
      offset += cut;
      carry = Buffer.from(whole.subarray(cut));
    }
    if (carry.length > 0) yield* decoded(carry, target, offset, encoding);
  } finally {
    await input.return?.();
  }
}

async function* chain(head: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

function detect(head: Buffer): string {
  const mark =
    head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf
      ? 'utf-8'
      : head[0] === 0xff && head[1] === 0xfe
        ? 'utf-16le'
        : head[0] === 0xfe && head[1] === 0xff
          ? 'utf-16be'
          : undefined;
  const text =
    mark === 'utf-16be'
      ? Buffer.from(head.subarray(0, head.length & ~1))
          .swap16()
          .toString('utf16le')
      : head.toString(mark === 'utf-16le' ? 'utf16le' : 'latin1');
  const name = /^(?:\ufeff|\u00ef\u00bb\u00bf)?<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']/.exec(text)?.[1];
  const encoding = name === undefined ? undefined : encodingOf(name);
  if (name !== undefined && encoding === undefined)
    throw new InvalidMessage('E363', `the document says it is in ${name}, which is not supported; name the encoding in the configuration`);
  if (mark === undefined && encoding !== undefined && isWide(encoding)) throw new InvalidMessage('E363', `the document says it is in ${name ?? ''} and has no byte order mark`);
  if (mark !== undefined && encoding !== undefined && !(mark === encoding || (isWide(mark) && isWide(encoding))))
    throw new InvalidMessage('E363', `the document says it is in ${name ?? ''}, its byte order mark is the one of ${mark}`);
  return mark ?? encoding ?? 'utf-8';
}

/** What is valid before a bad byte is given first, so that the elements before it are not lost. */
function* decoded(bytes: Buffer, target: string, offset: number, encoding: string): Generator<XmlText> {
  try {
    yield { text: decodeText(bytes, target, offset), encoding };
    return;
  } catch (error) {
    const good = target === 'utf-8' ? validPrefix(bytes, target) : longest(bytes, target);
    const cut = target === 'utf-8' ? complete(bytes.subarray(0, good)) : good;
    if (cut > 0) yield { text: decodeText(bytes.subarray(0, cut), target, offset), encoding };
    throw error;
  }
}

function longest(bytes: Buffer, encoding: string): number {
  let [good, bad] = [0, bytes.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    try {
      decodeText(bytes.subarray(0, middle), encoding);
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return good;
}

/** Length without a UTF-8 sequence that is cut off at the end. */
function complete(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
