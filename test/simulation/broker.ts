import { ladderStep, type NotPublishedReason, type OutgoingMessage } from '../../bus/broker.js';
import type { Context } from './context.js';

/** A message that is durable at the broker. */
export interface Stored extends OutgoingMessage {
  /** Its place in the channel; kept when it returns. */
  readonly position: number;
  /** Handed out before and not settled. */
  count: number;
}

/** One consumer at the broker. */
export interface Place {
  readonly session: ServerSession;
  readonly prefetch: number;
  readonly out: Map<number, Stored>;
  /** Takes no more: paused, or leaving. */
  isHeld: boolean;
  readonly hand: (message: Stored) => void;
}

/** One connection as the broker sees it; the client learns of its end later. */
export interface ServerSession {
  isOpen: boolean;
  readonly lost: () => void;
}

export class ServerChannel {
  readonly ready: Stored[] = [];
  readonly places: Place[] = [];
  active: Place | undefined;
  /** On the ladder. */
  readonly delayed = new Set<OutgoingMessage>();

  constructor(
    readonly name: string,
    public singleActive: boolean,
  ) {}

  get unsettled(): number {
    return this.places.reduce((sum, { out }) => sum + out.size, 0);
  }
}

/** The part of the broker that survives Signalbox, and its own restart: what was confirmed. */
export class BrokerServer {
  readonly channels = new Map<string, ServerChannel>();
  readonly sessions = new Set<ServerSession>();
  isUp = true;
  /** Nothing that is published is answered (memory alarm). */
  isBlocked = false;
  /** Everything that is published is refused (length limit). */
  isFull = false;
  #position = 0;
  #lastCommit = 0;
  /** Counts restarts: what was not durable before is gone. */
  #boot = 0;

  constructor(private readonly context: Context) {}

  declare(name: string, singleActive: boolean): void {
    const known = this.channels.get(name);
    if (known) known.singleActive = singleActive;
    else this.channels.set(name, new ServerChannel(name, singleActive));
  }

  /** @param answer called when the outcome is decided, unless it never is: lost with a restart, or the confirm is lost */
  take(name: string, message: OutgoingMessage, delayMs: number, answer: (refused: NotPublishedReason | undefined) => void): void {
    const { scheduler, random, rates } = this.context;
    if (!this.isUp) return;
    if (this.isBlocked) {
      const boot = this.#boot;
      scheduler.after(1_000, undefined, () => {
        if (boot === this.#boot) this.take(name, message, delayMs, answer);
      });
      return;
    }
    const channel = this.channels.get(name);
    if (!channel || this.isFull || random.chance(rates.publishRejected)) {
      answer(channel ? 'rejected' : 'no-route');
      return;
    }
    const boot = this.#boot;
    // Confirmed in the order in which they came, as a log is written.
    this.#lastCommit = Math.max(this.#lastCommit + 0.001, scheduler.now + this.context.latency(0.2, 8));
    scheduler.after(this.#lastCommit - scheduler.now, undefined, () => {
      if (boot !== this.#boot) return;
      if (delayMs > 0) this.#delay(channel, message, ladderStep(delayMs));
      else this.#enqueue(channel, message);
      if (!random.chance(rates.confirmLost)) answer(undefined);
    });
  }

  join(name: string, place: Place): boolean {
    const channel = this.channels.get(name);
    if (!channel || !place.session.isOpen) return false;
    channel.places.push(place);
    this.pump(channel);
    return true;
  }

  leave(channel: ServerChannel, place: Place): void {
    const at = channel.places.indexOf(place);
    if (at < 0) return;
    channel.places.splice(at, 1);
    if (channel.active === place) channel.active = undefined;
    for (const message of [...place.out.values()]) this.#giveBack(channel, message);
    place.out.clear();
    this.pump(channel);
  }

  ack(channel: ServerChannel, place: Place, position: number): void {
    const message = place.out.get(position);
    if (!place.session.isOpen || !message) return;
    place.out.delete(position);
    this.context.note(`broker acked ${channel.name} ${message.id.slice(0, 6)}`);
    this.pump(channel);
  }

  requeue(channel: ServerChannel, place: Place, position: number): void {
    const message = place.out.get(position);
    if (!place.session.isOpen || !message) return;
    place.out.delete(position);
    this.#giveBack(channel, message);
    this.pump(channel);
  }

  /** The broker has found the connection dead. */
  end(session: ServerSession): void {
    if (!session.isOpen) return;
    session.isOpen = false;
    this.sessions.delete(session);
    for (const channel of this.channels.values()) {
      for (const place of [...channel.places]) if (place.session === session) this.leave(channel, place);
    }
    session.lost();
  }

  stop(): void {
    this.isUp = false;
    this.#boot++;
    for (const session of [...this.sessions]) this.end(session);
  }

  start(): void {
    this.isUp = true;
  }

  isEmpty(name: string): boolean {
    const channel = this.channels.get(name);
    return !channel || channel.ready.length + channel.unsettled + channel.delayed.size === 0;
  }

  /** Whether it has a message of this id, ready, handed out or waiting. */
  holds(name: string, id: string): boolean {
    const channel = this.channels.get(name);
    const all = channel ? [channel.ready, channel.delayed, ...channel.places.map(({ out }) => out.values())] : [];
    return all.some((messages) => [...messages].some((message) => message.id === id));
  }

  /** Hands out what can be. */
  pump(channel: ServerChannel): void {
    for (;;) {
      if (channel.ready.length === 0) return;
      const place = this.#taker(channel);
      const message = place && channel.ready.shift();
      if (!place || !message) return;
      place.out.set(message.position, message);
      place.hand({ ...message });
    }
  }

  #taker(channel: ServerChannel): Place | undefined {
    const { places } = channel;
    if (channel.singleActive) {
      channel.active ??= places[0];
      const { active } = channel;
      return active && hasRoom(active) ? active : undefined;
    }
    const free = places.filter(hasRoom);
    return free.length > 0 ? this.context.random.pick(free) : undefined;
  }

  /** At the head, in the order they had. */
  #giveBack(channel: ServerChannel, message: Stored): void {
    message.count++;
    const at = channel.ready.findIndex(({ position }) => position > message.position);
    channel.ready.splice(at < 0 ? channel.ready.length : at, 0, message);
  }

  #enqueue(channel: ServerChannel, { id, headers, body }: OutgoingMessage): void {
    channel.ready.push({ id, headers, body, position: this.#position++, count: 0 });
    this.context.note(`broker stored ${channel.name} ${id.slice(0, 6)} attempt ${String(headers['sb-attempt'] ?? 1)}`);
    this.pump(channel);
  }

  #delay(channel: ServerChannel, message: OutgoingMessage, ms: number): void {
    const { scheduler, random, rates } = this.context;
    this.context.note(`broker stored ${channel.name} ${message.id.slice(0, 6)} attempt ${String(message.headers['sb-attempt'] ?? 1)} for ${ms / 1000} s`);
    const waiting = { ...message };
    channel.delayed.add(waiting);
    const due = (): void => {
      if (!this.isUp) {
        scheduler.after(500, undefined, due);
        return;
      }
      channel.delayed.delete(waiting);
      this.#enqueue(channel, message);
      // At-least-once dead-lettering: the ladder did not see that the channel had it.
      if (random.chance(rates.deadLetteredTwice)) this.#enqueue(channel, message);
    };
    scheduler.after(ms + random.between(0, 200), undefined, due);
  }
}

function hasRoom({ isHeld, out, prefetch }: Place): boolean {
  return !isHeld && out.size < prefetch;
}
