// The streaming replication protocol of PostgreSQL with the plugin pgoutput; the one place that uses its library.
import { LogicalReplicationService, type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import { abortable, within } from '../abortable.js';
import type { ServerConnect } from '../config.js';
import { classifyPostgres } from '../dialects/postgres/failures.js';
import { tlsOptions } from '../dialects/shared.js';
import { type Lsn, lsnOf, lsnText } from './lsn.js';

export interface StreamOptions {
  readonly connect: ServerConnect;
  readonly system: string;
  readonly slot: string;
  readonly publication: string;
  /** Transactions that committed before are not sent. */
  readonly from: Lsn;
}

export type Message = Pgoutput.Message;
export type Relation = Pgoutput.MessageRelation;

/** So often the server hears of us: it ends a connection that is silent for `wal_sender_timeout` (60 s). */
const STATUS_MS = 5_000;
// As the other connections read: the text of a value must not depend on how it is read.
const SETTINGS =
  '-c timezone=UTC -c datestyle=ISO,YMD -c intervalstyle=iso_8601 -c bytea_output=hex -c extra_float_digits=1 -c statement_timeout=0 -c idle_in_transaction_session_timeout=0';

/**
 * One replication connection. What arrives waits until it is asked for, and the socket is not read meanwhile. Nothing is confirmed to the server
 * but what `confirm` says.
 */
export class ReplicationStream {
  readonly #service: LogicalReplicationService;
  readonly #plugin: ExactPlugin;
  readonly #waiting: { readonly message: Message; readonly taken: () => void }[] = [];
  #arrival = Promise.withResolvers<void>();
  #confirmed: Lsn;
  #taken = 0;
  #keepalive: { readonly lsn: Lsn; readonly after: number } | undefined;
  #failure: unknown;
  #status: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor({ connect, system, publication, from }: StreamOptions) {
    this.#confirmed = from;
    this.#plugin = new ExactPlugin({ protoVersion: 1, publicationNames: [publication] });
    this.#service = new LogicalReplicationService(
      {
        host: connect.host,
        port: connect.port,
        database: connect.database,
        user: connect.user,
        password: () => connect.password.reveal(),
        ssl: tlsOptions(connect, system) ?? false,
        connectionTimeoutMillis: connect.connect_timeout,
        keepAlive: true,
        application_name: 'signalbox',
        options: SETTINGS,
      },
      // By itself the library confirms what has arrived, which is not yet safe with us.
      { acknowledge: { auto: false, timeoutSeconds: 0 }, flowControl: { enabled: true } },
    );
  }

  /** @throws the four failures */
  static async open(options: StreamOptions, signal: AbortSignal): Promise<ReplicationStream> {
    const stream = new ReplicationStream(options);
    try {
      await abortable(stream.#start(options), AbortSignal.any([signal, AbortSignal.timeout(options.connect.connect_timeout + options.connect.statement_timeout)]));
      return stream;
    } catch (error) {
      await stream.close();
      if (signal.aborted) throw signal.reason;
      throw classifyPostgres(error) ?? error;
    }
  }

  /** The next message, or undefined when none comes within `ms`. @throws the four failures */
  async next(ms: number, signal: AbortSignal): Promise<Message | undefined> {
    if (this.#waiting.length === 0 && this.#failure === undefined && ms > 0) {
      // One for each wait: a promise that outlives them would keep a reaction of every one.
      this.#arrival = Promise.withResolvers();
      const timeout = setTimeout(this.#arrival.resolve, ms);
      try {
        await abortable(this.#arrival.promise, signal);
      } finally {
        clearTimeout(timeout);
      }
    }
    const first = this.#waiting.shift();
    if (first) {
      this.#taken++;
      first.taken();
      return first.message;
    }
    if (this.#failure !== undefined) throw classifyPostgres(this.#failure) ?? this.#failure;
    return undefined;
  }

  /** Everything before it was handed out, as far as it concerns the publication; undefined when the server has not said so yet. */
  get handedOut(): Lsn | undefined {
    return this.#keepalive && this.#taken >= this.#keepalive.after ? this.#keepalive.lsn : undefined;
  }

  /** Everything before it is safe: the server need not keep it. */
  confirm(lsn: Lsn): void {
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    this.#report();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#status);
    for (const { taken } of this.#waiting.splice(0)) taken();
    await within(3_000, this.#service.stop());
  }

  async #start({ slot, from }: StreamOptions): Promise<void> {
    const started = Promise.withResolvers<void>();
    const fail = (error: unknown): void => {
      this.#failure ??= error;
      started.reject(error);
      this.#arrival.resolve();
    };
    started.promise.catch(() => undefined);
    this.#service.on('error', fail);
    this.#service.on('start', () => started.resolve());
    this.#service.on('data', (_, message: Message) => {
      if (this.#closed) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push({ message, taken: resolve });
      this.#arrival.resolve();
      return promise;
    });
    this.#service.on('heartbeat', (lsn, _, shouldRespond) => {
      this.#keepalive = { lsn: lsnOf(lsn), after: this.#plugin.parsed };
      if (shouldRespond) this.#report();
    });
    this.#service.subscribe(this.#plugin, slot, lsnText(from)).then(() => fail(new Error('Connection terminated: the server ended the stream')), fail);
    await started.promise;
    this.#report();
    this.#status = setInterval(() => this.#report(), STATUS_MS).unref();
  }

  #report(): void {
    if (this.#closed || this.#failure !== undefined) return;
    // The library adds one to what it is given. A transaction may begin to commit exactly where the last one ended: with one byte too much it would never be sent again.
    this.#service.acknowledge(lsnText(this.#confirmed - 1n)).catch((error: unknown) => {
      this.#failure ??= error;
      this.#arrival.resolve();
    });
  }
}

/** Values stay the server's text, with all digits. */
class ExactPlugin extends PgoutputPlugin {
  /** Messages so far. */
  parsed = 0;

  override parse(buffer: Buffer): Message {
    const message = super.parse(buffer);
    this.parsed++;
    if (message.tag === 'relation') for (const column of message.columns) column.parser = (text: string) => text;
    return message;
  }
}
