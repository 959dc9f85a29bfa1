import { token } from '../adapters/contract/injection.js';
import type { DiagnoseOptions, Diagnosis } from './diagnosis.js';

/**
 * What a broker must do. Two implementations, `embedded/` and `rabbitmq/`, pass one conformance suite (test/kit/broker).
 * Everything here is at-least-once: a message is gone from a channel only after `ack`.
 */
export interface Broker {
  readonly kind: 'embedded' | 'rabbitmq';
  /** Called before anything else, and again when it failed. @throws NotConnected, Misconfigured */
  open(signal: AbortSignal): Promise<void>;
  /** Creates the channel if it is not there. Idempotent. The broker remembers the declarations and repeats them after a reconnect. */
  declare(channel: ChannelSpec): Promise<void>;
  /**
   * Resolves when the message is durable (fsync on one node, confirmed by a quorum on RabbitMQ). May be called concurrently without
   * bound by time, but the caller bounds the number in flight; the broker holds callers back above its window (256).
   * @throws NotPublished: the message is not stored (`rejected`, `no-route`, `too-large`) or may be (`unknown`: publish again with the same id)
   */
  publish(channel: string, message: OutgoingMessage): Promise<void>;
  /**
   * `publish` for many at once, at a fraction of the cost of as many calls; they are given to the broker in this order. `settled` is called once for each
   * place: without an error when that message is durable, else with what `publish` would have thrown. It must not throw.
   */
  publishAll(messages: readonly Addressed[], settled: Settled): void;
  /** Like `publish`, but the message becomes ready only after `delayMs` (±1 s). Survives a restart. Goes to the nearest step of the ladder that is not shorter. */
  publishLater(channel: string, message: OutgoingMessage, delayMs: number): Promise<void>;
  /**
   * Starts a consumer. `onMessage` is called for each message, at most `prefetch` unsettled at a time, in channel order; it must not throw.
   * After a lost connection the broker consumes again by itself; deliveries of the old session then ignore `ack` and come again.
   */
  consume(channel: string, options: ConsumeOptions, onMessage: (received: Received) => void): Promise<Consumer>;
  /** @throws NotConnected */
  depth(channel: string): Promise<ChannelDepth>;
  /** Removes the channel when it is empty and nobody consumes it; false when it was not removed. */
  remove(channel: string): Promise<boolean>;
  /** Connection state now, for health and status. */
  readonly health: BrokerHealth;
  /**
   * Looks at everything the promises above depend on and that others can change. Needs no `open`: then it looks at what lies there and declares nothing.
   * A check that fails is a diagnosis; it does not throw. A simulated broker has nothing to look at.
   * @param channels those that should be there
   */
  diagnose?(channels: readonly ChannelSpec[], options: DiagnoseOptions): Promise<readonly Diagnosis[]>;
  /** Finishes what was published, returns unsettled messages to their channels, closes. Twice is fine. */
  close(): Promise<void>;
}

export const BROKER = token<Broker>('Broker');

export interface ChannelSpec {
  /** `target.erp.orders`. Letters, digits, `.`, `_`, `-`; at most 200 characters. */
  readonly name: string;
  /** Counts up when an immutable property changes; part of the physical name. Default 1. */
  readonly generation?: number;
  /** One active consumer at a time, over all nodes; the next takes over only when nothing of the old one is unsettled. */
  readonly singleActiveConsumer?: boolean;
  /** Above this many ready messages a publish is rejected (back-pressure). Default unlimited. The limit may be overshot by one window. */
  readonly maxMessages?: number;
}

export interface OutgoingMessage {
  readonly id: string;
  readonly headers: MessageHeaders;
  readonly body: Uint8Array;
}

/** A message, and the channel it goes to. */
export interface Addressed {
  readonly channel: string;
  readonly message: OutgoingMessage;
}

export type Settled = (place: number, problem: Error | undefined) => void;

/** Control headers of our own messages. bigint is int64, Uint8Array is binary. */
export type MessageHeaders = Readonly<Record<string, string | number | bigint | boolean | Uint8Array>>;

/** One message in the hands of a consumer. Settled once: a second `ack` or `requeue`, or one after the session was lost, does nothing. */
export interface Received extends OutgoingMessage {
  /** True when it may have been handed out before. */
  readonly redelivered: boolean;
  /** How often it was handed out before and not settled (crash, lost connection, requeue), as far as the broker knows. */
  readonly deliveryCount: number;
  /**
   * The stay at the broker in which it was handed out; one signal for all messages of a stay. Aborted when that has ended (lost connection, closed
   * consumer): what is unsettled is not ours any more, whoever consumes then gets it.
   */
  readonly session: AbortSignal;
  /** Removes it from the channel. Fire and forget: a lost ack means a redelivery. */
  ack(): void;
  /** Puts it back at the head of the channel. Only for shutdown and hand-over, never for retry. */
  requeue(): void;
}

