// Text from bytes and bytes from text, exactly: what does not exist in an encoding is an InvalidMessage, never `?` or U+FFFD.
// The WHATWG decoder maps the five undefined bytes of windows-1252 to control characters; iconv-lite does not, so it decodes single bytes.

import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import iconv from 'iconv-lite';
import { z } from 'zod';
import { InvalidMessage } from '../contract/index.js';
import { decodeEbcdic, EBCDIC, encodeEbcdic, isEbcdic } from './ebcdic.js';
import { characterLength, isRecoded, MULTI_BYTE, markedOffset, recode } from './recode.js';

const SINGLE_BYTE = [
  'us-ascii',
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((page) => `windows-125${page}`),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16].map((part) => `iso-8859-${part}`),
  ...[437, 850, 852, 858, 866].map((page) => `cp${page}`),
  'macintosh',
];
const ALIASES: Readonly<Record<string, string>> = {
  utf8: 'utf-8',
  latin1: 'iso-8859-1',
  latin9: 'iso-8859-15',
  ascii: 'us-ascii',
  'utf-16': 'utf-16le',
  sjis: 'shift_jis',
  'shift-jis': 'shift_jis',
  cp932: 'shift_jis',
  'windows-31j': 'shift_jis',
  cp936: 'gbk',
  cp949: 'euc-kr',
  cp950: 'big5',
};
const WIDE = ['utf-16le', 'utf-16be'];

/** Canonical name of an encoding; undefined when it is not known. */
export function encodingOf(name: string): string | undefined {
  const lower = name
    .toLowerCase()
    .replace(/^cp(125\d)$/, 'windows-$1')
    .replace(/^(ibm|ebcdic)-?(\d+)$/, 'cp$2');
  const canonical = ALIASES[lower] ?? lower;
  return canonical === 'utf-8' || [WIDE, SINGLE_BYTE, MULTI_BYTE, EBCDIC].some((names) => names.includes(canonical)) ? canonical : undefined;
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
      `expected an encoding such as utf-8, ${wide ? 'utf-16le, ' : ''}windows-1252 (cp1252), iso-8859-1, iso-8859-15, cp850, shift_jis or cp037 (EBCDIC)`,
    )
    .transform((name) => encodingOf(name) ?? 'utf-8')
    .default('utf-8')
    .meta({
      title: 'Encoding',
      description: 'Encoding of the text. Bytes and characters that do not exist in it are errors.',
      examples: ['utf-8', 'windows-1252', 'iso-8859-15', 'shift_jis', 'cp1141'],
    });
}

export { isRecoded };

/** UTF-16 in either byte order. */
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
  if (isEbcdic(encoding)) return decodeEbcdic(buffer, encoding);
  const text = iconv.decode(buffer, encoding, { stripBOM: false });
  const bad = text.indexOf('\ufffd');
  if (bad >= 0) throw notText(MULTI_BYTE.includes(encoding) ? firstBad(buffer, encoding) : bad, buffer, encoding, offset);
  return text;
}

/** @throws InvalidMessage E342 naming the character; `place` says where it stands */
export function encodeText(text: string, encoding: string, place: string): Buffer {
  if (!text.isWellFormed()) throw new InvalidMessage('E342', `${place}: half a surrogate pair is no character`);
  if (encoding === 'utf-8') return Buffer.from(text, 'utf8');
  if (isWide(encoding)) return encoding === 'utf-16le' ? Buffer.from(text, 'utf16le') : Buffer.from(text, 'utf16le').swap16();
  if (isEbcdic(encoding)) return encodeEbcdic(text, encoding) ?? notEncoded(text, encoding, place, (character) => encodeEbcdic(character, encoding) !== undefined);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is the same in every other encoding listed
  if (/^[\x00-\x7f]*$/.test(text)) return Buffer.from(text, 'latin1');
  const bytes = encoding === 'us-ascii' ? Buffer.alloc(0) : iconv.encode(text, encoding, { addBOM: false });
  const back = iconv.decode(bytes, encoding, { stripBOM: false });
  if (back === text) return bytes;
  return notEncoded(
    text,
    encoding,
    place,
    (character) => character.charCodeAt(0) < 0x80 || (encoding !== 'us-ascii' && iconv.decode(iconv.encode(character, encoding), encoding) === character),
  );
}

function notEncoded(text: string, encoding: string, place: string, exists: (character: string) => boolean): never {
  const bad = [...text].find((character) => !exists(character));
  if (bad === undefined) throw new InvalidMessage('E342', `${place}: the text cannot be written in ${encoding}`);
  throw new InvalidMessage('E342', `${place}: "${bad}" (U+${(bad.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}) does not exist in ${encoding}`);
}

/**
 * The same bytes without a byte order mark, also when it is split over chunks. What is not made of single ASCII bytes (UTF-16, Shift_JIS, EBCDIC) is turned
 * into UTF-8, so that delimiters are single bytes for whoever splits the stream; a sequence that does not exist in the encoding stays an error of
 * the record it stands in. A mark of UTF-16 decides over the declared UTF-8 or the other byte order.
 */
export async function* withoutMark(bytes: AsyncIterable<Uint8Array>, encoding: string): AsyncGenerator<Uint8Array> {
  if (encoding !== 'utf-8' && !isWide(encoding)) {
    yield* isRecoded(encoding) ? recode(bytes, encoding, 0) : bytes;
    return;
  }
  const input = bytes[Symbol.asyncIterator]();
  try {
    let head: Buffer = Buffer.alloc(0);
    while (head.length < 3) {
      const next = await input.next();
      if (next.done) break;
      head = Buffer.concat([head, next.value]);
    }
    const mark = head.length < 2 ? 0 : head.readUInt16BE(0);
    const order = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : encoding;
    const length = mark === 0xfffe || mark === 0xfeff ? 2 : encoding === 'utf-8' && head.indexOf('\ufeff', 0, 'utf8') === 0 ? 3 : 0;
    const rest = chained(head.subarray(length), input);
    yield* isWide(order) ? recode(rest, order, length) : rest;
  } finally {
    await input.return?.();
  }
}

async function* chained(head: Uint8Array, input: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let next = await input.next(); !next.done; next = await input.next()) yield next.value;
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

function firstBad(buffer: Buffer, encoding: string): number {
  let at = 0;
  while (at < buffer.length) {
    const length = characterLength(buffer, at, encoding);
    if (at + length > buffer.length || iconv.decode(buffer.subarray(at, at + length), encoding).includes('\ufffd')) break;
    at += length;
  }
  return at;
}

function notText(at: number, buffer: Buffer, encoding: string, offset: number, cause?: unknown): InvalidMessage {
  const marked = markedOffset(buffer, at);
  if (marked !== undefined) return new InvalidMessage('E341', `the byte at offset ${marked} is not text in the declared encoding`);
  const byte = buffer[at];
  const what = byte === undefined ? 'the end cuts a character' : `byte 0x${byte.toString(16).padStart(2, '0')}`;
  return new InvalidMessage('E341', `${what} at offset ${offset + at} is not ${encoding}`, cause === undefined ? {} : { cause });
}
