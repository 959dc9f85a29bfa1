// Splits a stream of bytes into lines (LF or CRLF) or into blocks of one length, in bounded memory.

import { KEPT_BYTES } from './codec.js';

export interface Frame {
  /** Without the line end. */
  readonly bytes: Buffer;
  readonly offset: number;
  /** 1 for the first; counts physical lines. */
  readonly line: number;
  /** Longer than allowed; `bytes` has the first 64 KiB. */
  readonly tooLong: boolean;
}

const LF = 0x0a;
const CR = 0x0d;

/** Lines with an empty one between are kept; no line follows the last line end. `ends`: the byte that ends a line, where it is not LF. */
export async function* splitLines(bytes: AsyncIterable<Uint8Array>, longest: number, ends: number = LF): AsyncGenerator<readonly Frame[]> {
  let held: Buffer[] = [];
  let heldLength = 0;
  let [offset, line, length] = [0, 1, 0];
  const frame = (): Frame => {
    const tooLong = length > longest;
    let whole = held.length === 1 && held[0] ? held[0] : Buffer.concat(held);
    if (!tooLong && whole.at(-1) === CR) whole = whole.subarray(0, -1);
    return { bytes: tooLong ? whole.subarray(0, KEPT_BYTES) : whole, offset, line, tooLong };
  };
  for await (const chunk of bytes) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const frames: Frame[] = [];
    for (let at = 0; at < buffer.length; ) {
      const end = buffer.indexOf(ends, at);
      const piece = buffer.subarray(at, end < 0 ? buffer.length : end);
      if (heldLength <= longest) {
        held.push(piece);
        heldLength += piece.length;
      }
      length += piece.length;
      at += piece.length;
      if (end < 0) continue;
      at++;
      frames.push(frame());
      offset += length + 1;
      line++;
      [held, heldLength, length] = [[], 0, 0];
    }
    if (frames.length > 0) yield frames;
  }
  if (length > 0) yield [frame()];
}

/** Blocks of `size` bytes; the last one may be shorter. */
export async function* splitBlocks(bytes: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<readonly Frame[]> {
  let rest: Buffer = Buffer.alloc(0);
  let [offset, line] = [0, 1];
  for await (const chunk of bytes) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    let at = 0;
    const frames: Frame[] = [];
    for (; rest.length - at >= size; at += size) {
      frames.push({ bytes: rest.subarray(at, at + size), offset, line, tooLong: false });
      offset += size;
      line++;
    }
    rest = rest.subarray(at);
    if (frames.length > 0) yield frames;
  }
  if (rest.length > 0) yield [{ bytes: rest, offset, line, tooLong: false }];
}

/** The whole stream, up to `longest` bytes. */
export async function collect(bytes: AsyncIterable<Uint8Array>, longest: number): Promise<Frame> {
  const held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.length;
    held.push(chunk);
    if (length > longest) return { bytes: Buffer.concat(held).subarray(0, KEPT_BYTES), offset: 0, line: 1, tooLong: true };
  }
  return { bytes: Buffer.concat(held), offset: 0, line: 1, tooLong: false };
}
