import type { Clock, Logger } from '../../adapters/contract/services.js';
import type { Broker, Consumer, Received } from '../broker.js';
import { describe } from '../errors.js';
import { fenceOf, orderKeyOf } from './envelope.js';
import { type LaneEntry, Lanes } from './lanes.js';
import { type Layout, layoutChannels } from './layouts.js';
import type { OrderedChannels } from './ordered-channels.js';

export interface PartitionServices {
  readonly broker: Broker;
  readonly ordered: OrderedChannels;
  readonly clock: Clock;
  readonly log: Logger;
  /** How many processes share the work now. */
  readonly liveNodes: () => number;
}

/** The place of this process at one partition. */
interface Seat {
  readonly channel: string;
  readonly layout: Layout;
  consumer: Consumer | undefined;
  /** Of the last message: while it lasts, this process is the one that is served. */
  session: AbortSignal | undefined;
  fence: Received | undefined;
  isLeaving: boolean;
  /** When it was handed over last; who gets it back at once has nobody to give it to. */
  handedOverAt: number | undefined;
}

/** While an older layout is not finished, perhaps by another node. */
const POLL_MS = 500;
const BALANCE_MS = 5_000;
const KEEP_MS = 60_000;

/**
 * The partitions of one endpoint: all of the oldest layout that is not finished are consumed, each by one process at a time; the next layout follows when
 * all channels before it have been delivered up to their end. Who serves more than its share hands some over: stop, finish, settle, leave, queue again.
 */
export class Partitions {
  readonly lanes: Lanes;
  private readonly seats = new Map<string, Seat>();
  private changed = new AbortController();
  private isPaused = false;
  private isClosing = false;
  /** Ends the wait for what is under way at places that are given up because of a pause. */
  private patience = new AbortController();
  private running: Promise<void> | undefined;
  private balancedAt: number;

  /**
   * @param begin called for the first message of a key, when its turn comes
   * @param foreign called for a message that belongs to no key
   */
  constructor(
    private readonly endpoint: string,
    private readonly prefetch: number,
    private readonly services: PartitionServices,
    begin: (entry: LaneEntry) => void,
    private readonly foreign: (received: Received) => void,
  ) {
    this.lanes = new Lanes(services.clock, prefetch, begin, (channel) => this.settled(channel));
    this.balancedAt = services.clock.monotonic();
  }

  start(signal: AbortSignal): void {
    this.isClosing = false;
    this.patience = new AbortController();
    this.running = this.run(signal);
  }

  /** The layouts may have changed. */
  follow(): void {
    this.changed.abort();
  }

  /**
   * Hands out nothing more, and gives up each place when what is under way there has come to its end: only the end of the stay at the broker brings back, in their
   * order, what was not begun and what comes meanwhile.
   */
  pause(): void {
    this.isPaused = true;
    for (const seat of this.seats.values()) {
      this.leave(seat, this.patience.signal).then(
        () => this.follow(),
        (error: unknown) => this.services.log.warn('partitions-failed', `${seat.channel} could not be left: ${describe(error)}`),
      );
    }
  }

  /** Places that were given up are taken again, each when it is left. */
  resume(): void {
    this.isPaused = false;
    this.follow();
  }

  /** Gives back what is not under way, waits for what is (bounded by `signal`), leaves. To be called before the signal of `start` is aborted. */
  async close(signal: AbortSignal): Promise<void> {
    this.isClosing = true;
    const hurry = (): void => this.patience.abort();
    if (signal.aborted) hurry();
    else signal.addEventListener('abort', hurry, { once: true });
    await Promise.all([...this.seats.values()].map((seat) => this.leave(seat, signal)));
  }

