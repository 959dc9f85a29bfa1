import { readFileSync } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { Client, FTPError, parseList } from 'basic-ftp';
import { describe, Misconfigured, NotConnected, TryAgain } from '../contract/index.js';
import { Flow } from '../files/flow.js';
import { type ConnectOptions, portOf } from './config.js';

/** What the server said to one command. */
export interface Reply {
  readonly code: number;
  readonly text: string;
}

/** The server answered a transfer with a failure (RFC 959 section 4.2). */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly reply: Reply;

  constructor(reply: Reply) {
    super(reply.text);
    this.reply = reply;
  }
}

/** Longest listing that is taken: more than 500,000 names. */
const LONGEST_LISTING = 64 * 1024 * 1024;
const PIECE = 64 * 1024;

/**
 * One connection with one server, logged in, for one command or transfer at a time. A deadline that passes, an abort and every failure but a plain answer
 * of the server close it: what the server would say next could not be told apart.
 */
export class Connection {
  /** Upper-case names of what the server announced (RFC 2389). */
  readonly features = new Set<string>();
  /** The form of LIST that this server shows everything with; undefined until one is known to. */
  lister: string | undefined;
  /** Folder the login starts in. */
  home = '/';
  protocol: string | undefined;
  private readonly client: Client;
  private closed = false;

  private constructor(private readonly options: ConnectOptions) {
    this.client = new Client(options.timeout, { allowSeparateTransferHost: false, maxListingBytes: LONGEST_LISTING });
    if (options.names === 'latin1') this.client.ftp.encoding = 'latin1';
    this.toControlHost();
  }

  /** @throws NotConnected, Misconfigured (TLS, certificate, login) */
  static async open(options: ConnectOptions, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(options);
    try {
      await connection.guard(signal, options.connect_timeout, () => connection.logIn());
      return connection;
    } catch (error) {
      connection.close();
      throw error instanceof Refused ? new NotConnected('E400', `${connection.place}: ${error.message}`, { cause: error }) : error;
    }
  }

  get dead(): boolean {
    return this.closed || this.client.closed;
  }

  /** Any answer is a result. @throws NotConnected, or the signal's reason */
  async command(text: string, signal: AbortSignal): Promise<Reply> {
    const reply = await this.guard(signal, this.options.timeout, () => this.client.sendIgnoringError(text));
    if (reply.code === 421) this.close();
    if (reply.code === 421 || reply.code === 530) throw new NotConnected('E400', `${this.place}: ${reply.message}`);
    return { code: reply.code, text: reply.message };
  }

  /** The text of a listing. @throws Refused, NotConnected, TryAgain (E459) */
  async list(command: string, path: string, signal: AbortSignal): Promise<string> {
    let text = '';
    this.client.availableListCommands = [command];
    this.client.parseList = (raw) => {
      text = raw;
      return [];
    };
    await this.guard(signal, this.options.timeout * 10, () => this.client.list(path));
    return text;
  }

