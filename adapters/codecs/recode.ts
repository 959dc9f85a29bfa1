// Streams whose delimiters are not single ASCII bytes become UTF-8 before they are split. A sequence that does not exist in the encoding becomes a mark
// that no UTF-8 has, with its offset, so that only the record it stands in fails.

import iconv from 'iconv-lite';
import { decodeEbcdic, isEbcdic } from './ebcdic.js';

export const MULTI_BYTE = ['shift_jis', 'euc-jp', 'gbk', 'big5', 'euc-kr'];
const MARK = 0xff;

/** Whether a stream of this encoding has to be recoded: structure of single ASCII bytes cannot be found in it. */
export function isRecoded(encoding: string): boolean {
  return encoding === 'utf-16le' || encoding === 'utf-16be' || MULTI_BYTE.includes(encoding) || isEbcdic(encoding);
}

/** `bytes` as UTF-8; what is wrong is marked. `offset` is where the stream began. */
export async function* recode(bytes: AsyncIterable<Uint8Array>, encoding: string, offset: number): AsyncGenerator<Uint8Array> {
  const piece = isEbcdic(encoding) ? ebcdic : encoding.startsWith('utf-16') ? utf16 : multiByte;
  let rest: Buffer = Buffer.alloc(0);
  let at = offset;
  for await (const chunk of bytes) {
    const whole = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([rest, chunk]);
    const { text, used } = piece(whole, encoding, at, false);
    rest = Buffer.from(whole.subarray(used));
    at += used;
    if (text.length > 0) yield text;
  }
  if (rest.length > 0) yield piece(rest, encoding, at, true).text;
}

/** The offset in the original stream that a mark in recoded bytes names; undefined when there is none at `at`. */
export function markedOffset(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== MARK) return undefined;
  const end = bytes.indexOf(MARK, at + 1);
  const digits = end < 0 ? '' : Buffer.from(bytes.subarray(at + 1, end)).toString('latin1');
  return /^\d{1,16}$/.test(digits) ? Number(digits) : undefined;
}

/** Length of the character that starts at `at`, told by its first byte; more than there is when it is cut. */
export function characterLength(bytes: Uint8Array, at: number, encoding: string): number {
  const byte = bytes[at] ?? 0;
  if (byte < 0x80) return 1;
  if (encoding === 'shift_jis' && (byte === 0x80 || (byte >= 0xa0 && byte <= 0xdf) || byte >= 0xfd)) return 1;
  return encoding === 'euc-jp' && byte === 0x8f ? 3 : 2;
}

interface Piece {
  readonly text: Uint8Array;
  readonly used: number;
}

function ebcdic(bytes: Buffer, encoding: string): Piece {
  // A next-line (0x15) ends a line where these code pages come from.
  return { text: Buffer.from(decodeEbcdic(bytes, encoding).replaceAll('\u0085', '\n'), 'utf8'), used: bytes.length };
}

function utf16(bytes: Buffer, encoding: string, offset: number, last: boolean): Piece {
  let used = bytes.length - (bytes.length % 2);
  const even = Buffer.from(bytes.subarray(0, used));
  if (encoding === 'utf-16be') even.swap16();
  let text = even.toString('utf16le');
  const half = text.charCodeAt(text.length - 1);
  if (!last && half >= 0xd800 && half <= 0xdbff) {
    text = text.slice(0, -1);
    used -= 2;
  }
  const parts: Buffer[] = [];
  if (text.isWellFormed()) parts.push(Buffer.from(text, 'utf8'));
  else {
    let from = 0;
    for (const { index } of text.matchAll(/\p{Surrogate}/gu)) {
      parts.push(Buffer.from(text.slice(from, index), 'utf8'), mark(offset + index * 2));
      from = index + 1;
    }
    parts.push(Buffer.from(text.slice(from), 'utf8'));
  }
  if (last && used < bytes.length) parts.push(mark(offset + used));
  return { text: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts), used: last ? bytes.length : used };
}

function multiByte(bytes: Buffer, encoding: string, offset: number, last: boolean): Piece {
  // No byte below 0x30 is ever the second of a character: from behind the last one the characters are counted.
  let used = bytes.length;
  while (used > 0 && (bytes[used - 1] ?? 0) >= 0x30) used--;
  for (let next = used; next <= bytes.length; next += characterLength(bytes, used, encoding)) used = next;
  if (last) used = bytes.length;
  const piece = bytes.subarray(0, used);
  const text = iconv.decode(piece, encoding, { stripBOM: false });
  if (!text.includes('\ufffd')) return { text: Buffer.from(text, 'utf8'), used };
  const parts: Buffer[] = [];
  for (let at = 0; at < used; ) {
    const length = characterLength(piece, at, encoding);
    const character = iconv.decode(piece.subarray(at, at + length), encoding, { stripBOM: false });
    if (character.includes('\ufffd') || at + length > used) {
      parts.push(mark(offset + at));
      at++;
    } else {
      parts.push(Buffer.from(character, 'utf8'));
      at += length;
    }
  }
  return { text: Buffer.concat(parts), used };
}

function mark(offset: number): Buffer {
  return Buffer.concat([Buffer.of(MARK), Buffer.from(String(offset)), Buffer.of(MARK)]);
}
