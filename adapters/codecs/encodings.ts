// Text from bytes and bytes from text, exactly: what does not exist in an encoding is an InvalidMessage, never `?` or U+FFFD.
// The WHATWG decoder maps the five undefined bytes of windows-1252 to control characters; iconv-lite does not, so it decodes single bytes.

import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import iconv from 'iconv-lite';
import { z } from 'zod';
import { InvalidMessage } from '../contract/index.js';

const SINGLE_BYTE = [
  'us-ascii',
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((page) => `windows-125${page}`),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16].map((part) => `iso-8859-${part}`),
  ...[437, 850, 852, 858, 866].map((page) => `cp${page}`),
  'macintosh',
];
const ALIASES: Readonly<Record<string, string>> = { utf8: 'utf-8', latin1: 'iso-8859-1', latin9: 'iso-8859-15', ascii: 'us-ascii', 'utf-16': 'utf-16le' };
const WIDE = ['utf-16le', 'utf-16be'];

/** Canonical name of an encoding; undefined when it is not known. */
export function encodingOf(name: string): string | undefined {
  const lower = name.toLowerCase().replace(/^cp(125\d)$/, 'windows-$1');
  const canonical = ALIASES[lower] ?? lower;
  return canonical === 'utf-8' || WIDE.includes(canonical) || SINGLE_BYTE.includes(canonical) ? canonical : undefined;
}

/** The option `encoding`; without `wide`, UTF-16 is refused (formats whose structure is single bytes). */
export function encodingOption(wide: boolean) {
  return z
    .string()
    .refine(
      (name) => {
        const known = encodingOf(name);
        return known !== undefined && (wide || !WIDE.includes(known));
      },
      `expected an encoding such as utf-8, ${wide ? 'utf-16le, ' : ''}windows-1252 (cp1252), iso-8859-1, iso-8859-15 or cp850`,
    )
    .transform((name) => encodingOf(name) ?? 'utf-8')
    .default('utf-8')
    .meta({ title: 'Encoding', description: 'Encoding of the text. Bytes and characters that do not exist in it are errors.', examples: ['utf-8', 'windows-1252', 'iso-8859-15'] });
}

export function isWide(encoding: string): boolean {
  return WIDE.includes(encoding);
}

/** @throws InvalidMessage E341 naming the byte offset, counted from `offset` */
export function decodeText(bytes: Uint8Array, encoding: string, offset = 0): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (encoding === 'utf-8' && isUtf8(buffer)) return buffer.toString('utf8');
  if (encoding === 'utf-8' || isWide(encoding)) {
    try {
      return strict(encoding).decode(buffer);
    } catch (cause) {
      throw notText(validPrefix(buffer, encoding), buffer, encoding, offset, cause);
    }
  }
  if (encoding === 'us-ascii') {
    const bad = buffer.findIndex((byte) => byte > 0x7f);
    if (bad >= 0) throw notText(bad, buffer, encoding, offset);
    return buffer.toString('latin1');
  }
  const text = iconv.decode(buffer, encoding, { stripBOM: false });
  const bad = text.indexOf('\ufffd');
  if (bad >= 0) throw notText(bad, buffer, encoding, offset);
  return text;
}

/** @throws InvalidMessage E342 naming the character; `place` says where it stands */
export function encodeText(text: string, encoding: string, place: string): Buffer {
  if (!text.isWellFormed()) throw new InvalidMessage('E342', `${place}: half a surrogate pair is no character`);
  if (encoding === 'utf-8') return Buffer.from(text, 'utf8');
  if (isWide(encoding)) return encoding === 'utf-16le' ? Buffer.from(text, 'utf16le') : Buffer.from(text, 'utf16le').swap16();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is the same in every single-byte encoding listed
  if (/^[\x00-\x7f]*$/.test(text)) return Buffer.from(text, 'latin1');
  const bytes = encoding === 'us-ascii' ? Buffer.alloc(0) : iconv.encode(text, encoding, { addBOM: false });
  const back = iconv.decode(bytes, encoding, { stripBOM: false });
  if (back === text) return bytes;
  for (const character of text) {
    const single = encoding === 'us-ascii' ? '' : iconv.decode(iconv.encode(character, encoding), encoding);
    if (single !== character && character.charCodeAt(0) > 0x7f) {
      throw new InvalidMessage('E342', `${place}: "${character}" (U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}) does not exist in ${encoding}`);
    }
  }
  throw new InvalidMessage('E342', `${place}: the text cannot be written in ${encoding}`);
}

/**
 * The same bytes without a byte order mark, also when it is split over chunks; UTF-16 is turned into UTF-8, so that delimiters are single
 * bytes for whoever splits the stream. A mark of the other UTF-16 byte order decides over the declared one.
 * @throws InvalidMessage E341 for UTF-16 that is none
 */
export async function* withoutMark(bytes: AsyncIterable<Uint8Array>, encoding: string): AsyncGenerator<Uint8Array> {
  if (encoding !== 'utf-8' && !isWide(encoding)) {
    yield* bytes;
    return;
  }
  let head: Buffer | undefined = Buffer.alloc(0);
  let decoder: TextDecoder | undefined;
  let offset = 0;
  for await (const chunk of bytes) {
    let part: Uint8Array = chunk;
    if (head) {
      head = Buffer.concat([head, chunk]);
      if (head.length < 3) continue;
      [part, decoder] = begin(head, encoding);
      head = undefined;
    }
    yield decoder ? wide(decoder, part, offset) : part;
    offset += part.length;
  }
  if (head) {
    const [part, started] = begin(head, encoding);
    decoder = started;
    if (part.length > 0) yield decoder ? wide(decoder, part, 0) : part;
  }
  if (decoder) yield wide(decoder, undefined, offset);
}

function begin(head: Buffer, encoding: string): [Uint8Array, TextDecoder | undefined] {
  if (!isWide(encoding)) return [head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.subarray(3) : head, undefined];
  const mark = head.length < 2 ? 0 : head.readUInt16BE(0);
  const order = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : encoding;
  return [mark === 0xfffe || mark === 0xfeff ? head.subarray(2) : head, strict(order)];
}

function wide(decoder: TextDecoder, bytes: Uint8Array | undefined, offset: number): Uint8Array {
  try {
    return Buffer.from(decoder.decode(bytes, { stream: bytes !== undefined }), 'utf8');
  } catch (cause) {
    throw new InvalidMessage('E341', `the bytes from ${offset} on are not ${decoder.encoding}`, { cause });
  }
}

function strict(encoding: string): TextDecoder {
  return new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
}

/** Length of the longest prefix that is valid; a prefix that ends inside a character counts as valid. */
export function validPrefix(buffer: Buffer, encoding: string): number {
  let [good, bad] = [0, buffer.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    try {
      strict(encoding).decode(buffer.subarray(0, middle), { stream: true });
      good = middle;
    } catch {
      bad = middle;
    }
  }
  return good;
}

function notText(at: number, buffer: Buffer, encoding: string, offset: number, cause?: unknown): InvalidMessage {
  const byte = buffer[at];
  const what = byte === undefined ? 'the end cuts a character' : `byte 0x${byte.toString(16).padStart(2, '0')}`;
  return new InvalidMessage('E341', `${what} at offset ${offset + at} is not ${encoding}`, cause === undefined ? {} : { cause });
}
