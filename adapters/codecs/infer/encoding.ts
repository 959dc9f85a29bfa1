import { isUtf8 } from 'node:buffer';
import { decodeText } from '../encodings.js';

export interface InferredEncoding {
  readonly encoding: string;
  /** It follows from the bytes; otherwise a person should look at the umlauts. */
  readonly certain: boolean;
  readonly notes: readonly string[];
}

/** The encoding of the beginning of a file. */
export function inferEncoding(bytes: Uint8Array): InferredEncoding {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const certain = (encoding: string, ...notes: string[]): InferredEncoding => ({ encoding, certain: true, notes });
  if (buffer.length >= 2 && buffer.readUInt16BE(0) === 0xfffe) return certain('utf-16le', 'a byte order mark of UTF-16');
  if (buffer.length >= 2 && buffer.readUInt16BE(0) === 0xfeff) return certain('utf-16be', 'a byte order mark of UTF-16');
  const zeros = [0, 0];
  for (const [at, byte] of buffer.entries()) if (byte === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (odd > buffer.length / 4 && even < odd / 10) return { encoding: 'utf-16le', certain: false, notes: ['every second byte is zero, and there is no byte order mark'] };
  if (even > buffer.length / 4 && odd < even / 10) return { encoding: 'utf-16be', certain: false, notes: ['every second byte is zero, and there is no byte order mark'] };
  if (isEbcdicText(buffer))
    return { encoding: 'cp037', certain: false, notes: ['EBCDIC; the code page of a country (cp273 for Germany, cp1141 with the euro) decides about [ ] { } @ and umlauts'] };
  if (buffer.every((byte) => byte < 0x80)) return certain('utf-8', 'ASCII characters only: any ASCII encoding reads it, an umlaut may come later');
  if (isUtf8(wholeCharacters(buffer))) return certain('utf-8');
  for (const encoding of ['shift_jis', 'euc-jp', 'gbk', 'big5', 'euc-kr']) {
    if (looksAsian(buffer, encoding)) return { encoding, certain: false, notes: ['characters of two bytes; compare some with the original'] };
  }
  const controls = buffer.some((byte) => byte >= 0x80 && byte < 0xa0);
  return {
    encoding: 'windows-1252',
    certain: false,
    notes: [controls ? 'no UTF-8; windows-1252 is most frequent' : 'no UTF-8; windows-1252, iso-8859-1 and iso-8859-15 differ only in signs such as the euro'],
  };
}

/** A sample may end inside a character. */
function wholeCharacters(buffer: Buffer): Buffer {
  let cut = buffer.length;
  while (cut > 0 && buffer.length - cut < 3 && (buffer[cut - 1] ?? 0) >= 0x80 && (buffer[cut - 1] ?? 0) < 0xc0) cut--;
  return (buffer[cut - 1] ?? 0) >= 0xc0 ? buffer.subarray(0, cut - 1) : buffer;
}

/** Letters, digits and spaces of EBCDIC, and few of ASCII. */
function isEbcdicText(buffer: Buffer): boolean {
  let [ebcdic, ascii, common] = [0, 0, 0];
  for (const byte of buffer) {
    const low = byte & 0xf;
    if (byte === 0x40 || (byte >= 0xf0 && byte <= 0xf9) || (byte >= 0x81 && byte <= 0xe9 && low >= 1 && low <= 9)) ebcdic++;
    if (byte === 0x40 || (byte >= 0xf0 && byte <= 0xf9)) common++;
    if (byte === 0x20 || byte === 0x2c || byte === 0x3b || byte === 0x0a || (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a)) ascii++;
  }
  return ebcdic > buffer.length * 0.5 && ebcdic > ascii * 4 && common > buffer.length * 0.1;
}

/** It decodes, and most of what is not ASCII are pairs in a script that such text is made of. */
function looksAsian(buffer: Buffer, encoding: string): boolean {
  let end = buffer.length;
  while (end > 0 && (buffer[end - 1] ?? 0) >= 0x30) end--;
  try {
    const foreign = [...decodeText(buffer.subarray(0, end), encoding)].filter((character) => character.charCodeAt(0) > 0x7f);
    // Kana or Hangul prove their encodings; Han alone needs to be much.
    const script = encoding === 'euc-kr' ? /\p{Script=Hangul}/u : encoding === 'gbk' || encoding === 'big5' ? /\p{Script=Han}/u : /[\p{Script=Hiragana}\u30a0-\u30ff]/u;
    const proof = foreign.filter((character) => script.test(character)).length;
    // Two umlauts side by side are a Han character too.
    const isSparse = (encoding === 'gbk' || encoding === 'big5') && foreign.length * 2 < buffer.length * 0.08;
    return foreign.length >= 4 && !isSparse && proof > foreign.length * (encoding === 'gbk' || encoding === 'big5' ? 0.8 : 0.3);
  } catch {
    // It does not decode: that was the question.
    return false;
  }
}
