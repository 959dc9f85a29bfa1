import type { Socket } from 'node:net';
import { type ChannelModel, connect, credentials } from 'amqplib';
import type { Clock, Logger } from '../../adapters/contract/index.js';
import { type AnyFailure, describe, failureOf, Misconfigured, NotConnected } from '../errors.js';
import type { Nodes } from './nodes.js';
import { isTlsRefusal, type TlsFiles, tlsOptions } from './tls.js';
import { abortable, aborted, backOff, interrupted } from './waiting.js';

export interface ConnectionOptions {
  /** `amqp://user:password@host:5672/vhost` or `amqps://…`, one per node of the cluster. */
  readonly urls: readonly string[];
  readonly tls?: TlsFiles;
  readonly clock: Clock;
  readonly log: Logger;
}

/** One connection from its opening to its loss. Nothing of one session is ever used on the next. */
export interface Session {
  readonly model: ChannelModel;
  /** Aborted when the connection is gone, with the reason. */
  readonly lost: AbortSignal;
  /** Why the broker has stopped reading from us (`memory alarm`), undefined when it reads. */
  readonly blocked: string | undefined;
  readonly version: string;
  /** What is sent in this turn of the event loop goes out in few packets: the library would make a system call for each message. */
  gather(): void;
}

const CONNECT_MS = 10_000;
/** For one of several nodes in the first round: the next may answer at once. */
const FIRST_CONNECT_MS = 3_000;
const HEARTBEAT_S = 10;

/**
 * Keeps one AMQP connection: host list, jittered back-off, a new Session after every loss. What lives on a session (channels,
 * consumers, unconfirmed publishes) is its user's business. The recovery built into the client library is not used: it crashes the
 * process when the connection is reset during set-up, knows one host only and restores neither channels nor consumers.
 */
export class BrokerConnection {
  readonly #options: ConnectionOptions;
  readonly #purpose: string;
  readonly #nodes: Nodes;
  readonly #stop = new AbortController();
  #session: Session | undefined;
  #up = Promise.withResolvers<Session>();
  #keeping: Promise<void> | undefined;
  #destroy: (() => void) | undefined;
  #lostAt: number | undefined;
  #problem: string | undefined;

  constructor(options: ConnectionOptions, purpose: string, nodes: Nodes) {
    this.#options = options;
    this.#purpose = purpose;
    this.#nodes = nodes;
  }