export interface ConsumeOptions {
  readonly prefetch: number;
}

export interface Consumer {
  /** No further messages are handed out; those handed out may still be settled. Used for pause. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /**
   * Hand-over: hand out nothing more, wait until everything handed out is settled (bounded by `signal`), then give up the place.
   * What is still unsettled goes back to the head of the channel.
   */
  close(signal?: AbortSignal): Promise<void>;
  /** Handed out and not settled. */
  readonly unsettled: number;
}

export interface ChannelDepth {
  readonly ready: number;
  readonly unsettled: number;
  /** Waiting on a ladder step for this channel; undefined where the broker cannot say. */
  readonly delayed: number | undefined;
  /** Age of the oldest ready message; undefined when empty or unknown. */
  readonly oldestMs: number | undefined;
  readonly consumers: number;
}

export interface BrokerHealth {
  readonly connected: boolean;
  /** Why not, or what limits it: `memory alarm`, `connection lost 12 s ago`. */
  readonly detail: string | undefined;
  /** The nodes of the cluster that are configured; absent where there is no cluster. */
  readonly nodes?: readonly BrokerNode[];
}

export interface BrokerNode {
  /** `mq1.corp.local:5672`. */
  readonly address: string;
  /** We use it now. */
  readonly connected: boolean;
  /** Why it could not be reached the last time; it may be fine meanwhile when we are connected elsewhere (asked every 15 s). */
  readonly problem: string | undefined;
}

/** Why a publish did not succeed, and what the publisher may conclude. */
export type NotPublishedReason = 'rejected' | 'no-route' | 'too-large' | 'unknown';

export class NotPublished extends Error {
  override readonly name = 'NotPublished';
  readonly reason: NotPublishedReason;
  readonly channel: string;

  constructor(reason: NotPublishedReason, channel: string, detail: string, cause?: unknown) {
    super(`publishing to ${channel}: ${detail}`, cause === undefined ? undefined : { cause });
    this.reason = reason;
    this.channel = channel;
  }
}

/** Both brokers refuse larger messages with `too-large`; the claim check keeps ours far below. RabbitMQ's own default since 4.0. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** The retry ladder: fixed waits, so that a short one never stands behind a long one (no per-message TTL). Milliseconds. */
export const LADDER_MS: readonly number[] = [1_000, 10_000, 60_000, 600_000, 3_600_000, 21_600_000];

/** Headers go into one frame on RabbitMQ; half of it is left to the broker's own. */
const MAX_HEADER_BYTES = 32 * 1024;

/** The step of the ladder a wait goes to: the nearest that is not shorter, else the longest. */
export function ladderStep(delayMs: number): number {
  return LADDER_MS.find((step) => step >= delayMs) ?? Math.max(...LADDER_MS);
}

/** What both brokers refuse before anything is sent. @throws NotPublished `too-large`, RangeError for a header that no broker can carry (a bug) */
export function checkOutgoing(channel: string, message: OutgoingMessage): void {
  if (message.body.byteLength > MAX_MESSAGE_BYTES) {
    throw new NotPublished('too-large', channel, `${message.body.byteLength} bytes are more than ${MAX_MESSAGE_BYTES}`);
  }
  let bytes = message.id.length;
  for (const name in message.headers) {
    const value = message.headers[name];
    if (typeof value === 'bigint' && BigInt.asIntN(64, value) !== value) throw new RangeError(`header ${name} is no 64-bit integer`);
    if (name.length > 80) throw new RangeError(`header name ${name.slice(0, 80)}… is too long`);
    bytes += 16 + name.length + (typeof value === 'string' ? value.length * 3 : value instanceof Uint8Array ? value.byteLength : 8);
  }
  if (bytes > MAX_HEADER_BYTES && headerBytes(message) > MAX_HEADER_BYTES) throw new NotPublished('too-large', channel, `headers are more than ${MAX_HEADER_BYTES} bytes`);
}

/** @throws RangeError for a name that is none (a bug: names are checked with the configuration) */
export function checkChannel(name: string): void {
  if (!/^[A-Za-z0-9._-]{1,200}$/.test(name)) throw new RangeError(`${JSON.stringify(name)} is no channel name`);
}

function headerBytes(message: OutgoingMessage): number {
  const size = (value: string | number | bigint | boolean | Uint8Array): number =>
    typeof value === 'string' ? new TextEncoder().encode(value).byteLength : value instanceof Uint8Array ? value.byteLength : 8;
  return Object.entries(message.headers).reduce((sum, [name, value]) => sum + 16 + size(name) + size(value), size(message.id));
}
