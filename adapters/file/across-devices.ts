import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reached } from '../../bus/failpoint.js';
import type { Calls } from './calls.js';
import { code, missing, renameNew, syncDirectory } from './system-calls.js';

const CHUNK = 256 * 1024;
/** FAT keeps times in steps of two seconds. */
const COARSEST_MS = 2_000;

/**
 * Moves a file to another device: a copy beside its target, made durable, renamed; then the source goes. A crash in between leaves both, and the
 * next attempt finds its copy (same size, time and content) and ends what was begun.
 */
export class AcrossDevices {
  constructor(
    private readonly source: string,
    private readonly target: string,
    private readonly calls: Calls,
    private readonly signal: AbortSignal,
    private readonly progress: (() => void) | undefined,
  ) {}

  /** @throws as the system does, EEXIST among it */
  async copy(mode: 'new' | 'replace'): Promise<'renamed'> {
    const part = join(dirname(this.target), `.${basename(this.target)}.move.part`);
    await this.opened(this.source, constants.O_RDONLY, async (input) => {
      const { mode: rights, mtime, atime } = await this.call(() => input.stat());
      await this.opened(
        part,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
        async (output) => {
          for await (const chunk of this.chunks(input)) await this.call(() => output.writeFile(chunk));
          await this.call(() => output.utimes(atime, mtime));
          await this.call(() => output.sync());
        },
        rights & 0o777,
      );
    });
    reached('file.copied');
    try {
      await this.call(() => (mode === 'replace' ? rename(part, this.target) : renameNew(part, this.target)));
    } catch (error) {
      await this.call(() => unlink(part).catch(missing));
      throw error;
    }
    return this.finish();
  }

  /** The target is the copy of an earlier attempt. */
  async isCopied(): Promise<boolean> {
    const [source, target] = await this.call(() => Promise.all([lstat(this.source), lstat(this.target)]));
    const isSameTime = Math.abs(source.mtimeMs - target.mtimeMs) <= (target.mtimeMs % 1_000 === 0 ? COARSEST_MS : 1);
    if (source.dev === target.dev || !target.isFile() || source.size !== target.size || !isSameTime) return false;
    return this.opened(this.source, constants.O_RDONLY, (one) => this.opened(this.target, constants.O_RDONLY, (other) => this.areEqual(one, other)));
  }

  async finish(): Promise<'renamed'> {
    await this.call(() => syncDirectory(dirname(this.target)));
    reached('file.copy.renamed');
    await this.call(() => unlink(this.source));
    return 'renamed';
  }

  private async areEqual(one: FileHandle, other: FileHandle): Promise<boolean> {
    let at = 0;
    for await (const chunk of this.chunks(one)) {
      const buffer = Buffer.alloc(chunk.length);
      const { bytesRead } = await this.call(() => other.read(buffer, 0, chunk.length, at));
      if (!chunk.equals(buffer.subarray(0, bytesRead))) return false;
      at += chunk.length;
    }
    return true;
  }

  private async *chunks(handle: FileHandle): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(CHUNK);
    for (;;) {
      const { bytesRead } = await this.call(() => handle.read(buffer, 0, CHUNK));
      if (bytesRead === 0) return;
      this.progress?.();
      yield buffer.subarray(0, bytesRead);
    }
  }

  private async opened<T>(path: string, flags: number, use: (handle: FileHandle) => Promise<T>, mode?: number): Promise<T> {
    const handle = await this.calls.run(
      this.signal,
      () => open(path, flags | constants.O_NOFOLLOW, mode),
      (late) => late.close(),
    );
    try {
      return await use(handle);
    } finally {
      // The descriptor is given back also when the share hangs: its close waits in the thread then, nobody waits for it.
      void handle.close().catch((error: unknown) => code(error));
    }
  }

  private call<T>(work: () => Promise<T>): Promise<T> {
    return this.calls.run(this.signal, work);
  }
}