  /** After the signal of `start` was aborted. */
  ended(): Promise<void> {
    return this.running ?? Promise.resolve();
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.changed = new AbortController();
      const turn = AbortSignal.any([signal, this.changed.signal]);
      const wait = await this.turn(signal);
      if (wait !== undefined)
        await this.services.clock.sleep(wait, turn).catch(() => undefined); // go on at once
      else if (!turn.aborted) await new Promise((done) => turn.addEventListener('abort', done, { once: true }));
    }
  }

  /** @returns when to look again; undefined: when something is told to have changed */
  private async turn(signal: AbortSignal): Promise<number | undefined> {
    if (this.isPaused || this.isClosing) return undefined;
    try {
      for (const channel of this.seats.keys()) this.settled(channel);
      const isSettled = await this.advance(signal);
      if (this.seats.size === 0 && isSettled) return undefined;
      await this.balance(signal);
      this.lanes.makeRoom();
      return isSettled ? BALANCE_MS : POLL_MS;
    } catch (error) {
      if (!signal.aborted) this.services.log.warn('partitions-failed', `the partitions of ${this.endpoint} could not be served, trying again: ${describe(error)}`);
      return POLL_MS;
    }
  }

  /** Serves what may be served now. @returns whether that is the newest layout, and nothing older is left */
  private async advance(signal: AbortSignal): Promise<boolean> {
    const { ordered } = this.services;
    const { book } = ordered;
    const layouts = await book.read(this.endpoint);
    const newest = layouts.at(-1);
    if (newest) await ordered.follow(this.endpoint, newest);
    let isLast = true;
    for (const layout of layouts) {
      const isNewest = layout === newest;
      const isFinished = !isNewest && (await book.unfinished(this.endpoint, layout)).length === 0;
      if (isFinished) isLast = (await this.leaveBehind(layout, signal)) && isLast;
      else {
        await this.serve(layout, signal);
        return isNewest && isLast;
      }
    }
    return true;
  }

  private async serve(layout: Layout, signal: AbortSignal): Promise<void> {
    if (layout.partitions === 0) return; // its only channel is consumed by the target itself
    if (!(await this.services.ordered.declareKnown(this.endpoint, layout))) return this.discard(layout, signal);
    const missing = layoutChannels(this.endpoint, layout).filter((channel) => !this.seats.has(channel));
    await Promise.all(
      missing.map((channel) => this.sit({ channel, layout, consumer: undefined, session: undefined, fence: undefined, isLeaving: false, handedOverAt: undefined }, signal)),
    );
  }

  private async sit(seat: Seat, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.seats.set(seat.channel, seat);
    this.lanes.serve(seat.channel);
    try {
      seat.consumer = await this.services.broker.consume(seat.channel, { prefetch: this.prefetch }, (received) => this.take(seat, received));
    } catch (error) {
      this.seats.delete(seat.channel);
      throw error;
    }
    // Meanwhile it was stopped or paused.
    if (signal.aborted || this.isClosing || seat.isLeaving) await this.leave(seat, AbortSignal.abort());
  }

  private take(seat: Seat, received: Received): void {
    if (seat.session !== received.session) {
      seat.session = received.session;
      received.session.addEventListener('abort', () => this.lanes.forget(seat.channel), { once: true });
    }
    const key = orderKeyOf(received.headers);
    if (fenceOf(received.headers) !== undefined) {
      seat.fence?.ack();
      seat.fence = received;
      this.settled(seat.channel);
    } else if (key === undefined) this.foreign(received);
    else this.lanes.add(seat.channel, key, received);
  }

  /** The end of the channel is reached when all before it is settled. */
  private settled(channel: string): void {
    const seat = this.seats.get(channel);
    const { ordered, log } = this.services;
    if (!seat?.fence || seat.isLeaving || seat.fence.session.aborted || this.lanes.count(channel) > 0) return;
    const { fence } = seat;
    seat.fence = undefined;
    const generation = fenceOf(fence.headers) ?? seat.layout.generation;
    ordered.book.finish(this.endpoint, generation, channel).then(
      () => {
        fence.ack();
        this.follow();
      },
      (error: unknown) => {
        // Not acknowledged: it stands at the end of the channel until it can be written down, at a later turn.
        log.warn('partitions-failed', `the end of ${channel} could not be recorded: ${describe(error)}`);
        if (seat.isLeaving || seat.fence) fence.requeue();
        else seat.fence = fence;
      },
    );
  }

  /** Stops serving a finished layout, and removes it when no other process consumes it any more. @returns whether it is removed */
  private async leaveBehind(layout: Layout, signal: AbortSignal): Promise<boolean> {
    const { broker, ordered } = this.services;
    const channels = layout.partitions === 0 ? [] : layoutChannels(this.endpoint, layout);
    if (channels.length > 0 && !(await ordered.declareKnown(this.endpoint, layout))) {
      await this.discard(layout, signal);
      return true;
    }
    for (const channel of channels) {
      // A node that learned of the change too late has published after the end. While this one still may, its place keeps the others from removing the channel.
      if (!ordered.isSettled || (await broker.depth(channel)).ready > 0 || this.lanes.count(channel) > 0) {
        await this.serve(layout, signal);
        return false;
      }
    }
    for (const channel of channels) {
      const seat = this.seats.get(channel);
      if (seat) await this.leave(seat, signal);
    }
    // All or none: a queue must not be made again under the name of one that was removed.
    const depths = await Promise.all(channels.map((channel) => broker.depth(channel)));
    if (depths.some(({ consumers, ready }) => consumers + ready > 0)) return false;
    const removed = await Promise.all(channels.map((channel) => broker.remove(channel)));
    if (!removed.every(Boolean)) return false;
    await ordered.book.forget(this.endpoint, layout);
    return true;
  }

  /** Another process has ended it: what was declared of it since is taken away again. */
  private async discard(layout: Layout, signal: AbortSignal): Promise<void> {
    for (const channel of layoutChannels(this.endpoint, layout)) {
      const seat = this.seats.get(channel);
      if (seat) await this.leave(seat, signal);
      await this.services.broker.remove(channel);
    }
  }

  /** Hands out nothing more; what is not under way goes back in its order, because the whole stay at the broker ends. */
  private async leave(seat: Seat, signal: AbortSignal): Promise<void> {
    seat.isLeaving = true;
    // It is about to take its place, and leaves when it has.
    if (!seat.consumer) return;
    const held = seat.consumer.pause();
    this.lanes.leave(seat.channel);
    seat.fence?.requeue();
    seat.fence = undefined;
    await held;
    await seat.consumer.close(signal);
    if (this.seats.get(seat.channel) === seat) this.seats.delete(seat.channel);
  }

  private async balance(signal: AbortSignal): Promise<void> {
    const { clock, log, liveNodes } = this.services;
    const now = clock.monotonic();
    const nodes = liveNodes();
    if (nodes < 2 || now - this.balancedAt < BALANCE_MS) return;
    this.balancedAt = now;
    const mine = [...this.seats.values()].filter(({ session, isLeaving }) => session && !session.aborted && !isLeaving);
    const surplus = mine.length - Math.ceil(this.seats.size / nodes);
    if (surplus <= 0) return;
    const seats = mine.filter(({ handedOverAt }) => handedOverAt === undefined || now - handedOverAt > KEEP_MS).slice(0, surplus);
    for (const seat of seats) {
      await this.leave(seat, signal);
      await this.sit({ ...seat, consumer: undefined, session: undefined, isLeaving: false, handedOverAt: now }, signal);
      log.debug('partition-handed-over', `${seat.channel} was handed over to another node`);
    }
  }
}
