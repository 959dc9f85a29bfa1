import { posix } from 'node:path';
import { failureOf, Misconfigured, TryAgain } from '../contract/index.js';
import { type Entry, type FileSpace, joinPath } from '../files/space.js';
import { type Requests, type SftpClient, SftpStatus, STATUS } from './client.js';

/** Larger requests are split by the library anyway; this is what every server takes in one. */
const CHUNK = 32 * 1024;
/** Requests under way for one upload, so that a distant server does not set the pace. */
const AHEAD = 16;

type Attributes = Parameters<Parameters<Requests['lstat']>[1]>[1];
type Done = (error?: Error | null) => void;

/** Files on an SFTP server (version 3 of the protocol, with the extensions of OpenSSH where they are offered). */
export class Remote implements FileSpace {
  constructor(
    private readonly client: SftpClient,
    private readonly root: string | undefined,
  ) {}

  open(signal: AbortSignal): Promise<void> {
    return this.client.open(signal);
  }

  async list(folder: string, signal: AbortSignal): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for await (const page of this.names(folder, signal)) entries.push(...page);
    return entries;
  }

  async *names(folder: string, signal: AbortSignal): AsyncGenerator<readonly Entry[]> {
    const handle = await this.handle(folder, signal, (requests, path, done) => requests.opendir(path, done));
    try {
      for (;;) {
        // Page by page: a large folder takes long as a whole, each page has the deadline of its own.
        const page = await this.answer(
          folder,
          this.client.request(signal, (requests, done: Parameters<Requests['readdir']>[1]) => requests.readdir(handle, done)),
          STATUS.EOF,
        );
        if (!page) return;
        yield page.filter(({ filename }) => filename !== '.' && filename !== '..').map(({ filename, attrs }) => entryOf(filename, attrs));
      }
    } finally {
      await this.release(handle, signal);
    }
  }

  async stat(path: string, signal: AbortSignal): Promise<Entry | undefined> {
    const at = this.at(path);
    const attributes = await this.answer(
      path,
      this.client.request<Attributes>(signal, (requests, done) => requests.lstat(at, done)),
      STATUS.NO_SUCH_FILE,
    );
    return attributes && entryOf(posix.basename(at), attributes);
  }

  async read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    // The server follows links when it opens.
    if ((await this.stat(path, signal))?.kind !== 'file') return undefined;
    const handle = await this.handle(path, signal, (requests, at, done) => requests.open(at, 'r', done)).catch((error: unknown) => {
      if (failureOf(error)?.code === 'E440') return undefined;
      throw error;
    });
    return handle && this.chunks(handle, path, signal);
  }

  async write(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const handle = await this.handle(path, signal, (requests, at, done) => requests.open(at, 'w', done));
    try {
      for (let from = 0; from < buffer.length; from += CHUNK * AHEAD) {
        const starts = Array.from({ length: Math.min(AHEAD, Math.ceil((buffer.length - from) / CHUNK)) }, (_, index) => from + index * CHUNK);
        await this.answer(
          path,
          Promise.all(starts.map((start) => this.plain(signal, (requests, done) => requests.write(handle, buffer, start, Math.min(CHUNK, buffer.length - start), start, done)))),
        );
      }
      await this.answer(
        path,
        this.plain(signal, (requests, done) => requests.ext_openssh_fsync(handle, done)),
        STATUS.UNSUPPORTED,
      );
    } finally {
      await this.release(handle, signal);
    }
    const size = (await this.stat(path, signal))?.size;
    if (size !== buffer.length) throw new TryAgain('E447', `${path} has ${size ?? 'no'} bytes at the server, ${buffer.length} were sent`);
  }

  async rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal): Promise<'renamed' | 'missing' | 'exists'> {
    const [source, target] = [this.at(from), this.at(to)];
    const attempt = (): Promise<void> =>
      mode === 'replace'
        ? this.plain(signal, (requests, done) => requests.ext_openssh_rename(source, target, done))
        : this.plain(signal, (requests, done) => requests.rename(source, target, done));
    try {
      await attempt();
      return 'renamed';
    } catch (error) {
      if (!(error instanceof SftpStatus)) throw error;
      if (mode === 'replace' && error.status === STATUS.UNSUPPORTED) {
        // Not atomic, but the new file is complete beside it before the old one goes.
        await this.remove(to, signal);
        return this.rename(from, to, 'new', signal);
      }
      if (!(await this.stat(from, signal))) return 'missing';
      // The protocol has no status for "the target is there": servers answer FAILURE.
      if (mode === 'new' && error.status === STATUS.FAILURE && (await this.stat(to, signal))) return 'exists';
      return fail(error, to);
    }
  }

  async remove(path: string, signal: AbortSignal): Promise<void> {
    await this.answer(
      path,
      this.plain(signal, (requests, done) => requests.unlink(this.at(path), done)),
      STATUS.NO_SUCH_FILE,
    );
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    if ((await this.stat(path, signal))?.kind === 'folder') return;
    await this.answer(
      path,
      this.plain(signal, (requests, done) => requests.mkdir(this.at(path), done)),
    );
  }

  /** SFTP cannot ask for it. */
  syncFolder(): Promise<void> {
    return Promise.resolve();
  }

  /** The path as the server is told. */
  private at(path: string): string {
    return this.root === undefined ? path : posix.normalize(joinPath(this.root, path.replace(/^\/+/, '')));
  }

  private handle(
    path: string,
    signal: AbortSignal,
    open: (requests: Requests, at: string, done: (error: Error | null | undefined, handle: Buffer) => void) => void,
  ): Promise<Buffer> {
    return this.answer(
      path,
      this.client.request<Buffer>(
        signal,
        (requests, done) => open(requests, this.at(path), done),
        (handle) => void this.release(handle, AbortSignal.timeout(5_000)),
      ),
    );
  }

  /** Also after an abort: the server has a limit of open handles. */
  private async release(handle: Buffer, signal: AbortSignal): Promise<void> {
    const still = signal.aborted ? AbortSignal.timeout(5_000) : signal;
    await this.plain(still, (requests, done) => requests.close(handle, done)).catch((error: unknown) => {
      // A lost session has closed the handle; anything else shows in what is done with the file next.
      if (!failureOf(error) && !(error instanceof SftpStatus) && !still.aborted) throw error;
    });
  }

  private plain(signal: AbortSignal, send: (requests: Requests, done: Done) => void): Promise<void> {
    return this.client.request<undefined>(signal, (requests, done) => send(requests, (error) => done(error, undefined)));
  }

  private async *chunks(handle: Buffer, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for (let position = 0; ; ) {
        const buffer = Buffer.allocUnsafeSlow(CHUNK);
        const start = position;
        const read = await this.answer(
          path,
          this.client.request<number>(signal, (requests, done) => requests.read(handle, buffer, 0, CHUNK, start, (error, count) => done(error, count))),
          STATUS.EOF,
        );
        if (!read) return;
        position += read;
        yield buffer.subarray(0, read);
      }
    } finally {
      await this.release(handle, signal);
    }
  }

  private answer<T>(path: string, work: Promise<T>): Promise<T>;
  /** Undefined for an answer with the status `expected`. */
  private answer<T>(path: string, work: Promise<T>, expected: number): Promise<T | undefined>;
  private async answer<T>(path: string, work: Promise<T>, expected?: number): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof SftpStatus)) throw error;
      if (error.status === expected) return undefined;
      return fail(error, path);
    }
  }
}

function fail(error: SftpStatus, path: string): never {
  const detail = `${path}: ${error.message}`;
  if (error.status === STATUS.NO_SUCH_FILE) throw new Misconfigured('E440', detail, { cause: error });
  if (error.status === STATUS.PERMISSION_DENIED) throw new Misconfigured('E441', detail, { cause: error });
  throw new TryAgain('E446', detail, { cause: error });
}

function entryOf(name: string, { mode, size, mtime }: Attributes): Entry {
  const type = mode & 0o170000;
  return { name, kind: type === 0o100000 ? 'file' : type === 0o040000 ? 'folder' : type === 0o120000 ? 'link' : 'other', size, modified: String(mtime) };
}
