// Bytes kept beside the stream, for formats that must be read out of order or checked as a whole before anything of them is used.

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, InvalidMessage, TryAgain } from '../contract/index.js';

const CHUNK = 64 * 1024;

/**
 * A file without a name in the folder for temporary files (TMPDIR): nobody else can open it, and nothing is left of it after a crash.
 * The caller closes it.
 */
export class Spool {
  private constructor(
    private readonly handle: FileHandle,
    readonly size: number,
  ) {}

  /** @throws InvalidMessage E373 for more than `limit` bytes, TryAgain when there is no room, and what `bytes` throws */
  static async of(bytes: AsyncIterable<Uint8Array>, limit: number, source: string): Promise<Spool> {
    const handle = await create();
    try {
      let size = 0;
      for await (const chunk of bytes) {
        size += chunk.length;
        if (size > limit) throw new InvalidMessage('E373', `${source}: there are more than ${limit} bytes`, { place: source });
        await handle.writeFile(chunk).catch(noRoom);
      }
      return new Spool(handle, size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get descriptor(): number {
    return this.handle.fd;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    for (let position = 0; ; ) {
      const buffer = Buffer.allocUnsafeSlow(CHUNK);
      const { bytesRead } = await this.handle.read(buffer, 0, CHUNK, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

async function create(): Promise<FileHandle> {
  const path = join(tmpdir(), `signalbox-${randomBytes(12).toString('hex')}.tmp`);
  const handle = await open(path, 'wx+', 0o600).catch(noRoom);
  try {
    await unlink(path);
  } catch (error) {
    await handle.close();
    return noRoom(error);
  }
  return handle;
}

function noRoom(error: unknown): never {
  throw new TryAgain('E373', `the folder for temporary files ${tmpdir()}: ${describe(error)}`, { cause: error });
}
