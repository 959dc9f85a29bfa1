import { connect as connectSocket, type Socket } from 'node:net';
import SftpLibrary from 'ssh2-sftp-client';
import { describe, failureOf, Misconfigured, NotConnected } from '../contract/index.js';
import { ALGORITHMS, LEGACY } from './algorithms.js';
import { type ConnectOptions, legacyNow } from './config.js';
import { fingerprintOf, keyTypeOf } from './host-keys.js';

type Connected = Awaited<ReturnType<SftpLibrary['connect']>>;
/** The SFTP requests themselves: the library's own wrappers add listeners per call and hide status codes. */
export type Requests = Connected;

/** The server answered a request with a status other than OK (draft-ietf-secsh-filexfer-02 section 7). */
export class SftpStatus extends Error {
  override readonly name = 'SftpStatus';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export const STATUS = { EOF: 1, NO_SUCH_FILE: 2, PERMISSION_DENIED: 3, FAILURE: 4, UNSUPPORTED: 8 } as const;

interface Session {
  readonly requests: Requests;
  readonly socket: Socket;
  /** Rejects each request that waits for an answer. */
  readonly waiting: Set<(error: NotConnected) => void>;
  dead: boolean;
}

/**
 * One session with one server, opened when it is needed and shared by all endpoints of the system. Requests may be under way at the same
 * time; each has a deadline, and one that passes ends the session: a server that is silent once is not trusted to wake up.
 */
export class SftpClient {
  private session: Session | undefined;
  private opening: Promise<Session> | undefined;
  private hadSession = false;

  constructor(
    private readonly options: ConnectOptions,
    private readonly now: () => Date = () => new Date(),
  ) {}

  get isOpen(): boolean {
    return this.session?.dead === false;
  }

