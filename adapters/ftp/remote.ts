import { posix } from 'node:path';
import { Misconfigured, NotConnected, TryAgain } from '../contract/index.js';
import { sized } from '../files/sized.js';
import { type Entry, type FileSpace, joinPath, splitPath } from '../files/space.js';
import { type Connection, Refused, type Reply } from './client.js';
import { readFacts, readList, readMlsd } from './listing.js';
import type { Pool } from './pool.js';

/** Answers to a command the server does not have (RFC 959). */
const UNKNOWN = new Set([500, 501, 502, 504]);

/** Files on an FTP server (RFC 959, with RFC 2389 and RFC 3659 where they are announced). */
export class Remote implements FileSpace {
  constructor(
    private readonly pool: Pool,
    private readonly root: string | undefined,
  ) {}

  open(signal: AbortSignal): Promise<void> {
    return this.pool.open(signal);
  }

  list(folder: string, signal: AbortSignal): Promise<readonly Entry[]> {
    return this.pool.use(signal, (connection) => this.entries(connection, folder, signal));
  }

  stat(path: string, signal: AbortSignal): Promise<Entry | undefined> {
    return this.pool.use(signal, (connection) => this.entry(connection, path, signal));
  }

  async read(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    const entry = await this.stat(path, signal);
    if (entry?.kind !== 'file') return undefined;
    const chunks = this.pool.read((connection) => this.at(connection, path), signal);
    try {
      // The transfer begins here, so that a file that has gone meanwhile is a result.
      const first = await chunks.next();
      return sized(resumed(first, chunks), entry.size, path);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.pool.use(signal, async (connection) => {
        if (await this.exists(connection, path, signal)) throw await this.failure(connection, path, error.reply, signal);
        return undefined;
      });
    }
  }

  write(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return this.pool.use(signal, async (connection) => {
      try {
        await connection.upload(this.at(connection, path), bytes, signal);
      } catch (error) {
        throw error instanceof Refused ? await this.failure(connection, path, error.reply, signal) : error;
      }
      const size = await this.size(connection, path, signal);
      if (size !== bytes.length) throw new TryAgain('E447', `${path} has ${size ?? 'no'} bytes at the server, ${bytes.length} were sent`);
    });
  }

  /** `new` looks and then renames: the protocol has no rename that fails when the name is taken, and many servers replace. */
  rename(from: string, to: string, mode: 'new' | 'replace', signal: AbortSignal): Promise<'renamed' | 'missing' | 'exists'> {
    return this.pool.use(signal, async (connection) => {
      if (mode === 'new' && (await this.exists(connection, to, signal))) return 'exists';
      const reply = await this.move(connection, from, to, signal);
      if (reply === 'missing' || reply.code < 300) return reply === 'missing' ? reply : 'renamed';
      if (!(await this.exists(connection, to, signal))) throw await this.failure(connection, to, reply, signal);
      return mode === 'new' ? 'exists' : this.swap(connection, from, to, signal);
    });
  }

  async remove(path: string, signal: AbortSignal): Promise<void> {
    await this.pool.use(signal, async (connection) => {
      const reply = await connection.command(`DELE ${this.at(connection, path)}`, signal);
      if (reply.code >= 400 && (await this.exists(connection, path, signal))) throw await this.failure(connection, path, reply, signal);
    });
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.pool.use(signal, async (connection) => {
      const at = this.at(connection, path);
      if (await isFolder(connection, at, signal)) return;
      const reply = await connection.command(`MKD ${at}`, signal);
      if (reply.code >= 400 && !(await isFolder(connection, at, signal))) throw await this.failure(connection, path, reply, signal);
    });
  }

  /** FTP cannot ask for it. */
  syncFolder(): Promise<void> {
    return Promise.resolve();
  }

  /** The path as the server is told, from its root: never one that begins with a space or a dash. */
  private at({ home }: Connection, path: string): string {
    const base = this.root === undefined ? (path.startsWith('/') ? '/' : home) : this.root.startsWith('/') ? this.root : joinPath(home, this.root);
    const whole = posix.normalize(joinPath(base, path.replace(/^\/+/, '')));
    return whole.length > 1 ? whole.replace(/\/+$/, '') : whole;
  }

