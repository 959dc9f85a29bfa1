import { posix } from 'node:path';
import { failureOf, Misconfigured, TryAgain } from '../contract/index.js';
import { Flow } from '../files/flow.js';
import { sized } from '../files/sized.js';
import { type Entry, type FileSpace, joinPath, splitPath } from '../files/space.js';
import { type Requests, type SftpClient, SftpStatus, STATUS } from './client.js';

/** Larger requests are split by the library anyway; this is what every server takes in one. */
const CHUNK = 32 * 1024;
/** Requests under way for one upload, so that a distant server does not set the pace. */
const AHEAD = 16;
/** What is held of one folder. */
const MOST_ENTRIES = 500_000;
/** More answers than this without a new name are a server that goes round in a circle. */
const MOST_REPEATED = 8;

/** What a server tells of a file: any of it may be missing (draft-ietf-secsh-filexfer-02 section 5). */
interface Attributes {
  readonly mode?: number;
  readonly size?: number;
  readonly mtime?: number;
}
type Done = (error?: Error | null) => void;

/** Files on an SFTP server (version 3 of the protocol, with the extensions of OpenSSH where they are offered). */
export class Remote implements FileSpace {
  /** One at a time after an upload went wrong: some servers lose requests that are under way together. */
  private ahead = AHEAD;

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
      const seen = new Set(['.', '..']);
      for (let repeated = 0; ; ) {
        // Page by page: a large folder takes long as a whole, each page has the deadline of its own.
        const page = await this.answer(
          folder,
          this.client.request(signal, (requests, done: Parameters<Requests['readdir']>[1]) => requests.readdir(handle, done)),
          STATUS.EOF,
        );
        if (!page) return;
        const fresh = page.filter(({ filename }) => !seen.has(filename));
        for (const { filename } of fresh) seen.add(filename);
        repeated = fresh.length > 0 ? 0 : repeated + 1;
        if (repeated > MOST_REPEATED || seen.size > MOST_ENTRIES) {
          throw new TryAgain('E459', `${folder} still listed after ${seen.size - 2} entries, the last ${repeated} answers without a new one`);
        }
        yield fresh.map(({ filename, longname, attrs }) => {
          const entry = entryOf(filename, attrs, longname);
          // A name that is a path is no file of the folder, whatever the server says.
          return filename === '' || /[/\\]/.test(filename) ? { ...entry, kind: 'other' } : entry;
        });
      }
    } finally {
      await this.release(handle, signal);
    }
  }

  async stat(path: string, signal: AbortSignal): Promise<Entry | undefined> {
    const at = this.at(path);
    try {
      return entryOf(posix.basename(at), await this.client.request<Attributes>(signal, (requests, done) => requests.lstat(at, done)));
    } catch (error) {
      if (!(error instanceof SftpStatus)) throw error;
      if (error.status === STATUS.NO_SUCH_FILE) return undefined;
      if (error.status !== STATUS.FAILURE || at === '/') return fail(error, path);
      // Some servers have no other word for a file that is not there: its folder knows.
      const { folder, name } = splitPath(path);
      return (await this.list(folder, signal)).find((entry) => entry.name === name);
    }
  }

  async read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    // The server follows links when it opens.
    const entry = await this.stat(path, signal);
    if (entry?.kind !== 'file') return undefined;
    const handle = await this.opened(path, signal).catch((error: unknown) => {
      if (failureOf(error)?.code === 'E440') return undefined;
      throw error;
    });
    return handle && sized(this.chunks(handle, path, signal), entry.size, path);
  }

  async write(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const handle = await this.handle(path, signal, (requests, at, done) => requests.open(at, 'w', done));
    try {
      const { ahead } = this;
      for (let from = 0; from < buffer.length; from += CHUNK * ahead) {
        const starts = Array.from({ length: Math.min(ahead, Math.ceil((buffer.length - from) / CHUNK)) }, (_, index) => from + index * CHUNK);
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
    } catch (error) {
      this.ahead = 1;
      throw error;
    } finally {
      await this.release(handle, signal);
    }
    const size = await this.size(path, signal);
    if (size === buffer.length) return;
    this.ahead = 1;
    throw new TryAgain('E447', `${path} has ${size ?? 'no'} bytes at the server, ${buffer.length} were sent`);
  }

  async rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal): Promise<'renamed' | 'missing' | 'exists'> {
    if (mode === 'replace') return this.replace(from, to, signal);
    // A plain rename must fail when the name is taken, but there are servers that replace: looking first leaves them only a moment for it.
    if (await this.stat(to, signal)) return (await this.stat(from, signal)) ? 'exists' : 'missing';
    const refused = await this.move(from, to, signal);
    if (!refused) return 'renamed';
    if (!(await this.stat(from, signal))) return 'missing';
    // The protocol has no status for "the target is there": most servers answer FAILURE.
    if (await this.stat(to, signal)) return 'exists';
    return this.refused(refused, to, signal);
  }

  async remove(path: string, signal: AbortSignal): Promise<void> {
    try {
      await this.plain(signal, (requests, done) => requests.unlink(this.at(path), done));
    } catch (error) {
      if (!(error instanceof SftpStatus)) throw error;
      if (error.status !== STATUS.NO_SUCH_FILE && (await this.stat(path, signal))) fail(error, path);
    }
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    // A link may lead to a folder; whether it does shows in what is put there.
    const isThere = async (): Promise<boolean> => ['folder', 'link'].includes((await this.stat(path, signal))?.kind ?? '');
    if (await isThere()) return;
    const made = this.plain(signal, (requests, done) => requests.mkdir(this.at(path), done));
    await this.answer(path, made).catch(async (error: unknown) => {
      // Someone else made it meanwhile.
      if (failureOf(error)?.code !== 'E446' || !(await isThere())) throw error;
    });
  }

  /** SFTP cannot ask for it. */
  syncFolder(): Promise<void> {
    return Promise.resolve();
  }

  /** In one step where the server can; elsewhere the old file steps aside, and back when the new one does not get in. It is removed last. */
  private async replace(from: string, to: string, signal: AbortSignal): Promise<'renamed' | 'missing'> {
    const refused = await this.move(from, to, signal, 'posix');
    if (!refused) return 'renamed';
    if (!(await this.stat(from, signal))) return 'missing';
    // Servers without the extension may replace with a plain rename, or have nothing to replace.
    const plain = await this.move(from, to, signal);
    if (!plain) return 'renamed';
    if (!(await this.stat(to, signal))) return this.refused(plain, to, signal);
    const { folder, name } = splitPath(to);
    const aside = joinPath(folder, `.${name}.replaced.part`);
    await this.remove(aside, signal);
    const stuck = await this.move(to, aside, signal);
    if (stuck) return fail(stuck, to);
    const again = await this.move(from, to, signal);
    if (again) {
      await this.move(aside, to, signal);
      return fail(again, to);
    }
    await this.remove(aside, signal);
    return 'renamed';
  }

  /** @returns what the server said against it */
  private async move(from: string, to: string, signal: AbortSignal, how?: 'posix'): Promise<SftpStatus | undefined> {
    const [source, target] = [this.at(from), this.at(to)];
    try {
      await this.plain(signal, (requests, done) => (how === 'posix' ? requests.ext_openssh_rename(source, target, done) : requests.rename(source, target, done)));
      return undefined;
    } catch (error) {
      if (error instanceof SftpStatus) return error;
      throw error;
    }
  }

  private async refused(status: SftpStatus, path: string, signal: AbortSignal): Promise<never> {
    if (!(await this.stat(splitPath(path).folder, signal))) throw new Misconfigured('E440', `the folder of ${path} does not exist`, { cause: status });
    return fail(status, path);
  }

  /** Where the server does not tell the size of a file, its bytes are counted. */
  private async size(path: string, signal: AbortSignal): Promise<number | undefined> {
    const entry = await this.stat(path, signal);
    if (!entry || entry.size >= 0) return entry?.size;
    let size = 0;
    for await (const chunk of this.chunks(await this.opened(path, signal), path, signal)) size += chunk.length;
    return size;
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

  private opened(path: string, signal: AbortSignal): Promise<Buffer> {
    return this.handle(path, signal, (requests, at, done) => requests.open(at, 'r', done));
  }

  /** One request at a time: what every server can. */
  private async *chunks(handle: Buffer, path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const flow = new Flow();
    try {
      for (let position = 0; ; ) {
        const buffer = Buffer.allocUnsafeSlow(CHUNK);
        const start = position;
        const answer = this.client.request<number>(signal, (requests, done) => requests.read(handle, buffer, 0, CHUNK, start, (error, count) => done(error, count)));
        const read = await this.answer(path, flow.asking(answer), STATUS.EOF);
        if (!read) return;
        flow.came(read);
        if (flow.stalled(this.client.timeout)) throw this.client.giveUp();
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

function entryOf(name: string, { mode, size, mtime }: Attributes, line = ''): Entry {
  return { name, kind: kindOf(mode, line), size: size ?? -1, modified: String(mtime ?? '') };
}

/** Without a mode, the first letter of the line that is meant for people tells the kind; without both it is taken for a file. */
function kindOf(mode: number | undefined, line: string): Entry['kind'] {
  if (mode === undefined) return line.startsWith('d') ? 'folder' : line.startsWith('l') ? 'link' : /^[bcps]/.test(line) ? 'other' : 'file';
  const type = mode & 0o170000;
  return type === 0o100000 ? 'file' : type === 0o040000 ? 'folder' : type === 0o120000 ? 'link' : 'other';
}