  /** @throws NotConnected, Misconfigured (host key, login, algorithms) */
  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.session && !this.session.dead) return;
    this.opening ??= this.connect(signal).finally(() => {
      this.opening = undefined;
    });
    try {
      this.session = await this.opening;
    } catch (error) {
      // Another endpoint began to connect and gave up before it was done: that is its own affair.
      if (signal.aborted || failureOf(error)) throw error;
      return this.open(signal);
    }
  }

  /**
   * One request. `late` gets the value when nobody waits for it any more (a handle that must be closed).
   * @throws SftpStatus, NotConnected, or the signal's reason
   */
  request<T>(signal: AbortSignal, send: (requests: Requests, done: (error: Error | null | undefined, value: T) => void) => void, late?: (value: T) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal.throwIfAborted();
      const session = this.session;
      if (!session || session.dead) throw new NotConnected('E400', `${this.place} is not connected`);
      let waits = true;
      const end = (settle: () => void): void => {
        waits = false;
        clearTimeout(timer);
        session.waiting.delete(lost);
        signal.removeEventListener('abort', aborted);
        settle();
      };
      const lost = (error: NotConnected): void => end(() => reject(error));
      const aborted = (): void => end(() => reject(signal.reason));
      const timer = setTimeout(() => {
        const error = new NotConnected('E445', `${this.place} gave no answer within ${this.options.timeout} ms`);
        end(() => reject(error));
        this.drop(session, error);
      }, this.options.timeout);
      session.waiting.add(lost);
      signal.addEventListener('abort', aborted, { once: true });
      try {
        send(session.requests, (error, value) => {
          if (!waits) {
            if (!error) late?.(value);
          } else end(() => (error ? reject(this.translate(error)) : resolve(value)));
        });
      } catch (error) {
        // The library throws at once what the server does not offer.
        end(() => reject(new SftpStatus(STATUS.UNSUPPORTED, describe(error))));
      }
    });
  }

  get timeout(): number {
    return this.options.timeout;
  }

  /** Ends the session: what is read from it comes too slowly. */
  giveUp(): NotConnected {
    const error = new NotConnected('E445', `${this.place} made no progress within ${this.options.timeout} ms`);
    if (this.session) this.drop(this.session, error);
    return error;
  }

  close(): void {
    const closed = new NotConnected('E400', `the connection to ${this.place} was closed`);
    if (this.session) this.drop(this.session, closed);
    this.session = undefined;
    // One that is being opened is closed when it is there; its failure belongs to whoever opened it.
    void this.opening?.then(
      (session) => this.drop(session, closed),
      () => undefined,
    );
  }

  private get place(): string {
    return `${this.options.host}:${this.options.port}`;
  }

  private drop(session: Session, error: NotConnected): void {
    session.dead = true;
    session.socket.destroy();
    for (const lost of session.waiting) lost(error);
  }

  private async connect(signal: AbortSignal): Promise<Session> {
    const { host, port, user, key, passphrase, agent, password, connect_timeout, keepalive } = this.options;
    const agentSocket = process.env['SSH_AUTH_SOCK'];
    if (agent && !agentSocket) throw new Misconfigured('E480', `${this.place}: SSH_AUTH_SOCK does not name the socket of an agent`);
    // Without noDelay each request waits 40 ms for the acknowledgement of the one before.
    const socket = connectSocket({ host, port, noDelay: true });
    let socketError: Error | undefined;
    socket.on('error', (error) => {
      socketError = error;
    });
    const problems: Error[] = [];
    const library = new SftpLibrary('signalbox', { error: (error) => void (Error.isError(error) && problems.push(error as Error)) });
    let shown: Buffer | undefined;
    const stop = (): void => void socket.destroy();
    signal.addEventListener('abort', stop, { once: true });
    const late = setTimeout(stop, connect_timeout);
    try {
      const requests = await Promise.race([
        library.connect({
          sock: socket,
          username: user,
          ...(key ? { privateKey: key.reveal() } : {}),
          ...(passphrase ? { passphrase: passphrase.reveal() } : {}),
          ...(agent && agentSocket ? { agent: agentSocket } : {}),
          ...(password ? { password: password.reveal() } : {}),
          hostVerifier: (hostKey: Buffer): boolean => {
            shown = hostKey;
            return this.isPinned(hostKey);
          },
          algorithms: this.algorithms(),
          readyTimeout: connect_timeout,
          keepaliveInterval: keepalive,
          keepaliveCountMax: 3,
        }),
        new Promise<never>((_, fail) => socket.once('close', () => fail(new Error('the connection was closed')))),
      ]);
      this.hadSession = true;
      const session: Session = { requests, socket, waiting: new Set(), dead: false };
      const lost = (): void => this.drop(session, new NotConnected('E400', `the connection to ${this.place} was lost`, { cause: socketError }));
      socket.once('close', lost);
      requests.once('close', lost);
      if (socket.destroyed) lost();
      return session;
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      throw this.refused([...(socketError ? [socketError] : []), ...(Error.isError(error) ? [error as Error] : []), ...problems], shown);
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', stop);
    }
  }

  private refused(causes: readonly Error[], shown: Buffer | undefined): Error {
    const text = causes.map((cause) => cause.message).join('; ');
    const cause = causes[0];
    const { host_key: pinned, legacy } = this.options;
    if (shown && !this.isPinned(shown))
      return new Misconfigured('E442', `host key of ${this.place}: expected ${pinned.join(' or ')}, got ${fingerprintOf(shown)} (${keyTypeOf(shown)})`);
    if (/agent/i.test(text) && this.options.agent && !/authentication methods failed/i.test(text)) return new Misconfigured('E480', `${this.place}: ${text}`, { cause });
    if (/authentication methods failed|parse privateKey|passphrase|private key/i.test(text)) {
      return new Misconfigured('E443', `${this.place} refused the login of ${this.options.user}`, { cause });
    }
    if (/no matching/i.test(text)) {
      const over = legacy && this.legacy().size === 0 ? `; \`legacy\` ended on ${legacy.until}` : '';
      return new Misconfigured('E448', `${this.place}: ${text}${over}`, { cause });
    }
    // A server that had SFTP before has it still, only no room for another session.
    if (shown && !this.hadSession && /unable to start subsystem|unable to exec|channel open failure/i.test(text) && !/resource shortage/i.test(text)) {
      return new Misconfigured('E448', `${this.place} offers no SFTP: ${text}`, { cause });
    }
    return new NotConnected('E400', `${this.place}: ${text || `no connection within ${this.options.connect_timeout} ms`}`, { cause });
  }

  private isPinned(hostKey: Buffer): boolean {
    return this.options.host_key.some((pinned) => pinned.replace(/=$/, '') === fingerprintOf(hostKey));
  }

  private legacy(): ReadonlySet<string> {
    return legacyNow(this.options, this.now());
  }

  private algorithms() {
    const extra = this.legacy();
    const of = <A extends string, B extends string>(good: readonly A[], weak: readonly B[]): (A | B)[] => [...good, ...weak.filter((name) => extra.has(name))];
    return {
      kex: of(ALGORITHMS.kex, LEGACY.kex),
      serverHostKey: of(ALGORITHMS.serverHostKey, LEGACY.serverHostKey),
      cipher: of(ALGORITHMS.cipher, LEGACY.cipher),
      hmac: of(ALGORITHMS.hmac, LEGACY.hmac),
    };
  }

  private translate(error: Error): Error {
    if ('code' in error && typeof error.code === 'number' && error.code !== 6 && error.code !== 7) return new SftpStatus(error.code, error.message);
    return new NotConnected('E400', `the connection to ${this.place} was lost`, { cause: error });
  }
}