  private async entries(connection: Connection, folder: string, signal: AbortSignal): Promise<readonly Entry[]> {
    const at = this.at(connection, folder);
    if (connection.features.has('MLST')) {
      try {
        return readMlsd(await connection.list('MLSD', at, signal));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (!UNKNOWN.has(error.reply.code)) throw missingFolder(folder, error.reply);
        connection.features.delete('MLST'); // announced, and not there
      }
    }
    // LIST of a folder that is not there is an empty listing at some servers.
    const entered = await connection.command(`CWD ${at}`, signal);
    if (entered.code >= 400) throw missingFolder(folder, entered);
    // Files with a leading dot need `-a`; some servers take that for the name of a file, and list nothing.
    for (const command of connection.lister === undefined ? ['LIST -a', 'LIST'] : [connection.lister]) {
      const text = await connection.list(command, '', signal).catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        return '';
      });
      if (text.trim() === '') continue;
      connection.lister = command;
      const entries = readList(text);
      if (!entries) throw new Misconfigured('E458', `the listing of ${folder} is neither in the form of Unix nor of DOS: ${JSON.stringify(text.slice(0, 120))}`);
      return entries;
    }
    return [];
  }

  private async entry(connection: Connection, path: string, signal: AbortSignal): Promise<Entry | undefined> {
    const at = this.at(connection, path);
    const name = posix.basename(at);
    if (connection.features.has('MLST')) {
      const reply = await connection.command(`MLST ${at}`, signal);
      const facts = reply.text.split(/\r?\n/).find((line) => line.startsWith(' '));
      if (reply.code < 300 && facts) {
        const entry = readFacts(facts.trimStart());
        return entry ? { ...entry, name } : { name, kind: 'folder', size: 0, modified: '' };
      }
      if (reply.code === 550 || reply.code === 450) return undefined;
    }
    if (at === '/' || ['.', '/'].includes(path)) return (await isFolder(connection, at, signal)) ? { name, kind: 'folder', size: 0, modified: '' } : undefined;
    const entries = await this.entries(connection, splitPath(path).folder, signal);
    return entries.find((entry) => entry.name === name);
  }

  /** Bytes of a file; undefined when it is not there. */
  private async size(connection: Connection, path: string, signal: AbortSignal): Promise<number | undefined> {
    const reply = await connection.command(`SIZE ${this.at(connection, path)}`, signal);
    const size = reply.code === 213 ? /^213[ -]\s*(\d+)/.exec(reply.text)?.[1] : undefined;
    if (size !== undefined) return Number(size);
    return reply.code === 550 ? undefined : (await this.entry(connection, path, signal))?.size;
  }

  private async exists(connection: Connection, path: string, signal: AbortSignal): Promise<boolean> {
    return (await this.size(connection, path, signal)) !== undefined || (await isFolder(connection, this.at(connection, path), signal));
  }

  private async move(connection: Connection, from: string, to: string, signal: AbortSignal): Promise<Reply | 'missing'> {
    const source = await connection.command(`RNFR ${this.at(connection, from)}`, signal);
    if (source.code < 400) return connection.command(`RNTO ${this.at(connection, to)}`, signal);
    if (source.code !== 550 || (await this.exists(connection, from, signal))) throw await this.failure(connection, from, source, signal);
    return 'missing';
  }

  /** For servers that never replace: the old file steps aside, and back when the new one does not get in. It is removed last. */
  private async swap(connection: Connection, from: string, to: string, signal: AbortSignal): Promise<'renamed' | 'missing'> {
    const { folder, name } = splitPath(to);
    const aside = joinPath(folder, `.${name}.replaced.part`);
    await connection.command(`DELE ${this.at(connection, aside)}`, signal);
    await this.move(connection, to, aside, signal);
    const reply = await this.move(connection, from, to, signal);
    if (reply !== 'missing' && reply.code < 300) {
      await connection.command(`DELE ${this.at(connection, aside)}`, signal);
      return 'renamed';
    }
    await this.move(connection, aside, to, signal);
    if (reply === 'missing') return reply;
    throw await this.failure(connection, to, reply, signal);
  }

  /** Servers say "550" for nearly everything, in words of their own: what cannot be read from them is looked at. */
  private async failure(connection: Connection, path: string, { code, text }: Reply, signal: AbortSignal): Promise<Error> {
    const detail = `${path}: ${text}`;
    if (/permission|denied|not (allowed|permitted)|read.?only/i.test(text)) return new Misconfigured('E441', detail);
    if (code === 550 || code === 553) {
      if (/no such|not found|not exist|cannot find/i.test(text)) return new Misconfigured('E440', detail);
      if (!(await isFolder(connection, posix.dirname(this.at(connection, path)), signal))) return new Misconfigured('E440', `the folder of ${detail}`);
      if (code === 553) return new Misconfigured('E441', detail);
    }
    return code === 425 || code === 426 ? new NotConnected('E400', detail) : new TryAgain('E446', detail);
  }
}

async function* resumed(first: IteratorResult<Uint8Array>, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    if (!first.done) yield first.value;
    yield* rest;
  } catch (error) {
    throw error instanceof Refused ? new TryAgain('E446', error.message, { cause: error }) : error;
  } finally {
    await rest.return(undefined);
  }
}

async function isFolder(connection: Connection, at: string, signal: AbortSignal): Promise<boolean> {
  return (await connection.command(`CWD ${at}`, signal)).code < 300;
}

function missingFolder(folder: string, { text }: Reply): Misconfigured {
  return new Misconfigured(/permission|denied|not (allowed|permitted)/i.test(text) ? 'E441' : 'E440', `${folder}: ${text}`);
}
