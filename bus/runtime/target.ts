import type { Outbound } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { Broker, Consumer, Received } from '../broker.js';
import { describe, failureOf, kindOf } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Store } from '../store/contract.js';
import type { OnUnknown } from './call-record.js';
import { causeOf } from './dead-letter.js';
import { deadline } from './deadline.js';
import { DeliveryJournal } from './delivery-journal.js';
import { Effect, type Made } from './effect.js';
import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import { channelOf, decodeDelivery, fenceOf, isNudge, type QueuedDelivery, withAttempt } from './envelope.js';
import { LaneEntry } from './lanes.js';
import { LAST_MS, Link } from './link.js';
import { OrderKeeper, withTrouble } from './order-keeper.js';
import type { OrderedChannels } from './ordered-channels.js';
import { Outage } from './outage.js';
import { Parking } from './parking.js';
import { Partitions } from './partitions.js';
import type { DurablePublisher } from './publisher.js';
import { retryDelay } from './retry.js';
import { settledWithin } from './settled-within.js';
import { Suspects } from './suspects.js';
import type { Telemetry } from './telemetry.js';
import type { Nodes, Routing } from './tokens.js';
import type { WatchedLink } from './watchdog.js';

export interface TargetServices {
  readonly broker: Broker;
  readonly publisher: DurablePublisher;
  readonly store: Store;
  readonly routing: Routing;
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  readonly node: string;
  readonly nodes: Nodes;
  readonly ordered: OrderedChannels;
}

export interface TargetConfig {
  readonly name: string;
  readonly parallel: number;
  /** Deliveries made are remembered in the ledger; not needed where the target records them itself. */
  readonly usesLedger: boolean;
  /** Channels its ordered deliveries are spread over; 8 when absent. */
  readonly partitions?: number;
  /** What follows when nobody knows whether a delivery was made; `resend` when absent. */
  readonly onUnknown?: OnUnknown;
  /** After so long a call has no effect any more. */
  readonly longestCallMs?: number;
  /** A call that takes much longer hangs, and is left behind; undefined when its adapter does not say how long it may take. */
  readonly callLimitMs?: number;
}

/** Handed out this often, a message is handled alone and every beginning is noted: it may kill the process that handles it. */
const SUSPECT_COUNT = 3;
/** So often begun as a suspect without an end, it is set aside. */
const POISON_COUNT = 4;
const STORE_RETRY_MS = 5_000;
/** Of each partition, so that many keys are at hand. */
const PARTITION_PREFETCH = 64;
const LONGEST_CALL_MS = 60_000;

/**
 * Delivers the channels of one outbound endpoint: at most `parallel` at a time, each settled exactly once (delivered, later attempt, dead letter, parked). A lost
 * link holds everything in place and counts as no attempt.
 */
export class Target {
  private readonly health: EndpointHealth;
  private readonly outage: Outage;
  private readonly link: Link;
  private readonly journal: DeliveryJournal;
  private readonly suspects: Suspects;
  private readonly log: Logger;
  private readonly partitions: Partitions;
  private readonly keeper: OrderKeeper;
  private readonly queue: Received[] = [];
  private readonly channel: string;
  private readonly onUnknown: OnUnknown;
  private readonly effect: Effect;
  private stopping = new AbortController();
  private consumer: Consumer | undefined;
  /** The last work on each delivery id: the same delivery may come twice (publish of unknown outcome, lost session). */
  private readonly underWay = new Map<string, Promise<void>>();
  private active = 0;
  private isAlone = false;
  private isPaused = false;

  constructor(
    outbound: Outbound,
    private readonly config: TargetConfig,
    private readonly services: TargetServices,
  ) {
    const { name, usesLedger, onUnknown = 'resend', longestCallMs = LONGEST_CALL_MS } = config;
    this.onUnknown = onUnknown;
    this.channel = channelOf(name);
    this.health = new EndpointHealth(name, 'outbound', services.clock.now().getTime());
    this.log = services.log.with({ endpoint: name });
    this.outage = new Outage(services.clock.random);
    this.link = new Link(outbound, name, this.health, this.outage, services, this.log);
    this.journal = new DeliveryJournal({ name, usesLedger, onUnknown }, services, this.log);
    this.suspects = new Suspects(name, services.store.endpointState);
    const take = (received: Received): void => this.take(received);
    const { broker, ordered, clock, nodes, store } = services;
    this.partitions = new Partitions(name, PARTITION_PREFETCH, { broker, ordered, clock, log: this.log, liveNodes: () => nodes.liveNodes() }, take, take);
    const parking = new Parking(name, store, this.journal, () => clock.now().getTime());
    this.effect = new Effect({ name, onUnknown, longestCallMs }, this.link, this.journal, this.health, this.outage, services);
    this.keeper = new OrderKeeper({ name, onUnknown }, this.effect, parking, this.journal, this.health, this.outage, this.link, { ...services, log: this.log });
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
  }