  /** Tries every host once; may be called again when it failed. @throws NotConnected, Misconfigured */
  async open(signal: AbortSignal): Promise<void> {
    if (this.#keeping) {
      await this.ready(signal);
      return;
    }
    await this.#connect(signal, CONNECT_MS);
    this.#keeping = this.#keep();
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** What is wrong now, for health. */
  get problem(): string | undefined {
    if (this.#session) return this.#session.blocked;
    const seconds = this.#lostAt === undefined ? undefined : Math.round((this.#options.clock.monotonic() - this.#lostAt) / 1000);
    return seconds === undefined ? 'not connected' : `connection lost ${seconds} s ago${this.#problem ? `: ${this.#problem}` : ''}`;
  }

  /** The session of now, or the next one. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<Session> {
    return this.#session ? Promise.resolve(this.#session) : abortable(this.#up.promise, signal);
  }

  /** Cuts the connection; a new one is made. */
  drop(): void {
    this.#destroy?.();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    const session = this.#session;
    if (session) {
      const cut = new AbortController();
      // A blocked connection never answers the close, nor does one that is lost meanwhile.
      await Promise.race([session.model.close().catch((error: unknown) => this.#note('close', error)), aborted(session.lost), interrupted(this.#options.clock, 2_000, cut.signal)]);
      cut.abort();
      this.#destroy?.();
    }
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { clock, log } = this.#options;
    let attempt = 0;
    while (!this.#stop.signal.aborted) {
      if (this.#session) {
        await aborted(this.#session.lost);
        continue;
      }
      if (await interrupted(clock, backOff(attempt), this.#stop.signal)) return;
      try {
        await this.#connect(this.#stop.signal, attempt === 0 && this.#nodes.several ? FIRST_CONNECT_MS : CONNECT_MS);
        log.info('broker.connected', `RabbitMQ connection for ${this.#purpose} is back`, { attempts: attempt + 1 });
        attempt = 0;
      } catch (error) {
        if (attempt++ === 0 && !this.#stop.signal.aborted) log.warn('broker.unreachable', describe(error), { purpose: this.#purpose });
        this.#problem = describe(error);
      }
    }
  }

  /** One round: every node once, one after the other without a rest. */
  async #connect(signal: AbortSignal, timeout: number): Promise<void> {
    let failure: AnyFailure | undefined;
    for (const url of this.#nodes.order()) {
      signal.throwIfAborted();
      try {
        const attempt = this.#dial(new URL(url), timeout);
        // When the caller gives up first, the connection that comes later must not stay.
        attempt.then((model) => signal.aborted && destroy(model)).catch((error: unknown) => this.#note('connect', error));
        this.#use(await abortable(attempt, signal), url);
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        const next = refusal(error, new URL(url).host);
        this.#nodes.failed(url, describe(next));
        // A refused login says more than an unreachable second host.
        if (failure === undefined || next instanceof Misconfigured) failure = next;
      }
    }
    throw failure ?? new Misconfigured('E511', 'no URL of a RabbitMQ node is given');
  }

  async #dial(url: URL, timeout: number): Promise<ChannelModel> {
    const { tls } = this.#options;
    if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(HEARTBEAT_S));
    const external = tls?.certFile !== undefined && url.username === '';
    return connect(url.href, {
      timeout,
      noDelay: true,
      keepAlive: true,
      clientProperties: { connection_name: `signalbox ${this.#purpose}` },
      ...(external ? { credentials: credentials.external() } : {}),
      ...(tls === undefined || url.protocol !== 'amqps:' ? {} : tlsOptions(tls)),
    });
  }

  #use(model: ChannelModel, url: string): void {
    const lost = new AbortController();
    let blocked: string | undefined;
    let reason: Error | undefined;
    model.on('error', (error) => {
      reason = error;
    });
    model.on('handler-error', (error, event) => this.#options.log.error('broker.handler', `a handler of ${event} threw: ${describe(error)}`));
    model.on('blocked', (why: string) => {
      blocked = `${why.replace(/^low on /, '')} alarm`.trim();
      this.#options.log.warn('broker.blocked', `RabbitMQ stopped reading from us: ${blocked}`);
    });
    model.on('unblocked', () => {
      blocked = undefined;
      this.#options.log.info('broker.unblocked', 'RabbitMQ reads from us again');
    });
    model.on('close', (error) => {
      if (lost.signal.aborted) return;
      // The library only half-closes the socket after missed heartbeats; it would linger until TCP gives up.
      destroy(model);
      this.#session = undefined;
      this.#destroy = undefined;
      this.#up = Promise.withResolvers();
      this.#lostAt = this.#options.clock.monotonic();
      this.#problem = describe(reason ?? error ?? 'closed');
      this.#nodes.lost(url, this.#problem);
      if (!this.#stop.signal.aborted) this.#options.log.warn('broker.lost', `RabbitMQ connection for ${this.#purpose} was lost: ${this.#problem}`);
      lost.abort(new NotConnected('E510', `connection to RabbitMQ was lost: ${this.#problem}`));
    });
    let isGathering = false;
    const session: Session = {
      model,
      gather() {
        const socket = socketOf(model);
        if (isGathering || !socket) return;
        isGathering = true;
        socket.cork();
        // The library hands what was sent to the socket in the next turn.
        setImmediate(() =>
          setImmediate(() => {
            isGathering = false;
            socket.uncork();
          }),
        );
      },
      lost: lost.signal,
      version: model.connection.serverProperties.version,
      get blocked() {
        return blocked;
      },
    };
    this.#destroy = (): void => destroy(model);
    this.#nodes.connected(url);
    this.#session = session;
    this.#up.resolve(session);
  }

  #note(what: string, error: unknown): void {
    this.#options.log.debug('broker.connection', `${what}: ${describe(error)}`);
  }
}

/** Ends the socket at once. */
function destroy(model: ChannelModel): void {
  model.on('error', () => undefined); // nobody else may listen, and without a listener it would end the process
  socketOf(model)?.destroy(new Error('connection was cut by Signalbox'));
}

/** The library has no word for its socket, so this reaches for the stream it keeps. */
function socketOf(model: ChannelModel): Socket | undefined {
  return (model.connection as { readonly stream?: Socket }).stream;
}

function refusal(error: unknown, host: string): AnyFailure {
  const failure = failureOf(error);
  if (failure) return failure;
  const text = describe(error);
  if (isTlsRefusal(error)) return new Misconfigured('E517', `${host}: ${text}`, { cause: error });
  // A virtual host that does not exist or is closed to the user is answered with a close in place of open-ok; the library hides its text.
  if (/ACCESS.REFUSED|NOT.ALLOWED|\b403\b|\b530\b|ConnectionClose/i.test(text)) return new Misconfigured('E511', `${host}: ${text}`, { cause: error });
  return new NotConnected('E510', `${host}: ${text}`, { cause: error });
}
