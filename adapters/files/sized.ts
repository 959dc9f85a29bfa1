import { TryAgain } from '../contract/index.js';

/** The chunks of a file, and a failure instead of a clean end when there were fewer bytes than the server said, or more. A negative size is none. */
export async function* sized(chunks: AsyncIterable<Uint8Array>, size: number, path: string): AsyncGenerator<Uint8Array> {
  let came = 0;
  for await (const chunk of chunks) {
    came += chunk.length;
    yield chunk;
  }
  if (size >= 0 && came !== size) throw new TryAgain('E456', `${path} has ${size} bytes as the server says, ${came} came`);
}
