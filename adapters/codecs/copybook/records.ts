// Records behind their descriptor words (z/OS DFSMS: Using Data Sets, record formats V and VB).

import type { Frame } from '../lines.js';

export interface VariableFrame extends Frame {
  /** The words cannot be right; nothing follows. */
  readonly problem?: string;
}

/** Records of format V, or VB with `blocked`; offset and bytes are those of the record without its word. */
export async function* splitVariable(bytes: AsyncIterable<Uint8Array>, blocked: boolean, longest: number): AsyncGenerator<readonly VariableFrame[]> {
  let rest: Buffer = Buffer.alloc(0);
  let [offset, line, block] = [0, 1, 0];
  const bad = (problem: string): VariableFrame => ({ bytes: Buffer.from(rest.subarray(0, 64)), offset, line, tooLong: false, problem });
  for await (const chunk of bytes) {
    rest = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([rest, chunk]);
    const frames: VariableFrame[] = [];
    while (rest.length >= 4) {
      const [length, zero] = [rest.readUInt16BE(0), rest.readUInt16BE(2)];
      const word = blocked && block === 0 ? 'block' : 'record';
      if (length < 4 || zero !== 0 || (word === 'record' && blocked && length > block)) {
        yield [...frames, bad(`the ${word} descriptor word ${rest.subarray(0, 4).toString('hex')} at byte ${offset + 1} cannot be right; the rest of the file is not read`)];
        return;
      }
      if (word === 'block') {
        block = length - 4;
        [rest, offset] = [rest.subarray(4), offset + 4];
        continue;
      }
      if (length - 4 > longest) {
        yield [...frames, bad(`a record of ${length - 4} bytes at byte ${offset + 1}, more than max_record; the rest of the file is not read`)];
        return;
      }
      if (rest.length < length) break;
      frames.push({ bytes: rest.subarray(4, length), offset: offset + 4, line, tooLong: false });
      if (blocked) block -= length;
      [rest, offset, line] = [rest.subarray(length), offset + length, line + 1];
    }
    if (frames.length > 0) yield frames;
  }
  if (rest.length > 0 || block > 0) yield [bad(`the file ends inside a ${rest.length > 0 ? 'record' : 'block'}`)];
}

/** A record with its word in front; with `blocked` each is a block of its own. Undefined: too long for a word. */
export function withWord(record: Buffer, blocked: boolean): Buffer | undefined {
  if (record.length > 32_752) return undefined;
  const words = Buffer.alloc(blocked ? 8 : 4);
  words.writeUInt16BE(record.length + 4, blocked ? 4 : 0);
  if (blocked) words.writeUInt16BE(record.length + 8, 0);
  return Buffer.concat([words, record]);
}