  /** @throws Refused, NotConnected */
  async upload(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    let moved = 0;
    const pieces = function* (): Generator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += PIECE) {
        moved = at;
        yield bytes.subarray(at, at + PIECE);
      }
      moved = bytes.length;
    };
    let before = -1;
    await this.guard(
      signal,
      this.options.timeout,
      () => this.client.uploadFrom(Readable.from(pieces(), { objectMode: false, highWaterMark: PIECE }), path),
      () => {
        const progress = moved !== before;
        before = moved;
        return progress;
      },
    );
  }

  /** The bytes of a file from a position on. Ending it before its end closes the connection. @throws Refused, NotConnected */
  async *download(path: string, from: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const pass = new PassThrough({ highWaterMark: 4 * PIECE });
    const flow = new Flow();
    const ended = this.guard(
      signal,
      this.options.timeout,
      () => this.client.downloadTo(pass, path, from),
      () => flow.progress(this.options.timeout),
    ).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    let complete = false;
    try {
      const chunks = pass[Symbol.asyncIterator]();
      for (;;) {
        // A transfer that fails destroys the stream or ends it early: `ended` says why, and that it did.
        const { value, done } = await flow.asking(chunks.next()).catch(() => ({ value: undefined, done: true as const }));
        if (done) break;
        const chunk = value as Uint8Array;
        flow.came(chunk.length);
        yield chunk;
      }
      const failure = await ended;
      if (failure) throw failure.error;
      complete = true;
    } catch (error) {
      complete = error instanceof Refused;
      throw error;
    } finally {
      if (!complete) this.close();
    }
  }

  close(): void {
    this.closed = true;
    this.client.close();
  }

  private get place(): string {
    return `${this.options.host}:${portOf(this.options)}`;
  }

  private async logIn(): Promise<void> {
    const { host, user, password, tls, names } = this.options;
    const say = (text: string): Promise<unknown> => this.client.sendIgnoringError(text);
    const secure = tls === 'off' ? {} : this.secure();
    if (tls === 'implicit') await this.client.connectImplicitTLS(host, portOf(this.options), secure);
    else await this.client.connect(host, portOf(this.options));
    if (tls === 'explicit') await this.must(this.client.useTLS(secure), 'E458', 'refuses TLS (AUTH TLS)');
    const { socket } = this.client.ftp;
    this.protocol = 'getProtocol' in socket ? (socket.getProtocol() ?? undefined) : undefined;
    if (names === 'utf-8') await say('OPTS UTF8 ON');
    await this.must(this.client.login(user, password.reveal()), 'E443', `refused the login of ${user}`);
    for (const name of (await this.client.features()).keys()) this.features.add(name.toUpperCase());
    await this.client.send('TYPE I');
    await say('STRU F');
    if (names === 'utf-8') await say('OPTS UTF8 ON'); // some servers take it only after the login
    if (this.features.has('MLST')) await say('OPTS MLST type;size;modify;');
    if (tls !== 'off') {
      await say('PBSZ 0');
      await this.must(this.client.send('PROT P'), 'E458', 'refuses encrypted transfers (PROT P)');
    }
    const { message } = await this.client.sendIgnoringError('PWD');
    this.home = /"((?:[^"]|"")+)"/.exec(message)?.[1]?.replaceAll('""', '"') ?? '/';
  }

  private secure() {
    const { host, ca, servername } = this.options;
    try {
      return { host, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca: readFileSync(ca, 'utf8') }), ...(servername === undefined ? {} : { servername }) };
    } catch (cause) {
      throw new Misconfigured('E457', `the CA file ${ca} cannot be read: ${describe(cause)}`, { cause });
    }
  }

  /** A step that is answered with a failure for good, unless the server only has no room at the moment. */
  private async must(step: Promise<unknown>, code: 'E443' | 'E458', words: string): Promise<void> {
    try {
      await step;
    } catch (error) {
      if (!(error instanceof FTPError) || error.code < 500 || /too many|max(imum)?\b|try (again )?later/i.test(error.message)) throw error;
      throw new Misconfigured(code, `${this.place} ${words}: ${error.message}`, { cause: error });
    }
  }

  /** Transfers go to the host of the commands, whatever address the server names: behind a NAT it is wrong, from a hostile server it is an attack. */
  private toControlHost(): void {
    const { ftp } = this.client;
    const request = ftp.request.bind(ftp);
    ftp.request = async (command) => {
      const reply = await request(command);
      const host = ftp.socket.remoteAddress?.replace(/^::ffff:/i, '');
      if (command !== 'PASV' || !host?.includes('.')) return reply;
      return { ...reply, message: reply.message.replace(/\d+,\d+,\d+,\d+(?=,\d+,\d+)/, host.replaceAll('.', ',')) };
    };
  }

  /** Ends the work at the abort, and after `ms` unless `goesOn` says that it has moved. */
  private async guard<T>(signal: AbortSignal, ms: number, work: () => Promise<T>, goesOn: () => boolean = () => false): Promise<T> {
    signal.throwIfAborted();
    if (this.closed) throw new NotConnected('E400', `the connection to ${this.place} was lost`);
    let isLate = false;
    let stop = (): void => undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = () => {
        this.close();
        reject(new Error('stopped'));
      };
    });
    const timer = setInterval(() => {
      if (goesOn()) return;
      isLate = true;
      stop();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([work(), stopped]);
    } catch (error) {
      const failure = isLate ? new NotConnected('E445', `${this.place} made no progress within ${ms} ms`, { cause: error }) : this.translate(error);
      if (!(failure instanceof Refused)) this.close();
      signal.throwIfAborted();
      throw failure;
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  private translate(error: unknown): Error {
    if (error instanceof Misconfigured) return error;
    if (error instanceof FTPError) {
      // 425, 426: the server and the client may not agree about what follows.
      if (![421, 425, 426, 530].includes(error.code)) return new Refused({ code: error.code, text: error.message });
      return new NotConnected('E400', `${this.place}: ${error.message}`, { cause: new Refused({ code: error.code, text: error.message }) });
    }
    const text = describe(error);
    const code = Error.isError(error) && 'code' in error ? String(error.code) : '';
    if (/CERT|SELF_SIGNED|ISSUER/.test(code)) return new Misconfigured('E457', `${this.place}: ${text}`, { cause: error });
    if (/^(ERR_SSL|EPROTO)/.test(code)) return new Misconfigured('E458', `${this.place} does not speak TLS here: ${text}`, { cause: error });
    if (/Maximum bytes exceeded/.test(text))
      return new TryAgain('E459', `${this.place} listed a folder with more than ${LONGEST_LISTING / 1024 ** 2} MiB of names`, { cause: error });
    if (/\bTimeout\b/.test(text)) return new NotConnected('E445', `${this.place} made no progress within ${this.options.timeout} ms`, { cause: error });
    return new NotConnected('E400', `${this.place}: ${text}`, { cause: error });
  }
}

/** One line of LIST in a form the library knows; undefined when it does not. */
export function readListLine(line: string): ReturnType<typeof parseList>[number] | undefined {
  try {
    return parseList(line)[0];
  } catch {
    return undefined; // neither Unix nor DOS
  }
}