  /** For the watchdog. */
  get watched(): WatchedLink {
    const { link, config } = this;
    return { isOpen: link.isOpen, oldestCallMs: link.oldestCallMs, limitMs: config.callLimitMs, giveUp: (reason) => link.giveUp(reason) };
  }

  async start(): Promise<void> {
    this.stopping = new AbortController();
    this.link.start(this.stopping.signal);
    this.partitions.start(this.stopping.signal);
    if (!this.isPaused) await this.consume();
  }

  /** Its ordered channels may be others now. */
  follow(): void {
    this.partitions.follow();
  }

  async pause(): Promise<void> {
    this.isPaused = true;
    this.health.setPaused(true);
    this.partitions.pause();
    this.returnQueued();
    await this.consumer?.pause();
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    this.health.setPaused(false);
    this.link.tryNow();
    this.partitions.resume();
    if (this.consumer) await this.consumer.resume();
    else await this.consume();
  }

  /** Takes nothing new, finishes what is under way within `drainMs`; the rest goes back to its channel. */
  async stop(drainMs: number): Promise<void> {
    using drained = deadline(this.services.clock, drainMs);
    const closing = Promise.all([this.partitions.close(drained.signal), this.consumer?.close(drained.signal)]);
    // What waits for a dead link or for a free place goes back at once.
    this.returnQueued();
    if (!this.link.isOpen) this.stopping.abort(new Error('stopping'));
    await closing;
    this.stopping.abort(new Error('stopping'));
    this.consumer = undefined;
    const ended = await settledWithin(LAST_MS, Promise.all([this.link.ended(), this.partitions.ended(), ...this.underWay.values()]), this.services.clock);
    if (!ended) this.log.warn('stop-late', `a call of ${this.config.name} does not heed its signal and was left behind`);
    await this.link.close();
  }

  private async consume(): Promise<void> {
    this.consumer = await this.services.broker.consume(this.channel, { prefetch: Math.max(16, this.config.parallel * 4) }, (received) => this.take(received));
  }

  private take(received: Received): void {
    this.queue.push(received);
    this.next();
  }

  private next(): void {
    while (!this.stopping.signal.aborted) {
      const isSuspect = (this.queue[0]?.deliveryCount ?? 0) >= SUSPECT_COUNT;
      if (this.active >= (isSuspect || this.isAlone || this.outage.isOn ? 1 : this.config.parallel)) return;
      const received = this.queue.shift();
      if (!received) return;
      if (received instanceof LaneEntry && !received.begin()) continue;
      this.begin(received, isSuspect);
    }
  }

  private begin(received: Received, isSuspect: boolean): void {
    const { id } = received;
    this.active++;
    this.isAlone = isSuspect;
    const before = this.underWay.get(id) ?? Promise.resolve();
    const work = before
      .then(() => this.handle(received, isSuspect))
      .finally(() => {
        if (this.underWay.get(id) === work) this.underWay.delete(id);
        this.active--;
        this.isAlone = false;
        this.next();
      });
    this.underWay.set(id, work);
  }

  private returnQueued(): void {
    for (const received of this.queue.splice(0)) received.requeue();
  }

  /** Never rejects: whatever happens, the message is settled or stays unsettled and comes again. */
  private async handle(received: Received, isSuspect: boolean): Promise<void> {
    const { signal } = this.stopping;
    try {
      // While it waits for its target, it cannot be what ends the process.
      if (isSuspect && isDelivery(received)) await this.link.opened(AbortSignal.any([signal, received.session]));
      const begun = isSuspect ? await this.journal.durably(() => this.suspects.begin(received.id), signal) : 0;
      await this.settle(received, begun, signal);
    } catch (error) {
      if (!signal.aborted && !received.session.aborted) {
        this.log.error('settle-failed', `a delivery to ${this.config.name} could not be settled and will come again: ${describe(error)}`, { delivery_id: received.id });
        if (received instanceof LaneEntry) received.later(STORE_RETRY_MS);
        else await this.services.clock.sleep(STORE_RETRY_MS, signal).catch(() => undefined); // aborted: it goes back at once
      }
      if (!(received instanceof LaneEntry) || received.phase === 'busy') received.requeue();
    }
    if (isSuspect) await this.suspects.end(received.id).catch((error: unknown) => this.log.debug('suspect-kept', describe(error)));
  }

  private async settle(received: Received, begun: number, signal: AbortSignal): Promise<void> {
    reached('target.begin');
    const ended = fenceOf(received.headers);
    if (ended !== undefined) return this.finish(received, ended, signal);
    const entry = received instanceof LaneEntry ? received : undefined;
    if (entry && isNudge(entry.headers)) {
      if (await this.keeper.admit(entry, signal)) entry.ack();
      return;
    }
    let queued: QueuedDelivery;
    try {
      queued = decodeDelivery(received);
    } catch (error) {
      await this.journal.foreign(received, error, signal);
      received.ack();
      return;
    }
    if (begun >= POISON_COUNT) {
      const cause = { code: 'E502', reason: `handed out ${received.deliveryCount} times without an end` };
      await (entry ? this.keeper.giveUp(entry, queued, cause, undefined, signal) : this.bury(received, queued, cause));
    } else if (!entry) await this.conclude(received, queued, await this.effect.make(received, queued, signal), signal);
    else await this.inOrder(entry, queued, signal);
  }

  private async inOrder(entry: LaneEntry, first: QueuedDelivery, signal: AbortSignal): Promise<void> {
    if (await this.keeper.wasSkipped(entry, first, signal)) return this.ack(entry);
    if (await this.keeper.yielded(entry, first, signal)) return;
    if (!(await this.keeper.admit(entry, signal))) return;
    const queued = withTrouble(first, entry);
    const made = await this.effect.make(entry, queued, signal, entry.session);
    if (made.kind === 'open' || made.kind === 'failed') await this.keeper.failed(entry, queued, made, signal);
    else this.ack(entry);
  }

  private async conclude(received: Received, queued: QueuedDelivery, made: Made, signal: AbortSignal): Promise<void> {
    if (made.kind === 'failed') return this.failed(received, queued, made, signal);
    if (made.kind === 'open') await this.journal.parked(received, queued, { code: 'E580', reason: made.reason }, signal);
    this.ack(received);
  }

  private ack(received: Received): void {
    reached('target.ack.before');
    received.ack();
    reached('target.ack.given');
  }

  /** A layout of the channels ends here: what was handed out before it must be settled before the next one begins. */
  private async finish(received: Received, generation: number, signal: AbortSignal): Promise<void> {
    await Promise.allSettled([...this.underWay].filter(([id]) => id !== received.id).map(([, work]) => work));
    await this.journal.durably(() => this.services.ordered.book.finish(this.config.name, generation, this.channel), signal);
    received.ack();
    this.follow();
  }

  private async failed(received: Received, queued: QueuedDelivery, { error, isUnknown, remainingMs }: Extract<Made, { kind: 'failed' }>, signal: AbortSignal): Promise<void> {
    const { routing, clock, publisher } = this.services;
    const failure = failureOf(error);
    if (!failure || (!isUnknown && kindOf(failure) !== 'try-again')) {
      await this.bury(received, queued, causeOf(error), error);
      return;
    }
    const policy = routing.handler.retry(queued.route, queued.rule);
    const { attempt } = queued.delivery;
    if (this.outage.failed(received.id)) {
      this.log.warn('target-failed', `${this.config.name} fails for every message: ${describe(error)}; no attempt counts until one succeeds`, { code: failure.code });
    }
    const counts = !this.outage.isOn;
    const now = (): number => clock.now().getTime();
    if (isUnknown && (this.onUnknown === 'park' || (counts && attempt >= policy.attempts))) {
      this.health.brokeDown(error, now(), 'whether it was delivered is not known, it is parked');
      const ofAttempts = this.onUnknown === 'park' ? '' : ` (attempt ${attempt} of ${policy.attempts})`;
      await this.journal.parked(received, queued, { code: this.onUnknown === 'park' ? 'E580' : 'E581', reason: `${describe(error)}${ofAttempts}` }, signal);
      received.ack();
    } else if (counts && attempt >= policy.attempts) {
      this.health.brokeDown(error, now(), `given up after attempt ${attempt}, it is in the dead letters`);
      await this.bury(received, queued, { code: failure.code, reason: `${describe(error)} (attempt ${attempt} of ${policy.attempts})` }, error);
      return;
    } else {
      // An answer that was lost may be to a request that is still worked on: whoever asks too early hears that it is not there.
      const waitMs = Math.max(retryDelay(policy, attempt, 'afterMs' in failure ? failure.afterMs : undefined, clock.random), remainingMs);
      reached('target.retry.before');
      await publisher.publish(this.channel, withAttempt(received, counts ? attempt + 1 : attempt), Number.POSITIVE_INFINITY, signal, waitMs);
      reached('target.retry.published');
      const at = now();
      const next = `${counts ? `attempt ${attempt} of ${policy.attempts}` : 'no message succeeds, so this attempt does not count'}, next ${new Date(at + waitMs).toISOString()}`;
      const detail = `${describe(error)}; ${isUnknown ? 'whether it was delivered is not known, it is verified; ' : ''}${next}`;
      await this.journal.append(this.journal.event(queued, 'retry', at, { code: failure.code, detail, attempt }), signal);
      reached('target.retry.history.written');
      received.ack();
      this.health.brokeDown(error, at, next);
    }
    if (!counts && this.link.isOpen) this.link.reopen(failure);
  }

  private async bury(received: Received, queued: QueuedDelivery, cause: { readonly code: string; readonly reason: string }, error?: unknown): Promise<void> {
    await this.journal.dead(received, queued, cause, error, this.stopping.signal);
    received.ack();
  }
}

/** The others are words among ourselves, which no target gets. */
function isDelivery({ headers }: Received): boolean {
  return fenceOf(headers) === undefined && !isNudge(headers);
}
